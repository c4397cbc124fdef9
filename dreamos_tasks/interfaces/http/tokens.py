"""Tokens: what programs show to be let in. Only their hashes are kept, each with its scope; `dt token` makes and revokes them.

A token is 256 random bits. Agents' tokens are bound to the agent's name: it claims and finishes under that name and no
other. The owner of a home has an operator's token of its own in `runtime/token`, made when it is first needed.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from dreamos_tasks.errors import BoardUnsafe, InvalidInput, NotFound
from dreamos_tasks.model.instants import read_instant
from dreamos_tasks.model.json_form import instant_to_text
from dreamos_tasks.model.task import check_name
from dreamos_tasks.whole_file import replace_with, sync_folder, write_beside

TOKEN_BYTES = 32
TOKEN_START = "dt_"  # noqa: S105  so that a leaked one is recognised by those who scan for secrets
OWNER = "owner"  # the id of the token in runtime/token
MOST_TOKENS = 1000
MOST_SESSIONS = 64  # browsers that are signed in at once; the oldest gives way
SESSION = "session"


class Scope(StrEnum):
    """What a token lets its holder do; each includes the one before."""

    READ = "read"
    AGENT = "agent"  # add tasks; claim and finish its own
    OPERATOR = "operator"  # steer tasks, decide approvals

    def includes(self, other: Scope) -> bool:
        """Whether this scope lets one do what the other does."""
        order = tuple(Scope)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """What is kept of a token: everything but the token."""

    token_id: str
    scope: Scope
    sha256: str
    created_at: datetime
    agent_id: str | None = None  # whose it is, of the scope `agent`
    note: str = ""
    kind: str = "token"  # or `session`: a browser's cookie
    expires_at: datetime | None = None

    @property
    def name(self) -> str:
        """Who acts, for the record."""
        return self.agent_id or self.note or self.token_id


def hash_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class TokenBook:
    """The tokens of a home. Any process may ask and change it; what others changed is seen at the next question."""

    def __init__(
        self, tokens: Path, operator_token: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._file = tokens
        self._operator_token = operator_token
        self._now = now
        self._seen: tuple[int, ...] | None = None
        self._known: tuple[TokenFacts, ...] = ()
        self._owner_seen: tuple[int, ...] | None = None
        self._owner: TokenFacts | None = None

    def owner_token(self) -> str:
        """The operator's token of whoever owns this home, made if it is not there. Raises BoardUnsafe."""
        with suppress(FileExistsError), _locked(self._file):
            if not self._operator_token.exists():
                beside = self._operator_token.with_name(f".{self._operator_token.name}.part")
                write_beside(beside, (f"{_fresh_secret()}\n".encode(),))
                replace_with(beside, self._operator_token)
        return self._read_owner_token()

    def create(
        self,
        scope: Scope,
        *,
        agent_id: str | None = None,
        note: str = "",
        kind: str = "token",
        lasts_seconds: float | None = None,
    ) -> tuple[str, TokenFacts]:
        """A new token and what is kept of it. The token itself is told this once. Raises InvalidInput."""
        if (scope is Scope.AGENT) != (agent_id is not None):
            raise InvalidInput(
                "a token of the scope agent is one agent's, and no other is",
                pointer="/agent",
                fix="dt token create --agent ada, or dt token create --scope read",
            )
        if agent_id is not None:
            check_name(agent_id, what="an agent's name", pointer="/agent")
        secret, now = _fresh_secret(), self._now()
        with self._changing() as tokens:
            facts = TokenFacts(
                token_id=_fresh_id(tokens),
                scope=scope,
                sha256=hash_of(secret),
                created_at=now,
                agent_id=agent_id,
                note=note,
                kind=kind,
                expires_at=None if lasts_seconds is None else _after(now, lasts_seconds),
            )
            _make_room(tokens, facts, now)
            tokens.append(facts)
        return secret, facts

    def revoke(self, token_id: str) -> TokenFacts:
        """Take a token back: from now on it opens nothing. Raises NotFound."""
        with self._changing() as tokens:
            for index, facts in enumerate(tokens):
                if facts.token_id == token_id:
                    return tokens.pop(index)
        raise NotFound(f"no token has the id {token_id!r}", fix="dt token list")

    def revoke_sessions(self) -> Sequence[TokenFacts]:
        """Sign every browser out."""
        with self._changing() as tokens:
            gone = [facts for facts in tokens if facts.kind == SESSION]
            tokens[:] = [facts for facts in tokens if facts.kind != SESSION]
        return gone

    def renew_owner_token(self) -> None:
        """Throw the owner's token away; the next one who needs it gets another."""
        with _locked(self._file):
            self._operator_token.unlink(missing_ok=True)

    def all(self) -> Sequence[TokenFacts]:
        """All tokens and sessions that still open something, oldest first."""
        now = self._now()
        return [facts for facts in self._current() if facts.expires_at is None or facts.expires_at > now]

    def who_has(self, secret: str, *, kind: str = "token") -> TokenFacts | None:
        """What is kept of this token; None for one that is unknown, revoked or over. Takes as long for every wrong one."""
        given, now = hash_of(secret), self._now()
        found = None
        owner = (self._current_owner(),) if kind == "token" else ()
        for facts in (*owner, *self._current()):
            if facts is not None and hmac.compare_digest(facts.sha256, given) and facts.kind == kind:
                found = facts
        return found if found is None or found.expires_at is None or found.expires_at > now else None

    def _current(self) -> tuple[TokenFacts, ...]:
        seen = _stamp(self._file)
        if seen != self._seen:
            self._known, self._seen = tuple(_read(self._file)), seen
        return self._known

    def _current_owner(self) -> TokenFacts | None:
        seen = _stamp(self._operator_token)
        if seen != self._owner_seen:
            self._owner, self._owner_seen = None, seen
            if seen is not None:
                sha256 = hash_of(self._read_owner_token())
                self._owner = TokenFacts(
                    token_id=OWNER, scope=Scope.OPERATOR, sha256=sha256, created_at=self._now(), note=OWNER
                )
        return self._owner

    def _read_owner_token(self) -> str:
        with open(os.open(self._operator_token, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise BoardUnsafe(
                    f"{self._operator_token} can be read by others",
                    cause="whoever has it may do everything on this board",
                    fix=f"rm {self._operator_token}; the next dt up makes another",
                )
            token = file.read().strip()
        if len(token) < TOKEN_BYTES:
            raise BoardUnsafe(f"{self._operator_token} holds no token", fix=f"rm {self._operator_token}")
        return token

    @contextmanager
    def _changing(self) -> Iterator[list[TokenFacts]]:
        with _locked(self._file):
            tokens = list(_read(self._file))
            yield tokens
            content = json.dumps({"tokens": [_to_form(facts) for facts in tokens]}, indent=2).encode() + b"\n"
            beside = self._file.with_name(f".{self._file.name}.part")
            write_beside(beside, (content,))
            replace_with(beside, self._file)
            sync_folder(self._file.parent)


def _fresh_secret() -> str:
    return TOKEN_START + secrets.token_urlsafe(TOKEN_BYTES)


def _fresh_id(tokens: Sequence[TokenFacts]) -> str:
    taken = {facts.token_id for facts in tokens}
    while (token_id := f"tk-{secrets.token_hex(3)}") in taken:
        continue
    return token_id


def _after(now: datetime, seconds: float) -> datetime:
    return datetime.fromtimestamp(now.timestamp() + seconds, UTC)


def _make_room(tokens: list[TokenFacts], new: TokenFacts, now: datetime) -> None:
    """Forget what is over, and the oldest session when there are too many. Raises InvalidInput."""
    tokens[:] = [facts for facts in tokens if facts.expires_at is None or facts.expires_at > now]
    sessions = [facts for facts in tokens if facts.kind == SESSION]
    if new.kind == SESSION and len(sessions) >= MOST_SESSIONS:
        tokens.remove(sessions[0])
    if len(tokens) - len(sessions) >= MOST_TOKENS and new.kind != SESSION:
        raise InvalidInput(f"there are {MOST_TOKENS} tokens already", fix="dt token list, dt token revoke ID")


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What differs after the file was written anew."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time may change the file."""
    fd = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _read(path: Path) -> Iterator[TokenFacts]:
    """The tokens in the file. One that cannot be read, or that others could have written, opens nothing. Raises BoardUnsafe."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise BoardUnsafe(
                    f"{path} can be written by others", cause="they could let themselves in", fix=f"ls -l {path}"
                )
            form = json.loads(file.read())
        return iter([_from_form(entry) for entry in form["tokens"]])
    except FileNotFoundError:
        return iter(())
    except (ValueError, KeyError, TypeError) as error:
        raise BoardUnsafe(
            f"{path} cannot be read", cause=str(error), fix=f"rm {path}, and make the tokens anew"
        ) from None


def _to_form(facts: TokenFacts) -> dict[str, Any]:
    form = {"id": facts.token_id, "scope": facts.scope.value, "agent": facts.agent_id, "note": facts.note}
    times = {"created_at": facts.created_at, "expires_at": facts.expires_at}
    written = {name: None if at is None else instant_to_text(at) for name, at in times.items()}
    return {**form, "kind": facts.kind, **written, "sha256": facts.sha256}


def _from_form(form: Mapping[str, Any]) -> TokenFacts:
    facts = TokenFacts(
        token_id=form["id"],
        scope=Scope(form["scope"]),
        sha256=form["sha256"],
        created_at=read_instant(form["created_at"]),
        agent_id=form["agent"],
        note=form["note"],
        kind=form["kind"],
    )
    return facts if form["expires_at"] is None else replace(facts, expires_at=read_instant(form["expires_at"]))


def public_form(facts: TokenFacts) -> dict[str, Any]:
    """The token as it may be shown: without its hash."""
    return {name: value for name, value in _to_form(facts).items() if name != "sha256"}
