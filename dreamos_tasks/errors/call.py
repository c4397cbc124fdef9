"""What is wrong with a call: with its words, with what it names, or with what it hands in."""

from __future__ import annotations

from dreamos_tasks.errors.families import InvalidInput, NotFound, UsageError


class ConfigError(UsageError):
    """A setting is wrong: where it stands, what is wrong with it, what is right."""

    code = "config_invalid"


class AgentNotNamed(UsageError):
    """The verb needs to know which agent acts."""

    code = "agent_not_named"

    def __init__(self, verb: str) -> None:
        super().__init__(
            f"{verb} needs to know which agent you are",
            cause="neither --agent nor DREAMOS_TASKS_AGENT is set",
            fix=f"dt {verb} --agent NAME, or export DREAMOS_TASKS_AGENT=NAME",
        )


class TaskNotFound(NotFound):
    """No task has this id or prefix."""

    code = "task_not_found"

    def __init__(self, task_id: str, *, nearest: tuple[str, ...] = ()) -> None:
        self.task_id = task_id
        self.nearest = nearest
        fix = f"did you mean {', '.join(nearest)}?" if nearest else "dt list shows the tasks of this board"
        super().__init__(f"no task {task_id!r} on this board", fix=fix)


class ToolNotFound(NotFound, LookupError):
    """No tool has this name."""

    code = "tool_not_found"

    def __init__(self, name: str, *, nearest: tuple[str, ...] = (), known: tuple[str, ...] = ()) -> None:
        self.name = name
        self.nearest = nearest
        hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"there are {', '.join(known)}"
        super().__init__(f"no tool {name!r}; {hint}", fix="dt schema tool NAME shows what a tool takes")


class RequestNotFound(NotFound):
    """The task has asked nothing of this id; without one, nothing of this kind is open."""

    code = "request_not_found"

    def __init__(self, task_id: str, *, request_id: str = "", kind: str = "") -> None:
        self.task_id = task_id
        self.request_id = request_id
        missing = f"has asked nothing that is called {request_id!r}" if request_id else f"has no open {kind}"
        super().__init__(f"{task_id} {missing}", fix="dt approvals --all")


class ExtraNotInstalled(UsageError):
    """What was asked for needs a library that is not installed; names what installs it."""

    code = "extra_missing"

    def __init__(self, what: str, *, extra: str) -> None:
        super().__init__(
            f"{what} needs the extra `{extra}`, which is not installed",
            cause="not everybody needs it, so it is not installed with the rest",
            fix=f"pip install 'dreamos-tasks[{extra}]' (or: uv tool install 'dreamos-tasks[{extra}]')",
        )


class InvalidTask(InvalidInput, ValueError):
    """A field of a task breaks its rule."""

    code = "invalid_task"


class DependencyCycle(InvalidInput):
    """Dependencies would form a ring; names it."""

    code = "dependency_cycle"

    def __init__(self, cycle: tuple[str, ...]) -> None:
        self.cycle = cycle
        super().__init__(
            "these dependencies would form a ring: " + " -> ".join(cycle),
            pointer="/depends_on",
            cause="each task of a ring waits for the next, so none could ever start",
            fix="leave one of them out",
        )
