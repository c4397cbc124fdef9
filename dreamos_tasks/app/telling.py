"""Builds what tells people of incidents: a task, a mailbox, a message, a command of the board's owner."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime, time
from typing import TYPE_CHECKING, Any

from dreamos_tasks.model.json_form import to_json
from dreamos_tasks.model.task import TITLE_MAX_LENGTH, TaskDraft
from dreamos_tasks.model.tool import ToolContext
from dreamos_tasks.monitoring.escalation import BY
from dreamos_tasks.monitoring.incidents import rule_from
from dreamos_tasks.monitoring.telling import Notice, NotTold, Target, Teller

if TYPE_CHECKING:
    from dreamos_tasks.board.nexus import TaskNexus
    from dreamos_tasks.config.home import Home
    from dreamos_tasks.config.settings import Settings
    from dreamos_tasks.model.incident import Incident
    from dreamos_tasks.monitoring.desk import Desk
    from dreamos_tasks.tools.registry import ToolRegistry

TAGS = ("escalation", "incident")
TIMEOUT_SECONDS = 60.0  # for a message or a command; what takes longer is tried again
LEVELS = {"critical": "error", "high": "warning", "medium": "warning", "low": "info"}
LONGEST_SUBJECT = 200
SHOWN_OUTPUT = 200


def time_of_day() -> time:
    """Where this machine is."""
    return datetime.now().astimezone().time()


def build_teller(desk: Desk, *, home: Home, settings: Settings, tools: Callable[[], ToolRegistry]) -> Teller:
    """Tells by every target of `escalation.targets`. `tools` is asked for when one of them is a tool."""
    calls = _ToolCalls(tools, home=home, settings=settings)
    targets = [_target(name, desk, calls, settings) for name in settings.escalation.targets]
    return Teller(desk, targets, rule_from(settings.escalation), time_of_day=time_of_day)


class TaskTarget:
    """A task an incident, that asks somebody to look into it; its priority rises with the incident's severity.

    Stalls have one already where the strategy is `escalate`.
    """

    name = "task"

    def __init__(self, desk: Desk, *, skips_stalls: bool) -> None:
        self._desk = desk
        self._skips_stalls = skips_stalls

    async def tell(self, notice: Notice) -> None:
        """See Target."""
        await self._desk.write(lambda nexus: self._add(nexus, notice))

    def _add(self, nexus: TaskNexus, notice: Notice) -> None:
        for incident in notice.incidents:
            if self._skips_stalls and incident.kind.value == "stalled":
                continue
            task = nexus.add_task(task_of(incident))
            if not task.is_final and incident.severity.rank < task.priority.rank:
                nexus.edit_task(task.task_id, {"priority": incident.severity}, by=BY)


class MailboxTarget:
    """A message in the mailbox of an agent, or of whoever reads under that name."""

    def __init__(self, desk: Desk, agent_id: str) -> None:
        self.name = f"mailbox:{agent_id}"
        self._desk = desk
        self._agent_id = agent_id

    async def tell(self, notice: Notice) -> None:
        """See Target."""
        from dreamos_tasks.model.mail import BodyType, MessageDraft

        draft = MessageDraft(
            to_agent_id=self._agent_id,
            from_agent_id=BY,
            subject=_subject(notice),
            body=document(notice),
            body_type=BodyType.JSON,
            priority=notice.severity,
            requires_ack=True,
            tags=TAGS,
        )
        await self._desk.write(lambda nexus: nexus.send_mail(draft))


class ToolTarget:
    """A call of a tool: a message, or a command."""

    def __init__(self, name: str, calls: _ToolCalls, tool: str, params: Callable[[Notice], Mapping[str, Any]]) -> None:
        self.name = name
        self._calls = calls
        self._tool = tool
        self._params = params

    async def tell(self, notice: Notice) -> None:
        """See Target."""
        await self._calls.call(self._tool, self._params(notice), notice)


class _ToolCalls:
    """Calls tools as a step would, in a folder of its own below runs."""

    def __init__(self, tools: Callable[[], ToolRegistry], *, home: Home, settings: Settings) -> None:
        self._make_tools = tools
        self._tools: ToolRegistry | None = None
        self._home = home
        self._settings = settings

    async def call(self, tool: str, params: Mapping[str, Any], notice: Notice) -> None:
        """Raises NotTold when the call did not succeed."""
        from dreamos_tasks.app.parts import surroundings_of, workspace_of  # which builds us

        if self._tools is None:
            self._tools = self._make_tools()
        adapter = self._tools.get(tool)
        common = surroundings_of(self._home, self._settings)
        told = ",".join(f"{each.incident_id}={each.severity.value}" for each in notice.incidents)
        digest = hashlib.sha256(told.encode()).hexdigest()[
            :16
        ]  # the same notice has the same id, when it is told again
        context = ToolContext(
            task_id=f"incident-{digest}",
            token=1,
            step=tool,
            attempt=1,
            cwd=workspace_of(self._home),
            run_dir=self._home.runs / f"incident-{digest}" / "1",
            environment={**common.environment, "DREAMOS_TASKS_SEVERITY": notice.severity.value},
            timeout_seconds=TIMEOUT_SECONDS,
            output_limit_bytes=common.output_limit_bytes,
            limits=common.limits,
        )
        try:
            result = await adapter.execute(params, context)
        finally:
            shutil.rmtree(context.run_dir.parent, ignore_errors=True)  # what it printed nobody asks for again
        if result.category is not None:
            tail = (result.output_tail or result.output_head).strip()[-SHOWN_OUTPUT:]
            raise NotTold(result.message or f"{tool} failed", cause=result.cause or tail)


def task_of(incident: Incident) -> TaskDraft:
    """The task that asks somebody to look into an incident; one an incident, however often it is told."""
    title = f"Look into it: {incident.text}"
    return TaskDraft(
        title=title if len(title) <= TITLE_MAX_LENGTH else title[: TITLE_MAX_LENGTH - 1] + "…",
        description=(
            f"{incident.text}.\n\ndt incidents show {incident.incident_id} tells what was done about it; "
            f"dt incidents ack {incident.incident_id} takes it on."
        ),
        priority=incident.severity,
        tags=TAGS,
        related_task_id=incident.task_id,
        dedupe_key=f"incident:{incident.incident_id}",
        created_by=BY,
    )


def document(notice: Notice) -> dict[str, Any]:
    """What a program is told: each incident with what it is about."""
    return {
        "subject": notice.subject,
        "severity": notice.severity.value,
        "incidents": [
            {
                "incident_id": each.incident_id,
                "kind": each.kind.value,
                "severity": each.severity.value,
                "text": each.text,
                "task_id": each.task_id,
                "agent_id": each.agent_id,
                "opened_at": to_json(each.opened_at),
            }
            for each in notice.incidents
        ],
    }


def _target(name: str, desk: Desk, calls: _ToolCalls, settings: Settings) -> Target:
    word, _, to = name.partition(":")
    match word:
        case "task":
            return TaskTarget(desk, skips_stalls=settings.monitoring.escalation_strategy == "escalate")
        case "mailbox":
            return MailboxTarget(desk, to)
        case "message":
            return ToolTarget(name, calls, "message", lambda notice: _message(to, notice))
        case _:
            line = settings.escalation.command or ""
            return ToolTarget(
                name,
                calls,
                "shell",
                lambda notice: {"command": line, "stdin": json.dumps(document(notice)) + os.linesep},
            )


def _message(to: str, notice: Notice) -> Mapping[str, Any]:
    return {"to": to, "subject": _subject(notice), "body": notice.body, "level": LEVELS[notice.severity.value]}


def _subject(notice: Notice) -> str:
    subject = " ".join(notice.subject.split())
    return subject if len(subject) <= LONGEST_SUBJECT else subject[: LONGEST_SUBJECT - 1] + "…"
