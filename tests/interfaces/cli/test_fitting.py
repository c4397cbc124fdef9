"""A table on a terminal: no line is wider than it, and what is typed to go on, the id, stays whole."""

from __future__ import annotations

import pytest

from dreamos_tasks.interfaces.cli.fitting import broken, fitted
from dreamos_tasks.interfaces.cli.text import COLUMN_GAP, width

HEADER = ("ID", "STATE", "AGENT", "AGE", "TITLE")
ROWS = [
    ("dt-7k2m", "awaiting_approval", "-", "3 min", "Publish the site #release"),
    ("dt-1a2b", "ready", "-", "34 min", "修复解析器中的内存泄漏 and more"),
]
LONG_ID = ("episode-fix-the-parser-done", "blocked", "-", "3 min", "Definition of done")


def lines(room: int, *more: tuple[str, ...]) -> list[str]:
    return [COLUMN_GAP.join(cells).rstrip() for cells in fitted(HEADER, [*ROWS, *more], room=room)]


@pytest.mark.parametrize("room", [24, 30, 40, 60, 80, 200])
def test_every_line_fits_and_begins_with_the_whole_id(room: int) -> None:
    shown = lines(room)
    assert all(width(line) <= room for line in shown)
    assert [line.split()[0] for line in shown] == ["ID", "dt-7k2m", "dt-1a2b"]


def test_what_has_room_is_left_as_it_is_and_where_there_is_none_what_says_nothing_goes_first() -> None:
    assert "AGENT" in lines(200)[0]
    assert "Publish the site #release" in lines(200)[1]
    head, first, _ = lines(50)
    assert head.split() == ["ID", "STATE", "AGE", "TITLE"]
    assert "awaiting_approval" in first


def test_a_long_id_moves_its_own_row_alone() -> None:
    *others, longest = lines(60, LONG_ID)
    assert longest.startswith("episode-fix-the-parser-done  blocked")
    assert all(width(line) <= 60 for line in (*others, longest))
    assert others[1].index("awaiting") <= 14


@pytest.mark.parametrize("room", [20, 30, 40, 60, 80, 200])
def test_a_line_is_broken_between_words_and_those_behind_the_first_are_moved_in(room: int) -> None:
    line = "running  dt-7k2m  Fix the 修复解析器 parser: held by ada, token 3, until 17:20:11 (in 12 min), 43 %"
    shown = broken(line, room=room, indent=9)
    assert all(width(one) <= room for one in shown)
    assert " ".join(shown).split() == line.split()
    assert all(one.startswith(" " * min(9, room // 3)) for one in shown[1:])
    assert shown[0].startswith("running  dt-7k2m")


def test_a_word_that_no_line_is_wide_enough_for_stays_whole() -> None:
    path = "/a/path/that/is/longer/than/thirty/columns"
    assert broken(f"board    {path}: no tasks yet", room=30, indent=9) == [f"board    {path}:", "         no tasks yet"]
