"""IncidentMonitor: keeps the board's list of incidents in line with what is wrong: stalls, missed due dates, silent agents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import islice

from dreamos_tasks.board.agent_view import AgentState
from dreamos_tasks.board.incidents import IncidentChanges
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.config.settings import EscalationSettings
from dreamos_tasks.errors import Refused
from dreamos_tasks.model.incident import Condition, EscalationRule, IncidentKind, is_quiet, is_to_be_told
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.task import Priority, Task
from dreamos_tasks.monitoring.escalation import BY, ESCALATION_TAGS, EscalationStrategy, spoken
from dreamos_tasks.monitoring.pending import PendingTaskMonitor
from dreamos_tasks.monitoring.report import IncidentLine, MonitorReport

MOST_OF_A_KIND = 1000  # nobody looks into more at once; what is older comes first
DUE_AHEAD_SECONDS = 3600.0  # how far ahead the next due date is looked for
MOST_DUE_AHEAD = 200
JUST_MISSED_SECONDS = 5.0  # what was missed, or added so, longer ago and is no incident yet waits for the next check
LONGEST_TITLE = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundConditions:
    """What is wrong now, and whether the list of incidents says something else."""

    checked_at: datetime
    conditions: tuple[Condition, ...]
    asks_for_action: bool
    has_more: bool = False


@dataclass(frozen=True, slots=True)
class IncidentMonitor:
    """Opens an incident for each cause, lets it rise with time, and ends it with its cause. Tells nobody: see telling.

    A board that has no place for incidents (a plain array of tasks) has none.
    """

    nexus: TaskNexus
    rule: EscalationRule
    timeout_seconds: float
    time_of_day: Callable[[], time]

    def run_once(self, now: datetime) -> MonitorReport:
        """Look, and deal with what is found. Raises BoardUnavailable."""
        return self.deal(self.look(now))

    def look(self, now: datetime, *, again: bool = False) -> FoundConditions:
        """Find what is wrong, without a write."""
        conditions = tuple(
            condition
            for kind in (self._stalled(now), self._overdue(now), self._silent(now))
            for condition in islice(kind, MOST_OF_A_KIND)
        )
        changes = self.nexus.incidents.compare(conditions, self.rule, by=BY)
        return FoundConditions(checked_at=now, conditions=conditions, asks_for_action=changes.must_be_kept)

    def deal(self, found: FoundConditions) -> MonitorReport:
        """Bring the list in line with it."""
        if not found.asks_for_action:
            return MonitorReport(checked_at=found.checked_at)
        try:
            changes = self.nexus.incidents.update(found.conditions, self.rule, by=BY)
        except Refused:  # no place for incidents
            changes = IncidentChanges()
        return MonitorReport(checked_at=found.checked_at, incidents=tuple(_lines(changes)))

    def next_at(self, now: datetime) -> datetime | None:
        """When the next due date is missed, an incident rises or wakes, or people may be told again after quiet hours."""
        instants = [self._next_due(now), self.nexus.incidents.next_at(self.rule, now=now), self._quiet_until(now)]
        return min((instant for instant in instants if instant is not None and instant > now), default=None)

    def _next_due(self, now: datetime) -> datetime | None:
        """The next due date; at once for one that was missed between the last look and now, or has just been added so."""
        ahead = now + timedelta(seconds=DUE_AHEAD_SECONDS)
        soon = self.nexus.store.find(TaskQuery(overdue_at=ahead, limit=MOST_DUE_AHEAD), now=now)
        just = now - timedelta(seconds=JUST_MISSED_SECONDS)
        instants = [task.due_at for task in soon if task.due_at is not None and task.due_at > now]
        missed = {
            task.task_id
            for task in soon
            if task.due_at is not None and task.due_at <= now and just < max(task.due_at, task.created_at)
        }
        if missed - {incident.task_id for incident in self.nexus.incidents.all()}:
            instants.append(now + timedelta(milliseconds=1))
        return min(instants, default=None)

    def _quiet_until(self, now: datetime) -> datetime | None:
        """When the quiet hours end, if somebody is to be told of something then."""
        time_of_day = self.time_of_day()
        if self.rule.quiet is None or not is_quiet(self.rule, time_of_day):
            return None
        end = self.rule.quiet[1]
        if not any(
            is_to_be_told(incident, self.rule, now=now, time_of_day=end) for incident in self.nexus.incidents.all()
        ):
            return None
        seconds = _second_of_day(end) - _second_of_day(time_of_day)
        return now + timedelta(seconds=seconds % 86_400)

    def _stalled(self, now: datetime) -> Iterator[Condition]:
        pending = PendingTaskMonitor(
            self.nexus, timeout_seconds=self.timeout_seconds, strategy=EscalationStrategy.LOG_ONLY
        )
        for stall in pending.stalls(now):
            if not _is_about_others(stall.task):
                text = f"{_named(stall.task)} is ready, and {stall.reason}"
                yield _of_task(IncidentKind.STALLED, stall.task, text)

    def _overdue(self, now: datetime) -> Iterator[Condition]:
        for task in self.nexus.store.find(TaskQuery(overdue_at=now, limit=MOST_OF_A_KIND), now=now):
            if not _is_about_others(task) and task.due_at is not None:
                late = spoken((now - task.due_at).total_seconds())
                holder = f", held by {task.claim.agent_id}" if task.claim is not None else ""
                state = task.status.value.replace("_", " ")
                due = f"{task.due_at:%Y-%m-%dT%H:%M:%SZ}"
                text = f"{_named(task)} was due at {due}, {late} ago, and is {state}{holder}"
                yield _of_task(IncidentKind.OVERDUE, task, text)

    def _silent(self, now: datetime) -> Iterator[Condition]:
        for view in self.nexus.agents():
            if view.state is not AgentState.SILENT or (not view.tasks and view.silent_since is None):
                continue
            holds = (
                f"and holds {', '.join(task.task_id for task in view.tasks)}" if view.tasks else "and lost its tasks"
            )
            silence = spoken((now - view.last_heard_at).total_seconds())
            yield Condition(
                cause=f"{IncidentKind.SILENT_AGENT.value}:{view.agent_id}",
                kind=IncidentKind.SILENT_AGENT,
                text=f"{view.agent_id} has given no sign of life for {silence}, {holds}",
                severity=Priority.MEDIUM,
                agent_id=view.agent_id,
            )


def rule_from(settings: EscalationSettings) -> EscalationRule:
    """When people are told, as the settings say."""
    return EscalationRule(
        raise_after_seconds=settings.raise_after_seconds,
        quiet=_quiet_hours(settings.quiet_hours) if settings.quiet_hours is not None else None,
        quiet_except=Priority(settings.quiet_except),
        tell_from=Priority(settings.tell_from),
    )


def _quiet_hours(words: str) -> tuple[time, time]:
    begin, _, end = words.partition("-")
    return time.fromisoformat(begin), time.fromisoformat(end)


def _second_of_day(at: time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second


def _lines(changes: IncidentChanges) -> Iterator[IncidentLine]:
    for change, incidents in (("opened", changes.opened), ("risen", changes.risen), ("over", changes.over)):
        for incident in incidents:
            yield IncidentLine(
                incident_id=incident.incident_id,
                change=change,
                kind=incident.kind,
                severity=incident.severity,
                text=incident.text,
                task_id=incident.task_id,
                agent_id=incident.agent_id,
            )


def _of_task(kind: IncidentKind, task: Task, text: str) -> Condition:
    cause = f"{kind.value}:{task.task_id}"
    return Condition(cause=cause, kind=kind, text=text, severity=task.priority, task_id=task.task_id)


def _named(task: Task) -> str:
    title = task.title if len(task.title) <= LONGEST_TITLE else task.title[: LONGEST_TITLE - 1] + "…"
    return f"{task.task_id} ({title})"


def _is_about_others(task: Task) -> bool:
    """Whether the task itself asks somebody to look into something: that is not escalated again."""
    return ESCALATION_TAGS[0] in task.tags
