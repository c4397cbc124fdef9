"""MailRoom: what is dropped into a mailbox's folder while the daemon runs becomes mail, and what is sent becomes a file."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from dreamos_tasks.app.boards import open_board
from dreamos_tasks.app.mail import mirror
from dreamos_tasks.app.mail_room import MailRoom
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.intake.mailbox_folder import DroppedMessage, MailboxFolder
from dreamos_tasks.model.mail import Message, MessageDraft
from dreamos_tasks.model.task import TaskDraft
from tests.waiting import PATIENCE_SECONDS, until


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[BoardDesk]:
    desk = BoardDesk(lambda: open_board(Home(path=tmp_path, found_by="--home"), Settings()))
    await desk.start()
    yield desk
    await desk.stop()


@pytest.fixture
async def room(tmp_path: Path, desk: BoardDesk) -> AsyncIterator[MailRoom]:
    room = MailRoom(desk, Home(path=tmp_path, found_by="--home"), rescan_seconds=0.2)
    await room.start()
    yield room
    await room.stop()


def dropped(home: Path, name: str, text: str) -> Path:
    inbox = home / "runtime" / "agent_mailboxes" / "ada" / "inbox"
    for folder in (inbox.parent, inbox):
        folder.mkdir(mode=0o700, exist_ok=True)
    beside = inbox / f".{name}"
    beside.write_text(text)
    return beside.rename(inbox / name)


async def test_a_dropped_message_and_the_task_it_asks_for_are_on_the_board(
    tmp_path: Path, desk: BoardDesk, room: MailRoom
) -> None:
    form = {
        "from_agent_id": "eve",
        "subject": "Fix it",
        "body_type": "application/dreamos-task",
        "body": {"run": "make test"},
    }
    path = dropped(tmp_path, "task.json", json.dumps(form))
    await until(lambda: not path.exists())
    (message,) = await desk.read(lambda nexus: nexus.mail_of("ada"))
    task = await desk.read(lambda nexus: nexus.get_task_by_id(message.task_id or ""))
    assert (task.title, task.assigned_to, task.created_by) == ("Fix it", "ada", "eve")
    assert json.loads((path.parent / f"{message.message_id}.json").read_text())["subject"] == "Fix it"


async def test_it_stops_in_the_moment_in_which_it_is_woken(room: MailRoom) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(20):
            await room.start()
            await asyncio.sleep(0)
            room._wake.set()
            await room.stop()


async def test_what_is_no_message_is_put_aside_and_the_next_one_taken(
    tmp_path: Path, desk: BoardDesk, room: MailRoom
) -> None:
    dropped(tmp_path, "a-bad.json", "[]")
    good = dropped(tmp_path, "b-good.json", json.dumps({"from_agent_id": "eve", "subject": "good"}))
    rejected = tmp_path / "runtime" / "agent_mailboxes" / "ada" / "rejected"
    await until(lambda: not good.exists())
    assert (rejected / "a-bad.json").exists()
    (message,) = await desk.read(lambda nexus: nexus.mail_of("ada"))
    assert message.subject == "good"


async def test_mail_that_others_sent_is_mirrored_where_there_is_a_folder(
    tmp_path: Path, desk: BoardDesk, room: MailRoom
) -> None:
    seed = dropped(tmp_path, "first.json", json.dumps({"from_agent_id": "eve", "subject": "first"}))
    await until(lambda: not seed.exists())
    draft = MessageDraft(to_agent_id="ada", from_agent_id="bob", subject="second")
    sent = await desk.write(lambda nexus: nexus.send_mail(draft))
    await until(lambda: (seed.parent / f"{sent.message_id}.json").exists())


async def test_a_mailbox_that_others_can_write_is_refused_and_said(
    tmp_path: Path, desk: BoardDesk, room: MailRoom
) -> None:
    path = dropped(tmp_path, "first.json", json.dumps({"from_agent_id": "eve", "subject": "first"}))
    await until(lambda: not path.exists())
    path.parent.chmod(0o777)
    await until(lambda: "can be written by others" in room.trouble)
    path.parent.chmod(0o700)
    await until(lambda: room.trouble == "")


async def test_a_task_that_is_there_already_and_a_name_of_any_bytes_hold_up_no_mail(
    tmp_path: Path, desk: BoardDesk, room: MailRoom
) -> None:
    await desk.write(lambda nexus: nexus.add_task(TaskDraft(title="there", task_id="t-1")))
    form = {
        "from_agent_id": "eve",
        "subject": "again",
        "body_type": "application/dreamos-task",
        "body": {"task_id": "t-1"},
    }
    twin = dropped(tmp_path, "a.json", json.dumps(form))
    await until(lambda: not twin.exists())
    odd = dropped(tmp_path, "b\udcff.json", json.dumps({"from_agent_id": "eve", "subject": "odd", "body": "x"}))
    await until(lambda: not odd.exists())
    broken = dropped(tmp_path, "c\udcff.json", json.dumps({"from_agent_id": "eve"}))
    await until(lambda: not broken.exists())
    last = dropped(tmp_path, "d.json", json.dumps({"from_agent_id": "eve", "subject": "last", "body": "x"}))
    await until(lambda: not last.exists())

    messages = await desk.read(lambda nexus: nexus.mail_of("ada"))
    assert [message.subject for message in messages] == ["odd", "last"]
    rejected = twin.parent.parent / "rejected"
    assert "t-1" in json.loads((rejected / "a.json.error.json").read_text())["message"]
    assert (rejected / "c\\xff.json").exists()


async def test_a_mailbox_that_makes_the_room_stumble_is_said_and_the_others_go_on(
    tmp_path: Path, desk: BoardDesk, room: MailRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = MailboxFolder.mirror

    def stumbling(folder: MailboxFolder, messages: Sequence[Message]) -> None:
        if folder.agent_id == "aaron":
            raise RuntimeError("nobody thought of it")
        real(folder, messages)

    monkeypatch.setattr(MailboxFolder, "mirror", stumbling)
    (tmp_path / "runtime" / "agent_mailboxes" / "aaron").mkdir(mode=0o700)
    (tmp_path / "runtime" / "agent_mailboxes" / "aaron" / "inbox").mkdir(mode=0o700)
    path = dropped(tmp_path, "one.json", json.dumps({"from_agent_id": "eve", "subject": "one", "body": "x"}))
    await until(lambda: not path.exists() and "nobody thought of it" in room.trouble)


class Visit:
    """One visit to a mailbox, in the middle of which something else happens."""

    def __init__(self) -> None:
        self.stops = False
        self.has_stopped = threading.Event()
        self.goes_on = threading.Event()


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Visit]:
    """The room's visits stop where they look for what was dropped, once they are told to."""
    visit = Visit()
    real = MailboxFolder.dropped

    def held_up(folder: MailboxFolder, *, known: Callable[[str], bool]) -> Iterator[DroppedMessage]:
        if visit.stops:
            visit.stops = False
            visit.has_stopped.set()
            visit.goes_on.wait(PATIENCE_SECONDS)
        return real(folder, known=known)

    monkeypatch.setattr(MailboxFolder, "dropped", held_up)
    yield visit
    visit.goes_on.set()


async def test_what_is_acknowledged_while_the_room_visits_the_mailbox_does_not_come_back(
    tmp_path: Path, desk: BoardDesk, room: MailRoom, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = dropped(tmp_path, "first.json", json.dumps({"from_agent_id": "eve", "subject": "first"}))
    await until(lambda: not seed.exists())
    (message,) = await desk.read(lambda nexus: nexus.mail_of("ada"))
    visit.stops = True
    await until(visit.has_stopped.is_set)
    await desk.write(lambda nexus: nexus.acknowledge_mail("ada", message.message_id))
    await desk.read(lambda nexus: mirror(nexus, Home(path=tmp_path, found_by="--home"), "ada"))
    real, were_done = MailboxFolder.mirror, list[bool]()

    def noted(folder: MailboxFolder, messages: Sequence[Message]) -> None:
        were_done.append(all(one.is_done for one in messages))
        real(folder, messages)

    monkeypatch.setattr(MailboxFolder, "mirror", noted)
    visit.goes_on.set()

    await until(lambda: len(were_done) > 1)
    assert all(were_done), "no file was written by how the board stood before"
    assert not (seed.parent / f"{message.message_id}.json").exists()


async def test_what_is_sent_while_the_room_visits_the_mailbox_is_nothing_that_was_dropped(
    tmp_path: Path, desk: BoardDesk, room: MailRoom, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = dropped(tmp_path, "first.json", json.dumps({"from_agent_id": "eve", "subject": "first"}))
    await until(lambda: not seed.exists())
    taken: list[str] = []
    real = MailboxFolder.take

    def noted(folder: MailboxFolder, one: DroppedMessage, message: Message) -> None:
        taken.append(message.subject)
        real(folder, one, message)

    monkeypatch.setattr(MailboxFolder, "take", noted)
    visit.stops = True
    await until(visit.has_stopped.is_set)
    draft = MessageDraft(to_agent_id="ada", from_agent_id="bob", subject="second")
    sent = await desk.write(lambda nexus: nexus.send_mail(draft))
    await desk.read(lambda nexus: mirror(nexus, Home(path=tmp_path, found_by="--home"), "ada"))
    assert (seed.parent / f"{sent.message_id}.json").exists()
    visit.goes_on.set()

    last = dropped(tmp_path, "last.json", json.dumps({"from_agent_id": "eve", "subject": "last"}))
    await until(lambda: not last.exists())
    assert taken == ["last"]


def test_what_another_process_acknowledges_before_the_files_are_written_does_not_stay_in_the_inbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(path=tmp_path, found_by="--home")
    with closing(open_board(home, Settings())) as ours, closing(open_board(home, Settings())) as theirs:
        sent = ours.send_mail(MessageDraft(to_agent_id="ada", from_agent_id="bob", subject="second"))
        real, calls = MailboxFolder.mirror, list[MailboxFolder]()

        def overtaken(folder: MailboxFolder, messages: Sequence[Message]) -> None:
            calls.append(folder)
            if len(calls) == 1:
                theirs.acknowledge_mail("ada", sent.message_id)
                real(folder, theirs.mail_of("ada"))
            real(folder, messages)

        monkeypatch.setattr(MailboxFolder, "mirror", overtaken)
        mirror(ours, home, "ada")

    assert list(calls[0].inbox.iterdir()) == []
