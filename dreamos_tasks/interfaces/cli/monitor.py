"""The verb monitor: looks for tasks that nobody moves, once or until Ctrl-C, with or without a daemon."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.text import count, duration, harmless, local, with_local_instants
from dreamos_tasks.interfaces.cli.verb import verb
from dreamos_tasks.model.json_form import to_json

if TYPE_CHECKING:
    from datetime import datetime

    from dreamos_tasks.monitoring.report import MonitorReport
    from dreamos_tasks.monitoring.service import LastCheck

SHOWN = 20


@verb("monitor", examples=("dt monitor --once", "dt monitor --once --json", "dt monitor"))
@option("--once", is_flag=True, help="One check now, and no more.")
def monitor(call: Call, once: bool) -> None:
    """Look for stalled tasks, leases that ran out and silent agents, and do what monitoring.escalation_strategy says.

    Without --once it goes on every monitoring.check_interval_seconds until Ctrl-C; with --json it prints one line a check.
    The daemon does this by itself. Two monitors at once do no harm: each stall is dealt with once.
    """
    from loguru import logger

    from dreamos_tasks.app.watching import check_now, keep_watching

    logger.remove()  # each check is told of here, the failed ones too
    if once:
        logger.add(sys.stderr, level="WARNING", format="{message}")  # who could not be told of an incident
        report = check_now(call.nexus, call.home, call.settings)
        if call.out.as_json:
            call.out.document(to_json(report))
        else:
            for line in _lines(report, call.nexus.clock.now()):
                call.out.broken_line(line, indent=4)
        return
    call.out.note(f"checking every {duration(call.settings.monitoring.check_interval_seconds)}; Ctrl-C ends it")
    keep_watching(call.home, call.settings, on_check=lambda check: _tell(call, check))


def _tell(call: Call, check: LastCheck) -> None:
    if call.out.as_json:
        call.out.json_line({"began_at": to_json(check.began_at), "report": to_json(check.report), "error": check.error})
        return
    lines = (
        list(_lines(check.report, check.began_at))
        if check.report is not None
        else [f"the check failed: {harmless(check.error)}"]
    )
    for number, line in enumerate(lines):
        when = f"{check.began_at.astimezone():%H:%M:%S}" if number == 0 else ""
        call.out.broken_line(f"{when:<10}{line}", indent=14)
    sys.stdout.flush()


def _lines(report: MonitorReport, now: datetime) -> Iterator[str]:
    found = (
        f"{report.pending or 0} pending",
        f"{len(report.stalled)} stalled",
        f"{count(len(report.expired), 'lease')} expired",
        f"{count(len(report.silent_agents), 'agent')} silent",
    )
    yield ", ".join(found)
    for task in report.stalled[:SHOWN]:
        did = task.action.value.replace("_", " ") if task.action is not None else "dealt with before"
        more = f" by {task.escalation_id}" if task.escalation_id else ""
        yield f"  {task.task_id}  {harmless(task.title)}: ready for {duration(task.waited_seconds)}; {did}{more}"
    for claim in report.expired[:SHOWN]:
        yield f"  {claim.task_id}  the lease of {claim.agent_id} (token {claim.token}) ran out; {claim.status.value} again"
    for agent in report.silent_agents[:SHOWN]:
        held = ", ".join(claim.task_id for claim in agent.claims)
        holds = f"held {held}; released" if agent.strategy is None else f"holds {held}"
        yield f"  {agent.agent_id}  silent for {duration(agent.silent_seconds)}, {holds}"
    for incident in report.incidents[:SHOWN]:
        what = harmless(with_local_instants(incident.text, now, say=local))
        yield f"  {incident.incident_id}  {incident.change}, {incident.severity.value}: {what}"
    if report.truncated:
        yield "  and more, dealt with before"
