from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dreamos_tasks.errors import BoardUnsafe, InvalidInput, NotFound
from dreamos_tasks.interfaces.http.tokens import MOST_SESSIONS, OWNER, SESSION, Scope, TokenBook


def book(tmp_path: Path) -> TokenBook:
    return TokenBook(tmp_path / "tokens.json", tmp_path / "token")


def test_a_token_is_known_by_its_hash_alone(tmp_path: Path) -> None:
    secret, facts = book(tmp_path).create(Scope.AGENT, agent_id="ada")
    assert len(secret) > 43, "256 bits"
    assert book(tmp_path).who_has(secret) == facts
    assert secret not in (tmp_path / "tokens.json").read_text()
    assert (tmp_path / "tokens.json").stat().st_mode & 0o777 == 0o600


def test_a_revoked_token_opens_nothing_in_a_process_that_knew_it(tmp_path: Path) -> None:
    daemon = book(tmp_path)
    secret, facts = book(tmp_path).create(Scope.READ)
    assert daemon.who_has(secret) is not None
    book(tmp_path).revoke(facts.token_id)
    assert daemon.who_has(secret) is None
    with pytest.raises(NotFound):
        book(tmp_path).revoke(facts.token_id)


def test_a_token_for_a_time_is_over_afterwards(tmp_path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    clock = [now]
    tokens = TokenBook(tmp_path / "tokens.json", tmp_path / "token", now=lambda: clock[0])
    secret, _ = tokens.create(Scope.READ, lasts_seconds=60)
    assert tokens.who_has(secret) is not None
    clock[0] = now + timedelta(seconds=61)
    assert tokens.who_has(secret) is None
    assert tokens.all() == []


def test_the_owners_token_is_made_once_and_private(tmp_path: Path) -> None:
    first = book(tmp_path).owner_token()
    assert book(tmp_path).owner_token() == first
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    known = book(tmp_path).who_has(first)
    assert known is not None
    assert (known.token_id, known.scope) == (OWNER, Scope.OPERATOR)


def test_a_token_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    book(tmp_path).owner_token()
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(BoardUnsafe, match="can be read by others"):
        book(tmp_path).owner_token()


def test_a_renewed_owners_token_replaces_the_old_one(tmp_path: Path) -> None:
    tokens = book(tmp_path)
    old = tokens.owner_token()
    assert tokens.who_has(old) is not None
    book(tmp_path).renew_owner_token()
    new = book(tmp_path).owner_token()
    assert new != old
    assert tokens.who_has(old) is None
    assert tokens.who_has(new) is not None


def test_an_agents_token_is_bound_to_a_name_and_no_other_is(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        book(tmp_path).create(Scope.AGENT)
    with pytest.raises(InvalidInput):
        book(tmp_path).create(Scope.OPERATOR, agent_id="ada")
    with pytest.raises(InvalidInput):
        book(tmp_path).create(Scope.AGENT, agent_id="../evil")


def test_sessions_are_bounded_and_no_tokens(tmp_path: Path) -> None:
    tokens = book(tmp_path)
    first, _ = tokens.create(Scope.OPERATOR, kind=SESSION, lasts_seconds=60)
    assert tokens.who_has(first) is None
    assert tokens.who_has(first, kind=SESSION) is not None
    for _ in range(MOST_SESSIONS):
        tokens.create(Scope.OPERATOR, kind=SESSION, lasts_seconds=60)
    assert tokens.who_has(first, kind=SESSION) is None
    assert len(tokens.revoke_sessions()) == MOST_SESSIONS
    assert tokens.all() == []


def test_each_scope_includes_the_one_before() -> None:
    assert Scope.OPERATOR.includes(Scope.AGENT)
    assert Scope.AGENT.includes(Scope.READ)
    assert not Scope.READ.includes(Scope.AGENT)
    assert not Scope.AGENT.includes(Scope.OPERATOR)
