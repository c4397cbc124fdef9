"""Printed: the colours of a program's output reach the terminal, and nothing else that begins with ESC."""

from __future__ import annotations

import json

import pytest

from dreamos_tasks.interfaces.cli.printed import RESET, Printed
from tests.command import DtProcess, end_started, own_environment
from tests.interfaces.cli.terminal import Terminal

RED = "\x1b[31m"


def shown(*parts: str, in_colour: bool = True) -> str:
    printed = Printed(in_colour=in_colour)
    return "".join([*map(printed.feed, parts), printed.rest()])


@pytest.mark.parametrize(
    "sequence",
    ["", "0", "1;31", "01;31", "38;5;208", "38;2;1;2;3", "48;5;8;1", "38:5:208", "38:2::1:2:3", "7", "4;97", "104", "39;49"],
)  # fmt: skip
def test_colours_are_kept(sequence: str) -> None:
    assert f"\x1b[{sequence}mword" in shown(f"\x1b[{sequence}mword\x1b[0m")


@pytest.mark.parametrize("sequence", ["8", "5", "31;8", "1000", "38;5", "38;9;1", "58;5;1", "6"])
def test_what_blinks_hides_or_is_no_colour_is_left_out(sequence: str) -> None:
    assert shown(f"\x1b[{sequence}mword") == "word"


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x1b[31;1H", "\\x1b[31;1H"),
        ("\x1b[01;31m\x1b[Kerror\x1b[m\x1b[K", "\x1b[01;31merror\x1b[m"),
        ("a\r\nb\tc", "a\nb\tc"),
        ("50 %\r60 %", "50 %\\r60 %"),
        ("end\x1b", "end\\x1b"),
        ("end\x1b[31", "end\\x1b[31"),
    ],
)
def test_everything_else_is_made_visible(printed: str, expected: str) -> None:
    assert shown(printed) == expected


def test_without_colours_none_is_shown() -> None:
    assert shown(f"{RED}red\x1b[0m \x1b[2J", in_colour=False) == "red \\x1b[2J"


def test_what_is_not_ended_ends_with_its_part_and_goes_on_with_the_next() -> None:
    printed = Printed(in_colour=True)
    assert printed.feed(f"{RED}red") == f"{RED}red{RESET}"
    assert printed.feed(" still\x1b[0m plain") == f"{RED} still\x1b[0m plain{RESET}"
    assert printed.feed("plain") == "plain"


@pytest.mark.parametrize("at", range(1, 16))
def test_a_sequence_that_comes_in_two_parts_is_one(at: int) -> None:
    text = f"a\r\n{RED}b\x1b[0m!"
    visible = shown(text[:at], text[at:]).replace(RESET, "").replace(RED, "")
    assert visible == "a\nb!"


def test_logs_are_coloured_at_a_terminal_and_nowhere_else(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("board")
    dt = DtProcess(folder, own_environment(folder))
    dt("init")
    said = dt("run", "--json", "--", "printf", r"\033[1;31mred\033[0m \033[2Jdone\n")
    task_id = json.loads(said.out)["task_id"]
    try:
        for more in ((), ("--follow",)):
            at_terminal = Terminal.start(dt, "logs", task_id, *more, NO_COLOR="")
            assert at_terminal.end() == 0
            assert "\x1b[1;31mred\x1b[0m \\x1b[2Jdone" in at_terminal.shown
            plain = Terminal.start(dt, "logs", task_id, *more, NO_COLOR="1")
            assert plain.end() == 0
            assert plain.shown == "red \\x1b[2Jdone\r\n"
            assert dt("logs", task_id, *more).out == "\x1b[1;31mred\x1b[0m \x1b[2Jdone\n"
    finally:
        end_started()
