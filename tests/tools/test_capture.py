"""Capture alone: any pieces, any limit, a disk that fills up, any name of a step."""

from __future__ import annotations

import hashlib
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamos_tasks.tools.capture import MARKER_BYTES, Capture, Captured, file_name_of

# Small pieces, and some that are larger than what is kept as text.
PIECES = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=40),
        st.builds(bytes.__mul__, st.binary(min_size=1, max_size=9), st.integers(1, 3000)),
    ),
    max_size=12,
)


def captured(folder: Path, pieces: list[bytes], *, limit_bytes: int) -> Captured:
    capture = Capture(folder, "step", limit_bytes=limit_bytes)
    for piece in pieces:
        capture.feed(piece)
    return capture.finish()


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file can grow beyond this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@given(pieces=PIECES, limit_bytes=st.integers(1, 30_000))
def test_the_file_is_the_output_or_its_head_and_tail(pieces: list[bytes], limit_bytes: int) -> None:
    printed = b"".join(pieces)
    with TemporaryDirectory() as folder:
        found = captured(Path(folder), pieces, limit_bytes=limit_bytes)
        kept = found.path.read_bytes() if found.path is not None else b""

    assert found.total_bytes == len(printed)
    assert found.sha256 == (hashlib.sha256(kept).hexdigest() if printed else "")
    if len(printed) <= limit_bytes:
        assert kept == printed
        return
    assert len(kept) <= max(limit_bytes, limit_bytes - limit_bytes // 2 + MARKER_BYTES)
    head = printed[: limit_bytes - limit_bytes // 2]
    marker = re.compile(rb"\n\[\.\.\. (\d+) bytes left out \.\.\.\]\n").match(kept, len(head))
    assert kept.startswith(head)
    assert marker is not None
    tail = kept[marker.end() :]
    assert printed.endswith(tail)
    assert len(head) + int(marker[1]) + len(tail) == len(printed)


@given(
    text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4000),
    size=st.integers(1, 999),
)
def test_text_of_up_to_both_excerpts_is_shown_whole(text: str, size: int) -> None:
    printed = text.encode()[:8000]
    pieces = [printed[start : start + size] for start in range(0, len(printed), size)]
    with TemporaryDirectory() as folder:
        found = captured(Path(folder), pieces, limit_bytes=10_000)

    assert found.head + found.tail == printed.decode("utf-8", "replace")
    assert (found.tail == "") == (len(printed) <= 4096)


def test_no_excerpt_begins_or_ends_within_a_character(tmp_path: Path) -> None:
    found = captured(tmp_path, ["aé".encode() + "é".encode() * 9000], limit_bytes=100_000)

    assert "\ufffd" not in found.head + found.tail
    assert found.head == "aé" + "é" * 2046
    assert found.tail == "é" * 2048


def test_a_full_disk_ends_the_file_and_is_said(tmp_path: Path) -> None:
    pieces = [b"0123456789" * 1000 for _ in range(40)]
    with disk_of(65_536):
        found = captured(tmp_path, pieces, limit_bytes=300_000)

    assert found.path is not None
    kept = found.path.read_bytes()
    assert kept == b"".join(pieces)[:65_536]
    assert found.sha256 == hashlib.sha256(kept).hexdigest()
    assert found.total_bytes == 400_000
    assert found.tail.endswith("0123456789")
    assert found.trouble == "its log is incomplete: File too large"


def test_what_the_disk_did_not_take_is_kept_when_room_comes_back(tmp_path: Path) -> None:
    capture = Capture(tmp_path, "step", limit_bytes=300_000)
    with disk_of(65_536):
        for _ in range(10):
            capture.feed(b"0123456789" * 1000)
    found = capture.finish()

    assert found.path is not None
    assert found.path.read_bytes() == b"0123456789" * 10_000
    assert found.trouble == ""


@pytest.mark.parametrize("name", ["build", "verify-tests.unit_2", "a" * 100])
def test_a_plain_step_name_is_the_name_of_its_file(name: str) -> None:
    assert file_name_of(name) == name


@pytest.mark.parametrize("name", ["../passwd", ".hidden", "-rf", "a/b", "a b", "é" * 100, "\n", "\ud800"])
def test_any_other_becomes_a_safe_name(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,80}", file_name_of(name))


def test_names_that_are_made_safe_stay_apart() -> None:
    assert len({file_name_of(name) for name in ("a b", "a/b", "a\nb", "a  b")}) == 4
