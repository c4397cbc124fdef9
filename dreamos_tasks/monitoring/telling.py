"""Teller: tells people of incidents, by every target that the settings name; what could not be told is tried again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import time
from typing import TYPE_CHECKING, Protocol

from loguru import logger

from dreamos_tasks.errors import DreamosError
from dreamos_tasks.model.incident import EscalationRule, Incident
from dreamos_tasks.model.task import Priority
from dreamos_tasks.monitoring.desk import Desk
from dreamos_tasks.monitoring.escalation import BY

if TYPE_CHECKING:
    from loguru import Logger

AT_ONCE = 50  # incidents of which one message tells; more come in the next


class NotTold(DreamosError):
    """A target could not be reached: why."""

    code = "not_told"


@dataclass(frozen=True, slots=True)
class Notice:
    """What people are told at once: several incidents, the most severe first."""

    incidents: tuple[Incident, ...]

    @property
    def severity(self) -> Priority:
        """That of the most severe."""
        return self.incidents[0].severity

    @property
    def subject(self) -> str:
        """One line."""
        first, others = self.incidents[0], len(self.incidents) - 1
        more = f" (and {others} more)" if others else ""
        return f"[{first.severity.value}] {first.text}{more}"

    @property
    def body(self) -> str:
        """A line an incident, and what can be done."""
        lines = [f"{each.severity.value:<9}{each.incident_id}  {each.text}" for each in self.incidents]
        first = self.incidents[0].incident_id
        return "\n".join(
            (*lines, "", f"dt incidents ack {first} takes it on, dt incidents snooze {first} --for 2h waits.")
        )


class Target(Protocol):
    """One way to reach people."""

    @property
    def name(self) -> str:
        """As the settings name it."""
        ...

    async def tell(self, notice: Notice) -> None:
        """Tell it. Raises NotTold. Told again, it may notice: a task has one key an incident, a message one id."""
        ...


class Teller:
    """Tells each incident once at each severity, whoever runs this: the board says who does."""

    def __init__(
        self,
        desk: Desk,
        targets: Sequence[Target],
        rule: EscalationRule,
        *,
        time_of_day: Callable[[], time],
        log: Logger = logger,
    ) -> None:
        self._desk = desk
        self._targets = tuple(targets)
        self._rule = rule
        self._time_of_day = time_of_day
        self._log = log

    async def tell(self) -> int:
        """Tell what is to be told now; gives the number of incidents that every target was told of.

        Raises BoardUnavailable. A target that fails is noted with the incident and tried again later, it alone.
        """
        if not self._targets:
            return 0
        rule, at = self._rule, self._time_of_day()
        if not await self._desk.read(lambda nexus: nexus.incidents.has_untold(rule, time_of_day=at)):
            return 0
        taken = await self._desk.write(lambda nexus: nexus.incidents.take_untold(rule, time_of_day=at, limit=AT_ONCE))
        failures: dict[str, dict[str, str]] = {incident.cause: {} for incident in taken}
        for target in self._targets:
            meant = tuple(each for each in taken if not each.untold_targets or target.name in each.untold_targets)
            error = await self._try(target, meant)
            if error:
                for incident in meant:
                    failures[incident.cause][target.name] = error
        told = {incident.cause: (incident.severity, failures[incident.cause]) for incident in taken}
        await self._desk.write(lambda nexus: nexus.incidents.note_told(told, by=BY))
        return sum(not each for each in failures.values())

    async def _try(self, target: Target, incidents: tuple[Incident, ...]) -> str:
        """What went wrong; nothing: told."""
        if not incidents:
            return ""
        try:
            await target.tell(Notice(incidents))
        except DreamosError as error:
            said = f"{error.message} ({error.cause})" if error.cause else error.message
        except Exception as error:  # noqa: BLE001  noted with the incident: one target's trouble is not the others'
            self._log.exception("{} could not be told of {} incidents", target.name, len(incidents))
            return f"{type(error).__name__}: {error}"
        else:
            self._log.info("told {} of {} incidents: {}", target.name, len(incidents), incidents[0].text)
            return ""
        self._log.warning("{} could not be told of {} incidents: {}", target.name, len(incidents), said)
        return said
