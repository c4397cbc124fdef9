"""How settings stand to one another: values that follow from others, and what is right each for itself and wrong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dreamos_tasks.config.settings import Settings

_UNSET = -1  # weaker than any source


def follow(settings: Settings, *, strength: Mapping[str, int]) -> tuple[Settings, dict[str, str]]:
    """The settings with those values that follow from others, and for each of these the reason.

    `strength` has the dotted keys that somebody set, and how strong their source is. What was left out follows always;
    what a weaker source set follows when it cannot stand beside what a stronger one says.
    """
    reasons: dict[str, str] = {}
    claims, monitoring = settings.claims, settings.monitoring
    lease_strength = strength.get("claims.lease_seconds", _UNSET)
    heartbeat_strength = strength.get("claims.heartbeat_seconds", _UNSET)
    too_slow = claims.heartbeat_seconds >= claims.lease_seconds
    third = claims.lease_seconds / 3
    if third < claims.heartbeat_seconds and _yields(heartbeat_strength, to=lease_strength, when=too_slow):
        claims = replace(claims, heartbeat_seconds=third)
        reasons["claims.heartbeat_seconds"] = "a third of claims.lease_seconds"
    silence_strength = strength.get("monitoring.silent_agent_seconds", _UNSET)
    too_soon = monitoring.silent_agent_seconds <= claims.heartbeat_seconds
    silence = claims.heartbeat_seconds * 3
    if silence != monitoring.silent_agent_seconds and _yields(silence_strength, to=heartbeat_strength, when=too_soon):
        monitoring = replace(monitoring, silent_agent_seconds=silence)
        reasons["monitoring.silent_agent_seconds"] = "three times claims.heartbeat_seconds"
    agents = settings.agents
    gone_strength = strength.get("agents.silent_after_seconds", _UNSET)
    too_soon = agents.silent_after_seconds <= claims.heartbeat_seconds
    gone = claims.heartbeat_seconds * 5
    if gone != agents.silent_after_seconds and _yields(gone_strength, to=heartbeat_strength, when=too_soon):
        agents = replace(agents, silent_after_seconds=gone)
        reasons["agents.silent_after_seconds"] = "five times claims.heartbeat_seconds"
    return (replace(settings, claims=claims, monitoring=monitoring, agents=agents) if reasons else settings), reasons


def _yields(own: int, *, to: int, when: bool) -> bool:
    return own == _UNSET or (own < to and when)


def _is_loopback(host: str) -> bool:
    import ipaddress  # here, because it is asked only where settings are checked

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def contradictions(settings: Settings) -> list[tuple[tuple[str, ...], str]]:
    """Settings that are right each for itself and wrong together: their dotted keys, and what must hold."""
    board, claims, retry, server = settings.board, settings.claims, settings.retry, settings.server
    silence = settings.monitoring.silent_agent_seconds
    checks: tuple[tuple[bool, tuple[str, ...], str], ...] = (
        (
            claims.heartbeat_seconds < claims.lease_seconds,
            ("claims.heartbeat_seconds", "claims.lease_seconds"),
            "a heartbeat must come before the lease runs out",
        ),
        (
            silence > claims.heartbeat_seconds,
            ("monitoring.silent_agent_seconds", "claims.heartbeat_seconds"),
            "an agent can only be called silent after a heartbeat was due",
        ),
        (
            settings.agents.silent_after_seconds > claims.heartbeat_seconds,
            ("agents.silent_after_seconds", "claims.heartbeat_seconds"),
            "an agent can only be taken for gone after a heartbeat was due",
        ),
        (
            "command" not in settings.escalation.targets or settings.escalation.command is not None,
            ("escalation.targets", "escalation.command"),
            "the target command needs the line to run",
        ),
        (
            retry.base_seconds <= retry.max_seconds,
            ("retry.base_seconds", "retry.max_seconds"),
            "the first wait cannot be longer than the longest",
        ),
        (
            board.store != "postgres" or board.url is not None,
            ("board.store", "board.url"),
            "store: postgres needs the database's url",
        ),
        (
            board.store == "postgres" or board.url is None,
            ("board.url", "board.store"),
            "a url is for store: postgres; the other stores have a path",
        ),
        (
            board.store != "postgres" or board.path is None,
            ("board.path", "board.store"),
            "store: postgres has a url and no path",
        ),
        (
            _is_loopback(server.host) or server.certfile is not None,
            ("server.host", "server.certfile"),
            "others than this machine may only ask over TLS (and with a token: dt token create), so it needs a certificate",
        ),
        (
            server.keyfile is None or server.certfile is not None,
            ("server.keyfile", "server.certfile"),
            "a key without its certificate says nothing",
        ),
    )
    return [(keys, rule) for holds, keys, rule in checks if not holds]
