"""Incidents: the board's list of what somebody should look into. `nexus.incidents` gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, time
from typing import TYPE_CHECKING

from dreamos_tasks.errors import AmbiguousIncident, IncidentNotFound, InvalidInput
from dreamos_tasks.model import incident as rules
from dreamos_tasks.model.ids import fresh_id
from dreamos_tasks.model.incident import (
    ID_PREFIX,
    PAST_SHELF,
    SHELF,
    Condition,
    EscalationRule,
    Incident,
    incident_from_form,
    incident_to_form,
)
from dreamos_tasks.model.json_form import instant_to_text
from dreamos_tasks.model.task import Priority
from dreamos_tasks.model.value import frozen_value

if TYPE_CHECKING:
    from dreamos_tasks.board.writer import BoardWriter

ID_LENGTH = 4
PAGE = 1000
MOST_PAST = 500  # that are over; the oldest make room
MOST_CANDIDATES = 8


@frozen_value
class IncidentChanges:
    """What a look at the board has changed."""

    opened: tuple[Incident, ...] = ()
    risen: tuple[Incident, ...] = ()
    over: tuple[Incident, ...] = ()
    must_be_kept: bool = False  # whether anything differs from what the board keeps


class Incidents:
    """One list a board. Every verb is one transaction of the nexus that it belongs to."""

    def __init__(self, nexus: BoardWriter) -> None:
        self._nexus = nexus
        self._store = nexus.store

    def all(self) -> Sequence[Incident]:
        """Those whose cause lasts, the most severe first, and of these the oldest."""
        return sorted(self._current(), key=lambda incident: (incident.severity.rank, incident.opened_at))

    def past(self, *, limit: int = 50) -> Sequence[Incident]:
        """Those that are over, newest first."""
        keys = list(self._store.all_kept(PAST_SHELF, limit=MOST_PAST * 2))[-limit:]
        forms = (self._store.kept(PAST_SHELF, key) for key in reversed(keys))
        return [incident_from_form(form) for form in forms if form is not None]

    def get(self, word: str) -> Incident:
        """The only one that is named so, see `named`. Raises IncidentNotFound, AmbiguousIncident."""
        return _only(word, self.named(word))

    def named(self, word: str) -> Sequence[Incident]:
        """Those that are meant: one by its id or the beginning of it, or all of a task or an agent, by the id of that.

        One that is over is found by its whole id. Raises IncidentNotFound, AmbiguousIncident.
        """
        current = self.all()
        found = [each for each in current if each.incident_id == word]
        found = found or [each for each in current if word in (each.task_id, each.agent_id)]
        if found:
            return found
        found = [each for each in current if each.incident_id.startswith((word, ID_PREFIX + word))]
        found = found or [each for each in self.past(limit=MOST_PAST) if each.incident_id == word]
        return [_only(word, found)]

    # -- what people say

    def acknowledge(self, word: str, *, by: str, why: str = "") -> Incident:
        """Take it on: it is not told again. Raises as get, and InvalidInput when it is over."""
        return self._say(word, lambda incident, now: rules.acknowledged(incident, by=by, now=now, why=why))

    def snooze(self, word: str, *, until: datetime, by: str, why: str = "") -> Incident:
        """Be quiet about it until then. Raises as acknowledge, and InvalidInput for an instant that is past."""

        def quiet(incident: Incident, now: datetime) -> Incident:
            if until <= now:
                raise InvalidInput(
                    f"{instant_to_text(until)} is past: nothing would be snoozed", pointer="/until", fix="--for 2h"
                )
            return rules.snoozed(incident, until=until, by=by, now=now, why=why)

        return self._say(word, quiet)

    def close(self, word: str, *, by: str, why: str = "") -> Incident:
        """Hear no more of it for as long as its cause lasts. Raises as acknowledge."""
        return self._say(word, lambda incident, now: rules.closed(incident, by=by, now=now, why=why))

    # -- what monitors say

    def compare(self, conditions: Sequence[Condition], rule: EscalationRule, *, by: str) -> IncidentChanges:
        """What `update` would change, without a write."""
        return self._compared(conditions, rule, by=by, now=self._nexus.clock.now())[0]

    def update(self, conditions: Sequence[Condition], rule: EscalationRule, *, by: str) -> IncidentChanges:
        """Bring the list in line with what is wrong now: `conditions` is all of it.

        Raises Refused on a board that has no place for it (a JSON array of tasks).
        """
        with self._nexus.verb() as now:
            changes, kept = self._compared(conditions, rule, by=by, now=now)
            for incident in kept:
                self._keep(incident)
            for incident in changes.over:
                self._store.keep(SHELF, incident.cause, None)
                key = f"{instant_to_text(incident.over_at or now)} {incident.incident_id}"
                self._store.keep(PAST_SHELF, key, incident_to_form(incident))
            if changes.over:
                self._prune()
            return changes

    def take_untold(self, rule: EscalationRule, *, time_of_day: time, limit: int) -> Sequence[Incident]:
        """Those that people are to be told of now, for whoever then tells them: nobody else is given them meanwhile."""
        with self._nexus.verb() as now:
            untold = [
                incident
                for incident in self.all()
                if rules.is_to_be_told(incident, rule, now=now, time_of_day=time_of_day)
            ][:limit]
            return [self._keep(rules.being_told(incident, now=now)) for incident in untold]

    def has_untold(self, rule: EscalationRule, *, time_of_day: time) -> bool:
        """Whether there is something to tell now."""
        now = self._nexus.clock.now()
        return any(rules.is_to_be_told(each, rule, now=now, time_of_day=time_of_day) for each in self._current())

    def note_told(self, told: Mapping[str, tuple[Priority, Mapping[str, str]]], *, by: str) -> None:
        """By cause: as severe as it was when it was told, and by target what went wrong."""
        with self._nexus.verb() as now:
            for cause, (severity, failures) in told.items():
                form = self._store.kept(SHELF, cause)
                if form is not None:
                    incident = incident_from_form(form)
                    self._keep(rules.told(incident, severity=severity, failures=failures, by=by, now=now))

    def next_at(self, rule: EscalationRule, *, now: datetime) -> datetime | None:
        """When the next one rises, wakes, or may be told after all."""
        instants = (
            instant
            for incident in self._current()
            for instant in (
                rules.raise_at(incident, rule),
                incident.snoozed_until,
                incident.telling_until if incident.is_waiting else None,
            )
            if instant is not None and instant > now
        )
        return min(instants, default=None)

    def _compared(
        self, conditions: Sequence[Condition], rule: EscalationRule, *, by: str, now: datetime
    ) -> tuple[IncidentChanges, list[Incident]]:
        """What changes, and what of it is kept among those whose cause lasts."""
        current = {incident.cause: incident for incident in self._current()}
        taken = {incident.incident_id for incident in current.values()}
        opened, risen, changed = [], [], []
        for condition in {each.cause: each for each in conditions}.values():
            before = current.pop(condition.cause, None)
            if before is None:
                new_id = _new_id(taken)
                opened.append(rules.opened(condition, incident_id=new_id, by=by, now=now))
                continue
            seen = rules.seen_again(before, condition, rule, by=by, now=now)
            if seen is not before:
                changed.append(seen)
                risen += [seen] if seen.severity is not before.severity or seen.state is not before.state else []
        over = tuple(rules.ended(incident, by=by, now=now) for incident in current.values())
        kept = [*opened, *changed]
        changes = IncidentChanges(
            opened=tuple(opened), risen=tuple(risen), over=over, must_be_kept=bool(kept) or bool(over)
        )
        return changes, kept

    def _say(self, word: str, say: Callable[[Incident, datetime], Incident]) -> Incident:
        with self._nexus.verb() as now:
            incident = self.get(word)
            if incident.over_at is not None:
                raise InvalidInput(
                    f"{incident.incident_id} is over since {instant_to_text(incident.over_at)}",
                    cause="what caused it is gone, so nothing more will be heard of it",
                    fix=f"dt incidents show {incident.incident_id}",
                )
            return self._keep(say(incident, now))

    def _current(self) -> Iterator[Incident]:
        after = ""
        while page := self._store.all_kept(SHELF, after=after, limit=PAGE):
            yield from map(incident_from_form, page.values())
            after = list(page)[-1]

    def _keep(self, incident: Incident) -> Incident:
        self._store.keep(SHELF, incident.cause, incident_to_form(incident))
        return incident

    def _prune(self) -> None:
        keys = list(self._store.all_kept(PAST_SHELF, limit=PAGE * 10))
        for key in keys[: max(0, len(keys) - MOST_PAST)]:
            self._store.keep(PAST_SHELF, key, None)


def _only(word: str, found: Sequence[Incident]) -> Incident:
    if not found:
        raise IncidentNotFound(word)
    if len(found) > 1:
        raise AmbiguousIncident(word, candidates=[each.incident_id for each in found[:MOST_CANDIDATES]])
    return found[0]


def _new_id(taken: set[str]) -> str:
    length = ID_LENGTH
    while True:
        new = ID_PREFIX + fresh_id(length).partition("-")[2]
        if new not in taken:
            taken.add(new)
            return new
        length += 1
