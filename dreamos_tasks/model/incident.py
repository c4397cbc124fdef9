"""Incident: something that somebody should look into, from when it is noticed until it is over. One a cause. Pure.

An incident is told to people when it opens, and again each time it grows more severe; acknowledged, snoozed or closed it is
quiet. Closed by hand it stays closed for as long as its cause lasts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any

from dreamos_tasks.model.json_form import instant_from_text, instant_to_text, to_json
from dreamos_tasks.model.task import Priority
from dreamos_tasks.model.value import frozen_value

SHELF = "incident"  # where the board keeps those whose cause lasts, by cause
PAST_SHELF = "incident_past"  # and those that are over, by when they were and their id
ID_PREFIX = "in-"
MOST_NOTES = 30
LONGEST_NOTE = 500
TELLING_SECONDS = 120.0  # who tells people of it has this long; then another may
RETRY_SECONDS = (60.0, 300.0, 1800.0)  # after a delivery that failed; then each half hour


class IncidentKind(StrEnum):
    """What is wrong."""

    STALLED = "stalled"  # a task that is ready, and nobody claims it
    OVERDUE = "overdue"  # a task that is past its due_at and not over
    SILENT_AGENT = "silent_agent"  # an agent that holds tasks, or held them, and gives no sign of life


class IncidentState(StrEnum):
    """How it stands with people. `over`: its cause is gone."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    CLOSED = "closed"
    OVER = "over"


@frozen_value
class Condition:
    """Something wrong with the board, as a monitor sees it now. The same `cause` is the same incident."""

    cause: str
    kind: IncidentKind
    text: str
    severity: Priority = Priority.MEDIUM
    task_id: str | None = None
    agent_id: str | None = None


@frozen_value
class EscalationRule:
    """When people are told, and when something is worse than it was.

    Severities are the words of priorities. `quiet`: between these times of the day nobody is told of anything that is less
    severe than `quiet_except`. What is less severe than `tell_from` is listed and never told.
    """

    raise_after_seconds: float = 3600.0
    quiet: tuple[time, time] | None = None
    quiet_except: Priority = Priority.CRITICAL
    tell_from: Priority = Priority.LOW


@frozen_value
class Incident:
    """As the board keeps it. `severity` begins at that of its cause and rises; `raised_at`: since when it is what it is.

    `told_severity`: at which people were told last, None not yet; `telling_until`: somebody is telling them now.
    `failed_tellings` in a row, what went wrong with the last, and with which targets (none: all are to be told).
    `log`: `{"at", "by", "what", "why"}`, newest last.
    """

    incident_id: str
    cause: str
    kind: IncidentKind
    text: str
    base_severity: Priority
    severity: Priority
    state: IncidentState = IncidentState.OPEN
    task_id: str | None = None
    agent_id: str | None = None
    opened_at: datetime
    raised_at: datetime
    snoozed_until: datetime | None = None
    told_at: datetime | None = None
    told_severity: Priority | None = None
    telling_until: datetime | None = None
    failed_tellings: int = 0
    telling_error: str = ""
    untold_targets: tuple[str, ...] = ()
    over_at: datetime | None = None
    log: tuple[Mapping[str, str], ...] = ()

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for somebody: nobody has said anything to it."""
        return self.state is IncidentState.OPEN


def opened(condition: Condition, *, incident_id: str, by: str, now: datetime) -> Incident:
    """A new incident."""
    incident = Incident(
        incident_id=incident_id,
        cause=condition.cause,
        kind=condition.kind,
        text=condition.text,
        base_severity=condition.severity,
        severity=condition.severity,
        task_id=condition.task_id,
        agent_id=condition.agent_id,
        opened_at=now,
        raised_at=now,
    )
    return _noted(incident, "opened", by=by, now=now, why=condition.text)


def seen_again(incident: Incident, condition: Condition, rule: EscalationRule, *, by: str, now: datetime) -> Incident:
    """The incident while its cause lasts: woken from its snooze, more severe as time goes by. Itself when nothing changes."""
    seen = incident
    if seen.state is IncidentState.SNOOZED and seen.snoozed_until is not None and seen.snoozed_until <= now:
        awake = replace(
            _to_be_told_to_all(seen), state=IncidentState.OPEN, snoozed_until=None, told_severity=None, raised_at=now
        )
        seen = _noted(awake, "snooze ended", by=by, now=now)
    if condition.severity.rank < seen.base_severity.rank:  # the matter itself has become more urgent than it was
        worse = replace(seen, base_severity=condition.severity)
        if condition.severity.rank < seen.severity.rank:
            state = IncidentState.OPEN if seen.state is IncidentState.ACKNOWLEDGED else seen.state
            worse = replace(_to_be_told_to_all(worse), severity=condition.severity, raised_at=now, state=state)
            worse = _noted(worse, f"severity {condition.severity.value}", by=by, now=now, why=condition.text)
        seen = worse
    rises_at = raise_at(seen, rule)
    if rises_at is not None and rises_at <= now:
        severity = next_severity(seen.severity)
        seen = replace(_to_be_told_to_all(seen), severity=severity, raised_at=now, text=condition.text)
        seen = _noted(seen, f"severity {severity.value}", by=by, now=now, why=condition.text)
    return seen


def raise_at(incident: Incident, rule: EscalationRule) -> datetime | None:
    """When it is more severe if nobody says anything to it; None when never."""
    if not incident.is_waiting or incident.severity is Priority.CRITICAL:
        return None
    return incident.raised_at + timedelta(seconds=rule.raise_after_seconds)


def next_severity(severity: Priority) -> Priority:
    """One step up."""
    return tuple(Priority)[max(severity.rank - 1, 0)]


def acknowledged(incident: Incident, *, by: str, now: datetime, why: str = "") -> Incident:
    """Somebody has taken it on: it is not told again, and does not rise."""
    taken = replace(incident, state=IncidentState.ACKNOWLEDGED, snoozed_until=None)
    return _noted(taken, "acknowledged", by=by, now=now, why=why)


def snoozed(incident: Incident, *, until: datetime, by: str, now: datetime, why: str = "") -> Incident:
    """Quiet until then; if its cause lasts, it is told again."""
    quiet = replace(incident, state=IncidentState.SNOOZED, snoozed_until=until)
    return _noted(quiet, f"snoozed until {instant_to_text(until)}", by=by, now=now, why=why)


def closed(incident: Incident, *, by: str, now: datetime, why: str = "") -> Incident:
    """Nothing more is to be heard of it, for as long as its cause lasts."""
    quiet = replace(incident, state=IncidentState.CLOSED, snoozed_until=None)
    return _noted(quiet, "closed", by=by, now=now, why=why)


def ended(incident: Incident, *, by: str, now: datetime) -> Incident:
    """Its cause is gone."""
    over = replace(incident, state=IncidentState.OVER, snoozed_until=None, telling_until=None, over_at=now)
    return _noted(over, "over", by=by, now=now)


def is_to_be_told(incident: Incident, rule: EscalationRule, *, now: datetime, time_of_day: time) -> bool:
    """Whether people are to be told of it now."""
    told = incident.told_severity
    if not incident.is_waiting or (told is not None and incident.severity.rank >= told.rank):
        return False
    if incident.severity.rank > rule.tell_from.rank:
        return False
    if is_quiet(rule, time_of_day) and incident.severity.rank > rule.quiet_except.rank:
        return False
    return incident.telling_until is None or incident.telling_until <= now


def is_quiet(rule: EscalationRule, time_of_day: time) -> bool:
    """Whether it is a time of day at which people are left alone. Quiet hours may go over midnight."""
    if rule.quiet is None:
        return False
    begin, end = rule.quiet
    if begin <= end:
        return begin <= time_of_day < end
    return time_of_day >= begin or time_of_day < end


def being_told(incident: Incident, *, now: datetime) -> Incident:
    """Somebody begins to tell people; whoever else comes by leaves it to them."""
    return replace(incident, telling_until=now + timedelta(seconds=TELLING_SECONDS))


def told(incident: Incident, *, severity: Priority, failures: Mapping[str, str], by: str, now: datetime) -> Incident:
    """People were told at this severity. `failures`: by target, what went wrong; with any it is tried again later."""
    if not failures:
        done = replace(
            incident,
            told_at=now,
            told_severity=severity,
            telling_until=None,
            failed_tellings=0,
            telling_error="",
            untold_targets=(),
        )
        return _noted(done, f"told as {severity.value}", by=by, now=now)
    times = incident.failed_tellings + 1
    again = now + timedelta(seconds=RETRY_SECONDS[min(times, len(RETRY_SECONDS)) - 1])
    error = "; ".join(f"{target}: {what}" for target, what in failures.items())[:LONGEST_NOTE]
    failed = replace(
        incident,
        telling_until=again,
        failed_tellings=times,
        telling_error=error,
        untold_targets=tuple(failures)
        if incident.severity is severity
        else (),  # it rose meanwhile: that is news to all
    )
    return failed if error == incident.telling_error else _noted(failed, "telling failed", by=by, now=now, why=error)


def incident_to_form(incident: Incident) -> dict[str, Any]:
    """What the board keeps: JSON, without what says nothing."""
    return {name: value for name, value in to_json(incident).items() if value is not None and value not in ("", [], 0)}


def incident_from_form(form: Mapping[str, Any]) -> Incident:
    """Back from `incident_to_form`."""
    known = dict(form)
    known |= {"kind": IncidentKind(form["kind"]), "state": IncidentState(form["state"])}
    for name in ("base_severity", "severity", "told_severity"):
        if name in known:
            known[name] = Priority(known[name])
    for name in ("opened_at", "raised_at", "snoozed_until", "told_at", "telling_until", "over_at"):
        if name in known:
            known[name] = instant_from_text(known[name])
    for name in ("log", "untold_targets"):
        known[name] = tuple(form.get(name, ()))
    return Incident(**known)


def _to_be_told_to_all(incident: Incident) -> Incident:
    """There is news of it: those who were told before do not wait for a target that could not be."""
    return replace(incident, untold_targets=(), telling_until=None) if incident.untold_targets else incident


def _noted(incident: Incident, what: str, *, by: str, now: datetime, why: str = "") -> Incident:
    note = {"at": instant_to_text(now), "by": by, "what": what, "why": why[:LONGEST_NOTE]}
    return replace(incident, log=(*incident.log, note)[-MOST_NOTES:])
