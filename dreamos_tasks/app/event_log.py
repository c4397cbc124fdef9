"""EventLog: the one subscriber that turns the board's events into log lines."""

from __future__ import annotations

from loguru import logger

from dreamos_tasks.model.event import Event, EventType

# What a person reading the log of a quiet day wants to see; all else is for DEBUG.
LEVELS = {
    EventType.TASK_ADDED: "INFO",
    EventType.TASK_COMPLETED: "INFO",
    EventType.TASK_CANCELLED: "INFO",
    EventType.TASK_RECOVERED: "WARNING",
    EventType.TASK_LEASE_EXPIRED: "WARNING",
    EventType.TASK_RETRY_SCHEDULED: "WARNING",
    EventType.TASK_STALLED: "WARNING",
    EventType.TASK_STALL_NOTED: "WARNING",
    EventType.TASK_ESCALATED: "WARNING",
    EventType.TASK_REASSIGNED: "WARNING",
    EventType.VERIFICATION_FAILED: "WARNING",
    EventType.TASK_FAILED: "ERROR",
}


def log_event(event: Event) -> None:
    """One line."""
    error = event.changes.get("error")
    why = event.detail.get("reason") or (error["message"] if error else "") or event.changes.get("title", "")
    words = event.type.value.replace("_", " ")
    step = event.detail.get("step")
    logger.log(
        LEVELS.get(event.type, "DEBUG"),
        "{} {} by {}{}{}",
        event.task_id,
        words,
        event.by,
        f" [{step}]" if step else "",
        f": {escaped(str(why))}" if why else "",
    )


def escaped(text: str) -> str:
    """Text of a task as one harmless line: what it holds of control characters is shown, not obeyed."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
