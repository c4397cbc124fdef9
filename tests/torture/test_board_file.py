"""Faults 6 and 23: the board's file is deleted, replaced, cut short or write-protected while a daemon works on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from dreamos_tasks.model.task import Status, TaskDraft
from tests.torture.rig import Rig
from tests.torture.waiting import until

pytestmark = pytest.mark.torture


def delete(rig: Rig, _tmp_path: Path) -> None:
    rig.board.unlink()


def delete_all_of_it(rig: Rig, _tmp_path: Path) -> None:
    for path in rig.home.runtime.glob("nexus.db*"):
        path.unlink()


def replace_by_an_empty_file(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "empty").touch(mode=0o600)
    (tmp_path / "empty").replace(rig.board)


def replace_by_another_board(rig: Rig, tmp_path: Path) -> None:
    other = Rig(tmp_path / "other")
    other.add_journalled("of another board")
    other.close()
    shutil.copy(other.board, tmp_path / "copy")
    (tmp_path / "copy").replace(rig.board)


def truncate_to_nothing(rig: Rig, _tmp_path: Path) -> None:
    os.truncate(rig.board, 0)


def truncate_to_half(rig: Rig, _tmp_path: Path) -> None:
    os.truncate(rig.board, rig.board.stat().st_size // 2)


def overwrite(rig: Rig, _tmp_path: Path) -> None:
    with rig.board.open("r+b") as file:
        file.write(b"something else entirely, " * 400)


DAMAGES = (
    delete,
    delete_all_of_it,
    replace_by_an_empty_file,
    replace_by_another_board,
    truncate_to_nothing,
    truncate_to_half,
    overwrite,
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_board_that_is_lost_while_the_daemon_runs_stops_claiming_raises_an_alarm_and_is_not_made_anew(
    rig: Rig, tmp_path: Path, damage: Callable[[Rig, Path], None]
) -> None:
    """Fault 23."""
    daemon = rig.start_daemon()
    rig.nexus.add_tasks([TaskDraft(title=f"kept {number}", description="x" * 300) for number in range(20)])
    rig.wait_for(rig.add_journalled("done before"), "completed")
    effects = rig.journal.entries()
    rig.nexus.close()
    _checkpoint(rig)

    damage(rig, tmp_path)

    trouble = until(daemon.trouble, what=lambda: f"an alarm in the status; log: {rig.log()[-2000:]}")
    assert str(rig.board) in " ".join(trouble)
    until(lambda: _is_told_of(rig, trouble), what=lambda: rig.dt("status", "--json"))
    before = _state(rig)
    for arguments in (("add", "x", "--run", rig.journal.command()), ("next", "--agent", "ada"), ("list",)):
        _refused_or_on_a_whole_board(rig, arguments, damage)
    assert daemon.process.poll() is None, "it stays to tell what is wrong"
    assert rig.journal.entries() == effects, "nothing was claimed"
    if damage is not replace_by_another_board:
        assert _state(rig) == before, "no new board was made in its place"
    assert daemon.stop() in (0, 1, 6)
    assert len(rig.log()) < 200_000, "it is said, and not said for ever"


def _is_told_of(rig: Rig, trouble: Sequence[str]) -> bool:
    """Whether `dt status` says this; when it can read the board at all, and a busy daemon answers it in time."""
    status = rig.dt("status", "--json")
    assert status.code in (0, 6), status.err
    return status.code == 6 or set(trouble) <= set((status.json["daemon"] or {}).get("trouble", ()))


def _refused_or_on_a_whole_board(rig: Rig, arguments: tuple[str, ...], damage: Callable[[Rig, Path], None]) -> None:
    """A command that is started now sees the file that is there now: refused, unless that is a sound board."""
    answer = rig.dt(*arguments, "--json")
    if damage is replace_by_another_board:
        assert answer.code in (0, 5)
    elif damage is delete_all_of_it and arguments == ("list",):
        assert answer.code in (0, 6), answer
    elif damage is not delete_all_of_it:
        assert answer.code == 6, (arguments, answer)
        assert answer.error["fix"]


def _state(rig: Rig) -> int | None:
    """How large the board's file is; None when there is none."""
    return rig.board.stat().st_size if rig.board.exists() else None


def _checkpoint(rig: Rig) -> None:
    """Everything into the main file, so that what is lost with it cannot come back from the -wal."""
    connection = apsw.Connection(str(rig.board))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


@contextmanager
def write_protected(*paths: Path) -> Iterator[None]:
    """Nobody can write these, not even root: the immutable flag. Skips the test where there is no such flag."""
    done: list[Path] = []
    try:
        for path in paths:
            try:
                tried = subprocess.run(["chattr", "+i", str(path)], capture_output=True, text=True)
            except FileNotFoundError:
                pytest.skip("chattr is not installed")
            if tried.returncode != 0:
                pytest.skip(f"files cannot be made immutable here: {tried.stderr.strip()}")
            done.append(path)
        yield
    finally:
        for path in done:
            subprocess.run(["chattr", "-i", str(path)], check=True)


def test_a_board_that_becomes_read_only_in_the_middle_of_a_run_is_waited_for_and_said_loudly(
    rig: Rig, tmp_path: Path
) -> None:
    """Fault 6."""
    gate = tmp_path / "gate"
    daemon = rig.start_daemon()
    task_id = rig.add_journalled("cannot be recorded", steps=1, then=f"until test -e '{gate}'; do sleep 0.05; done")
    until(rig.journal.entries, what="the step runs")

    with write_protected(rig.board, Path(f"{rig.board}-wal")):
        gate.touch()
        trouble = until(daemon.trouble, what=lambda: f"an alarm in the status; log: {rig.log()[-2000:]}")
        added = rig.dt("add", "cannot be written", "--json")
        assert daemon.is_calm(), "it does not spin"
        assert rig.task(task_id).status is Status.IN_PROGRESS, "no false done"

    assert (added.code, added.error["code"]) == (6, "board_unavailable")
    assert any("written" in word or "recorded" in word for word in trouble), trouble
    assert rig.wait_for(task_id, "final").status is Status.COMPLETED
    until(lambda: daemon.status() and not daemon.trouble(), what="the alarm ends")
    assert len(rig.journal.entries()) == 1 or rig.task(task_id).last_token > 1
    assert rig.log().count("ERROR") < 30
    daemon.stop()
    rig.assert_sound()


def test_an_inbox_that_becomes_read_only_is_said_loudly_and_holds_nothing_else_up(rig: Rig) -> None:
    """Fault 6."""
    daemon = rig.start_daemon()
    with write_protected(*(path for path in (rig.inbox / ".taken", rig.inbox / "rejected"))):
        (rig.home.path / "x.part").write_text('{"title": "from a file"}')
        (rig.home.path / "x.part").rename(rig.inbox / "x.json")
        until(daemon.trouble, what=lambda: f"an alarm in the status; log: {rig.log()[-2000:]}")
        done = rig.add_journalled("meanwhile")
        assert rig.wait_for(done, "final").status is Status.COMPLETED
        assert daemon.is_calm(), "it does not spin"

    until(lambda: [t for t in rig.nexus.get_all_tasks() if t.title == "from a file"], what="it is taken in at last")
    until(lambda: daemon.status() and not daemon.trouble(), what="the alarm ends")
    daemon.stop()
    rig.assert_sound(all_final=False)


def test_a_command_on_a_read_only_mount_says_so(rig: Rig) -> None:
    """Fault 6."""
    rig.nexus.close()
    unshared = ["unshare", "--mount", "sh", "-c"]
    protect = f"mount --bind '{rig.home.path}' '{rig.home.path}' && mount -o remount,ro,bind '{rig.home.path}'"
    if shutil.which("unshare") is None or subprocess.run([*unshared, protect], capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")

    added = rig.dt("add", "cannot be written", "--json", prefix=[*unshared, f'{protect} && exec "$@"', "sh"])
    daemon = rig.dt("daemon", "--json", prefix=[*unshared, f'{protect} && exec "$@"', "sh"])

    assert (added.code, added.error["code"]) == (6, "board_unavailable"), added
    assert daemon.code == 6, daemon.err
    assert json.loads(daemon.err.splitlines()[-1])["error"]["fix"]
    assert rig.dt("add", "can be written").code == 0
