"""SteeringVerbs: how people and the monitor steer tasks that they do not hold, and how tasks ask people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from dreamos_tasks.board import adding
from dreamos_tasks.board.writer import BoardWriter
from dreamos_tasks.errors import RequestNotFound
from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.event import Change
from dreamos_tasks.model.plan import TaskError
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.request import PauseEnd, Request, task_id_of
from dreamos_tasks.model.task import Status, Task, TaskDraft


class SteeringVerbs(BoardWriter):
    """The verbs that need no claim."""

    # -- steering

    def pause_task(
        self,
        task_id: str,
        *,
        by: str = "api",
        reason: str = "",
        at_boundary: bool = False,
        for_seconds: float | None = None,
        then: PauseEnd = PauseEnd.RESUME,
    ) -> Task:
        """Set the task aside until it is resumed, or `for_seconds` at most. Raises TaskNotFound, IllegalTransition.

        `at_boundary`: a holder that runs steps ends the one that runs before it lets the task go.
        """
        with self._transaction() as now:
            until = None if for_seconds is None else now + timedelta(seconds=for_seconds)
            task = self._current(task_id, now)
            change = lifecycle.pause(
                task, by=by, now=now, reason=reason, at_boundary=at_boundary, until=until, then=then
            )
            return self._save(change)

    def resume_task(self, task_id: str, *, by: str = "api") -> Task:
        """Put a paused task back in the queue. Raises TaskNotFound, IllegalTransition."""
        with self._transaction() as now:
            return self._save(lifecycle.resume(self.fetch(task_id), by=by, now=now))

    def cancel_task(self, task_id: str, *, by: str = "api", reason: str = "", episode: str = "") -> Task:
        """End the task for good. `episode`: the one that is stopped, and so it. Raises TaskNotFound, IllegalTransition."""
        with self._transaction() as now:
            task = self._current(task_id, now)
            return self._save(lifecycle.cancel(task, by=by, now=now, reason=reason, episode=episode))

    def end_elsewhere(
        self,
        task_id: str,
        status: Status,
        *,
        by: str,
        result: Any = None,
        error: TaskError | None = None,
        ended_at: datetime | None = None,
    ) -> Task:
        """End a task that nobody has begun, as it ended where it comes from. Raises TaskNotFound, IllegalTransition."""
        with self._transaction() as now:
            task = self.fetch(task_id)
            return self._save(
                lifecycle.end_elsewhere(task, status, by=by, now=now, result=result, error=error, ended_at=ended_at)
            )

    # -- asking people

    def ask(
        self,
        task_id: str,
        requests: Sequence[Request],
        *,
        agent_id: str | None = None,
        token: int | None = None,
        park: bool = False,
    ) -> Task:
        """Put requests to people, under the claim. `park`: and let the task go until they are decided, in one commit.

        Raises TaskNotFound, StaleToken, IllegalTransition.
        """
        with self._transaction() as now:
            task = self.fetch(task_id)
            change = Change(task, task)
            for request in requests:
                asked = lifecycle.ask(change.task, request, agent_id=agent_id, token=token, now=now)
                change = change.followed_by(asked)
            if park:
                let_go = lifecycle.release(change.task, agent_id=agent_id, token=token, now=now)
                change = change.followed_by(let_go)
            return self._save(change)

    def approve(self, request_id: str, *, by: str, reason: str = "", params: Mapping[str, Any] | None = None) -> Task:
        """Let a step run, with `params` if given. Raises RequestNotFound, RequestClosed, OwnApproval."""
        with self._transaction() as now:
            task = self._asking(request_id, now)
            return self._save(lifecycle.approve(task, request_id, by=by, now=now, reason=reason, params=params))

    def reject(self, request_id: str, *, by: str, reason: str = "") -> Task:
        """Do not let a step run. Raises RequestNotFound, RequestClosed."""
        with self._transaction() as now:
            return self._save(
                lifecycle.reject(self._asking(request_id, now), request_id, by=by, now=now, reason=reason)
            )

    def answer(self, request_id: str, text: str, *, by: str) -> Task:
        """Answer a question. Raises RequestNotFound, RequestClosed, InvalidInput."""
        with self._transaction() as now:
            return self._save(lifecycle.answer(self._asking(request_id, now), request_id, text, by=by, now=now))

    def lapse_overdue(self, *, by: str, limit: int = 100) -> Sequence[Task]:
        """End the requests and pauses that have lasted their time; gives up to `limit` tasks that this changed."""
        with self._transaction() as now:
            overdue = self.store.find(TaskQuery(statuses=frozenset({"lapsed"}), limit=limit), now=now)
            return [self._save(lifecycle.lapse(task, by=by, now=now)) for task in overdue]

    def retry_task(self, task_id: str, *, by: str = "api") -> Task:
        """Give a failed or cancelled task a fresh start. Raises TaskNotFound, IllegalTransition."""
        with self._transaction() as now:
            return self._save(lifecycle.retry(self.fetch(task_id), by=by, now=now))

    def edit_task(self, task_id: str, fields: Mapping[str, Any], *, by: str = "api") -> Task:
        """Change what was asked for. Raises TaskNotFound, IllegalTransition, InvalidTask, DependencyCycle."""
        with self._transaction() as now:
            change = lifecycle.edit(self._current(task_id, now), fields, by=by, now=now)
            adding.check_links(self.store, change.task, now=now)
            return self._save(change)

    def mark_task_stalled(self, task_id: str, *, by: str, reason: str, seen: Task | None = None) -> Task:
        """Mark a task that has waited too long. Raises TaskNotFound, IllegalTransition, TaskChanged."""
        with self._transaction() as now:
            return self._save(lifecycle.stall(self._unchanged(task_id, seen, now), by=by, now=now, reason=reason))

    def reassign_task(self, task_id: str, *, by: str, reason: str, seen: Task | None = None) -> Task:
        """Open the task to every agent. Raises TaskNotFound, IllegalTransition, TaskChanged."""
        with self._transaction() as now:
            return self._save(lifecycle.reassign(self._unchanged(task_id, seen, now), by=by, now=now, reason=reason))

    def note_stall(self, task_id: str, *, by: str, strategy: str, reason: str, seen: Task | None = None) -> Task:
        """Remember that this stall has been dealt with. Raises TaskNotFound, IllegalTransition, TaskChanged."""
        with self._transaction() as now:
            task = self._unchanged(task_id, seen, now)
            return self._save(lifecycle.note_stall(task, by=by, now=now, strategy=strategy, reason=reason))

    def escalate_task(
        self, task_id: str, escalation: TaskDraft, *, by: str, reason: str, seen: Task | None = None
    ) -> tuple[Task, Task]:
        """Add the escalation task and note it on the stalled one, in one commit. Gives (stalled, escalation).

        Raises as note_stall and add_task.
        """
        with self._transaction() as now:
            task = self._unchanged(task_id, seen, now)
            (added,) = adding.add_all(self.store, (escalation,), now=now)
            change = lifecycle.note_stall(
                task, by=by, now=now, strategy="escalate", reason=reason, escalation=added.task_id
            )
            return self._save(change), added

    def _asking(self, request_id: str, now: datetime) -> Task:
        """The task that a request belongs to."""
        task_id = task_id_of(request_id)
        task = self.store.get(task_id) if task_id is not None else None
        if task is None:
            raise RequestNotFound(task_id or "no task", request_id=request_id)
        return self._current(task.task_id, now)
