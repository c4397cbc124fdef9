"""The daemon as a process: signals, what systemd is told, start in order, stop in reverse."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING

from loguru import logger

from dreamos_tasks.app.daemon import Daemon
from dreamos_tasks.app.ending_signals import ENDING_SIGNALS
from dreamos_tasks.app.logs import set_up_logging
from dreamos_tasks.interfaces.systemd.notify import Notifier

if TYPE_CHECKING:
    from dreamos_tasks.config.home import Home
    from dreamos_tasks.config.settings import Settings
    from dreamos_tasks.interfaces.http.server import WebServer

STATUS_INTERVAL_SECONDS = 10.0  # how old the line may be that `systemctl status` shows
PRIVATE_UMASK = 0o077  # whatever is made, by the daemon or a library, is its owner's alone
ENDED_AT_ONCE = 1


def run_daemon(home: Home, settings: Settings, *, on_ready: Callable[[str | None], None] = lambda _link: None) -> int:
    """Serve until a signal says otherwise; gives the exit code. Raises AlreadyRunning, ConfigError, BoardUnavailable kinds.

    `on_ready` is given a link that signs a browser in to the dashboard; None where there is none.

    The first SIGTERM, SIGINT or SIGHUP drains: no new work, running tasks get their grace. A second one ends them at once.
    """
    os.umask(PRIVATE_UMASK)
    set_up_logging(settings.logging, home.logs, journal="JOURNAL_STREAM" in os.environ)
    return asyncio.run(_serve(Daemon(home, settings), Notifier.from_environment(), on_ready))


def silence_output() -> None:
    """From here on nothing goes to stdout and stderr: the log file has it all."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


async def _serve(daemon: Daemon, notifier: Notifier, on_ready: Callable[[str | None], None]) -> int:
    signals = _Signals()
    signals.listen()
    web = _web_server(daemon)
    try:
        daemon.take()
        if web is not None:
            web.bind()
        await daemon.start()
        if web is not None:
            await web.start()
            daemon.show(web.context.urls)
    except BaseException:
        await _stop(daemon, web)
        raise
    logger.info("ready: pid {}, board {}", daemon.process.pid, daemon.home.board(daemon.settings.board))
    notifier.ready(status_line(daemon))
    on_ready(web.context.new_sign_in_url() if web is not None else None)
    pulse = asyncio.create_task(_tell(daemon, notifier), name="watchdog")
    try:
        name = await signals.first()
        logger.info("{}: draining; running tasks get {:g} s", name, daemon.settings.daemon.grace_seconds)
        notifier.stopping("draining")
        return await _drain(_stop(daemon, web), signals)
    finally:
        pulse.cancel()
        with suppress(asyncio.CancelledError):
            await pulse


def _web_server(daemon: Daemon) -> WebServer | None:
    """The HTTP face, unless the settings do without."""
    if not daemon.settings.server.enabled:
        return None
    from dreamos_tasks.interfaces.http.context import context_of
    from dreamos_tasks.interfaces.http.server import WebServer

    return WebServer(context_of(daemon))


async def _stop(daemon: Daemon, web: WebServer | None) -> None:
    if web is not None:
        await web.stop()
    await daemon.stop()


async def _drain(stop: Coroutine[None, None, None], signals: _Signals) -> int:
    """Stop; when a second signal comes first, end what runs at once (their next daemon takes them up again)."""
    stopping = asyncio.create_task(stop, name="stop")
    hurried = asyncio.create_task(signals.second(), name="hurry")
    await asyncio.wait((stopping, hurried), return_when=asyncio.FIRST_COMPLETED)
    hurried.cancel()
    if stopping.done():
        stopping.result()
        logger.info("stopped")
        return 0
    logger.warning(
        "a second signal: running tasks are ended, and go on from their last recorded step at the next start"
    )
    stopping.cancel()  # asyncio.run then cancels the runs, and each ends the processes that it started
    return ENDED_AT_ONCE


async def _tell(daemon: Daemon, notifier: Notifier) -> None:
    """Tell systemd that the loop goes round, and how things stand."""
    watchdog = notifier.watchdog_interval_seconds
    while True:
        await asyncio.sleep(min(watchdog or STATUS_INTERVAL_SECONDS, STATUS_INTERVAL_SECONDS))
        if watchdog is not None:
            notifier.watchdog()
        notifier.status(status_line(daemon))


def status_line(daemon: Daemon) -> str:
    """How things stand, in one line."""
    report = daemon.report()
    line = f"{len(report['running'])} of {report['capacity']} places taken"
    return f"{line}; TROUBLE: {report['trouble'][0]}" if report["trouble"] else line


class _Signals:
    """The signals that end the daemon, as they come."""

    def __init__(self) -> None:
        self._came: asyncio.Queue[str] = asyncio.Queue()

    def listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in ENDING_SIGNALS:
            loop.add_signal_handler(number, self._came.put_nowait, number.name)

    async def first(self) -> str:
        return await self._came.get()

    second = first
