"""Verbs about incidents: what somebody should look into; list, show, ack, snooze, close."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from dreamos_tasks.errors import UsageError
from dreamos_tasks.interfaces.cli.call import SOMEBODY, Call
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import FILLED, SECONDS, by_option, instant_from
from dreamos_tasks.interfaces.cli.text import count, duration, harmless, local, local_and_ago, with_local_instants
from dreamos_tasks.interfaces.cli.verb_group import verb_group
from dreamos_tasks.model.json_form import to_json
from dreamos_tasks.model.task import check_name

if TYPE_CHECKING:
    from dreamos_tasks.model.incident import Incident

SEVERITY_COLOURS = {"critical": "red", "high": "red", "medium": "yellow", "low": "dim"}
DEFAULT_SNOOZE_SECONDS = 3600.0

words_argument = click.argument("words", metavar="ID...", nargs=-1, type=FILLED)
why_option = option("--reason", "why", metavar="TEXT", default="", help="Why; kept with the incident.")
all_option = option("--all", "all_open", is_flag=True, help="All that nobody has said anything to.")


@verb_group(
    "incidents",
    examples=(
        "dt incidents",
        "dt incidents list --past",
        "dt incidents ack in-7k2m --by eva",
        'dt incidents snooze dt-4h1q --for 2h --reason "waiting for the vendor"',
    ),
)
def incidents(call: Call) -> None:
    """What somebody should look into: tasks that stall or are past their due date, agents that fell silent.

    One incident a cause. It is told to escalation.targets when it opens and each time it grows more severe, until somebody
    acknowledges, snoozes or closes it; it ends by itself when its cause does. The daemon looks; dt monitor --once does too.
    """
    _list(call, past=False, limit=None)


@incidents.below("list", examples=("dt incidents list --json", "dt incidents list --past --limit 20"))
@option("--past", is_flag=True, help="Those that are over, newest first.")
@option("--limit", metavar="N", type=click.IntRange(1), default=50, show_default=True, help="At most N.")
def list_(call: Call, past: bool, limit: int) -> None:
    """List incidents, the most severe first."""
    _list(call, past=past, limit=limit)


@incidents.below("show", examples=("dt incidents show in-7k2m", "dt incidents show dt-4h1q --json"))
@click.argument("word", metavar="ID", type=FILLED)
def show(call: Call, word: str) -> None:
    """All about an incident: by its id, or by that of its task or agent."""
    found = call.nexus.incidents.named(word)
    if call.out.as_json:
        call.out.document(_document(call.nexus.incidents.get(word)))
        return
    for incident in found:
        _show(call, incident)


@incidents.below("ack", examples=("dt incidents ack in-7k2m", "dt incidents ack --all"))
@words_argument
@all_option
@why_option
@by_option
def ack(call: Call, words: tuple[str, ...], all_open: bool, why: str, by: str | None) -> None:
    """Take incidents on: nobody is told of them again, and they rise no more. By id, task or agent."""
    who = _who(call, by)
    _say(
        call,
        _meant(call, words, all_open=all_open),
        lambda one: call.nexus.incidents.acknowledge(one, by=who, why=why),
        done="acknowledged",
    )


@incidents.below(
    "snooze", examples=("dt incidents snooze in-7k2m --for 2h", 'dt incidents snooze --all --until "+12h"')
)
@words_argument
@all_option
@option("--for", "for_seconds", metavar="DURATION", type=SECONDS, help="How long: 30m, 2h, 3d. [default: 1h]")
@option("--until", metavar="INSTANT", type=FILLED, help="Until when: 2030-01-31T08:00:00Z, or +2h.")
@why_option
@by_option
def snooze(
    call: Call,
    words: tuple[str, ...],
    all_open: bool,
    for_seconds: float | None,
    until: str | None,
    why: str,
    by: str | None,
) -> None:
    """Be quiet about incidents for a while; those whose cause lasts are told again then."""
    if for_seconds is not None and until is not None:
        raise UsageError("--for and --until say the same thing twice", fix="leave one of them out")
    who, now = _who(call, by), call.nexus.clock.now()
    end = (
        instant_from(until, option="--until", now=now)
        if until is not None
        else now + timedelta(seconds=DEFAULT_SNOOZE_SECONDS if for_seconds is None else for_seconds)
    )
    _say(
        call,
        _meant(call, words, all_open=all_open),
        lambda one: call.nexus.incidents.snooze(one, until=end, by=who, why=why),
        done=f"snoozed until {local(end, now)}",
    )


@incidents.below("close", examples=('dt incidents close in-7k2m --reason "it may be late"',))
@words_argument
@all_option
@why_option
@by_option
def close(call: Call, words: tuple[str, ...], all_open: bool, why: str, by: str | None) -> None:
    """Hear no more of incidents for as long as their cause lasts."""
    who = _who(call, by)
    _say(
        call,
        _meant(call, words, all_open=all_open),
        lambda one: call.nexus.incidents.close(one, by=who, why=why),
        done="closed",
    )


def _list(call: Call, *, past: bool, limit: int | None) -> None:
    book = call.nexus.incidents
    found = book.past(limit=limit or 50) if past else book.all()
    shown = found[:limit]
    if call.out.as_json:
        call.out.document([_document(incident) for incident in shown])
    else:
        now = call.nexus.clock.now()
        rows = [
            (
                incident.incident_id,
                incident.severity.value,
                _state(incident, now),
                duration((now - incident.opened_at).total_seconds()),
                harmless(with_local_instants(incident.text, now, say=local)),
            )
            for incident in shown
        ]
        if not rows:
            call.out.note("nothing is over yet" if past else "there is nothing to look into")
        call.out.table(("INCIDENT", "SEVERITY", "STATE", "AGE", "WHAT"), rows, colours=SEVERITY_COLOURS)
    if len(found) > len(shown):
        call.out.hint(f"{len(found) - len(shown)} more; --limit shows them")


def _show(call: Call, incident: Incident) -> None:
    out, now = call.out, call.nexus.clock.now()
    text = with_local_instants(incident.text, now, say=local)
    out.line(out.painted(f"{incident.incident_id}  {harmless(text)}", "bold"))
    out.line(f"  {incident.severity.value}, {_state(incident, now)}, since {local_and_ago(incident.opened_at, now)}")
    if incident.told_at is not None:
        out.line(f"  told {local_and_ago(incident.told_at, now)}")
    if incident.telling_error:
        failed = count(incident.failed_tellings, "time")
        out.line(f"  could not be told ({failed}): {harmless(incident.telling_error)}")
    for note in incident.log:
        why = f": {note['why']}" if note.get("why") else ""
        said = with_local_instants(f"{note['what']} by {note['by']}{why}", now, say=local)
        out.line(f"  {with_local_instants(note['at'], now)}  {harmless(said)}")
    if incident.task_id is not None:
        out.note(f"dt why {incident.task_id}; dt show {incident.task_id}")
    elif incident.agent_id is not None:
        out.note(f"dt agents show {incident.agent_id}")


def _say(call: Call, ids: Sequence[str], say: Callable[[str], Incident], *, done: str) -> None:
    said = [say(one) for one in ids]
    if call.out.as_json:
        call.out.document([_document(incident) for incident in said])
        return
    for incident in said:
        call.out.line(f"{incident.incident_id}  {done}: {harmless(incident.text)}")
    if not said:
        call.out.note("nothing waits for anybody")


def _meant(call: Call, words: Sequence[str], *, all_open: bool) -> Sequence[str]:
    """The ids of the incidents that are meant. Raises IncidentNotFound before anything is said to any."""
    book = call.nexus.incidents
    if all_open == bool(words):
        raise UsageError(
            "which incidents?" if not words else "--all goes without ids",
            cause="they are named by id, by task, by agent, or all at once",
            fix="dt incidents lists them",
        )
    if all_open:
        return [incident.incident_id for incident in book.all() if incident.is_waiting]
    return list(dict.fromkeys(incident.incident_id for word in words for incident in book.named(word)))


def _who(call: Call, by: str | None) -> str:
    return check_name(by, what="a name") if by is not None else call.agent_or_none(None) or SOMEBODY


def _state(incident: Incident, now: datetime) -> str:
    if incident.snoozed_until is not None:
        return f"snoozed until {local(incident.snoozed_until, now)}"
    return incident.state.value


def _document(incident: Incident) -> dict[str, Any]:
    form: dict[str, Any] = to_json(incident)
    return form
