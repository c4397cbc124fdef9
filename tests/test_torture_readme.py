"""tests/torture/README.md lists the faults: each that a test names is there, and each has the tests that it names."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parent
TORTURE = TESTS / "torture"
ROWS = re.findall(r"^\| (\d+) \|.*\| (`.*`) \|$", (TORTURE / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
NAMED = re.compile(r'"""Faults? (\d[\d, and-]*)')


def faults_named() -> set[int]:
    """The numbers in docstrings of tests: `Faults 3, 8 and 15`, `Faults 9-14`."""
    found: set[int] = set()
    for path in TESTS.rglob("test_*.py"):
        for words in NAMED.findall(path.read_text(encoding="utf-8")):
            for first, last in re.findall(r"(\d+)(?:-(\d+))?", words):
                found |= set(range(int(first), int(last or first) + 1))
    return found


def test_every_fault_that_a_test_names_is_listed() -> None:
    assert [int(number) for number, _ in ROWS] == list(range(1, len(ROWS) + 1))
    assert faults_named() <= {int(number) for number, _ in ROWS}
    assert len(faults_named()) > 20


def test_every_fault_has_the_tests_that_its_row_names() -> None:
    for number, names in ROWS:
        for name in re.findall(r"`([^`]+)`", names):
            assert (TORTURE / f"{name}.py").is_file(), f"{name}, of fault {number}"
