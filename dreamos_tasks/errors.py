"""Every error of dreamos-tasks. An error says what happened, to whom, and what to do next.

DreamosError
├── UsageError                     2  the call itself is wrong
│   ├── ConfigError                   a setting is wrong
│   └── AgentNotNamed                 a verb that needs an agent was given none
├── NotFound                       3  no such thing
│   ├── TaskNotFound
│   ├── ToolNotFound
│   └── RequestNotFound
├── Refused                        4  the board said no; nothing was changed
│   ├── ClaimHeld                     another agent holds the task
│   ├── StaleToken                    the claim it was written under is over
│   ├── TaskChanged                   it is no longer as the caller saw it
│   ├── IllegalTransition             the state does not allow the verb
│   ├── NotClaimable                  the task cannot start yet, or not by this agent
│   ├── AmbiguousTaskId               a prefix names several tasks
│   ├── AmbiguousRequest              a task asks several things
│   ├── DuplicateTaskId               the id is taken
│   ├── VerificationFailed            the task's own checks did not pass
│   ├── RequestClosed                 it is decided, or another kind of decision is asked
│   ├── OwnApproval                   who works on a task cannot approve for it
│   ├── CannotUndo                    what was done cannot be taken back, or not now
│   ├── NoPerson                      a decision that is a person's comes from an agent or a step
│   └── AlreadyRunning                another daemon holds this board
├── NothingReady                   5  no task to claim
├── BoardUnavailable               6  the board cannot be read or written
│   ├── BoardLocked                   somebody holds the lock too long
│   ├── BoardGone                     the file was deleted or replaced
│   ├── BoardCorrupt                  the file is not a sound board
│   ├── BoardTooNew                   written by a newer release
│   └── BoardUnsafe                   others could write it, or it lies on a network mount
├── InvalidInput                   7  what was handed in breaks a rule
│   ├── InvalidTask                   a field of a task
│   └── DependencyCycle
└── WaitTimedOut                 124  what was waited for did not happen in time
"""

from __future__ import annotations

from typing import ClassVar


class DreamosError(Exception):
    """Base of all: `code` never changes, `exit_code` is the command's, `fix` is what to do next."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, cause: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.fix = fix


class UsageError(DreamosError):
    """The call is wrong: an unknown option, a missing argument."""

    code = "usage"
    exit_code = 2


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


class NotFound(DreamosError):
    """There is no such thing."""

    code = "not_found"
    exit_code = 3


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


class Refused(DreamosError):
    """The board said no, and nothing was changed."""

    code = "refused"
    exit_code = 4


class ClaimHeld(Refused):
    """Another agent holds the task: who, and until when."""

    code = "claim_held"

    def __init__(self, task_id: str, *, holder: str, lease_until: str) -> None:
        self.task_id = task_id
        self.holder = holder
        self.lease_until = lease_until
        super().__init__(
            f"{task_id} is held by {holder} until {lease_until}",
            cause="an agent that holds a task keeps it until it completes, fails, releases it, or its lease runs out",
            fix="dt next --agent NAME claims another task; dt wait " + task_id + " waits for this one",
        )


class StaleToken(Refused):
    """A write came under a claim that is over. Nothing was changed."""

    code = "stale_token"

    def __init__(self, task_id: str, *, holder: str | None, lease_until: str | None, given: str) -> None:
        self.task_id = task_id
        self.holder = holder
        self.lease_until = lease_until
        now_with = f"{holder} holds it until {lease_until}" if holder else "nobody holds it now"
        super().__init__(
            f"{task_id} is no longer yours ({given}): {now_with}",
            cause="the lease ran out, or the task was released, cancelled or finished meanwhile",
            fix=f"dt show {task_id}; claim it again before you go on",
        )


class TaskChanged(Refused):
    """The task is no longer as the caller saw it when it decided what to do."""

    code = "task_changed"

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(
            f"{task_id} has changed since it was looked at",
            cause="somebody else has claimed, moved or noted it meanwhile",
            fix=f"dt show {task_id}",
        )


class IllegalTransition(Refused):
    """The state of the task does not allow the verb; says which verbs are legal."""

    code = "illegal_transition"

    def __init__(self, task_id: str, *, state: str, verb: str, legal: tuple[str, ...]) -> None:
        self.task_id = task_id
        self.state = state
        self.verb = verb
        self.legal = legal
        words = ", ".join(legal) if legal else "nothing (the state is final)"
        super().__init__(
            f"cannot {verb} {task_id}: it is {state}",
            cause=f"from {state} the legal verbs are: {words}",
            fix=f"dt show {task_id}",
        )


class NotClaimable(Refused):
    """The task cannot be claimed by this agent now; says what it waits for."""

    code = "not_claimable"

    def __init__(self, task_id: str, *, agent_id: str, reasons: tuple[str, ...]) -> None:
        self.task_id = task_id
        self.agent_id = agent_id
        self.reasons = reasons
        super().__init__(
            f"{agent_id} cannot claim {task_id} yet",
            cause="; ".join(reasons),
            fix=f"dt why {task_id}",
        )


class AmbiguousTaskId(Refused):
    """A prefix fits several tasks; lists them."""

    code = "ambiguous_id"

    def __init__(self, prefix: str, *, candidates: tuple[str, ...]) -> None:
        self.prefix = prefix
        self.candidates = candidates
        super().__init__(
            f"{prefix!r} fits several tasks",
            cause="candidates: " + ", ".join(candidates),
            fix="write more of the id",
        )


class AmbiguousRequest(Refused):
    """A task asks several things, and none of them was named."""

    code = "ambiguous_id"

    def __init__(self, task_id: str, *, candidates: tuple[str, ...]) -> None:
        self.task_id = task_id
        self.candidates = candidates
        super().__init__(
            f"{task_id} asks several things",
            cause="candidates: " + ", ".join(candidates),
            fix=f"name one of them, such as {candidates[0]}",
        )


class DuplicateTaskId(Refused):
    """The id is taken."""

    code = "duplicate_id"

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(f"there is a task {task_id!r} already", fix="leave task_id out to get a fresh one")


class VerificationFailed(Refused):
    """The task's `verify` steps are not all green, so it is not completed."""

    code = "verification_failed"

    def __init__(self, task_id: str, *, step: str, detail: str) -> None:
        self.task_id = task_id
        self.step = step
        self.detail = detail
        super().__init__(
            f"{task_id} is not completed: its verification {step!r} did not pass",
            cause=detail,
            fix="mend what it names and complete the task again; you still hold it",
        )


class RequestClosed(Refused):
    """The request is no longer open, or not of the kind that such a decision fits."""

    code = "request_closed"

    def __init__(self, task_id: str, *, request_id: str, state: str) -> None:
        self.task_id = task_id
        self.request_id = request_id
        super().__init__(f"{request_id} is {state}; nothing was changed", fix=f"dt show {task_id}")


class OwnApproval(Refused):
    """Who works on a task wants to approve for it."""

    code = "own_approval"

    def __init__(self, task_id: str, *, request_id: str, agent_id: str) -> None:
        self.task_id = task_id
        self.request_id = request_id
        self.agent_id = agent_id
        super().__init__(
            f"{agent_id} works on {task_id} and cannot approve {request_id}",
            cause="an approval is another's decision",
            fix=f"a person runs: dt approve {request_id}",
        )


class CannotUndo(Refused):
    """What was done cannot be taken back, or not now: why, and what can be done instead."""

    code = "cannot_undo"


class NoPerson(Refused):
    """A decision that only people make comes from an agent, or from within a task."""

    code = "no_person"

    def __init__(self, verb: str, *, why: str) -> None:
        super().__init__(f"{verb} is for people", cause=why, fix=f"a person runs dt {verb} in a terminal of their own")


class AlreadyRunning(Refused):
    """A daemon holds this board already."""

    code = "already_running"

    def __init__(self, *, pid: int | None, home: str) -> None:
        self.pid = pid
        who = f"process {pid}" if pid else "another process"
        super().__init__(
            f"a daemon already serves {home} ({who})",
            fix="dt status shows it; dt down stops it",
        )


class NothingReady(DreamosError):
    """No task is ready for this agent."""

    code = "nothing_ready"
    exit_code = 5


class BoardUnavailable(DreamosError):
    """The board can neither be read nor written just now. Nothing was changed."""

    code = "board_unavailable"
    exit_code = 6


class BoardLocked(BoardUnavailable):
    """Somebody held the board's lock for longer than we wait."""

    code = "board_locked"

    def __init__(self, path: str, *, waited_seconds: float) -> None:
        super().__init__(
            f"the board's lock was not free within {waited_seconds:g} s",
            cause=f"another process holds {path}; it may be stopped (SIGSTOP) or on a very slow disk",
            fix=f"fuser {path} names it; continue or end that process, then try again",
        )


class BoardGone(BoardUnavailable):
    """The board's file was deleted or replaced while it was open."""

    code = "board_gone"


class BoardCorrupt(BoardUnavailable):
    """The file is not a sound board. It is kept; nothing is written over it."""

    code = "board_corrupt"


class BoardTooNew(BoardUnavailable):
    """A newer release wrote the board."""

    code = "board_too_new"

    def __init__(self, path: str, *, found: int, known: int) -> None:
        super().__init__(
            f"{path} has schema {found}; this release knows up to {known}",
            cause="a newer dreamos-tasks wrote it",
            fix="uv tool upgrade dreamos-tasks (or pip install --upgrade dreamos-tasks)",
        )


class BoardUnsafe(BoardUnavailable):
    """Using the board here could lose or leak it."""

    code = "board_unsafe"


class InvalidInput(DreamosError):
    """What was handed in breaks a rule; names the place."""

    code = "invalid_input"
    exit_code = 7

    def __init__(self, message: str, *, pointer: str = "", cause: str = "", fix: str = "") -> None:
        super().__init__(message, cause=cause, fix=fix)
        self.pointer = pointer


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


class WaitTimedOut(DreamosError):
    """What was waited for did not happen in time."""

    code = "timed_out"
    exit_code = 124
