"""Redaction: no secret is left in what is kept, however it is written and wherever a stream is cut."""

from __future__ import annotations

import base64
import html
import json
import shlex
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamos_tasks.model.tool import ToolResult
from dreamos_tasks.tools.redaction import MARK, Redactor
from tests.tools.conftest import Workshop

FEW_LETTERS = st.text("abc", max_size=40)  # secrets overlap each other and themselves
SECRETS = st.lists(st.text("abc", min_size=1, max_size=5), min_size=1, max_size=3)
ANY_SECRET = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="[]\0"), min_size=4, max_size=30
).filter(lambda text: bool(text.strip()))
TOKEN = 'p4ss/w"ord+ä&=<'


@given(text=FEW_LETTERS, secrets=SECRETS)
def test_no_secret_is_left(text: str, secrets: list[str]) -> None:
    redacted = Redactor(secrets).text(text)

    assert not any(secret in redacted.replace(MARK, "|") for secret in secrets)


@given(text=FEW_LETTERS, secrets=SECRETS)
def test_what_is_no_secret_stays(text: str, secrets: list[str]) -> None:
    redacted = Redactor(secrets).text(f"x{text}y")

    blanked = {
        place
        for secret in secrets
        for start in range(len(text))
        if text.startswith(secret, start)
        for place in range(start, start + len(secret))
    }
    kept = "".join(letter for place, letter in enumerate(text) if place not in blanked)
    assert redacted.replace(MARK, "") == f"x{kept}y"


@given(text=FEW_LETTERS, secrets=SECRETS, cuts=st.lists(st.integers(0, 40)))
def test_a_stream_is_blanked_like_the_whole_wherever_it_is_cut(text: str, secrets: list[str], cuts: list[int]) -> None:
    stream = text.encode()
    places = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    redactor = Redactor(secrets)

    passed = [redactor.feed(stream[start:stop]) for start, stop in pairwise(places)]
    whole = b"".join(passed) + redactor.rest()

    assert whole.decode() == Redactor(secrets).text(text)


@given(secret=ANY_SECRET, size=st.integers(1, 7))
def test_a_secret_of_any_letters_is_found_in_pieces_of_any_size(secret: str, size: int) -> None:
    stream = f"before {secret} after".encode()
    redactor = Redactor([secret])

    passed = b"".join(redactor.feed(stream[place : place + size]) for place in range(0, len(stream), size))

    assert secret.strip() not in (passed + redactor.rest()).decode().replace(MARK, "")


def test_what_cannot_begin_a_secret_is_passed_on_at_once() -> None:
    redactor = Redactor(["hunter2"])

    assert redactor.feed(b"hello hun") == b"hello "
    assert redactor.feed(b"gry world") == b"hungry world"


def test_a_stream_of_nothing_but_a_secrets_letters_is_not_held_back_for_ever() -> None:
    redactor = Redactor(["aaaa"])

    passed = sum(len(redactor.feed(b"a" * 1000)) for _ in range(10))

    assert passed == len(MARK)
    assert redactor.rest() == b""


@pytest.mark.parametrize(
    "written",
    [
        TOKEN,
        json.dumps({"key": TOKEN}),
        json.dumps({"key": TOKEN}, ensure_ascii=False),
        json.dumps({"key": TOKEN}).replace("/", "\\/"),
        repr(TOKEN + "'"),
        html.escape(TOKEN),
        shlex.quote(TOKEN),
        f"https://host/?q={quote(TOKEN)}&r=1",
        f"https://host/?q={quote(TOKEN, safe='')}",
        f"q={quote_plus(TOKEN)}",
        "q=p4ss%2fw%22ord%2b%c3%a4%26%3d%3c",
        base64.b64encode(TOKEN.encode()).decode(),
        base64.urlsafe_b64encode(TOKEN.encode()).decode(),
        f"Authorization: Basic {base64.b64encode(f'user:{TOKEN}'.encode()).decode()}",
        base64.b64encode(f"u:{TOKEN}:more".encode()).decode(),
        base64.b64encode(f"me:{TOKEN}:more".encode()).decode(),
        TOKEN.encode().hex(),
        TOKEN.encode().hex().upper(),
    ],
)
def test_a_secret_is_found_as_programs_write_it(written: str) -> None:
    redacted = Redactor([TOKEN]).text(written)

    assert MARK in redacted
    for form in ("p4ss", "cDRzc", "70347373", "A0c3M", "NHNz", "w0c3"):
        assert form not in redacted.replace(MARK, "")


def test_the_lines_of_a_key_are_found_each_for_itself() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"

    assert "hkiG9w0BAQEFAASC" not in Redactor([key]).text("  2 |   hkiG9w0BAQEFAASC\r\n")
    assert Redactor([key]).text(key) == MARK


def test_the_line_end_of_a_secret_read_from_a_file_does_not_hide_it() -> None:
    assert Redactor(["hunter2\n"]).text("it is hunter2.") == "it is [secret]."


def test_json_is_blanked_within_and_in_its_keys() -> None:
    redacted = Redactor(["hunter2", "4711"]).value(
        {"a": ["hunter2", {"hunter2": None}], "number": 147110, "fine": [True, 1.5, 7]}
    )

    assert redacted == {"a": [MARK, {MARK: None}], "number": MARK, "fine": [True, 1.5, 7]}


def test_without_secrets_all_is_given_back_as_it_is() -> None:
    redactor = Redactor(["", "  "])
    result = ToolResult(message="fine", value={"a": 1})
    chunk = b"chunk"

    assert redactor.result(result) is result
    assert redactor.feed(chunk) is chunk
    assert redactor.rest() == b""


def test_text_that_is_half_a_character_is_blanked_all_the_same() -> None:
    assert Redactor(["hunter2"]).text("\ud800 hunter2") == "\ud800 [secret]"


async def test_no_secret_is_in_what_a_command_leaves(workshop: Workshop) -> None:
    secret = "hunter2-and-more"
    line = "printf 'it is hunter2'; printf -- '-and-more'; seq 100000; printf %s $PASSWORD | base64; exit 3"

    result = await workshop.run(line, context={"secrets": (secret,)}, env={"PASSWORD": secret})

    assert result.output_path is not None
    kept = result.output_path.read_text()
    assert kept.startswith(f"it is {MARK}1\n2\n")
    assert kept.endswith(f"100000\n{MARK}==\n")
    assert result.output_head == kept[: len(result.output_head)]
    assert result.output_tail == kept[-len(result.output_tail) :]
    assert result.output_bytes == len(kept)


async def test_no_secret_is_in_why_a_command_cannot_be_started(workshop: Workshop) -> None:
    secret = "/hunter2/and/more"

    result = await workshop.run(["true"], context={"secrets": (secret,)}, cwd=secret)

    assert result.category is not None
    assert result.message == f"cannot run in {MARK}"
