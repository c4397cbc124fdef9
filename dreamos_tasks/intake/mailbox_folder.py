"""MailboxFolder: an agent's mailbox as files: a mirror of what lies on the board, and a place to drop messages into.

    agent_mailboxes/<agent>/inbox/MESSAGE_ID.json    what is still to be read or acknowledged
    agent_mailboxes/<agent>/archive/                 what is done
    agent_mailboxes/<agent>/rejected/                what was dropped and is no message, with the reason beside it

The board is the truth: a mirrored file that is deleted comes back, one that is changed is not read again.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

from dreamos_tasks.errors import BoardUnsafe, InvalidInput
from dreamos_tasks.intake.dropped import read_dropped
from dreamos_tasks.intake.filing import ERROR, note_of
from dreamos_tasks.intake.folders import exists, make_private, numbered, safe_name, unsafe, write_whole
from dreamos_tasks.intake.json_text import UnreadableJson, decode, parse
from dreamos_tasks.intake.message_forms import read_message
from dreamos_tasks.model.mail import Message, MessageDraft, message_to_json
from dreamos_tasks.whole_file import sync_folder, this_writer

MAX_BYTES = 10 * 1024 * 1024
SETTLE_SECONDS = 5.0  # a file that ends midway is still being written, until it has been quiet for so long
ABANDONED_SECONDS = 60.0  # nobody writes a message for that long: what is older a killed writer has left
SUFFIX = ".json"
BESIDE = ".tmp"  # how the names of files end that are not whole yet


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedMessage:
    """A file that somebody dropped: a message, or why it is none."""

    path: Path
    draft: MessageDraft | InvalidInput


@dataclass(frozen=True, slots=True)
class MailboxFolder:
    """The files of one agent's mailbox, below `root`."""

    root: Path
    agent_id: str

    @property
    def inbox(self) -> Path:
        """What is still to be read, and where messages may be dropped."""
        return self.root / self.agent_id / "inbox"

    @property
    def archive(self) -> Path:
        """What is done."""
        return self.root / self.agent_id / "archive"

    @property
    def rejected(self) -> Path:
        """What is no message."""
        return self.root / self.agent_id / "rejected"

    def ensure(self) -> None:
        """Make what is missing. Raises BoardUnsafe when others could write there, and OSError."""
        for folder in (self.root, self.root / self.agent_id, self.inbox):
            problem = unsafe(folder, make_private(folder))
            if problem:
                raise BoardUnsafe(
                    problem,
                    cause="whoever can write a mailbox can have tasks run",
                    fix=f"chown {os.geteuid()} {folder} && chmod 700 {folder}",
                )

    def dropped(self, *, known: Callable[[str], bool]) -> Iterator[DroppedMessage]:
        """The files that are not a mirror of anything: `known` says of an id whether its message is on the board."""
        for name in sorted(_names(self.inbox)):
            if name.startswith(".") or not name.endswith(SUFFIX) or known(name.removesuffix(SUFFIX)):
                continue
            found = self._read(self.inbox / name)
            if found is not None:
                yield found

    def has_unfinished(self, known: frozenset[str] | set[str]) -> bool:
        """Whether there is a file that is not taken in yet: somebody still writes it."""
        return any(
            name.endswith(SUFFIX) and not name.startswith(".") and name.removesuffix(SUFFIX) not in known
            for name in _names(self.inbox)
        )

    def take(self, dropped: DroppedMessage, message: Message) -> None:
        """The message is on the board: from now on its file is a mirror of it."""
        self._mirror(message)
        if dropped.path.name != _file_name(message):
            dropped.path.unlink(missing_ok=True)
        sync_folder(self.inbox)

    def reject(self, dropped: DroppedMessage, error: InvalidInput) -> Path:
        """Put the file aside, with the reason beside it; gives where it went."""
        make_private(self.rejected)
        number = 1
        name = safe_name(dropped.path.name)
        while exists(target := self.rejected / numbered(name, number)):
            number += 1
        write_whole(target.with_name(target.name + ERROR), {"file": dropped.path.name, **note_of(error)})
        os.rename(dropped.path, target)
        for folder in (self.rejected, self.inbox):
            sync_folder(folder)
        return target

    def mirror(self, messages: Sequence[Message]) -> None:
        """Have a file in the inbox for each message that is open, and in the archive for those that were there before."""
        there = set(_names(self.inbox))
        self._sweep(there)
        changed = False
        for message in messages:
            name = _file_name(message)
            if message.is_done:
                if name in there:
                    self._put_away(message)
                    changed = True
            elif name not in there:
                self._mirror(message)
                changed = True
        if changed:
            sync_folder(self.inbox)

    def _mirror(self, message: Message) -> None:
        write_whole(self.inbox / _file_name(message), message_to_json(message), writer=this_writer())

    def _sweep(self, names: Iterable[str]) -> None:
        for name in names:
            path = self.inbox / name
            if name.startswith(".") and name.endswith(BESIDE) and not _is_fresh(path, seconds=ABANDONED_SECONDS):
                path.unlink(missing_ok=True)

    def _put_away(self, message: Message) -> None:
        make_private(self.archive)
        write_whole(self.archive / _file_name(message), message_to_json(message), writer=this_writer())
        sync_folder(self.archive)
        (self.inbox / _file_name(message)).unlink(missing_ok=True)

    def _read(self, path: Path) -> DroppedMessage | None:
        """None: it is still being written, or gone again."""
        try:
            content = read_dropped(path, max_bytes=MAX_BYTES)
            draft = read_message(parse(decode(content.text)), to_agent_id=self.agent_id)
        except FileNotFoundError:
            return None
        except OSError as error:
            return DroppedMessage(
                path=path, draft=InvalidInput("it cannot be read", cause=error.strerror or str(error))
            )
        except InvalidInput as error:
            if isinstance(error, UnreadableJson) and error.unfinished and _is_fresh(path):
                return None
            return DroppedMessage(path=path, draft=error)
        if not draft.message_id:  # the same for whoever finds it, and for who finds it again after a crash
            name = path.name.encode("utf-8", "backslashreplace").decode()  # a name may hold any bytes
            said = f"{self.agent_id}/{name}/{content.fingerprint.mtime_ns}/{hashlib.sha256(content.text).hexdigest()}"
            draft = replace(draft, message_id=str(uuid5(NAMESPACE_OID, said)))
        return DroppedMessage(path=path, draft=draft)


def mailbox_folders(root: Path) -> Iterator[MailboxFolder]:
    """The mailboxes that have a folder."""
    for name in sorted(_names(root)):
        if (root / name / "inbox").is_dir() and not (root / name).is_symlink():
            yield MailboxFolder(root, name)


def _names(folder: Path) -> Sequence[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return ()


def _file_name(message: Message) -> str:
    return message.message_id + SUFFIX


def _is_fresh(path: Path, *, seconds: float = SETTLE_SECONDS) -> bool:
    try:
        return time.time() - path.stat().st_mtime < seconds  # a file's own instants are those of the wall clock
    except OSError:
        return False
