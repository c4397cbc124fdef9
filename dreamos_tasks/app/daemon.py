"""Daemon: every part that works while the daemon runs, built from Settings, started in order, stopped in reverse."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from loguru import logger

from dreamos_tasks import __version__
from dreamos_tasks.app.boards import make_folder, open_board
from dreamos_tasks.app.daemon_lock import DaemonCard, DaemonLock
from dreamos_tasks.app.episode_watch import EpisodeWatch
from dreamos_tasks.app.event_log import log_event
from dreamos_tasks.app.identity import is_alive, this_process
from dreamos_tasks.app.leftover_watch import LeftoverWatch
from dreamos_tasks.app.log_watch import LogWatch
from dreamos_tasks.app.mail_room import MailRoom
from dreamos_tasks.app.parts import build_executor, build_inbox, build_monitoring, build_steps, room_on
from dreamos_tasks.app.pulse import Pulse
from dreamos_tasks.app.status_socket import StatusSocket
from dreamos_tasks.app.tool_shop import build_tools, children_of, home_id
from dreamos_tasks.app.tracing import tracing_from
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.doorbell import Doorbell
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.execution.rollback import StepUndoer
from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.json_form import instant_to_text
from dreamos_tasks.model.task import FINAL
from dreamos_tasks.monitoring.pruning import Pruner
from dreamos_tasks.monitoring.retention import RetentionService
from dreamos_tasks.orchestrator.orchestrator import Orchestrator
from dreamos_tasks.orchestrator.patience import PatientDesk
from dreamos_tasks.orchestrator.rollbacks import Rollbacks
from dreamos_tasks.tools.cgroup import Cgroups, NotDelegated
from dreamos_tasks.tools.orphans import become_subreaper, end_leftovers


class Daemon:
    """One daemon of one home. `start`, wait for whatever should end it, `stop`."""

    def __init__(self, home: Home, settings: Settings) -> None:
        self.home = home
        self.settings = settings
        self.process = this_process(secrets.token_hex(8))
        self.started_at = datetime.now(UTC)
        self._lock = DaemonLock(home.daemon_lock, home.daemon_file)
        self._listeners: list[Callable[[Event], None]] = []
        self._endpoints = {"status": str(home.status_socket)}
        self._children = children_of(home, instance=self.process.instance)
        self._tools = build_tools(self._children, home=home, settings=settings)
        self.desk = self._desk = BoardDesk(
            lambda: open_board(home, settings, ring=Doorbell(home.doorbell).ring_followers),
            on_commit=self._committed,
        )
        steps = build_steps(self._tools, home=home, settings=settings)
        self._orchestrator = Orchestrator(
            self._desk,
            build_executor(PatientDesk(self._desk), steps, settings=settings),
            agent_id=settings.daemon.agent_id,
            capabilities=self._tools.names(),
            process=self.process,
            capacity=settings.daemon.max_concurrent_tasks,
            heartbeat_seconds=settings.claims.heartbeat_seconds,
            room=room_on(home, settings),
        )
        self._rollbacks = Rollbacks(
            self._desk,
            StepUndoer(self._desk, steps),
            agent_id=settings.daemon.agent_id,
            is_running=lambda task_id: task_id in self._orchestrator.load().running,
        )
        self._episodes = EpisodeWatch(self._desk, home, agent_id=settings.daemon.agent_id)
        self._leftovers = LeftoverWatch(home, instance=self.process.instance)
        self._tracing = tracing_from()
        self._mail = MailRoom(self._desk, home, rescan_seconds=settings.inbox.rescan_seconds)
        self._inbox = build_inbox(self._desk, self._tools, home=home, settings=settings)
        self._monitoring = build_monitoring(self._desk, home=home, settings=settings, tools=lambda: self._tools)
        self._pulse = Pulse(
            self._desk,
            home.doorbell,
            poll_seconds=settings.daemon.data_version_poll_seconds,
            on_others=self._others_wrote,
            on_event=self._happened,
        )
        self._retention = RetentionService(self._desk, Pruner(home.runs), settings.retention)
        self._log_watch = LogWatch(home.board(settings.board), limit_bytes=settings.board.wal_bytes)
        self._status = StatusSocket(home.status_socket, self.report)

    def take(self) -> None:
        """Take the home, before anything else is taken. Raises AlreadyRunning, BoardUnavailable kinds."""
        for folder in (self.home.runtime, self.home.runs, self.home.logs):
            make_folder(folder)
        self._lock.acquire()

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Have it called in the loop with every event of the board, in order, whoever wrote it."""
        self._listeners.append(listener)

    def show(self, endpoints: Mapping[str, str]) -> None:
        """Say where else the daemon can be reached."""
        self._endpoints.update(endpoints)
        self._lock.show(self._card())

    async def start(self) -> None:
        """Put right what a killed daemon left, and begin, in the home that was taken. Raises BoardUnavailable kinds."""
        become_subreaper()
        ended = await end_leftovers(home_id(self.home), except_instance=self.process.instance)
        if ended:
            logger.warning("ended {} processes that an earlier daemon had left", ended)
        self._divide_cgroup()
        await self._desk.start()
        await self._recover()
        await self._pulse.start()
        await self._inbox.start()
        await self._mail.start()
        self._episodes.start()
        self._leftovers.start()
        await self._monitoring.start()
        self._orchestrator.start()
        self._rollbacks.start()
        self._retention.start()
        self._log_watch.start()
        await self._status.start()
        self._lock.show(self._card())

    async def stop(self) -> None:
        """Drain: no new work, running tasks get their grace, then everything closes. May be called twice."""
        await self._inbox.stop()
        await self._mail.stop()
        await self._episodes.stop()
        await self._leftovers.stop()
        await self._log_watch.stop()
        await self._retention.stop()
        await self._monitoring.stop()
        await self._orchestrator.drain(self.settings.daemon.grace_seconds)
        await self._rollbacks.stop()
        await self._pulse.stop()
        await self._inbox.finish()
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.stop)
        await self._desk.stop()
        await self._status.stop()
        self._lock.release()

    def report(self) -> Mapping[str, Any]:
        """What `dt status` shows."""
        load = self._orchestrator.load()
        return {
            "pid": self.process.pid,
            "version": __version__,
            "started_at": instant_to_text(self.started_at),
            "agent_id": self.settings.daemon.agent_id,
            "running": list(load.running),
            "capacity": load.capacity,
            "draining": load.draining,
            "pressure": load.pressure,
            "trouble": [word for word in dict.fromkeys((load.trouble, *self._troubles())) if word],
            "inbox": str(self.home.inbox(self.settings.inbox)),
            "monitor": self._monitoring.report(),
        }

    def _troubles(self) -> tuple[str, ...]:
        return self._pulse.trouble, self._log_watch.trouble, self._inbox.trouble, self._mail.trouble

    def _divide_cgroup(self) -> None:
        """Have the kernel hold the limits of steps, where a cgroup is delegated to us."""
        try:
            cgroups = Cgroups.take()
        except NotDelegated as reason:
            logger.info("the limits of steps are held without cgroups: {}", reason)
            return
        cgroups.end_leftovers()
        self._children.hold_with(cgroups)
        logger.info("each step has a cgroup of its own in {}", cgroups.path)

    async def _recover(self) -> None:
        """Take back what an earlier daemon of this home held when it died."""
        agent_id = self.settings.daemon.agent_id
        tasks = await self._desk.write(
            lambda nexus: nexus.recover_claims(agent_id, is_alive=is_alive, by=agent_id),
        )
        for task in tasks:
            logger.warning("{} was running when the daemon died; it goes on from its last recorded step", task.task_id)

    def _committed(self, events: Sequence[Event]) -> None:
        self._orchestrator.wake(others_wrote=self._steered(events))
        self._monitoring.wake()
        self._pulse.committed(events)

    def _steered(self, events: Sequence[Event]) -> bool:
        """Whether somebody who comes by way of this daemon (over HTTP, MCP) may have ended or paused what it runs."""
        running = frozenset(self._orchestrator.load().running)
        agent_id = self.settings.daemon.agent_id
        return any(event.task_id in running and event.by != agent_id for event in events)

    def _others_wrote(self) -> None:
        self._orchestrator.wake(others_wrote=True)
        self._monitoring.wake()

    def _happened(self, event: Event) -> None:
        log_event(event)
        self._episodes.happened(event)
        self._leftovers.happened(event)
        if self._tracing is not None:
            self._tracing.happened(event)
        for listener in self._listeners:
            listener(event)
        if event.changes.get("status") in FINAL or event.type is EventType.ROLLBACK_FINISHED:
            self._inbox.on_settled(event.task_id)
        if event.changes.get("rollback"):
            self._rollbacks.wake()

    def _card(self) -> DaemonCard:
        return DaemonCard(
            process=self.process,
            version=__version__,
            board=str(self.home.board(self.settings.board)),
            inbox=str(self.home.inbox(self.settings.inbox)),
            started_at=instant_to_text(self.started_at),
            endpoints=dict(self._endpoints),
        )
