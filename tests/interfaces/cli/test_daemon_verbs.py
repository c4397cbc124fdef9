"""up, daemon, status, down, service: real daemons, each in a folder of its own."""

from __future__ import annotations

import fcntl
import getpass
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamos_tasks.app.daemon_lock import read_card
from tests.command import PATIENCE_SECONDS, DtProcess, end_started, own_environment, until


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / ".dreamos"


@pytest.fixture
def dt(tmp_path: Path, home: Path) -> Iterator[DtProcess]:
    called = DtProcess(tmp_path, own_environment(tmp_path, DREAMOS_TASKS_DAEMON__GRACE_SECONDS="0.1"))
    called("init")
    yield called
    end_started()
    called("down", "--timeout", "50")
    assert called("status", "--json").form["daemon"] is None, "a test leaves no daemon behind"


def pid_of(home: Path) -> int:
    card = read_card(home / "runtime" / "daemon.json")
    assert card is not None
    return card.process.pid


def test_up_names_the_next_commands_as_they_can_be_typed_here(tmp_path: Path, dt: DtProcess) -> None:
    script = tmp_path / "bin" / "dt"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable} -P\nfrom dreamos_tasks.__main__ import main\nmain()\n")
    script.chmod(0o755)
    hidden = {**dt.environment, "PATH": "/usr/bin:/bin"}
    said = subprocess.run(
        [script, "up", "--detach"], cwd=tmp_path, env=hidden, capture_output=True, text=True, check=True
    )
    assert '  bin/dt add "Say hello" --run "echo hello"\n' in said.stdout


def test_up_detached_is_ready_when_it_comes_back(dt: DtProcess, home: Path) -> None:
    said = dt("up", "--detach", "--json")
    assert (said.code, said.form["started"], said.form["pid"]) == (0, True, pid_of(home))
    until(lambda: dt("status", "--json").form["daemon"]["responding"])  # a busy one is given up on after two seconds
    assert len(said.form["next"]) == 3


def test_up_tells_a_person_the_inbox_the_board_and_three_commands(dt: DtProcess, home: Path) -> None:
    lines = dt("up", "--detach").out.splitlines()
    assert f"  inbox      {home / 'runtime' / 'inbox'}" in lines
    assert f"  board      {home / 'runtime' / 'nexus.db'}" in lines
    assert len(lines[lines.index("next:") + 1 :]) == 3


def test_up_makes_the_board_when_there_is_none(dt: DtProcess, tmp_path: Path) -> None:
    new = str(tmp_path / "new")
    said = dt("up", "--detach", "--json", "--home", new)
    assert said.code == 0
    assert f"{new}/runtime/nexus.db" in said.form["made"]
    assert dt("down", "--home", new).code == 0


def test_a_second_up_says_that_one_runs_already_and_all_is_well(dt: DtProcess) -> None:
    first = dt("up", "--detach", "--json").form
    second = dt("up", "--detach", "--json")
    assert (second.code, second.form["started"], second.form["pid"]) == (0, False, first["pid"])


def test_a_second_daemon_is_refused_with_exit_code_4(dt: DtProcess, home: Path) -> None:
    dt("up", "--detach")
    said = dt("daemon", "--json")
    assert (said.code, said.error["code"]) == (4, "already_running")
    assert str(pid_of(home)) in said.error["message"]


def test_up_on_a_broken_board_says_what_is_wrong_with_it(dt: DtProcess, home: Path) -> None:
    board = home / "runtime" / "nexus.db"
    board.write_bytes(b"this is no board" * 400)
    said = dt("up", "--detach", "--json")
    assert said.code == 6
    assert said.error["code"].startswith("board")
    board.unlink(missing_ok=True)


def test_a_daemon_that_cannot_start_says_why_through_up(dt: DtProcess, home: Path) -> None:
    in_the_way = home / "runtime" / "status.sock"
    in_the_way.mkdir()
    said = dt("up", "--detach", "--json")
    assert said.code == 1
    assert "IsADirectoryError" in said.error["message"]
    in_the_way.rmdir()
    assert dt("up", "--detach").code == 0


def test_up_beside_a_daemon_that_is_just_starting_is_no_failure(dt: DtProcess, home: Path) -> None:
    held = os.open(home / "runtime" / "daemon.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)  # as a daemon holds it before it has shown its card
    try:
        said = dt("up", "--detach")
        assert said.code == 0
        assert "just starting" in said.err
        assert dt("up", "--detach", "--json").form["started"] is False
    finally:
        os.close(held)


def test_status_says_that_no_daemon_runs_and_how_to_start_one(dt: DtProcess) -> None:
    said = dt("status")
    assert said.code == 0
    assert "no daemon: claims work all the same; dt up starts one" in said.out


def test_status_of_a_place_without_a_board_makes_none(dt: DtProcess, tmp_path: Path) -> None:
    assert not dt("status", "--home", str(tmp_path / "none"), "--json").form["board"]["exists"]
    assert not (tmp_path / "none").exists()


def test_status_counts_the_board_and_names_what_agents_hold(dt: DtProcess) -> None:
    dt("add", "one")
    dt("add", "two")
    held = dt("next", "--agent", "ada", "--json").form["task_id"]
    form = dt("status", "--json").form
    assert (form["board"]["tasks"], form["board"]["ready"]) == ({"pending": 1, "in_progress": 1}, 1)
    assert [task["task_id"] for task in form["in_progress"]] == [held]
    assert f"running  {held}" in dt("status").out


def test_down_stops_the_daemon_and_leaves_nothing_of_it(dt: DtProcess, home: Path) -> None:
    dt("up", "--detach")
    pid = pid_of(home)
    said = dt("down", "--json")
    assert (said.code, said.form["stopped"], said.form["pid"]) == (0, True, pid)
    assert {path.name for path in (home / "runtime").iterdir()}.isdisjoint(
        {"daemon.json", "status.sock", "doorbell.sock"}
    )
    assert "stopped" in (home / "runtime" / "logs" / "daemon.log").read_text()


def test_down_without_a_daemon_says_so_and_is_no_failure(dt: DtProcess) -> None:
    said = dt("down")
    assert (said.code, said.out) == (0, "no daemon runs\n")


def test_a_killed_daemon_is_seen_as_gone_and_a_new_one_starts(dt: DtProcess, home: Path) -> None:
    dt("up", "--detach")
    os.kill(pid_of(home), signal.SIGKILL)
    until(lambda: dt("status", "--json").form["daemon"] is None)
    assert dt("down").out == "no daemon runs\n"
    assert dt("up", "--detach", "--json").form["started"]


def test_the_process_of_a_reused_pid_is_never_signalled(dt: DtProcess, home: Path) -> None:
    dt("up", "--detach")
    card = (home / "runtime" / "daemon.json").read_text()
    pid = pid_of(home)
    dt("down")
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        (home / "runtime" / "daemon.json").write_text(card.replace(f'"pid": {pid}', f'"pid": {stranger.pid}'))
        assert dt("down").out == "no daemon runs\n"
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_daemon_that_does_not_answer_is_shown_as_such(dt: DtProcess, home: Path) -> None:
    dt("up", "--detach")
    pid = pid_of(home)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert dt("status", "--json").form["daemon"]["responding"] is False
        assert "does not answer" in dt("status").out
        said = dt("down", "--timeout", "0.2", "--json")
        assert (said.code, said.error["code"]) == (124, "timed_out")
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: dt("status", "--json").form["daemon"] is None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_up_in_the_foreground_stays_until_a_signal_and_ends_well(dt: DtProcess, number: signal.Signals) -> None:
    process = dt.start("up", "--json")
    assert process.stdout is not None
    assert '"started":true' in process.stdout.readline()
    process.send_signal(number)
    _, talk = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert f"{number.name}: draining" in talk


def test_systemd_is_told_of_readiness_life_and_the_end(dt: DtProcess, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(PATIENCE_SECONDS)
        watched = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
        process = DtProcess(tmp_path, {**dt.environment, **watched}).start("daemon")
        heard = [ear.recv(4096).decode()]
        while "WATCHDOG=1" not in heard:
            heard.append(ear.recv(4096).decode())
        process.send_signal(signal.SIGTERM)
        while not heard[-1].startswith("STOPPING=1"):
            heard.append(ear.recv(4096).decode())
        process.communicate(timeout=PATIENCE_SECONDS)
    assert heard[0].startswith("READY=1\nSTATUS=0 of 4 places taken")
    assert process.returncode == 0


def test_whatever_the_daemon_makes_is_private(dt: DtProcess, home: Path) -> None:
    dt("up", "--detach")
    os.kill(pid_of(home), signal.SIGSTOP)  # it makes files, and takes them away
    try:
        made = [path for path in home.rglob("*") if not path.is_symlink()]
        assert {path for path in made if path.stat().st_mode & 0o077} == set()
    finally:
        os.kill(pid_of(home), signal.SIGCONT)


def test_the_service_file_is_printed_and_not_written(dt: DtProcess, tmp_path: Path) -> None:
    said = dt("service", "status", "--user", "--json")
    assert said.form["installed"] is False
    printed = dt("service", "install", "--user", "--print", "--json")
    assert printed.code in (0, 2)  # 2: these sources are not installed, so there is no program to name
    assert ("Type=notify" in printed.out) == (printed.code == 0)
    assert not (tmp_path / ".config" / "systemd").exists()


def test_a_system_service_is_printed_for_whoever_asks_and_as_one_document(dt: DtProcess) -> None:
    printed = dt("service", "install", "--system", "--print")
    as_json = dt("service", "install", "--system", "--print", "--run-as", "daemon", "--json")
    if printed.code == 2:  # these sources are not installed, so there is no program to name
        assert "for systemd to start" in printed.err
        return
    assert f"User={getpass.getuser()}" in printed.out
    assert "--run-as" in printed.err
    assert (as_json.form["scope"], as_json.err) == ("system", "")
    assert "User=daemon" in as_json.form["unit"]
