"""docs/architecture.md tells the tree as it is: every room has its row, and every module of a room is named in it."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dreamos_tasks"
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)/` \| (.+) \|$", TEXT, re.MULTILINE))
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def modules_of(room: str) -> set[str]:
    """The modules of a room, and the rooms within it, which have a slash."""
    folder = PACKAGE / room
    modules = {path.stem for path in folder.glob("*.py") if path.stem != "__init__"}
    return modules | {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}


def named_in(room: str) -> set[str]:
    """What a room's row names as a module: words in small letters, `failure_*` for those that begin so."""
    return set(re.findall(r"`([a-z_]+[/*]?)`", ROWS[room]))


def test_every_room_has_its_row_and_its_floor() -> None:
    floors = set(re.findall(r"\w+", TEXT.split("```")[1]))
    assert set(ROOMS) == set(ROWS)
    assert {path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")} | set(ROOMS) <= floors


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_of_a_room_is_named(room: str) -> None:
    named = named_in(room)
    missing = [module for module in modules_of(room) if not any(fnmatchcase(module, name) for name in named)]
    assert sorted(missing) == [], f"write what {missing} is for into the row of {room}/ in docs/architecture.md"


@pytest.mark.parametrize("room", ROOMS)
def test_no_module_is_named_that_is_not_there(room: str) -> None:
    there = modules_of(room) | {"migrations/"}  # SQL, no modules
    gone = [name for name in named_in(room) if not any(fnmatchcase(module, name) for module in there)]
    assert sorted(gone) == [], f"the row of {room}/ in docs/architecture.md names what is not there"
