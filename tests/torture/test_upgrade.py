"""Fault 30: a migration, a backup or a restore that is killed midway happened whole or not at all."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import apsw
import pytest

from dreamos_tasks.model.task import TaskDraft
from tests.torture.rig import Rig
from tests.torture.strace import WRITES, chosen, kill_points, killing, require_strace, tracing
from tests.torture.waiting import until

pytestmark = pytest.mark.torture

KILLS = 4  # of each operation in the short run
NEXT_RELEASE = """
import sys
from pathlib import Path
from dreamos_tasks.stores import sqlite_connection
sqlite_connection.MIGRATIONS = Path(sys.argv[2])
sqlite_connection.SCHEMA_VERSION = len(list(sqlite_connection.MIGRATIONS.glob("*.sql")))
from dreamos_tasks import TaskNexus
with TaskNexus.open(sys.argv[1]) as nexus:
    print(len(nexus.get_all_tasks()), sqlite_connection.SCHEMA_VERSION)
"""
NEXT_MIGRATION = """
CREATE TABLE note (n INTEGER PRIMARY KEY, words TEXT NOT NULL);
INSERT INTO note (words) SELECT title FROM task;
ALTER TABLE task ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm';
UPDATE task SET mood = 'good';
"""


def test_an_upgrade_killed_at_any_write_leaves_the_old_schema_or_the_new(
    rig: Rig, rng: random.Random, long_run: bool, tmp_path: Path
) -> None:
    require_strace()
    from dreamos_tasks.stores import sqlite_connection

    migrations = tmp_path / "migrations"
    migrations.mkdir()
    for script in sqlite_connection.MIGRATIONS.glob("*.sql"):
        (migrations / script.name).write_text(script.read_text())
    newer = sqlite_connection.SCHEMA_VERSION + 1
    (migrations / f"{newer:04d}_mood.sql").write_text(NEXT_MIGRATION)
    tasks = 20
    rig.nexus.add_tasks([TaskDraft(title=f"task {number}") for number in range(tasks)])
    rig.nexus.close()
    original = rig.board.read_bytes()

    def upgrade(prefix: Sequence[str]) -> subprocess.CompletedProcess[str]:
        for path in rig.home.runtime.glob("nexus.db*"):
            path.unlink()
        rig.board.write_bytes(original)
        rig.board.chmod(0o600)
        return open_as_next_release(prefix)

    def open_as_next_release(prefix: Sequence[str]) -> subprocess.CompletedProcess[str]:
        command = [*prefix, sys.executable, "-c", NEXT_RELEASE, str(rig.board), str(migrations)]
        return subprocess.run(command, env=rig.environment, capture_output=True, text=True, timeout=60)

    trace = tmp_path / "trace"
    whole = upgrade(tracing(WRITES, trace))
    assert whole.stdout.split() == [str(tasks), str(newer)], whole.stderr
    points = kill_points(trace)

    killed = 0
    for point in chosen(rng, points, KILLS, everything=long_run):
        killed += upgrade(killing(point)).returncode != 0

        found = _facts(rig.board)
        assert found in ((newer - 1, tasks, None), (newer, tasks, tasks)), (point, found)
        again = open_as_next_release(())
        assert again.stdout.split() == [str(tasks), str(newer)], (point, again.stderr)
        assert _facts(rig.board) == (newer, tasks, tasks)
        kept = list(rig.home.runtime.glob("*.backup"))
        assert [_facts(path) for path in kept] == [(newer - 1, tasks, None)], (point, "the backup has what was there")
    assert killed >= KILLS - 2, "this test has hardly killed anybody"


def _facts(path: Path) -> tuple[int, int, int | None]:
    """Schema, tasks, notes (None without the table) of a board that is sound."""
    connection = apsw.Connection(str(path))
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        version, tasks = connection.pragma("user_version"), _count(connection, "task")
        has_notes = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'note'").fetchone() is not None
        notes = _count(connection, "note") if has_notes else None
    finally:
        connection.close()
    return version, tasks, notes


def _count(connection: apsw.Connection, table: str) -> int:
    """How many rows there are."""
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0]
    return count  # type: ignore[return-value]


def test_a_board_whose_making_was_killed_at_any_write_is_made_by_the_next_command(
    rig: Rig, rng: random.Random, long_run: bool, tmp_path: Path
) -> None:
    require_strace()

    def clear() -> None:
        for path in rig.home.runtime.glob("nexus.db*"):
            path.unlink()

    trace = tmp_path / "trace"
    rig.dt("list")  # the first command of a home writes more than the others
    clear()
    assert rig.dt("add", "first", prefix=tracing(WRITES, trace)).code == 0
    points = kill_points(trace)

    for point in chosen(rng, points, KILLS, everything=long_run):
        clear()
        first = rig.dt("add", "first", prefix=killing(point))

        second = rig.dt("add", "second")

        assert second.code == 0, (point, second.err)
        titles = [task["title"] for task in rig.dt("list", "--json").json]
        assert "second" in titles, point
        assert first.code != 0 or "first" in titles, (point, "acknowledged, and gone")


def test_a_backup_killed_at_any_write_leaves_no_half_copy_under_its_name(
    rig: Rig, rng: random.Random, long_run: bool, tmp_path: Path
) -> None:
    require_strace()
    tasks = 300
    rig.nexus.add_tasks([TaskDraft(title=f"task {number}", description="x" * 500) for number in range(tasks)])
    trace, copy = tmp_path / "trace", tmp_path / "copy.db"
    assert rig.dt("backup", str(copy), prefix=tracing(WRITES, trace)).code == 0
    points = kill_points(trace)

    for point in chosen(rng, points, KILLS, everything=long_run):
        copy.unlink(missing_ok=True)
        killed = rig.dt("backup", str(copy), prefix=killing(point))
        if copy.exists():
            assert _facts(copy)[1] == tasks, point
        else:
            assert killed.code != 0, point
            assert rig.dt("backup", str(copy)).code == 0, point


def test_a_backup_made_while_agents_write_restores_with_equal_counts(rig: Rig, tmp_path: Path) -> None:
    rig.nexus.add_tasks([TaskDraft(title=f"task {number}") for number in range(80)])
    agents = [rig.start_agent(name) for name in ("ada", "bob")]
    until(lambda: len(rig.ledger.entries()) > 10, what="agents work")

    copy = tmp_path / "copy.db"
    made = rig.dt("backup", str(copy), "--json")
    assert made.code == 0, made.err
    rig.wait_for_all()
    for agent in agents:
        agent.kill()
        agent.wait()
    rig.assert_sound()

    rig.nexus.close()
    for path in rig.home.runtime.glob("nexus.db*"):
        path.unlink()
    restored = rig.dt("board", "restore", str(copy), "--yes", "--json")
    assert restored.code == 0, restored.err
    assert restored.json["tasks"] == made.json["tasks"] == 80
    assert restored.json["last_seq"] == made.json["last_seq"]
    del rig.__dict__["nexus"]
    assert len(rig.nexus.get_all_tasks()) == 80
    rig.ledger.path.unlink()  # what was acknowledged after the copy is not in it
    rig.journal.path.unlink()
    rig.assert_sound(all_final=False)
