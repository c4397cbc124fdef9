"""Strict JSON: what is refused, where it stands, and that nothing hangs or crashes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.intake.json_text import MAX_VALUES, UnreadableJson, read_file, read_json

LIMIT = 10_485_760


def refusal(content: bytes) -> UnreadableJson:
    with pytest.raises(UnreadableJson) as caught:
        read_json(content)
    return caught.value


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": [1, -2.5, true, null, "x"]}', {"a": [1, -2.5, True, None, "x"]}),
        (b"\xef\xbb\xbf[]", []),
        ("\u2003".encode().join((b'"', b'"')), "\u2003"),
        (rb'"\ud83d\ude00"', "😀"),
        (b" \r\n\t7 ", 7),
        (b"1" * 308, int("1" * 308)),
        (b'"' + b"[" * 1000 + b'"', "[" * 1000),
        (b"[" * 100 + b"]" * 100, None),
    ],
)
def test_json_is_read(content: bytes, value: Any) -> None:
    found = read_json(content)

    assert value is None or found == value


@pytest.mark.parametrize(
    ("content", "pointer", "line", "column", "words"),
    [
        (b'{"a": 1,\n "a": 2}', "/a", 2, 2, "stands twice"),
        (b'{"a": 1, "\\u0061": 2}', "/a", 1, 10, "stands twice"),
        (b'[1, {"b": NaN}]', "/1/b", 1, 11, "no JSON number"),
        (b"[Infinity]", "/0", 1, 2, "no JSON number"),
        (b"[-Infinity]", "/0", 1, 2, "no JSON number"),
        (b'{"a": 1e999}', "/a", 1, 7, "too large"),
        (b"[" + b"9" * 309 + b"]", "/0", 1, 2, "309 digits"),
        (rb'{"a~/b": "\ud800"}', "/a~0~1b", 1, 10, "half a character"),
        (rb'["\udc00\ud800"]', "/0", 1, 2, "half a character"),
        (rb'{"\ud800": 1}', "", 1, 2, "half a character"),
        (b'{"a": nope}', "/a", 1, 7, "no JSON"),
        (b'{"a": "x\ny"}', "/a", 1, 9, "no JSON"),
        (b'{"a": 1} {', "/a", 1, 10, "Extra data"),
        (b"[" * 101 + b"]" * 101, "/0/0/0/0/0/0/0/0", 1, 101, "nested more than 100"),
    ],
)
def test_a_refusal_names_the_place(content: bytes, pointer: str, line: int, column: int, words: str) -> None:
    error = refusal(content)

    assert words in error.message
    assert error.pointer == pointer
    assert (error.problem.line, error.problem.column) == (line, column)
    assert error.exit_code == 7
    assert not error.unfinished


@pytest.mark.parametrize(
    ("content", "words", "line", "column"),
    [
        (b'{"a":\n "\xff"}', "0xff at offset 8", 2, 3),
        (b"\xef\xbb\xbf\xc0", "0xc0 at offset 3", 1, 4),
        (b'"\xed\xa0\x80"', "0xed at offset 1", 1, 2),
        ('{"a": 1}'.encode("utf-16"), "UTF-16", None, None),
        ('{"a": 1}'.encode("utf-16-be"), "UTF-16", None, None),
        ('{"a": 1}'.encode("utf-16-le"), "UTF-16", None, None),
        ('{"a": 1}'.encode("utf-32"), "UTF-16 or UTF-32", None, None),
    ],
)
def test_only_utf_8_is_read(content: bytes, words: str, line: int | None, column: int | None) -> None:
    error = refusal(content)

    assert words in error.message
    assert (error.problem.line, error.problem.column) == (line, column)
    assert "UTF-8" in error.cause


@pytest.mark.parametrize(
    "whole", [b'{"title": "na\xc3\xafve \\u00e9", "n": [-1.5e3, true, null]}', b'["\\ud83d\\ude00", 12]']
)
def test_every_beginning_of_a_file_is_known_to_be_unfinished(whole: bytes) -> None:
    read_json(whole)

    for end in range(len(whole)):
        assert refusal(whole[:end]).unfinished, whole[:end]


@pytest.mark.parametrize(
    "content", [b'{"a": 1}}', b"{'a': 1}", b'{"a": 1,}', b'{"a" 1, "b": 2}', b'{"a": 1}\n{"b": 2}']
)
def test_what_no_more_bytes_can_mend_is_not_called_unfinished(content: bytes) -> None:
    assert not refusal(content).unfinished


def _many_keys() -> bytes:
    return b"{" + b",".join(b'"%x":0' % number for number in range(1_000_000)) + b"}"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("nested_100_000_deep", b"[" * 100_000 + b"]" * 100_000, "nested"),
        ("nested_10_million_deep", b"[" * (LIMIT - 1), "keys and values"),
        ("a_million_keys", _many_keys(), "keys and values"),
        ("a_10_mb_integer", b'{"a": ' + b"9" * (LIMIT - 10) + b"}", "digits"),
        ("a_10_mb_exponent", b'{"a": 1e' + b"9" * (LIMIT - 10) + b"}", "too large"),
        ("five_million_numbers", b"[" + b"1," * 5_000_000 + b"1]", "keys and values"),
        ("escapes_without_end", b'"\\' * (LIMIT // 2), "ends midway"),
        ("a_string_without_end", b'"' + b'\\"' * (LIMIT // 2 - 2), "ends midway"),
        ("closing_brackets", b"]" * LIMIT, "no JSON"),
        ("blanks", b" " * LIMIT, "empty"),
        ("zero_bytes", b"\0" * LIMIT, "UTF-16"),
    ],
)
def test_hostile_sizes_are_refused(name: str, content: bytes, words: str) -> None:
    assert words in refusal(content).message, name


def test_commas_within_texts_are_no_values() -> None:
    text = "," * (MAX_VALUES + 1)

    assert read_json(f'["{text}"]'.encode()) == [text]


def test_the_size_is_looked_at_before_the_file_is_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(1 << 40)  # a terabyte that takes no room: reading it would never end
    fd = os.open(huge, os.O_RDONLY)

    with pytest.raises(UnreadableJson, match=r"1,099,511,627,776 bytes; 10,485,760 are the most"):
        read_file(fd)
    os.close(fd)


def test_a_file_of_exactly_the_limit_is_read_and_a_byte_more_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"x" * 100)
    fd = os.open(path, os.O_RDONLY)

    assert read_file(fd, max_bytes=100) == b"x" * 100
    os.lseek(fd, 0, os.SEEK_SET)
    with pytest.raises(UnreadableJson, match="100 bytes; 99"):
        read_file(fd, max_bytes=99)
    os.close(fd)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_invalid_input(content: bytes) -> None:
    try:
        read_json(content)
    except InvalidInput as error:
        error.message.encode()


@given(st.text(alphabet='{}[]",:\\u0123456789deE+-.tfnrulasNI \n\ud800', max_size=60))
def test_nothing_that_looks_like_json_raises_anything_but_invalid_input(text: str) -> None:
    try:
        read_json(text.encode("utf-8", "surrogatepass"))
    except InvalidInput as error:
        error.message.encode()
        error.pointer.encode()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'{"n": NaN}', "NaN"),
        (b'{"n": -Infinity}', "-Infinity"),
        (b'{"n": 1e999}', "1e999"),
        (b'{"title": 1, "title": 2}', '"title"'),
        (b'["' + rb"\ud800" + b'"]', rb'"\ud800"'.decode()),
        (b"", "the end"),
    ],
)
def test_what_was_found_is_shown(text: bytes, found: str) -> None:
    with pytest.raises(UnreadableJson) as caught:
        read_json(text)

    assert caught.value.problem.found == found
    assert caught.value.problem.fix
