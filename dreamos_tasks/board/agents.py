"""AgentVerbs: who works from the board: registered, heard of, paused, resumed, forgotten; and what claiming asks of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dreamos_tasks.board.writer import BoardWriter
from dreamos_tasks.errors import AgentAtCapacity, AgentNotFound, AgentNotRegistered, AgentPaused
from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.json_form import instant_to_text
from dreamos_tasks.model.query import ClaimRequest, TaskQuery
from dreamos_tasks.model.task import ProcessIdentity, Status, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dreamos_tasks.board.agent_view import AgentView
    from dreamos_tasks.model.agent import Agent, AgentProfile

SHELF = "agent"  # model.agent.SHELF; the module itself is loaded where an agent is registered only
PAGE = 1000


class AgentVerbs(BoardWriter):
    """The verbs about agents."""

    def register_agent(self, profile: AgentProfile, *, by: str | None = None) -> Agent:
        """Say who an agent is and what it can do; registering again replaces what was said. `by`: None is the agent itself.

        Raises Refused on a board that has no place for agents (a JSON array of tasks).
        """
        from dreamos_tasks.model.agent import register

        with self._transaction() as now:
            before = self._agent(profile.agent_id)
            return self._keep_agent(register(before, profile, by=by or profile.agent_id, now=now))

    def agent_heartbeat(self, agent_id: str) -> Agent:
        """A sign of life of an agent, whether it holds a task or not. Prolongs no lease. Raises AgentNotFound."""
        with self._transaction() as now:
            return self._hear(self._registered(agent_id), now)

    def pause_agent(self, agent_id: str, *, by: str, reason: str = "") -> Agent:
        """Let the agent claim nothing until it is resumed; it may finish what it holds. Raises AgentNotFound."""
        from dreamos_tasks.model.agent import pause

        with self._transaction() as now:
            return self._keep_agent(pause(self._registered(agent_id), by=by, now=now, reason=reason))

    def resume_agent(self, agent_id: str, *, by: str) -> Agent:
        """Let the agent claim again. Raises AgentNotFound, AgentPaused (who was paused by another cannot resume itself)."""
        from dreamos_tasks.model.agent import resume

        with self._transaction() as now:
            agent = self._registered(agent_id)
            _refuse_itself(agent, by)
            resumed = resume(agent, by=by, now=now)
            return resumed if resumed is agent else self._keep_agent(resumed)

    def forget_agent(self, agent_id: str, *, by: str) -> Agent:
        """Take the agent off the list; gives it as it was. What it holds it holds on. Raises as resuming."""
        with self._transaction():
            agent = self._registered(agent_id)
            _refuse_itself(agent, by)
            self.store.keep(SHELF, agent_id, None)
            return agent

    def agents(self) -> Sequence[AgentView]:
        """Every agent that is registered or holds a task, by name."""
        from dreamos_tasks.board.agent_view import agent_views

        return agent_views(self.store, silent_seconds=self.rules.silent_agent_seconds, now=self.clock.now())

    def agent(self, agent_id: str) -> AgentView:
        """One of `agents`. Raises AgentNotFound."""
        for view in self.agents():
            if view.agent_id == agent_id:
                return view
        raise AgentNotFound(agent_id, nearest=self._nearest_agents(agent_id))

    def hindrance_of(self, agent_id: str) -> AgentPaused | AgentAtCapacity | AgentNotRegistered | None:
        """Why this agent gets nothing now, whatever is ready; None when it would."""
        form = self.store.kept(SHELF, agent_id)
        if form is None:
            return self._stranger(agent_id)
        return self._paused(form, agent_id) or self._full(form, agent_id, self.clock.now())

    # -- looking after claims

    def expire_leases(self, *, by: str = "board") -> Sequence[Task]:
        """Put back every task whose lease has run out. Reads see them as pending anyway; this writes it down."""
        with self._transaction() as now:
            expired = self.store.find(TaskQuery(statuses=frozenset({"expired"})), now=now)
            return [
                self._save(lifecycle.expire(task, now=now, max_lost_leases=self.rules.max_lost_leases, by=by))
                for task in expired
            ]

    def recover_claims(self, agent_id: str, *, is_alive: Callable[[ProcessIdentity], bool], by: str) -> Sequence[Task]:
        """Take back what dead processes held as `agent_id`, without waiting for their leases."""
        with self._transaction() as now:
            held = self.store.find(TaskQuery(statuses=frozenset({Status.IN_PROGRESS.value}), held_by=agent_id), now=now)
            return [
                self._save(lifecycle.recover(task, now=now, by=by, reason=f"process {task.claim.process.pid} is gone"))
                for task in held
                if task.claim is not None and task.claim.process is not None and not is_alive(task.claim.process)
            ]

    def release_silent_agent(
        self, agent_id: str, *, tokens: Mapping[str, int], heard_at: datetime, by: str, reason: str
    ) -> Sequence[Task]:
        """Put what a silent agent holds back into the queue: of these tasks those that it still holds under these tokens.

        `heard_at`: when it was last heard of, as far as was known; none is released when it was heard of since.
        """
        from dreamos_tasks.model.agent import fallen_silent

        with self._transaction() as now, self.store.transaction():  # of its own: several writes, all or none
            agent = self._agent(agent_id)
            if agent is None or agent.last_heartbeat_at > heard_at:
                return []
            released = []
            for task_id, token in tokens.items():
                task = self.store.get(task_id)
                if task is None or task.claim is None or lifecycle.lease_expired(task, now):
                    continue
                if (task.claim.agent_id, task.claim.token) == (agent_id, token) and task.claim.heartbeat_at <= heard_at:
                    change = lifecycle.abandon(
                        task, now=now, by=by, reason=reason, max_lost_leases=self.rules.max_lost_leases
                    )
                    released.append(self._save(change))
            if released:
                self._keep_agent(fallen_silent(agent, by=by, now=now, why=reason))
            return released

    # -- what claiming asks

    def completed(self, request: ClaimRequest) -> ClaimRequest:
        """The request as claiming takes it: a registered agent that names no capabilities offers its own."""
        agent = self._agent(request.agent_id)
        if agent is None:
            return request
        from dreamos_tasks.model.agent import request_of

        return request_of(agent, request)

    def _admitted(
        self, request: ClaimRequest, process: ProcessIdentity | None, now: datetime
    ) -> tuple[ClaimRequest, Mapping[str, Any] | None]:
        """The request as the registry completes it, and what the claim is to tell of the agent.

        Raises AgentPaused, AgentAtCapacity, AgentNotRegistered. Costs who is not registered one look.
        """
        form = self.store.kept(SHELF, request.agent_id)
        if form is None:
            stranger = self._stranger(request.agent_id)
            if stranger is not None:
                raise stranger
            return request, None
        hindrance = self._paused(form, request.agent_id) or self._full(form, request.agent_id, now)
        if hindrance is not None:
            raise hindrance
        from dreamos_tasks.model.agent import agent_from_form, identity_of, request_of

        agent = agent_from_form(form)
        self._hear(agent, now)
        return request_of(agent, request), identity_of(agent, process)

    def _hear_of(self, agent_id: str, now: datetime) -> None:
        """Note a sign of life of an agent, if it is registered."""
        agent = self._agent(agent_id)
        if agent is not None:
            self._hear(agent, now)

    def _hear(self, agent: Agent, now: datetime) -> Agent:
        from dreamos_tasks.model.agent import heard_of

        heard = heard_of(agent, now)
        return heard if heard is agent else self._keep_agent(heard)

    def _stranger(self, agent_id: str) -> AgentNotRegistered | None:
        if not self.rules.registered_only or self.rules.is_own(agent_id):
            return None
        return AgentNotRegistered(agent_id, nearest=self._nearest_agents(agent_id))

    def _paused(self, form: Mapping[str, Any], agent_id: str) -> AgentPaused | None:
        pause = form.get("pause")
        if pause is None:
            return None
        return AgentPaused(agent_id, by=pause["by"], at=pause["at"], reason=pause.get("reason", ""))

    def _full(self, form: Mapping[str, Any], agent_id: str, now: datetime) -> AgentAtCapacity | None:
        most = form.get("max_in_progress")
        if most is None:
            return None
        query = TaskQuery(statuses=frozenset({Status.IN_PROGRESS.value}), held_by=agent_id)
        held = [task.task_id for task in self.store.find(query, now=now)]
        return AgentAtCapacity(agent_id, most=most, held=held) if len(held) >= most else None

    # -- the shelf

    def _agent(self, agent_id: str) -> Agent | None:
        form = self.store.kept(SHELF, agent_id)
        if form is None:
            return None
        from dreamos_tasks.model.agent import agent_from_form

        return agent_from_form(form)

    def _registered(self, agent_id: str) -> Agent:
        agent = self._agent(agent_id)
        if agent is None:
            raise AgentNotFound(agent_id, nearest=self._nearest_agents(agent_id))
        return agent

    def _keep_agent(self, agent: Agent) -> Agent:
        from dreamos_tasks.model.agent import agent_to_form

        self.store.keep(SHELF, agent.agent_id, agent_to_form(agent))
        return agent

    def _nearest_agents(self, agent_id: str) -> Sequence[str]:
        from difflib import get_close_matches

        return tuple(get_close_matches(agent_id, list(self.store.all_kept(SHELF, limit=PAGE)), n=2, cutoff=0.6))


def _refuse_itself(agent: Agent, by: str) -> None:
    """Who was paused by somebody else does not go on by its own word."""
    pause = agent.pause
    if pause is not None and by == agent.agent_id != pause.by:
        raise AgentPaused(agent.agent_id, by=pause.by, at=instant_to_text(pause.at), reason=pause.reason)
