"""The files of a mailbox, as several programs keep them at once."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

from dreamos_tasks.intake.mailbox_folder import MailboxFolder
from dreamos_tasks.model.mail import Message, MessageDraft, received

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WRITERS = 6


def letters(count: int) -> list[Message]:
    drafts = [MessageDraft(to_agent_id="ada", from_agent_id="bob", subject=f"letter {n}") for n in range(count)]
    return [received(draft, now=NOW) for draft in drafts]


def test_several_that_mirror_the_same_mail_at_once_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    folder = MailboxFolder(tmp_path / "mailboxes", "ada")
    folder.ensure()
    messages = letters(20)
    begin = Barrier(WRITERS)

    def mirror() -> None:
        begin.wait()
        folder.mirror(messages)

    with ThreadPoolExecutor(WRITERS) as pool:
        for done in [pool.submit(mirror) for _ in range(WRITERS)]:
            done.result()

    there = {path.name: json.loads(path.read_text())["subject"] for path in folder.inbox.iterdir()}
    assert there == {f"{message.message_id}.json": message.subject for message in messages}


def test_what_a_killed_writer_left_is_swept_once_it_is_old(tmp_path: Path) -> None:
    folder = MailboxFolder(tmp_path / "mailboxes", "ada")
    folder.ensure()
    left, fresh = folder.inbox / ".a.json.1-1.tmp", folder.inbox / ".b.json.2-2.tmp"
    for path in (left, fresh):
        path.touch()
    os.utime(left, (0, 0))

    folder.mirror([])

    assert [path.name for path in folder.inbox.iterdir()] == [fresh.name]
