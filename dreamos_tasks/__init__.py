"""A local-first task board and execution daemon for AI coding agents.

The names below are the library's public ones. Each is imported when it is first used, so that a command
which needs one of them does not wait for the rest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "AgentProfile",
    "BoardUnavailable",
    "ClaimHeld",
    "DreamosError",
    "IllegalTransition",
    "InvalidInput",
    "Plan",
    "Priority",
    "Refused",
    "RetryPolicy",
    "StaleToken",
    "Status",
    "Step",
    "Task",
    "TaskDraft",
    "TaskNexus",
    "TaskNotFound",
    "TaskQuery",
    "VerificationFailed",
    "__version__",
]

if TYPE_CHECKING:
    from dreamos_tasks.app.nexus import TaskNexus
    from dreamos_tasks.errors import (
        BoardUnavailable,
        ClaimHeld,
        DreamosError,
        IllegalTransition,
        InvalidInput,
        Refused,
        StaleToken,
        TaskNotFound,
        VerificationFailed,
    )
    from dreamos_tasks.model.agent import AgentProfile
    from dreamos_tasks.model.plan import Plan, Step
    from dreamos_tasks.model.query import TaskQuery
    from dreamos_tasks.model.retry import RetryPolicy
    from dreamos_tasks.model.task import Priority, Status, Task, TaskDraft
else:
    _HOMES = {
        "dreamos_tasks.app.nexus": ("TaskNexus",),
        "dreamos_tasks.errors": (
            "BoardUnavailable",
            "ClaimHeld",
            "DreamosError",
            "IllegalTransition",
            "InvalidInput",
            "Refused",
            "StaleToken",
            "TaskNotFound",
            "VerificationFailed",
        ),
        "dreamos_tasks.model.agent": ("AgentProfile",),
        "dreamos_tasks.model.plan": ("Plan", "Step"),
        "dreamos_tasks.model.query": ("TaskQuery",),
        "dreamos_tasks.model.retry": ("RetryPolicy",),
        "dreamos_tasks.model.task": ("Priority", "Status", "Task", "TaskDraft"),
    }

    def __getattr__(name):
        for home, names in _HOMES.items():
            if name in names:
                value = getattr(import_module(home), name)
                globals()[name] = value
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *__all__})
