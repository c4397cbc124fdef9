"""SignIn: who asks. A program shows a token; a browser follows a link that works once, and has a cookie from then on."""

from __future__ import annotations

import getpass
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic

from dreamos_tasks.errors import NotFound
from dreamos_tasks.interfaces.http.refusals import NotAllowed, NotSignedIn
from dreamos_tasks.interfaces.http.tokens import OWNER, SESSION, Scope, TokenBook, TokenFacts, hash_of

LINK_SECONDS = 600.0  # a link that was printed and never opened is soon worth nothing
MOST_LINKS = 16  # open at once; the oldest gives way
COOKIE_START = "dreamos_session_"
Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, and what they may do. `agent_id`: the agent that a token is bound to."""

    token_id: str
    scope: Scope
    name: str
    agent_id: str | None = None
    by_cookie: bool = False

    def require(self, scope: Scope) -> None:
        """Raises NotAllowed."""
        if not self.scope.includes(scope):
            raise NotAllowed(
                f"a token of the scope {self.scope.value} may not do this",
                cause=f"it needs the scope {scope.value}"
                + (": an agent must not decide about its own work" if scope is Scope.OPERATOR else ""),
                fix="a person does this in the dashboard or with dt, or uses an operator's token",
            )

    def acting_as(self, agent_id: str | None) -> str | None:
        """The agent that acts: the one that was named, if this caller may act for it. Raises NotAllowed."""
        if self.agent_id is None or agent_id in (None, self.agent_id):
            return self.agent_id or agent_id
        raise NotAllowed(
            f"this token is {self.agent_id}'s and cannot act for {agent_id}",
            cause="a token of an agent claims and finishes under its own name",
            fix=f"leave the agent out, or use a token of {agent_id}",
        )


class SignIn:
    """Tells who asks by what a request brings along."""

    def __init__(self, tokens: TokenBook, *, session_seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self.tokens = tokens
        self.cookie = COOKIE_START
        self.is_secure = False
        self.session_seconds = session_seconds
        self._clock = clock
        self._links: dict[str, float] = {}

    def serve(self, *, port: int, is_secure: bool) -> None:
        """Which port it is served on: cookies do not tell ports apart, so their names do."""
        self.cookie = f"{COOKIE_START}{port}"
        self.is_secure = is_secure

    def who(self, headers: Headers) -> Caller:
        """Who asks. Raises NotSignedIn."""
        given = {b"authorization": b"", b"cookie": b""}
        for name, value in headers:
            if name in given:
                given[name] = value if not given[name] else b"?"
        if given[b"authorization"]:
            return self._by_token(given[b"authorization"].decode("latin-1"))
        secret = _cookie_in(given[b"cookie"].decode("latin-1"), self.cookie)
        if secret is None:
            raise NotSignedIn("the request brings neither a token nor a session")
        facts = self.tokens.who_has(secret, kind=SESSION)
        if facts is None:
            raise NotSignedIn("the session is over")
        return _caller(facts, by_cookie=True)

    def new_link(self) -> str:
        """A code that signs one browser in, once and soon."""
        now = self._clock()
        for code in [code for code, until in self._links.items() if until <= now]:
            del self._links[code]
        while len(self._links) >= MOST_LINKS:
            del self._links[next(iter(self._links))]
        code = secrets.token_urlsafe(32)
        self._links[hash_of(code)] = now + LINK_SECONDS
        return code

    def begin_session(self, code: str) -> str | None:
        """The secret of a new session, for a link's code that has not been used; None otherwise."""
        until = self._links.pop(hash_of(code), None)
        if until is None or until <= self._clock():
            return None
        secret, _ = self.tokens.create(
            Scope.OPERATOR, note=this_person(), kind=SESSION, lasts_seconds=self.session_seconds
        )
        return secret

    def end_session(self, caller: Caller) -> None:
        """Sign the browser out."""
        try:
            self.tokens.revoke(caller.token_id)
        except NotFound:
            return  # revoked meanwhile

    def _by_token(self, authorization: str) -> Caller:
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise NotSignedIn("Authorization is written as: Bearer TOKEN")
        facts = self.tokens.who_has(secret.strip())
        if facts is None:
            raise NotSignedIn("the token is unknown, revoked, or over")
        return _caller(facts, by_cookie=False)


def this_person() -> str:
    """The user whose home this is."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def _caller(facts: TokenFacts, *, by_cookie: bool) -> Caller:
    name = this_person() if facts.token_id == OWNER else facts.name
    return Caller(token_id=facts.token_id, scope=facts.scope, name=name, agent_id=facts.agent_id, by_cookie=by_cookie)


def _cookie_in(header: str, name: str) -> str | None:
    for part in header.split(";"):
        key, equals, value = part.strip().partition("=")
        if equals and key == name:
            return value
    return None
