"""The SQLite board as a file: what is refused, what is noticed while it is open, and that nothing is made anew by mistake."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.config.mounts import mount_kind
from dreamos_tasks.errors import (
    BoardCorrupt,
    BoardGone,
    BoardTooNew,
    BoardUnavailable,
    BoardUnsafe,
    DreamosError,
    InvalidInput,
)
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.task import TaskDraft
from dreamos_tasks.stores import board_file
from dreamos_tasks.stores.sqlite import SqliteStore
from tests.agents import in_processes
from tests.fakes import START, FakeClock, FakeReading

READING = FakeReading("boot-1", 5_000_000, 1_800_000_000_000_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "nexus.db"


@pytest.fixture
def nexus(path: Path, clock: FakeClock) -> Iterator[TaskNexus]:
    with closing(SqliteStore.create(path)) as store:
        made = TaskNexus(store, clock)
        made.add_task(TaskDraft(title="x" * 400, task_id="a"))
        made.add_task(TaskDraft(title="y" * 400, task_id="b", depends_on=("a",)))
        yield made


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def refused(act: Callable[[], object]) -> DreamosError:
    with pytest.raises(BoardUnavailable) as caught:
        act()
    assert caught.value.fix
    return caught.value


def test_a_new_board_is_its_owners_alone(path: Path) -> None:
    SqliteStore.create(path).close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_opening_never_makes_a_board(path: Path, tmp_path: Path) -> None:
    with pytest.raises(BoardGone, match="there is no board"):
        SqliteStore(path)
    assert files(tmp_path) == set()


def test_making_a_board_leaves_nothing_but_the_board(path: Path, tmp_path: Path) -> None:
    SqliteStore.create(path).close()

    assert files(tmp_path) == {"nexus.db"}


def test_making_a_board_that_is_there_opens_it(nexus: TaskNexus, path: Path) -> None:
    with closing(SqliteStore.create(path)) as again:
        assert again.task_count() == 2


def test_a_board_of_a_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    SqliteStore.create(path).close()
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("PRAGMA user_version = 99").fetchall()

    with pytest.raises(BoardTooNew) as caught:
        SqliteStore(path)

    assert "99" in caught.value.message
    with closing(apsw.Connection(str(path))) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (99,)


def test_a_sqlite_file_of_something_else_is_refused_and_left_alone(path: Path) -> None:
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("CREATE TABLE song (title); INSERT INTO song VALUES ('x')").fetchall()
    path.chmod(0o600)

    with pytest.raises(BoardCorrupt, match="not a board"):
        SqliteStore(path)

    with closing(apsw.Connection(str(path))) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("song",)]


@pytest.mark.parametrize(
    "content", [b"", b"hello, this is no database at all\n" * 200, b"SQLite format 3\0" + b"\xff" * 8000]
)
def test_a_file_that_is_no_sound_board_is_refused_and_kept(path: Path, tmp_path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)

    for open_ in (SqliteStore, SqliteStore.create):
        with pytest.raises(BoardCorrupt):
            open_(path)

    assert path.read_bytes() == content


def test_damage_in_the_middle_of_the_file_is_found(nexus: TaskNexus, path: Path) -> None:
    for number in range(60):
        nexus.add_task(TaskDraft(title=f"{number} " + "z" * 200))
    nexus.close()
    content = bytearray(path.read_bytes())
    content[20_000:24_000] = b"\xa5" * 4_000
    path.write_bytes(content)

    def look_everywhere() -> list[str]:
        with closing(SqliteStore(path)) as store:
            problems = list(store.integrity_problems())
            store.find(TaskQuery(), now=START)
            return problems

    try:
        assert look_everywhere() != []
    except BoardCorrupt as error:
        assert "dt doctor" in error.fix  # noqa: PT017  either way of finding it will do
    assert path.read_bytes()[20_000:24_000] == bytes(content[20_000:24_000])


def test_a_board_deleted_while_open_is_missed_and_not_made_anew(nexus: TaskNexus, path: Path, tmp_path: Path) -> None:
    for file in tmp_path.glob("nexus.db*"):
        file.unlink()

    for act in (
        lambda: nexus.add_task(TaskDraft(title="z")),
        lambda: nexus.get_next_task("ada"),
        nexus.store.change_mark,
    ):
        assert isinstance(refused(act), BoardGone)
    assert not path.exists()


def test_a_board_replaced_while_open_is_noticed_and_neither_is_written(
    nexus: TaskNexus, path: Path, tmp_path: Path
) -> None:
    SqliteStore.create(tmp_path / "other.db").close()
    other = (tmp_path / "other.db").read_bytes()
    os.rename(tmp_path / "other.db", path)

    assert isinstance(refused(lambda: nexus.get_next_task("ada")), BoardGone)
    assert isinstance(refused(nexus.store.change_mark), BoardGone)
    assert path.read_bytes() == other


@pytest.mark.parametrize("size", [0, 100, 4096])
@pytest.mark.parametrize("checkpointed", [False, True])
def test_a_board_truncated_while_open_is_noticed_and_left_as_it_is(
    nexus: TaskNexus, path: Path, size: int, checkpointed: bool
) -> None:
    if checkpointed:
        with closing(apsw.Connection(str(path))) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        nexus.get_next_task("ada")
    assert path.stat().st_size > size
    os.truncate(path, size)

    for act in (lambda: nexus.add_task(TaskDraft(title="z")), lambda: nexus.get_next_task("ben")):
        assert isinstance(refused(act), BoardGone)
    assert path.stat().st_size == size


def test_a_board_emptied_while_closed_is_not_taken_for_a_new_one(nexus: TaskNexus, path: Path) -> None:
    nexus.close()
    os.truncate(path, 0)

    with pytest.raises(BoardCorrupt, match="is empty"):
        SqliteStore.create(path)
    assert path.stat().st_size == 0


def test_a_board_that_comes_back_can_be_used_on(nexus: TaskNexus, path: Path, tmp_path: Path) -> None:
    path.rename(tmp_path / "aside")
    refused(lambda: nexus.get_next_task("ada"))
    (tmp_path / "aside").rename(path)

    assert nexus.get_next_task("ada") is not None


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_board_that_others_can_write_is_refused(path: Path, mode: int) -> None:
    SqliteStore.create(path).close()
    path.chmod(mode)

    with pytest.raises(BoardUnsafe) as caught:
        SqliteStore(path)
    assert caught.value.fix == f"chmod 600 {path}"


def test_a_folder_and_a_pipe_are_no_boards(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(BoardUnsafe, match="not a regular file"):
            SqliteStore(path)


@pytest.mark.usefixtures("agents")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("kind", ["sqlite", "json"])
def test_another_users_board_is_refused(kind: str) -> None:
    nobody = 65534
    with TemporaryDirectory() as folder:  # not below pytest's own, which nobody else may enter
        os.chmod(folder, 0o711)
        path = Path(folder) / "board"
        if kind == "sqlite":
            SqliteStore.create(path).close()
        else:
            path.write_text("[]", encoding="utf-8")
        path.chmod(0o644)

        assert in_processes("open_as", [(kind, str(path), nobody)]) == ["board_unsafe"]


def test_a_board_on_a_network_mount_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_file, "mount_kind", lambda folder: "nfs4")

    with pytest.raises(BoardUnsafe, match="network mount"):
        SqliteStore.create(path)
    assert not path.exists()


def test_the_kind_of_a_mount_is_known() -> None:
    assert mount_kind(Path("/proc/self")) == "proc"


def test_a_library_that_can_lose_commits_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteStore.create(path).close()
    monkeypatch.setattr(apsw, "SQLITE_VERSION_NUMBER", 3_051_002)

    with pytest.raises(BoardUnsafe, match="can lose commits"):
        SqliteStore(path)


def test_the_offset_to_board_time_is_kept_from_the_first_transaction_of_a_boot(nexus: TaskNexus, path: Path) -> None:
    later = FakeReading("boot-1", READING.since_boot_us, READING.wall_us + 3_600_000_000)
    with nexus.store.transaction():
        offset = nexus.store.clock_offset(READING)

    with closing(SqliteStore(path)) as other:
        assert other.clock_offset(later) == offset


def test_an_older_sqlite_error_does_not_stop_the_next_verb(nexus: TaskNexus) -> None:
    with pytest.raises(BoardUnavailable), nexus.store.transaction():
        raise apsw.IOError("disk I/O error")

    assert nexus.get_next_task("ada") is not None


def test_text_that_is_no_unicode_is_refused_and_changes_nothing(nexus: TaskNexus) -> None:
    with pytest.raises(InvalidInput, match="Unicode"):
        nexus.add_task(TaskDraft(title="half a character: \ud83d"))

    assert nexus.store.task_count() == 2
    assert nexus.add_task(TaskDraft(title="a whole one: 😀")).title.endswith("😀")
