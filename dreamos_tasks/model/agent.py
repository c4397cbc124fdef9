"""Agent: who works from the board under a name: what it can do, how much at once, and whether it may. Pure.

Nobody has to be registered. Who is, is held to what was said of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.model.json_form import instant_from_text, instant_to_text, to_json
from dreamos_tasks.model.task import ProcessIdentity, check_name
from dreamos_tasks.model.value import frozen_value

if TYPE_CHECKING:
    from dreamos_tasks.model.query import ClaimRequest

SHELF = "agent"  # where the board keeps agents, by name
# A sign of life is written down no oftener: an agent that claims a thousand tasks a second needs no thousand.
HEARD_AGAIN_SECONDS = 10.0
MOST_NOTES = 30  # of what was done to an agent; the oldest make room
LONGEST_NOTE = 500


@frozen_value
class AgentPause:
    """Who has paused it, since when and why."""

    by: str
    at: datetime
    reason: str = ""


@frozen_value
class AgentProfile:
    """What is said of an agent when it is registered.

    `max_in_progress`: how many tasks it may hold at once, None any number. `kind`: which program it is, such as claude-code.
    `process`: the program itself, if it runs on this machine and lives as long as the agent does.
    """

    agent_id: str
    capabilities: tuple[str, ...] = ()
    max_in_progress: int | None = None
    kind: str = ""
    note: str = ""
    process: ProcessIdentity | None = None

    def __post_init__(self) -> None:
        check_name(self.agent_id, what="an agent's name", pointer="/agent_id")
        for index, capability in enumerate(self.capabilities):
            check_name(capability, what="a capability", pointer=f"/capabilities/{index}")
        if self.max_in_progress is not None and self.max_in_progress < 1:
            raise InvalidInput(
                f"{self.max_in_progress} is no number of tasks that an agent can hold",
                pointer="/max_in_progress",
                cause="one that may hold none could do nothing",
                fix=f"dt agents pause {self.agent_id} keeps it from claiming",
            )
        for name in ("kind", "note"):
            if len(getattr(self, name)) > LONGEST_NOTE:
                raise InvalidInput(f"{name} is longer than {LONGEST_NOTE} characters", pointer=f"/{name}")


@frozen_value
class Agent:
    """A registered agent as the board keeps it. `silent_since`: its tasks were released, and it was not heard of since.

    `log` tells what was done to it, newest last: `{"at", "by", "what", "why"}`.
    """

    agent_id: str
    capabilities: tuple[str, ...] = ()
    max_in_progress: int | None = None
    kind: str = ""
    note: str = ""
    process: ProcessIdentity | None = None
    registered_at: datetime
    registered_by: str
    last_heartbeat_at: datetime
    pause: AgentPause | None = None
    silent_since: datetime | None = None
    log: tuple[Mapping[str, str], ...] = ()


def register(before: Agent | None, profile: AgentProfile, *, by: str, now: datetime) -> Agent:
    """The agent as it is said to be now. One that registers anew stays paused if it is."""
    said: dict[str, Any] = {name: getattr(profile, name) for name in AgentProfile.__dataclass_fields__}
    if before is None:
        agent = Agent(**said, registered_at=now, registered_by=by, last_heartbeat_at=now)
        return _noted(agent, "registered", by=by, now=now)
    agent = replace(before, **said, last_heartbeat_at=now, silent_since=None)
    if all(getattr(before, name) == value for name, value in said.items()):
        return agent  # it starts every morning: that is no news
    return _noted(agent, "registered anew", by=by, now=now)


def heard_of(agent: Agent, now: datetime) -> Agent:
    """The agent once it has given a sign of life; itself when it gave one just before."""
    recent = now - agent.last_heartbeat_at < timedelta(seconds=HEARD_AGAIN_SECONDS)
    if recent and agent.silent_since is None:
        return agent
    back = replace(agent, last_heartbeat_at=now, silent_since=None)
    return back if agent.silent_since is None else _noted(back, "heard of again", by=agent.agent_id, now=now)


def pause(agent: Agent, *, by: str, now: datetime, reason: str = "") -> Agent:
    """It gets nothing from now on. Pausing again gives a new reason."""
    paused = replace(agent, pause=AgentPause(by=by, at=now, reason=reason))
    return _noted(paused, "paused", by=by, now=now, why=reason)


def resume(agent: Agent, *, by: str, now: datetime) -> Agent:
    """It may claim again; itself when it may."""
    return agent if agent.pause is None else _noted(replace(agent, pause=None), "resumed", by=by, now=now)


def fallen_silent(agent: Agent, *, by: str, now: datetime, why: str) -> Agent:
    """What it held was released."""
    return _noted(replace(agent, silent_since=agent.last_heartbeat_at), "tasks released", by=by, now=now, why=why)


def request_of(agent: Agent, request: ClaimRequest) -> ClaimRequest:
    """What the agent asks for, with the capabilities that it is registered with when it names none."""
    return request if request.capabilities else replace(request, capabilities=agent.capabilities)


def identity_of(agent: Agent, process: ProcessIdentity | None) -> Mapping[str, Any]:
    """What the claim's event tells of who claimed: that the name is registered, as what, and whether by the same process."""
    told: dict[str, Any] = {"registered_at": instant_to_text(agent.registered_at)}
    if agent.kind:
        told["kind"] = agent.kind
    if agent.capabilities:
        told["capabilities"] = list(agent.capabilities)
    if agent.process is not None and process is not None:
        told["process"] = "the registered one" if process == agent.process else "another than the registered one"
    return {"agent": told}


def agent_to_form(agent: Agent) -> dict[str, Any]:
    """What the board keeps: JSON, without what says nothing."""
    return {name: value for name, value in to_json(agent).items() if value is not None and value not in ("", [])}


def agent_from_form(form: Mapping[str, Any]) -> Agent:
    """Back from `agent_to_form`."""
    pause, process = form.get("pause"), form.get("process")
    silent_since = form.get("silent_since")
    return Agent(
        agent_id=form["agent_id"],
        capabilities=tuple(form.get("capabilities", ())),
        max_in_progress=form.get("max_in_progress"),
        kind=form.get("kind", ""),
        note=form.get("note", ""),
        process=ProcessIdentity(**process) if process else None,
        registered_at=instant_from_text(form["registered_at"]),
        registered_by=form["registered_by"],
        last_heartbeat_at=instant_from_text(form["last_heartbeat_at"]),
        pause=AgentPause(**{**pause, "at": instant_from_text(pause["at"])}) if pause else None,
        silent_since=instant_from_text(silent_since) if silent_since else None,
        log=tuple(form.get("log", ())),
    )


def _noted(agent: Agent, what: str, *, by: str, now: datetime, why: str = "") -> Agent:
    note = {"at": instant_to_text(now), "by": by, "what": what, "why": why[:LONGEST_NOTE]}
    return replace(agent, log=(*agent.log, note)[-MOST_NOTES:])
