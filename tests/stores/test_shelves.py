"""What is kept beside the tasks is the same for every kind of store."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import BoardCorrupt, InvalidInput, Refused, TaskNotFound
from dreamos_tasks.model.task import TaskDraft
from dreamos_tasks.protocols import TaskStore
from dreamos_tasks.stores import sqlite_connection
from dreamos_tasks.stores.convert import copy_board
from dreamos_tasks.stores.json_file import JsonStore
from dreamos_tasks.stores.memory import MemoryStore
from dreamos_tasks.stores.sqlite import SqliteStore
from tests.fakes import FakeClock, FakeReading
from tests.kinds import KINDS, board_path, make_store, open_store

GATE: dict[str, object] = {
    "breaker": {"failed_at": [], "open_until": "2026-03-01T09:00:30.000000Z", "probe": None, "reason": "größe"}
}
WITH_A_PLACE = ("memory", "json", "sqlite")  # an array of tasks has none
READING = FakeReading("boot-1", 1, 2)


@pytest.fixture(params=WITH_A_PLACE)
def roomy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TaskStore]:
    """A store of each kind that has a place for everything."""
    with closing(make_store(request.param, tmp_path)) as store:
        yield store


def put(store: TaskStore, shelf: str, *keys: str) -> None:
    with store.transaction():
        for key in keys:
            store.keep(shelf, key, {"key": key})


def test_a_form_is_there_until_none_is_kept(store: TaskStore) -> None:
    assert store.kept("gate", "http a") is None
    with store.transaction():
        store.keep("gate", "http b", {"starts": [[1, 1]]})
        store.keep("gate", "http a", GATE)
    assert store.kept("gate", "http a") == GATE
    assert list(store.all_kept("gate")) == ["http a", "http b"]

    with store.transaction():
        store.keep("gate", "http a", None)
    assert store.all_kept("gate") == {"http b": {"starts": [[1, 1]]}}
    with store.transaction():
        store.keep("gate", "http b", {"starts": []})
        store.keep("gate", "nobody", None)
    assert store.all_kept("gate") == {"http b": {"starts": []}}


def test_shelves_know_nothing_of_one_another(roomy: TaskStore) -> None:
    put(roomy, "mail", "ada", "ben")
    put(roomy, "extra", "ada")
    with roomy.transaction():
        roomy.keep("extra", "ada", None)

    assert list(roomy.all_kept("mail")) == ["ada", "ben"]
    assert (roomy.all_kept("extra"), roomy.all_kept("mai"), roomy.shelves()) == ({}, {}, ["mail"])


def test_keys_come_in_their_order_whatever_their_letters(roomy: TaskStore) -> None:
    keys = ["b", "a", "a/2", "a/10", "A", "é", "\u7fff", "\U0001f600", "\ufffd", "a b", "a%", "a_"]
    put(roomy, "mail", *keys)

    assert list(roomy.all_kept("mail")) == sorted(keys)
    assert list(roomy.all_kept("mail", prefix="a")) == ["a", "a b", "a%", "a/10", "a/2", "a_"]
    assert list(roomy.all_kept("mail", prefix="a/")) == ["a/10", "a/2"]
    assert list(roomy.all_kept("mail", prefix="a%")) == ["a%"]
    assert roomy.all_kept("mail", prefix="x") == {}


def test_a_long_shelf_is_read_page_by_page(roomy: TaskStore) -> None:
    keys = [f"ada/{number:05d}" for number in range(2_500)]
    put(roomy, "mail", *keys, "adb/1", "ac/1")
    assert len(roomy.all_kept("mail")) == 1000

    read: list[str] = []
    while page := roomy.all_kept("mail", prefix="ada/", after=read[-1] if read else "", limit=700):
        assert len(page) <= 700
        read += page
    assert read == keys
    assert list(roomy.all_kept("mail", prefix="ada/", after="ada/02498x")) == ["ada/02499"]
    assert list(roomy.all_kept("mail", after="ada/02499")) == ["adb/1"]


def test_keeping_is_part_of_a_transaction_that_can_fail(store: TaskStore) -> None:
    put(store, "gate", "http b")
    with pytest.raises(RuntimeError):
        store.keep("gate", "http a", GATE)

    def fail() -> None:
        with store.transaction():
            store.keep("gate", "http a", GATE)
            store.keep("gate", "http b", None)
            raise TaskNotFound("x")

    with pytest.raises(TaskNotFound):
        fail()
    assert store.all_kept("gate") == {"http b": {"key": "http b"}}

    with store.transaction():
        store.keep("gate", "http c", GATE)
        with pytest.raises(TaskNotFound):
            fail()
    assert list(store.all_kept("gate")) == ["http b", "http c"]


@pytest.mark.parametrize("kind", ["json", "sqlite"])
def test_what_is_kept_is_seen_by_others_and_after_a_restart(kind: str, tmp_path: Path) -> None:
    path = board_path(kind, tmp_path)
    with closing(make_store(kind, tmp_path)) as one, closing(open_store(kind, path)) as other:
        mark = other.change_mark()
        put(one, "extra", "ada")
        assert other.change_mark() != mark
        assert other.kept("extra", "ada") == {"key": "ada"}
        put(other, "extra", "ben")
        assert list(one.all_kept("extra")) == ["ada", "ben"]
    with closing(open_store(kind, path)) as again:
        assert again.all_kept("extra") == {"ada": {"key": "ada"}, "ben": {"key": "ben"}}


@pytest.mark.parametrize("kind", ["json", "sqlite"])
def test_writers_lose_nothing_of_one_another(kind: str, tmp_path: Path) -> None:
    make_store(kind, tmp_path).close()

    def count_up() -> None:
        with closing(open_store(kind, board_path(kind, tmp_path))) as store:
            for _ in range(20):
                with store.transaction():
                    number = (store.kept("counter", "n") or {"n": 0})["n"]
                    assert isinstance(number, int)
                    store.keep("counter", "n", {"n": number + 1})

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with closing(open_store(kind, board_path(kind, tmp_path))) as store:
        assert store.kept("counter", "n") == {"n": 80}


def test_an_array_of_tasks_has_no_place_for_gates_so_each_process_keeps_its_own(tmp_path: Path) -> None:
    path = board_path("json_array", tmp_path)
    with closing(make_store("json_array", tmp_path)) as one, closing(open_store("json_array", path)) as other:
        put(one, "gate", "http a")
        assert (one.kept("gate", "http a"), other.kept("gate", "http a")) == ({"key": "http a"}, None)
        assert path.read_text() == "[]\n"


def test_an_array_of_tasks_refuses_what_it_would_lose(tmp_path: Path) -> None:
    path = board_path("json_array", tmp_path)
    with closing(make_store("json_array", tmp_path)) as store, closing(MemoryStore()) as source:
        with pytest.raises(Refused, match="no place"):
            put(store, "extra", "ada")
        put(source, "extra", "ada")
        with pytest.raises(Refused, match="no place"):
            copy_board(source, store, measure=READING)
    assert path.read_text() == "[]\n"


@pytest.mark.parametrize("target_kind", WITH_A_PLACE)
def test_a_copy_has_all_that_is_kept(roomy: TaskStore, target_kind: str, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    put(roomy, "mail", *(f"{number:04d}" for number in range(1_200)))
    with roomy.transaction():
        roomy.keep("gate", "http a", GATE)
    with closing(make_store(target_kind, tmp_path / "copy")) as target:
        copy_board(roomy, target, measure=READING)
        assert target.shelves() == ["gate", "mail"]
        assert target.all_kept("gate") == {"http a": GATE}
        assert target.all_kept("mail", limit=9_999) == roomy.all_kept("mail", limit=9_999)


@pytest.mark.parametrize("target_kind", KINDS)
def test_gates_go_along_to_any_board(store: TaskStore, target_kind: str, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    put(store, "gate", "http a")
    with closing(make_store(target_kind, tmp_path / "copy")) as target:
        copy_board(store, target, measure=READING)
        assert target.all_kept("gate") == {"http a": {"key": "http a"}}


@pytest.mark.parametrize("kind", ["json", "sqlite"])
def test_a_backup_has_all_that_is_kept(kind: str, tmp_path: Path) -> None:
    copy = board_path(kind, tmp_path).with_stem("copy")
    with closing(make_store(kind, tmp_path)) as store:
        put(store, "extra", "ada")
        store.backup(copy)
    with closing(open_store(kind, copy)) as again:
        assert again.all_kept("extra") == {"ada": {"key": "ada"}}


# -- SQLite


def board_of_schema_3(path: Path) -> None:
    """A board as the release before made it, with gates on it."""
    connection = apsw.Connection(str(path))
    for number in (1, 2, 3):
        (script,) = sqlite_connection.MIGRATIONS.glob(f"{number:04d}_*.sql")
        connection.execute(script.read_text(encoding="utf-8")).fetchall()
    connection.execute(
        f"PRAGMA application_id = {sqlite_connection.APPLICATION_ID}; PRAGMA user_version = 3"
    ).fetchall()
    connection.execute("INSERT INTO gate VALUES ('http a', ?), ('tool shell', '{}')", (json.dumps(GATE),))
    connection.close()
    path.chmod(0o600)


def test_gates_of_an_older_board_are_on_their_shelf(tmp_path: Path) -> None:
    path = board_path("sqlite", tmp_path)
    board_of_schema_3(path)

    with closing(SqliteStore(path)) as store:
        assert store.all_kept("gate") == {"http a": GATE, "tool shell": {}}
        assert [gate.key for gate in TaskNexus(store, FakeClock()).gates()] == ["http a"]
        assert store.integrity_problems() == []
        tables = store._session.rows("SELECT name FROM sqlite_schema WHERE name = 'gate'")
    assert tables == []
    assert [beside.name for beside in tmp_path.glob("*.backup")] == ["nexus.db.schema-3.backup"]


def test_what_nobody_of_us_has_kept_is_damage(tmp_path: Path) -> None:
    with closing(make_store("sqlite", tmp_path)) as store:
        assert isinstance(store, SqliteStore)
        with store.transaction():
            store._session.rows("INSERT INTO shelf VALUES ('extra', 'ada', '{half')")
        with pytest.raises(BoardCorrupt):
            store.kept("extra", "ada")
        with pytest.raises(BoardCorrupt):
            store.all_kept("extra")


def test_half_a_character_is_refused(tmp_path: Path) -> None:
    with closing(make_store("sqlite", tmp_path)) as store:

        def keep() -> None:
            with store.transaction():
                store.keep("extra", "ada", {"note": "\ud83d"})

        with pytest.raises(InvalidInput, match="Unicode"):
            keep()
        assert store.all_kept("extra") == {}


# -- JSON


def write(path: Path, document: object) -> None:
    path.write_text(json.dumps(document), encoding="utf-8")
    path.chmod(0o600)


def test_a_person_reads_the_shelves_beside_the_tasks(tmp_path: Path) -> None:
    path = board_path("json", tmp_path)
    with closing(make_store("json", tmp_path)) as store:
        TaskNexus(store, FakeClock()).add_task(TaskDraft(title="x", task_id="one"))
        put(store, "extra", "ben", "ada")
        put(store, "gate", "http a")
    text = path.read_text(encoding="utf-8")
    told = json.loads(text)
    assert list(told) == ["dreamos_tasks", "shelves", "tasks"]
    assert list(told["shelves"]) == ["extra", "gate"]
    assert list(told["shelves"]["extra"]) == ["ada", "ben"]
    assert '  "shelves": {\n    "extra": {\n      "ada": {\n        "key": "ada"\n      },\n' in text


def test_gates_of_an_older_file_are_read_and_move_to_their_shelf(tmp_path: Path) -> None:
    path = board_path("json", tmp_path)
    write(path, {"dreamos_tasks": 1, "gates": {"http a": GATE}, "tasks": [], "mine": 1})
    with closing(JsonStore(path)) as store:
        assert store.all_kept("gate") == {"http a": GATE}
        put(store, "extra", "ada")
        assert list(store.all_kept("gate")) == ["http a"]
    told = json.loads(path.read_text(encoding="utf-8"))
    assert told == {
        "dreamos_tasks": 1,
        "shelves": {"extra": {"ada": {"key": "ada"}}, "gate": {"http a": GATE}},
        "tasks": [],
        "mine": 1,
    }


@pytest.mark.parametrize(
    ("top", "pointer"),
    [
        ({"shelves": []}, "/shelves"),
        ({"shelves": {"extra": 3}}, "/shelves/extra"),
        ({"shelves": {"extra": {"a/b": "x"}}}, "/shelves/extra/a~1b"),
        ({"shelves": {"gate": {"http a": {"holds": [{}]}}}}, "/shelves/gate/http a"),
        ({"shelves": {"agent": {"ada": {"agent_id": "ada"}}}}, "/shelves/agent/ada"),
        ({"shelves": {"incident": {"x": {"state": "odd"}}}}, "/shelves/incident/x"),
        ({"shelves": {"mail": {"ada/1": {"subject": "no more"}}}}, "/shelves/mail/ada~11"),
        ({"shelves": {"episode": {"episode-x": {"state": "running"}}}}, "/shelves/episode/episode-x"),
        ({"gates": {"http a": {"starts": 3}}}, "/gates/http a"),
    ],
)
def test_shelves_that_do_not_fit_are_told_by_their_place(tmp_path: Path, top: dict[str, object], pointer: str) -> None:
    path = board_path("json", tmp_path)
    write(path, {"dreamos_tasks": 1, "tasks": [], **top})

    with pytest.raises(BoardCorrupt) as caught:
        JsonStore(path)
    assert pointer in f"{caught.value} {caught.value.cause}"


def test_a_hand_edit_of_a_shelf_is_taken_in(tmp_path: Path) -> None:
    path = board_path("json", tmp_path)
    with closing(make_store("json", tmp_path)) as store:
        put(store, "extra", "ada")
        path.write_text(path.read_text(encoding="utf-8").replace('"key": "ada"', '"key": "eda"'), encoding="utf-8")
        assert store.kept("extra", "ada") == {"key": "eda"}
        put(store, "extra", "ben")
        assert store.all_kept("extra") == {"ada": {"key": "eda"}, "ben": {"key": "ben"}}


def test_keeping_what_is_there_already_writes_nothing(tmp_path: Path) -> None:
    path = board_path("json", tmp_path)
    with closing(make_store("json", tmp_path)) as store:
        put(store, "extra", "ada")
        before = path.stat().st_ino
        put(store, "extra", "ada")
        assert path.stat().st_ino == before
