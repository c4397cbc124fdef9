"""Verbs about agents: who works from the board and who holds what; register, heartbeat, pause, resume, forget."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from dreamos_tasks.interfaces.cli.call import SOMEBODY, Call
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import FILLED, agent_option, by_option, reason_option
from dreamos_tasks.interfaces.cli.text import duration, harmless, local, local_and_ago, with_local_instants
from dreamos_tasks.interfaces.cli.verb_group import verb_group
from dreamos_tasks.model.json_form import to_json
from dreamos_tasks.model.task import check_name

if TYPE_CHECKING:
    from datetime import datetime

    from dreamos_tasks.board.agent_view import AgentView
    from dreamos_tasks.model.agent import Agent
    from dreamos_tasks.model.task import ProcessIdentity

STATE_COLOURS = {"working": "cyan", "idle": "green", "paused": "yellow", "silent": "red"}

name_argument = click.argument("name", metavar="NAME", type=FILLED)


@verb_group(
    "agents",
    examples=(
        "dt agents",
        "dt agents --json",
        "dt agents register ada --capability gpu --max-tasks 2 --kind claude-code",
        'dt agents pause ada --reason "its tests are flaky"',
    ),
)
def agents(call: Call) -> None:
    """Who works from this board: what each holds since when, when it was last heard of, whether it may claim.

    Nobody has to be registered. Who is, is held to it: its capabilities are what it offers when a claim names none, it holds
    at most so many tasks at once, it can be paused, and what it holds is released when it falls silent.
    """
    views = call.nexus.agents()
    if call.out.as_json:
        call.out.document([view_document(view) for view in views])
        return
    now = call.nexus.clock.now()
    rows = [
        (
            view.agent_id,
            view.state.value,
            f"{len(view.tasks)}/{view.max_in_progress or '-'}",
            duration((now - view.last_heard_at).total_seconds()),
            _what_it_does(view, now),
        )
        for view in views
    ]
    if not rows:
        call.out.note(
            "no agent is registered, and nobody holds a task: dt agents register NAME, or dt next --agent NAME"
        )
    call.out.table(("AGENT", "STATE", "TASKS", "HEARD", "WHAT"), rows, colours=STATE_COLOURS)


@agents.below("show", examples=("dt agents show ada", "dt agents show ada --json"))
@name_argument
def show(call: Call, name: str) -> None:
    """All that is known of an agent, and what was done to it."""
    view = call.nexus.agent(name)
    if call.out.as_json:
        call.out.document(view_document(view))
        return
    out, now = call.out, call.nexus.clock.now()
    out.line(out.painted(f"{view.agent_id}  {view.state.value}", "bold"))
    lines = [("last heard of", local_and_ago(view.last_heard_at, now))]
    if view.registered_at is not None:
        lines.append(("registered", f"{local_and_ago(view.registered_at, now)} by {view.registered_by}"))
    else:
        lines.append(("registered", f"no: dt agents register {view.agent_id}"))
    if view.paused is not None:
        why = f": {view.paused.reason}" if view.paused.reason else ""
        lines.append(("paused", f"{local_and_ago(view.paused.at, now)} by {view.paused.by}{why}"))
    most = str(view.max_in_progress) if view.max_in_progress is not None else "any number"
    lines += [("may hold", most), ("offers", ", ".join(view.capabilities) or "-")]
    lines += [(label, text) for label, text in (("kind", view.kind), ("note", view.note)) if text]
    lines += [("holds", f"{held.task_id}  {held.title}, {_since(held.claimed_at, now)}") for held in view.tasks]
    for label, text in lines:
        out.line(f"  {label:<14}{harmless(text)}")
    for note in view.log:
        why = f": {note['why']}" if note.get("why") else ""
        when = with_local_instants(note["at"], now)
        out.line(f"  {when}  {harmless(note['what'])} by {harmless(note['by'])}{harmless(why)}")


@agents.below(
    "register",
    examples=(
        "dt agents register ada",
        "dt agents register ada --capability gpu --capability docker --max-tasks 2",
        'dt agents register ada --kind claude-code --pid $PPID --note "runs in the build room"',
    ),
)
@name_argument
@option("--capability", "-c", "capabilities", metavar="NAME", type=FILLED, multiple=True, help="What it can do.")
@option("--max-tasks", metavar="N", type=click.IntRange(1), help="How many tasks it may hold at once. [default: any]")
@option("--kind", metavar="PROGRAM", default="", help="Which program it is, such as claude-code.")
@option("--note", metavar="TEXT", default="", help="Anything that people should know of it.")
@option(
    "--pid",
    metavar="PID",
    type=click.IntRange(1),
    help="Its process on this machine: when that ends, what it holds is released at once.",
)
@by_option
def register(
    call: Call,
    name: str,
    capabilities: tuple[str, ...],
    max_tasks: int | None,
    kind: str,
    note: str,
    pid: int | None,
    by: str | None,
) -> None:
    """Say who an agent is. Said again it replaces what was said before; an agent that is paused stays so."""
    from dreamos_tasks.model.agent import AgentProfile

    profile = AgentProfile(
        agent_id=name,
        capabilities=tuple(dict.fromkeys(capabilities)),
        max_in_progress=max_tasks,
        kind=kind,
        note=note,
        process=_process(pid) if pid is not None else None,
    )
    agent = call.nexus.register_agent(profile, by=_who(call, by) or name)
    _tell(call, agent, f"{name}  registered")


@agents.below("heartbeat", examples=("dt agents heartbeat ada", "dt agents heartbeat --agent ada"))
@click.argument("name", metavar="[NAME]", required=False, type=FILLED)
@agent_option
def heartbeat(call: Call, name: str | None, agent: str | None) -> None:
    """Say that an agent is there, whether it holds a task or not. Prolongs no lease: dt heartbeat ID does."""
    agent_id = name or call.agent(agent, verb="agents heartbeat")
    _tell(call, call.nexus.agent_heartbeat(agent_id), f"{agent_id}  heard of")


@agents.below("pause", examples=('dt agents pause ada --reason "its tests are flaky"',))
@name_argument
@reason_option
@by_option
def pause(call: Call, name: str, reason: str, by: str | None) -> None:
    """Let an agent claim nothing until it is resumed. It may finish what it holds, and is told who paused it and why."""
    agent = call.nexus.pause_agent(name, by=_who(call, by) or SOMEBODY, reason=reason)
    _tell(call, agent, f"{name}  paused")
    call.out.note(f"dt agents resume {name} lets it go on")


@agents.below("resume", examples=("dt agents resume ada",))
@name_argument
@by_option
def resume(call: Call, name: str, by: str | None) -> None:
    """Let a paused agent claim again. One that somebody else has paused cannot do so itself."""
    _tell(call, call.nexus.resume_agent(name, by=_who(call, by) or SOMEBODY), f"{name}  may claim")


@agents.below("forget", examples=("dt agents forget ada",))
@name_argument
@by_option
def forget(call: Call, name: str, by: str | None) -> None:
    """Take an agent off the list. What it holds it holds on, and it may claim as any agent that is not registered."""
    agent = call.nexus.forget_agent(name, by=_who(call, by) or SOMEBODY)
    _tell(call, agent, f"{name}  forgotten")
    call.out.note(f"taken back by: {_registering(agent)}")


def view_document(view: AgentView) -> dict[str, Any]:
    """The agent as JSON."""
    form: dict[str, Any] = to_json(view)
    return form


def _tell(call: Call, agent: Agent, words: str) -> None:
    if call.out.as_json:
        from dreamos_tasks.model.agent import agent_to_form

        call.out.document(agent_to_form(agent))
    else:
        call.out.line(harmless(words))


def _who(call: Call, by: str | None) -> str | None:
    """Who acts, as far as that was said."""
    return check_name(by, what="a name") if by is not None else call.agent_or_none(None)


def _process(pid: int) -> ProcessIdentity:
    from dreamos_tasks.app.identity import process_of
    from dreamos_tasks.errors import InvalidInput

    process = process_of(pid)
    if process is None:
        raise InvalidInput(
            f"there is no process {pid}", pointer="/pid", fix="--pid $PPID names the calling shell's parent"
        )
    return process


def _registering(agent: Agent) -> str:
    words = ["dt", "agents", "register", agent.agent_id]
    for capability in agent.capabilities:
        words += ["--capability", capability]
    if agent.max_in_progress is not None:
        words += ["--max-tasks", str(agent.max_in_progress)]
    words += ["--kind", agent.kind] if agent.kind else []
    words += ["--note", agent.note] if agent.note else []
    return harmless(shlex.join(words))


def _what_it_does(view: AgentView, now: datetime) -> str:
    parts = [f"{held.task_id} {_since(held.claimed_at, now)}" for held in view.tasks]
    if view.paused is not None:
        why = f": {view.paused.reason}" if view.paused.reason else ""
        parts.insert(0, f"paused by {view.paused.by}{why}")
    if not parts and view.note:
        parts.append(view.note)
    parts += [f"({view.kind})"] if view.kind else []
    parts += ["(not registered)"] if not view.registered else []
    return harmless(", ".join(parts)) or "-"


def _since(instant: datetime, now: datetime) -> str:
    return f"since {local(instant, now)}"
