"""TaskNexus: the one door to the board. Every verb opens a transaction, fetches, asks `lifecycle`, and saves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dreamos_tasks.board import adding
from dreamos_tasks.board.agents import AgentVerbs
from dreamos_tasks.board.by_status import bring_to
from dreamos_tasks.board.mailboxes import MailVerbs
from dreamos_tasks.board.undoing import UndoVerbs
from dreamos_tasks.errors import AgentAtCapacity, AgentNotRegistered, AgentPaused, VerificationFailed
from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.draft_shape import listed
from dreamos_tasks.model.event import Change
from dreamos_tasks.model.outcome import Failed, Outcome, Succeeded, outcome_of_result
from dreamos_tasks.model.plan import ErrorCategory, Evidence, StepResult, TaskError, category_from
from dreamos_tasks.model.query import ClaimRequest
from dreamos_tasks.model.task import ProcessIdentity, Progress, Task, TaskDraft

if TYPE_CHECKING:
    from dreamos_tasks.model.gate import Gate, Refusal

Gates = Mapping[str, "Sequence[Gate]"]  # by the name of the step
FirstStep = Callable[[Task], StepResult | None]


class TaskNexus(AgentVerbs, MailVerbs, UndoVerbs):
    """The shared board, for one process. Threads may share it.

    Reads give tasks as they are to be seen: a task whose lease has run out is pending again.
    """

    # -- adding

    def add_task(self, draft: TaskDraft) -> Task:
        """Add one task. With the `dedupe_key` of a task that is there, gives that task.

        Raises DuplicateTaskId, InvalidTask (unknown dependency or parent), DependencyCycle.
        """
        with self._transaction() as now:
            return adding.add_one(self.store, draft, now=now)

    def add_tasks(self, drafts: Sequence[TaskDraft]) -> Sequence[Task]:
        """Add all tasks or none, in one commit. They may depend on one another, in any order. Raises as add_task."""
        with self._transaction() as now, self.store.transaction():  # of its own: several writes, all or none
            return adding.add_all(self.store, drafts, now=now)

    # -- claiming

    def get_next_task(
        self,
        agent_id: str,
        *,
        tags: Iterable[str] = (),
        capabilities: Iterable[str] = (),
        runs_plans: bool = False,
        process: ProcessIdentity | None = None,
        first_step: FirstStep | None = None,
    ) -> Task | None:
        """Claim the next ready task for the agent; None when there is none for it, or it holds as many as it may.

        A registered agent that names no capabilities offers those it is registered with. `first_step` gives the record of
        the step that is begun at once; it goes into the same write.

        Raises AgentPaused, AgentNotRegistered; who runs plans (a daemon) is given None instead.
        """
        request = ClaimRequest(
            agent_id=agent_id,
            tags=listed(tags, field="tags"),
            capabilities=listed(capabilities, field="capabilities"),
            runs_plans=runs_plans,
        )
        with self._transaction() as now:
            try:
                return self._claim_next(request, now=now, process=process, first_step=first_step)
            except (AgentPaused, AgentNotRegistered):
                if not runs_plans:
                    raise
                return None

    def claim_task(
        self,
        task_id: str,
        agent_id: str,
        *,
        capabilities: Iterable[str] | None = None,
        process: ProcessIdentity | None = None,
        first_step: FirstStep | None = None,
    ) -> Task:
        """Claim this task. `capabilities` None: whoever names a task vouches for being able to do it, unless registered.

        `first_step`: see get_next_task.

        Raises TaskNotFound, ClaimHeld, NotClaimable, IllegalTransition, AgentPaused, AgentAtCapacity, AgentNotRegistered.
        """
        with self._transaction() as now:
            task = self.fetch(task_id)
            request = ClaimRequest(
                agent_id=agent_id, capabilities=tuple(capabilities or ()), runs_plans=task.plan is not None
            )
            identity = None
            if not lifecycle.is_held_by(
                task, agent_id, now
            ):  # what it holds it may go on with, whatever was said of it
                request, identity = self._admitted(request, process, now)
            if capabilities is None and identity is None:
                request = replace(request, capabilities=task.requires)
            return self._claim(task, request, now=now, process=process, first_step=first_step, identity=identity)

    mark_task_in_progress = claim_task

    def heartbeat(self, task_id: str, agent_id: str | None = None, *, token: int | None = None) -> Task:
        """Prolong the lease. Raises TaskNotFound, StaleToken, IllegalTransition."""
        with self._transaction() as now:
            task = self.fetch(task_id)
            change = lifecycle.heartbeat(
                task, agent_id=agent_id, token=token, now=now, lease_seconds=self.rules.lease_seconds
            )
            if task.claim is not None:
                self._hear_of(task.claim.agent_id, now)
            return self._save(change)

    # -- recording

    def record_progress(
        self, task_id: str, progress: Progress, *, agent_id: str | None = None, token: int | None = None
    ) -> Task:
        """Note how far the holder is. Raises TaskNotFound, StaleToken, IllegalTransition."""
        with self._transaction() as now:
            task = self.fetch(task_id)
            return self._save(lifecycle.record_progress(task, progress, agent_id=agent_id, token=token, now=now))

    def record_step(
        self, task_id: str, result: StepResult, *, agent_id: str | None = None, token: int | None = None
    ) -> Task:
        """Record that a step started or how it ended. Raises TaskNotFound, StaleToken, IllegalTransition."""
        with self._transaction() as now:
            task = self.fetch(task_id)
            return self._save(lifecycle.record_step(task, result, agent_id=agent_id, token=token, now=now))

    def record_steps(
        self,
        task_id: str,
        results: Sequence[StepResult],
        *,
        token: int,
        starting: Sequence[StepResult] = (),
    ) -> Task:
        """Record how steps ended, and that others start, in one write. Those do not start when the task is to pause.

        Raises TaskNotFound, StaleToken, IllegalTransition.
        """
        with self._transaction() as now:
            task = self.fetch(task_id)
            begun = () if task.pause is not None else starting
            return self._save(_recorded(task, (*results, *begun), agent_id=None, token=token, now=now))

    def start_steps(
        self,
        task_id: str,
        results: Sequence[StepResult],
        *,
        token: int,
        starting: Sequence[StepResult],
        gates: Gates,
    ) -> tuple[Task, Mapping[str, Refusal]]:
        """As record_steps, of steps that share something with others: which of them may not start now, and why.

        `gates` names for each step, of those that ended and of those that are to start, what it shares.
        Raises TaskNotFound, StaleToken, IllegalTransition.
        """
        from dreamos_tasks.board.gatekeeper import gatekept

        with self._transaction() as now:
            task = self.fetch(task_id)
            ended = _recorded(task, results, agent_id=None, token=token, now=now)
            keeper = gatekept(self.store, ended.task, results, token=token, gates=gates, now=now)
            begun = () if task.pause is not None else starting
            held_back = keeper.held_back(begun, token=token, gates=gates)
            let_in = [record for record in begun if record.name not in held_back]
            started = _recorded(ended.task, let_in, agent_id=None, token=token, now=now)
            saved = self._save(ended.followed_by(started))
            keeper.write(self._save)
            return saved, held_back

    # -- ending an attempt

    def mark_task_completed(
        self,
        task_id: str,
        agent_id: str | None = None,
        *,
        result: Any = None,
        token: int | None = None,
        evidence: Sequence[Evidence] = (),
    ) -> Task:
        """Complete the task under its claim, named by token or agent. `result` is any JSON value.

        A result of the form {"status": "error", ...} fails the task instead. Raises TaskNotFound, StaleToken,
        IllegalTransition, VerificationFailed (the task has `verify` steps and `evidence` does not prove them green).
        """
        return self.settle(task_id, outcome_of_result(result, evidence), agent_id=agent_id, token=token)

    def mark_task_failed(
        self,
        task_id: str,
        agent_id: str | None = None,
        *,
        error: str | TaskError,
        category: ErrorCategory | str = ErrorCategory.LOGIC,
        token: int | None = None,
    ) -> Task:
        """Fail the attempt. Whether there is another depends on the category and the retry policy. Raises as completing."""
        reason = (
            error if isinstance(error, TaskError) else TaskError(category=category_from(category), message=str(error))
        )
        return self.settle(task_id, Failed(error=reason), agent_id=agent_id, token=token)

    def settle(
        self,
        task_id: str,
        outcome: Outcome,
        *,
        agent_id: str | None = None,
        token: int | None = None,
        last_steps: Sequence[StepResult] = (),
        gates: Gates | None = None,
    ) -> Task:
        """End the attempt with an outcome, and record the steps that ended last, in one write.

        `gates`: what these steps shared with others, and what the step shares for which the attempt is put off.
        Raises TaskNotFound, StaleToken, IllegalTransition, VerificationFailed.
        """
        with self._transaction() as now:
            return self._settle(
                task_id, outcome, agent_id=agent_id, token=token, now=now, last_steps=last_steps, gates=gates
            )

    def complete_and_claim_next(
        self,
        task_id: str,
        outcome: Outcome,
        agent_id: str,
        *,
        token: int | None = None,
        tags: Iterable[str] = (),
    ) -> tuple[Task, Task | None]:
        """End the attempt and claim the next ready task, in one commit. Gives both; the second None when none is ready."""
        request = ClaimRequest(agent_id=agent_id, tags=listed(tags, field="tags"))
        with self._transaction() as now:
            ended = self._settle(task_id, outcome, agent_id=agent_id, token=token, now=now)
            try:
                return ended, self._claim_next(request, now=now, process=None)
            except (AgentPaused, AgentNotRegistered):
                return ended, None

    def reject_verification(
        self, task_id: str, error: TaskError, *, agent_id: str | None = None, token: int | None = None
    ) -> VerificationFailed:
        """Record a red verification; gives the refusal that the finisher is to be told. The claim goes on."""
        with self._transaction() as now:
            task = self.fetch(task_id)
            self._save(lifecycle.reject_verification(task, error, agent_id=agent_id, token=token, now=now))
        return VerificationFailed(task_id, step=error.step or "verify", detail=error.cause or error.message)

    def release_task(
        self, task_id: str, agent_id: str | None = None, *, token: int | None = None, reason: str = ""
    ) -> Task:
        """Give the task back unfinished. Raises TaskNotFound, StaleToken, IllegalTransition."""
        with self._transaction() as now:
            task = self.fetch(task_id)
            return self._save(lifecycle.release(task, agent_id=agent_id, token=token, now=now, reason=reason))

    # -- by name

    def update_task_status(
        self, task_id: str, status: str, result: Any = None, *, agent_id: str | None = None, token: int | None = None
    ) -> Task:
        """Bring the task into a state by the verb that leads there.

        Raises as that verb does, and InvalidInput for a strange state.
        """
        return bring_to(self, task_id, status, result, agent_id=agent_id, token=token)

    # -- what the verbs share

    def _claim_next(
        self,
        request: ClaimRequest,
        *,
        now: datetime,
        process: ProcessIdentity | None,
        first_step: FirstStep | None = None,
    ) -> Task | None:
        try:
            request, identity = self._admitted(request, process, now)
        except AgentAtCapacity:
            return None
        most = self.rules.max_lost_leases
        while (task := self.store.next_claimable(request, now=now)) is not None:
            if task.lost_leases + 1 < most or not lifecycle.lease_expired(task, now):
                return self._claim(task, request, now=now, process=process, first_step=first_step, identity=identity)
            self._save(lifecycle.expire(task, now=now, max_lost_leases=most))  # it ends whoever takes it: no more
        return None

    def _claim(
        self,
        task: Task,
        request: ClaimRequest,
        *,
        now: datetime,
        process: ProcessIdentity | None,
        first_step: FirstStep | None,
        identity: Mapping[str, Any] | None,
    ) -> Task:
        change = lifecycle.claim(
            task,
            request,
            unfinished=self.store.unfinished_dependencies(task),
            now=now,
            lease_seconds=self.rules.lease_seconds,
            process=process,
            key_use=self.store.key_use(task, now=now) if task.concurrency_key is not None else None,
            identity=identity,
        )
        claim = change.task.claim
        started = first_step(change.task) if first_step is not None else None
        if started is not None and claim is not None:
            change = change.followed_by(
                lifecycle.record_step(change.task, started, agent_id=None, token=claim.token, now=now)
            )
        return self._save(change)

    def _settle(
        self,
        task_id: str,
        outcome: Outcome,
        *,
        agent_id: str | None,
        token: int | None,
        now: datetime,
        last_steps: Sequence[StepResult] = (),
        gates: Gates | None = None,
    ) -> Task:
        task = self.fetch(task_id)
        recorded = _recorded(task, last_steps, agent_id=agent_id, token=token, now=now)
        keeper = None
        if gates and token is not None:
            from dreamos_tasks.board.gatekeeper import gatekept

            keeper = gatekept(self.store, recorded.task, last_steps, token=token, gates=gates, now=now)
            outcome = keeper.put_off(outcome, token=token, gates=gates)
        change = recorded.followed_by(
            lifecycle.settle(
                recorded.task,
                outcome,
                agent_id=agent_id,
                token=token,
                now=now,
                retry=self.rules.retry,
                roll=0.0 if isinstance(outcome, Succeeded) else _chance(),
            )
        )
        saved = self._save(change)
        if keeper is not None:
            keeper.write(self._save)
        return saved


def _chance() -> float:
    """A number from 0 up to 1, for the jitter of retries. (`random` takes longer to import than a task to complete.)"""
    return int.from_bytes(os.urandom(6), "big") / 2**48


def _recorded(
    task: Task, results: Sequence[StepResult], *, agent_id: str | None, token: int | None, now: datetime
) -> Change:
    """All these records, as one change."""
    change = Change(task, task)
    for result in results:
        recorded = lifecycle.record_step(change.task, result, agent_id=agent_id, token=token, now=now)
        change = change.followed_by(recorded)
    return change
