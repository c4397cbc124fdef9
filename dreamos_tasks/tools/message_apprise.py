"""Messages by apprise, in a process of its own: it blocks, and what blocks in a thread cannot be cancelled."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dreamos_tasks.model.failure import Diagnosis, Symptom, diagnose
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import ToolContext
from dreamos_tasks.tools.extras import ExtraMissing, is_installed
from dreamos_tasks.tools.message_targets import AppriseTarget
from dreamos_tasks.tools.message_text import Message, NotDelivered
from dreamos_tasks.tools.own_program import OwnProgram
from dreamos_tasks.tools.redaction import Redactor

MODULE = "dreamos_tasks.tools.message_apprise_run"

HELP = "correct the URL (apprise's documentation shows one for each service), or install what the service needs"

_STATUS = re.compile(r"\berror[=: ]+([1-5]\d\d)\b")  # how apprise tells what a service answered


async def notify(
    target: AppriseTarget,
    message: Message,
    *,
    program: OwnProgram,
    allowed: Mapping[str, object],
    context: ToolContext,
    redactor: Redactor,
) -> Mapping[str, object]:
    """Deliver it; gives what apprise says of it. `allowed` is what the AddressGuard in the process is made of.

    Raises NotDelivered, ExtraMissing, OSError.
    """
    if not is_installed("apprise"):
        raise ExtraMissing("apprise", extra="notify")
    asked = {
        "url": target.url,
        "title": message.title,
        "body": message.body,
        "level": message.level.value,
        "allowed": allowed,
    }
    answer, result = await program.ask(asked, context=context, redactor=redactor)
    if answer is None:
        raise NotDelivered(result)
    said = answer["said"]
    if answer["delivered"]:
        return {"log": said}
    what = f"{target.place} did not take the message"
    raise NotDelivered.because(f"{what}: {said.splitlines()[-1]}" if said else what, _diagnosis(answer))


def _diagnosis(answer: Mapping[str, str]) -> Diagnosis:
    said = answer["said"]
    if answer["refused"]:
        fixes = (answer["fix"],) if answer["fix"] else ()
        return Diagnosis(category=ErrorCategory.CONFIGURATION, cause=answer["refused"], suggestions=fixes)
    if not answer["known"]:
        return Diagnosis(
            category=ErrorCategory.CONFIGURATION,
            cause="apprise knows no such service, or lacks what it needs for it",
            suggestions=(HELP,),
        )
    status = _STATUS.search(said)
    return diagnose(Symptom(http_status=int(status[1]) if status else None, text=f"{answer['exceptions']}\n{said}"))
