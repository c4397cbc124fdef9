"""The environment variables of dreamos-tasks: which of them are settings, and how a setting's variable is called."""

from __future__ import annotations

from collections.abc import Mapping

PREFIX = "DREAMOS_TASKS_"
HOME_VARIABLE = "DREAMOS_TASKS_HOME"
AGENT_VARIABLE = "DREAMOS_TASKS_AGENT"

# A command that runs for a task is told which, and may call `dt` in turn: none of these is a setting.
NOT_SETTINGS = frozenset(
    {HOME_VARIABLE, AGENT_VARIABLE}
    | {
        PREFIX + name
        for name in (
            *("TASK", "TASK_ID", "TITLE", "TOKEN", "STEP", "ATTEMPT", "REDUCE", "RUN", "RUN_ID", "RUN_DIR", "INSTANCE"),
            *("TASK_FILE", "RESULT_FILE"),
        )
    }
)


def setting_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Those variables that set a setting, or try to; empty ones count as not set."""
    return {
        name: value
        for name, value in sorted(environ.items())
        if name.startswith(PREFIX) and value and name not in NOT_SETTINGS
    }


def variable_of(key: str) -> str:
    """The variable that sets a dotted key: `claims.lease_seconds` -> `DREAMOS_TASKS_CLAIMS__LEASE_SECONDS`."""
    return PREFIX + key.upper().replace(".", "__")


def path_of(variable: str) -> tuple[str, ...]:
    """The setting that a variable sets, as keys from the outermost on."""
    return tuple(variable.removeprefix(PREFIX).lower().split("__"))
