"""backup, and board info, check, convert, restore."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tests.interfaces.cli.conftest import Dt


@pytest.fixture
def dt(dt: Dt) -> Dt:
    dt("init")
    return dt


def titles(dt: Dt) -> list[str]:
    return sorted(task["title"] for task in dt("list", "--json").json)


def test_a_backup_is_a_complete_board_of_its_own(dt: Dt, tmp_path: Path) -> None:
    dt("add", "first")
    copy = tmp_path / "copy.db"
    facts = dt("backup", str(copy), "--json").json
    assert (facts["path"], facts["tasks"]) == (str(copy), 1)
    assert copy.stat().st_mode & 0o777 == 0o600


def test_a_backup_never_writes_over_a_file(dt: Dt, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    assert dt("backup", str(there)).code == 4
    assert there.read_text() == "mine"


def test_looking_at_a_board_makes_none(dt: Dt, tmp_path: Path) -> None:
    for verb in (("board", "info"), ("board", "check"), ("backup", str(tmp_path / "x"))):
        assert dt(*verb, "--home", str(tmp_path / "elsewhere")).code == 6
    assert not (tmp_path / "elsewhere").exists()


def test_check_says_that_a_board_is_sound(dt: Dt) -> None:
    dt("add", "first")
    dt("next", "--agent", "ada")
    said = dt("board", "check", "--json")
    assert (said.code, said.json["ok"], said.json["tasks"]) == (0, True, 1)


def test_a_restored_board_is_as_it_was_at_the_backup_and_the_old_one_is_kept(dt: Dt, tmp_path: Path) -> None:
    dt("add", "before")
    copy = tmp_path / "copy.db"
    dt("backup", str(copy))
    content = copy.read_bytes()
    dt("add", "after")
    said = dt("board", "restore", str(copy), "--yes", "--json")
    assert said.code == 0
    assert titles(dt) == ["before"]
    assert copy.read_bytes() == content
    assert {path.name for path in tmp_path.iterdir()} == {"home", "copy.db"}
    assert dt("board", "restore", said.json["kept"], "--yes").code == 0
    assert titles(dt) == ["after", "before"]


def test_restoring_asks_and_without_a_terminal_refuses_and_names_the_flag(dt: Dt, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    dt("backup", str(copy))
    said = dt("board", "restore", str(copy), "--json")
    assert (said.code, said.error["fix"]) == (2, "add --yes")


def test_a_copy_that_is_not_sound_is_refused_and_changes_nothing(dt: Dt, tmp_path: Path) -> None:
    dt("add", "kept")
    bad = tmp_path / "bad.db"
    bad.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    assert dt("board", "restore", str(bad), "--yes").code == 6
    assert titles(dt) == ["kept"]
    assert dt("board", "restore", str(tmp_path / "nothing"), "--yes").code == 6


def test_restoring_is_refused_while_a_daemon_runs(dt: Dt, home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    dt("backup", str(copy))
    held = os.open(home / "runtime" / "daemon.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)  # as a daemon holds it
    try:
        said = dt("board", "restore", str(copy), "--yes", "--json")
        assert (said.code, said.error["fix"].split(",")[0]) == (4, "dt down")
    finally:
        os.close(held)
    assert dt("board", "restore", str(copy), "--yes").code == 0


def test_a_board_goes_to_json_and_back_without_loss(dt: Dt, home: Path, tmp_path: Path) -> None:
    dt("add", "waits", "--tag", "core", "--priority", "high")
    dt("next", "--agent", "ada")
    dt("add", "second")
    before = dt("list", "--json").json
    facts = dt("board", "convert", "--to", "json", "--json").json
    assert facts["path"] == str(home / "runtime" / "nexus.json")
    (home / "config.yaml").write_text("dreamos_tasks: 1\nboard: {store: json}\n")
    assert dt("list", "--json").json == before
    assert dt("board", "check").code == 0
    back = tmp_path / "back.db"
    assert dt("board", "convert", "--to", "sqlite", "--out", str(back)).code == 0
    (home / "config.yaml").write_text(f"dreamos_tasks: 1\nboard: {{path: {back}}}\n")
    assert dt("list", "--json").json == before


def test_converting_to_the_kind_it_is_or_over_a_file_is_refused(dt: Dt, home: Path) -> None:
    assert dt("board", "convert", "--to", "sqlite").code == 2
    (home / "runtime" / "nexus.json").write_text("mine")
    assert dt("board", "convert", "--to", "json").code == 4
    assert (home / "runtime" / "nexus.json").read_text() == "mine"
