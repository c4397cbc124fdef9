"""MailVerbs: messages between agents, each in the mailbox of whom it was sent to, until it is acknowledged and after."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from dreamos_tasks.board.writer import BoardWriter
from dreamos_tasks.errors import MessageNotFound

if TYPE_CHECKING:
    from dreamos_tasks.model.mail import Message, MessageDraft

SHELF = "mail"  # model.mail.SHELF; the module itself is loaded where there is mail only
PAGE = 500


class MailVerbs(BoardWriter):
    """The verbs about mail."""

    def send_mail(self, draft: MessageDraft, *, task_id: str | None = None) -> Message:
        """Put a message into its receiver's mailbox; one that is there already is given back as it is.

        `task_id`: the task that was made of it. Raises InvalidInput when another message has its id, Refused on a board
        that has no place for it (a JSON array of tasks).
        """
        from dreamos_tasks.model.mail import check_same, key_of, received

        with self._transaction() as now:
            there = self._message(key_of(draft.to_agent_id, draft.message_id)) if draft.message_id else None
            if there is not None:
                check_same(there, draft)
            return there or self._keep_message(received(draft, now=now, task_id=task_id))

    def mail_of(self, agent_id: str, *, unread_only: bool = False) -> Sequence[Message]:
        """The messages in an agent's mailbox, oldest first."""
        found = [message for message in self._all_mail(f"{agent_id}/") if not (unread_only and message.read_at)]
        return sorted(found, key=lambda message: (message.timestamp_created, message.message_id))

    def mail_from(self, agent_id: str) -> Sequence[Message]:
        """The messages that an agent has sent, oldest first. Looks through all mailboxes."""
        found = [message for message in self._all_mail("") if message.from_agent_id == agent_id]
        return sorted(found, key=lambda message: (message.timestamp_created, message.message_id))

    def message(self, agent_id: str, message_id: str) -> Message:
        """One message of an agent's mailbox, by its id or the only beginning of one. Raises MessageNotFound."""
        found = self._message(f"{agent_id}/{message_id}")
        if found is None:
            near = self._all_mail(f"{agent_id}/{message_id}", limit=2) if message_id else []
            found = near[0] if len(near) == 1 else None
        if found is None:
            raise MessageNotFound(message_id, agent_id=agent_id)
        return found

    def read_mail(self, agent_id: str, message_id: str) -> Message:
        """The message, which is read from now on. Raises MessageNotFound."""
        from dreamos_tasks.model.mail import read

        with self._transaction() as now:
            return self._changed_message(self.message(agent_id, message_id), read, now)

    def acknowledge_mail(self, agent_id: str, message_id: str) -> Message:
        """Say that the message was taken note of. Raises MessageNotFound."""
        from dreamos_tasks.model.mail import acknowledged

        with self._transaction() as now:
            return self._changed_message(self.message(agent_id, message_id), acknowledged, now)

    def mailboxes(self) -> Sequence[str]:
        """The agents that have mail or are registered, by name: to whom a broadcast goes."""
        agents = set(self._keys_of("agent"))
        after = ""
        while page := self.store.all_kept(SHELF, after=after, limit=1):
            agent_id = next(iter(page)).partition("/")[0]
            agents.add(agent_id)
            after = f"{agent_id}/\U0010ffff"  # behind all of its messages
        return sorted(agents)

    def _keys_of(self, shelf: str) -> Iterator[str]:
        after = ""
        while page := list(self.store.all_kept(shelf, after=after, limit=PAGE)):
            yield from page
            after = page[-1]

    def _changed_message(self, before: Message, change: Callable[..., Message], now: datetime) -> Message:
        after = change(before, now=now)
        return before if after is before else self._keep_message(after)

    def _message(self, key: str) -> Message | None:
        from dreamos_tasks.model.mail import message_from_json

        form = self.store.kept(SHELF, key)
        return message_from_json(form) if form is not None else None

    def _keep_message(self, message: Message) -> Message:
        from dreamos_tasks.model.mail import key_of, message_to_json

        self.store.keep(SHELF, key_of(message.to_agent_id, message.message_id), message_to_json(message))
        return message

    def _all_mail(self, prefix: str, *, limit: int | None = None) -> list[Message]:
        from dreamos_tasks.model.mail import message_from_json

        found: list[Message] = []
        after = ""
        while page := self.store.all_kept(SHELF, prefix=prefix, after=after, limit=limit or PAGE):
            found += map(message_from_json, page.values())
            after = list(page)[-1]
            if limit is not None or len(page) < PAGE:
                break
        return found
