"""What the board says no to, and why. Nothing was changed."""

from __future__ import annotations

from dreamos_tasks.errors.families import Refused


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
    """A write came under a claim that is over, or another's. Nothing was changed."""

    code = "stale_token"

    def __init__(
        self, task_id: str, *, holder: str | None, lease_until: str | None, given: str, was_held: bool = False
    ) -> None:
        """`was_held`: the token was once good. Of an agent alone nobody knows here whether it ever held the task."""
        self.task_id = task_id
        self.holder = holder
        self.lease_until = lease_until
        over = "the lease ran out, or the task was released, cancelled or finished meanwhile"
        now_with = f"{holder} holds it until {lease_until}" if holder else "nobody holds it now"
        super().__init__(
            f"{task_id} is {'no longer' if was_held else 'not'} yours ({given}): {now_with}",
            cause=over if was_held else f"it was never claimed under that name; or {over}",
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

    def __init__(self, task_id: str, *, state: str, verb: str, legal: tuple[str, ...], fix: str = "") -> None:
        self.task_id = task_id
        self.state = state
        self.verb = verb
        self.legal = legal
        words = ", ".join(legal) if legal else "nothing (the state is final)"
        super().__init__(
            f"cannot {verb} {task_id}: it is {state}",
            cause=f"from {state} the legal verbs are: {words}",
            fix=fix or f"dt show {task_id}",
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

    def __init__(self, task_id: str, *, fix: str = "leave task_id out to get a fresh one") -> None:
        self.task_id = task_id
        super().__init__(f"there is a task {task_id!r} already", fix=fix)


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


class LeadsElsewhere(Refused):
    """A link leads out of the folder that was named."""

    code = "leads_elsewhere"


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
