"""The actions `glob` and `grep`: what is found, in which order, and that no pattern holds anybody up."""

from __future__ import annotations

import os
import time
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamos_tasks.model.limits import Limits
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.tools.files import FilesOptions
from dreamos_tasks.tools.workspace.patterns import PathPattern
from tests.tools.filing import Filing

SLOW_PATTERN = "(a+)+$"
SLOW_TEXT = "a" * 60 + "b"
BUSY_SECONDS = 55.0  # in which a search that is ended is over on a busy machine; its step may take 60


@pytest.fixture
def files(tmp_path: Path) -> Filing:
    files = Filing.in_folder(tmp_path)
    for path in ("a.py", "src/b.py", "src/deep/c.py", "src/deep/d.txt", ".git/e.py", "sub/.git/f.py"):
        files.file(path, f"# {path}\nNeedle here\nneedle there\n")
    return files


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.py", ["a.py"]),
        ("**/*.py", ["a.py", "src/b.py", "src/deep/c.py"]),
        ("src/**", ["src/b.py", "src/deep/c.py", "src/deep/d.txt"]),
        ("src/*/?.[a-c]*", []),
        ("src/*/?.[pt]*", ["src/deep/c.py", "src/deep/d.txt"]),
        ("./src//b.py", ["src/b.py"]),
    ],
)
async def test_files_are_found_by_their_paths(files: Filing, pattern: str, found: list[str]) -> None:
    result = await files.do("glob", pattern=pattern)

    assert result.value == {"paths": found, "truncated": None}


async def test_a_search_begins_where_it_is_told(files: Filing) -> None:
    assert (await files.do("glob", pattern="*.py", path="src")).value["paths"] == ["src/b.py"]
    assert (await files.do("glob", pattern="*", path="src", kind="folder")).value["paths"] == ["src/deep"]
    matches = (await files.do("grep", pattern="Needle", path="src/deep/d.txt")).value["matches"]
    assert [match["path"] for match in matches] == ["src/deep/d.txt"]


async def test_what_is_skipped_can_be_chosen(files: Filing) -> None:
    found = await files.do("glob", pattern="**/*.py", skip=["src"])

    assert found.value["paths"] == [".git/e.py", "a.py", "sub/.git/f.py"]


async def test_a_list_that_is_cut_off_says_so(files: Filing) -> None:
    assert (await files.do("glob", pattern="**", limit=2)).value == {
        "paths": ["a.py", "src/b.py"],
        "truncated": "limit",
    }
    assert (await files.do("glob", pattern="**", limit=4)).value["truncated"] is None
    assert (await files.do("grep", pattern="needle", limit=2)).value["truncated"] == "limit"


async def test_lines_are_found(files: Filing) -> None:
    result = await files.do("grep", pattern=r"^n\w+ th", glob="*.py")

    assert result.value == {
        "matches": [
            {"path": path, "line": 3, "text": "needle there"} for path in ("a.py", "src/b.py", "src/deep/c.py")
        ],
        "files": 3,
        "truncated": None,
    }
    assert "src/b.py:3: needle there\n" in result.output_head


async def test_case_and_plain_text_can_be_chosen(files: Filing) -> None:
    files.file("a.py", "a.b\nA.B\naxb\n")

    async def lines(**params: object) -> list[int]:
        return [match["line"] for match in (await files.do("grep", path="a.py", **params)).value["matches"]]

    assert await lines(pattern="a.b") == [1, 3]
    assert await lines(pattern="a.b", literal=True) == [1]
    assert await lines(pattern="a.b", literal=True, ignore_case=True) == [1, 2]


async def test_binary_files_are_passed_over_and_odd_names_are_shown(files: Filing) -> None:
    files.file("odd/binary", b"needle\0needle")
    files.file("odd/latin", b"needle \xe9\n")
    files.file(os.fsdecode(b"odd/n\xe9me"), "needle")

    result = await files.do("grep", pattern="needle", path="odd")

    found = [(match["path"], match["text"]) for match in result.value["matches"]]
    assert found == [("odd/latin", "needle \ufffd"), ("odd/n\\xe9me", "needle")]


async def test_of_a_long_line_what_is_around_the_match_is_shown(files: Filing) -> None:
    files.file("long", "x" * 2000 + "needle" + "y" * 2000)

    (match,) = (await files.do("grep", pattern="needle", path="long")).value["matches"]

    assert len(match["text"]) == 500
    assert "xneedley" in match["text"]


async def test_a_pattern_that_would_take_years_is_ended_and_what_was_found_is_given(tmp_path: Path) -> None:
    files = Filing.in_folder(tmp_path, FilesOptions(search_seconds=3.0))
    files.file("1", "aaa\n")
    files.file("2", SLOW_TEXT)
    begun = time.monotonic()

    result = await files.do("grep", pattern=SLOW_PATTERN)

    assert result.category is None
    assert result.value == {"matches": [{"path": "1", "line": 1, "text": "aaa"}], "files": None, "truncated": "time"}
    assert time.monotonic() - begun < BUSY_SECONDS


async def test_a_search_that_outlasts_its_step_fails(files: Filing) -> None:
    files.file("slow", SLOW_TEXT)

    result = await files.with_context(timeout_seconds=1.0).do("grep", pattern=SLOW_PATTERN)

    assert (result.category, result.message) == (ErrorCategory.RESOURCE, "timed out after 1 s")


async def test_more_than_a_board_takes_is_cut_off(tmp_path: Path) -> None:
    files = Filing.in_folder(tmp_path, FilesOptions(value_bytes=1000))
    files.file("many", "needle\n" * 1000)

    result = await files.do("grep", pattern="needle", limit=1000)

    assert result.value["truncated"] == "size"
    assert 10 < len(result.value["matches"]) < 30


async def test_a_search_keeps_within_the_limits_of_its_step_and_says_what_it_used(files: Filing) -> None:
    done = await files.do("grep", pattern="needle")
    files.file("slow", SLOW_TEXT)
    ended = await files.with_context(limits=Limits(cpu_seconds=1.0)).do("grep", pattern=SLOW_PATTERN)

    assert done.usage is not None
    assert done.usage.peak_processes >= 1
    assert ended.category is ErrorCategory.RESOURCE
    assert "1 s" in ended.message


async def test_what_is_not_there_cannot_be_searched(files: Filing) -> None:
    result = await files.do("grep", pattern="x", path="missing")

    assert (result.category, result.message) == (ErrorCategory.CONFIGURATION, "missing: No such file or directory")


NAMES = st.text(alphabet="ab.", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
PARTS = st.sampled_from(["**", "*", "a*", "?", "[ab]", "b", "*.a"])


@given(parts=st.lists(PARTS, min_size=1, max_size=5), names=st.lists(NAMES, min_size=1, max_size=5))
def test_a_path_fits_as_its_parts_fit(parts: list[str], names: list[str]) -> None:
    pattern = PathPattern("/".join(parts))

    assert pattern.fits("/".join(names)) is _fits(parts, names)
    for count in range(1, len(names)):
        if pattern.fits("/".join(names)):
            assert pattern.may_fit_below("/".join(names[:count]))


def _fits(parts: list[str], names: list[str]) -> bool:
    """The same, said as simply as can be."""
    if not parts:
        return not names
    if parts[0] == "**":
        return any(_fits(parts[1:], names[count:]) for count in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], parts[0]) and _fits(parts[1:], names[1:])


def test_no_path_pattern_is_slow() -> None:
    pattern = PathPattern("/".join(["**", "*a*a*a*a*a*b"] * 20))

    begun = time.process_time()
    assert not pattern.fits("/".join(["a" * 200] * 100))
    assert time.process_time() - begun < 20
