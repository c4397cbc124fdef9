"""doctor: what it sees, and what it mends."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.answer import Answer
from tests.interfaces.cli.conftest import Dt


def of(said: Answer, check: str) -> list[dict[str, Any]]:
    return [finding for finding in said.json["checks"] if finding["check"] == check]


def test_a_new_board_is_sound(dt: Dt) -> None:
    dt("init")
    said = dt("doctor", "--json")
    assert (said.code, said.json["ok"]) == (0, True)
    assert {finding["level"] for finding in said.json["checks"]} <= {"ok", "warn"}
    assert of(said, "file_lock")[0]["level"] == "ok"


def test_without_a_board_it_says_how_to_make_one_and_makes_none(unmade: Dt, home: Path) -> None:
    said = unmade("doctor", "--json")
    assert said.code == 0
    assert of(said, "board")[0]["fix"] == "dt init makes one"
    assert not home.exists()


def test_everybody_can_read_each_line_with_its_fix(dt: Dt, home: Path) -> None:
    dt("init")
    (home / "runtime").chmod(0o755)
    said = dt("doctor")
    assert f"fix: chmod 0700 {home / 'runtime'}" in said.out
    assert said.out.splitlines()[-1].endswith("1 warning, 0 failed")


def test_what_others_can_write_fails_and_is_mended(dt: Dt, home: Path) -> None:
    dt("init")
    (home / "runtime" / "inbox").chmod(0o777)
    said = dt("doctor", "--json")
    assert said.code == 1
    assert of(said, "permissions")[0]["level"] == "fail"
    mended = dt("doctor", "--fix", "--json")
    assert (mended.code, [each["check"] for each in mended.json["mended"]]) == (0, ["permissions"])
    assert stat.S_IMODE((home / "runtime" / "inbox").stat().st_mode) == 0o700


def test_missing_folders_and_stale_sockets_are_mended(dt: Dt, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dt("init")
    (home / "runtime" / "outbox").rmdir()
    with socket.socket(socket.AF_UNIX) as left, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        monkeypatch.chdir(home / "runtime")
        left.bind("status.sock")
        bell.bind("doorbell.sock")
    for name in ("status.sock", "doorbell.sock"):
        (home / "runtime" / name).chmod(0o600)
    before = dt("doctor", "--json")
    assert [finding["level"] for finding in of(before, "daemon")] == ["warn", "warn"]
    after = dt("doctor", "--fix", "--json")
    assert after.json["ok"]
    assert (home / "runtime" / "outbox").is_dir()
    assert not os.path.lexists(home / "runtime" / "status.sock")
    assert of(after, "daemon")[0]["level"] == "ok"


def test_a_damaged_board_fails_with_the_way_back(dt: Dt, home: Path) -> None:
    dt("init")
    for number in range(20):
        dt("add", f"task {number}", "--description", "long " * 400)
    board = home / "runtime" / "nexus.db"
    with board.open("r+b") as file:
        file.seek(board.stat().st_size // 2)
        file.write(b"\xa5" * 8192)
    said = dt("doctor", "--json")
    assert said.code == 1
    assert any(finding["level"] == "fail" for finding in (*of(said, "board"), *of(said, "events")))


def test_a_check_that_breaks_off_is_a_finding_and_the_others_go_on(dt: Dt, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_breath(*_: Any, **__: Any) -> Any:
        raise subprocess.TimeoutExpired("python", 30)

    dt("init")
    monkeypatch.setattr("dreamos_tasks.app.checkup_machine.subprocess.run", out_of_breath)
    said = dt("doctor", "--json")
    assert said.code == 1
    assert of(said, "file_lock")[0]["level"] == "fail"
    assert "timed out after 30 seconds" in of(said, "file_lock")[0]["detail"]
    assert of(said, "board")[0]["level"] == "ok"


def test_a_board_that_its_events_do_not_tell_fails(dt: Dt, home: Path) -> None:
    dt("init")
    task = dt("add", "as it was", "--json").json
    with apsw.Connection(str(home / "runtime" / "nexus.db")) as connection:
        connection.execute("UPDATE task SET title = 'as somebody wrote it' WHERE task_id = ?", (task["task_id"],))
    connection.close()
    said = dt("doctor", "--json")
    assert said.code == 1
    assert "title" in of(said, "events")[0]["detail"]
    assert dt("board", "check", "--json").code == 1


def test_a_wrong_setting_fails_and_the_other_checks_go_on(dt: Dt, home: Path) -> None:
    dt("init")
    (home / "config.yaml").write_text("dreamos_tasks: 1\nclaim: {}\n")
    said = dt("doctor", "--json")
    assert said.code == 1
    assert of(said, "settings")[0]["level"] == "fail"
    assert of(said, "board")[0]["level"] == "ok"


def test_too_little_room_fails(dt: Dt, monkeypatch: pytest.MonkeyPatch) -> None:
    dt("init")
    monkeypatch.setenv("DREAMOS_TASKS_LIMITS__DISK_FREE_BYTES", str(2**49))
    assert of(dt("doctor", "--json"), "disk")[0]["level"] == "fail"


def test_each_tool_says_whether_it_can_be_used_here(dt: Dt, home: Path) -> None:
    dt("init")
    (home / "secrets.env").write_text("TOKEN=canary-value\n")
    (home / "secrets.env").chmod(0o600)

    said = dt("doctor", "--json")

    *unfit, well = of(said, "tools")
    assert {"files", "http", "python", "shell"} <= set(well["detail"].split(", "))
    assert all(finding["level"] == "ok" and finding["fix"] for finding in unfit)
    assert any(finding["detail"].startswith("not web_search") for finding in unfit)
    assert of(said, "secrets")[0]["detail"].endswith(": TOKEN")
    assert "canary-value" not in said.out


def test_a_file_of_secrets_that_others_can_read_fails_with_the_fix(dt: Dt, home: Path) -> None:
    dt("init")
    (home / "secrets.env").write_text("TOKEN=canary-value\n")
    (home / "secrets.env").chmod(0o644)

    (finding,) = of(dt("doctor", "--json"), "secrets")

    assert (finding["level"], finding["fix"]) == ("fail", f"chmod 600 {home / 'secrets.env'}")
