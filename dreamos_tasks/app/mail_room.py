"""MailRoom: the daemon's part in mail: what is dropped into mailbox folders is taken in, and the folders follow the board."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from loguru import logger

from dreamos_tasks.app.mail import mirrored, reason_of, send
from dreamos_tasks.background import Background
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.config.home import Home
from dreamos_tasks.errors import BoardUnavailable, InvalidInput, NotFound, Refused
from dreamos_tasks.intake.folder_watch import FolderWatch, open_watch
from dreamos_tasks.intake.folders import make_private
from dreamos_tasks.intake.mailbox_folder import SETTLE_SECONDS, DroppedMessage, MailboxFolder, mailbox_folders
from dreamos_tasks.model.mail import Message, MessageDraft


class MailRoom:
    """Everything goes on by itself between `start` and `stop`. A mailbox that cannot be used is said once, and tried again."""

    def __init__(self, desk: BoardDesk, home: Home, *, rescan_seconds: float) -> None:
        self._desk = desk
        self._home = home
        self._rescan_seconds = rescan_seconds
        self._wake = asyncio.Event()
        self._watch: FolderWatch | None = None
        self._background = Background(self._work, name="mail")
        self._troubles: dict[str, str] = {}

    @property
    def trouble(self) -> str:
        """Which mailboxes cannot be used now, and why; "" when all is well."""
        return "; ".join(self._troubles.values())

    async def start(self) -> None:
        """Make the folder of the mailboxes, and begin. Raises OSError."""
        await asyncio.to_thread(make_private, self._home.mailboxes)
        self._watch = open_watch(self._home.mailboxes, self._wake)
        self._background.start()

    async def stop(self) -> None:
        """May be called twice."""
        await self._background.stop()
        if self._watch is not None:
            await self._watch.close()
            self._watch = None

    async def _work(self) -> None:
        while True:
            self._wake.clear()
            folders = list(mailbox_folders(self._home.mailboxes))
            if self._watch is not None:
                self._watch.follow((self._home.mailboxes, *(folder.inbox for folder in folders)))
            unfinished = False
            for folder in folders:
                unfinished |= await self._visit(folder)
            wait_seconds = min(SETTLE_SECONDS, self._rescan_seconds) if unfinished else self._rescan_seconds
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_seconds):
                    await self._wake.wait()

    async def _visit(self, folder: MailboxFolder) -> bool:
        """Whether something in the mailbox is still being written."""
        try:
            unfinished = await self._bring_up_to_date(folder)
        except (OSError, BoardUnavailable) as error:
            return self._cannot_be_used(folder, f"{error}", error=None)
        except Exception as error:  # noqa: BLE001  one mailbox's trouble is not the others', nor the end of the room
            return self._cannot_be_used(folder, f"{type(error).__name__}: {error}", error=error)
        self._troubles.pop(folder.agent_id, None)
        return unfinished

    def _cannot_be_used(self, folder: MailboxFolder, why: str, *, error: Exception | None) -> bool:
        said = f"the mailbox of {folder.agent_id} cannot be used: {why}"
        if self._troubles.get(folder.agent_id) != said:
            logger.opt(exception=error).error("{}", said)
        self._troubles[folder.agent_id] = said
        return True

    async def _bring_up_to_date(self, folder: MailboxFolder) -> bool:
        await asyncio.to_thread(folder.ensure)
        known = await self._mirrored(folder)
        dropped = await asyncio.to_thread(lambda: list(folder.dropped(known=known.__contains__)))
        if dropped:
            known = await self._mirrored(folder)  # what was sent meanwhile has a file too, and nobody dropped it
            for one in dropped:
                if one.path.stem not in known:
                    await self._take(folder, one)
            known = await self._mirrored(folder)
        return await asyncio.to_thread(folder.has_unfinished, known)

    async def _take(self, folder: MailboxFolder, dropped: DroppedMessage) -> None:
        answer = dropped.draft
        if not isinstance(answer, InvalidInput):
            answer = await self._sent(answer)
        if isinstance(answer, Message):
            await asyncio.to_thread(folder.take, dropped, answer)
            logger.info("{}: a message from {} was dropped: {}", folder.agent_id, answer.from_agent_id, answer.subject)
            return
        target = await asyncio.to_thread(folder.reject, dropped, answer)
        logger.warning("{}: a dropped file is no message, and lies in {}: {}", folder.agent_id, target, answer.message)

    async def _sent(self, draft: MessageDraft) -> Message | InvalidInput:
        try:
            return await self._desk.write(lambda nexus: send(nexus, draft, home=self._home))
        except (InvalidInput, Refused, NotFound) as error:
            return reason_of(error)

    async def _mirrored(self, folder: MailboxFolder) -> frozenset[str]:
        """Bring the folder up to date; gives the ids of its messages. In the desk's thread, as those do who send over HTTP."""
        messages = await self._desk.read(lambda nexus: mirrored(nexus, folder))
        return frozenset(message.message_id for message in messages)
