"""inbox: list, path, validate, retry. What the daemon does with the files is told in tests/end_to_end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.interfaces.cli.conftest import Dt


@pytest.fixture
def folder(home: Path) -> Path:
    return home / "runtime" / "inbox"


@pytest.fixture
def dt(dt: Dt, monkeypatch: pytest.MonkeyPatch, home: Path) -> Dt:
    monkeypatch.chdir(home.parent)
    dt("init")
    return dt


def test_the_path_is_the_folder_that_files_are_dropped_into(dt: Dt, folder: Path) -> None:
    assert dt("inbox", "path").out == f"{folder}\n"


def test_what_waits_is_listed_and_that_nobody_takes_it_in(dt: Dt, folder: Path) -> None:
    (folder / "ada").mkdir()
    for name in ("a.json", "ada/b.jsonl", ".hidden.json", "c.txt"):
        (folder / name).write_text("{}")
    assert {file["name"] for file in dt("inbox", "--json").json["waiting"]} == {"a.json", "ada/b.jsonl"}
    assert "dt up starts it" in dt("inbox").err


def test_a_rejected_file_is_listed_with_its_reason_and_goes_back_on_demand(dt: Dt, folder: Path) -> None:
    note = {"pointer": "/title", "message": "it is empty", "expected": "text", "fix": "write a title"}
    (folder / "rejected" / "bad.json").write_text('{"title": ""}')
    (folder / "rejected" / "bad.json.error.json").write_text(json.dumps(note))
    said = dt("inbox")
    assert "/title: it is empty; expected text" in said.out
    assert "fix: write a title" in said.out
    assert dt("inbox", "retry", "bad.json").code == 0
    assert (folder / "bad.json").read_text() == '{"title": ""}'
    assert list((folder / "rejected").iterdir()) == []


def test_a_slip_in_a_name_gets_the_nearest_one_and_nothing_is_written_over(dt: Dt, folder: Path) -> None:
    (folder / "rejected" / "bad.json").write_text("old")
    (folder / "bad.json").write_text("new")
    assert dt("inbox", "retry", "bda.json", "--json").error["fix"] == "did you mean bad.json?"
    assert dt("inbox", "retry", "../bad.json").code == 3
    assert dt("inbox", "retry", "bad.json").code == 4
    assert (folder / "bad.json").read_text() == "new"


def test_a_good_file_is_told_as_such_and_adds_nothing(dt: Dt, tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text('{"tasks": [{"title": "a"}, {"title": "b", "run": "make"}]}')
    said = dt("inbox", "validate", "good.json", "--json")
    assert (said.code, said.json["ok"], said.json["tasks"]) == (0, True, 2)
    assert dt("list", "--json").json == []


def test_every_problem_of_a_bad_file_is_told_with_place_and_fix(dt: Dt, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('[{"title": "a", "priority": "hihg"},\n {"title": 5}]')
    said = dt("inbox", "validate", "bad.json", "--json")
    assert said.code == 7
    problems = said.json["error"]["problems"]
    assert {problem["pointer"] for problem in problems} == {"/0/priority", "/1/title"}
    assert "line 2, /1/title" in dt("inbox", "validate", "bad.json").out


def test_several_files_are_told_of_one_by_one(dt: Dt, tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text('{"title": "a"}')
    (tmp_path / "torn.json").write_text('{"title": ')
    said = dt("inbox", "validate", "good.json", "torn.json", "--json")
    assert (said.code, [answer["ok"] for answer in said.json]) == (7, [True, False])
    assert dt("inbox", "validate", "missing.json").code == 7


def test_a_file_that_came_for_an_agent_goes_back_to_that_agents_folder(dt: Dt, folder: Path) -> None:
    (folder / "rejected" / "bad.json").write_text("{}")
    (folder / "rejected" / "bad.json.error.json").write_text(json.dumps({"agent": "ada", "message": "it is empty"}))
    assert dt("inbox", "retry", "bad.json").code == 0
    assert (folder / "ada" / "bad.json").exists()


def test_what_is_no_plain_file_of_a_bounded_size_would_be_rejected_too(
    dt: Dt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real.json").write_text('{"title": "a"}')
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    assert dt("inbox", "validate", "link.json", "--json").json["ok"] is False
    monkeypatch.setenv("DREAMOS_TASKS_INBOX__MAX_BYTES", "3")
    assert dt("inbox", "validate", "real.json", "--json").json["ok"] is False
