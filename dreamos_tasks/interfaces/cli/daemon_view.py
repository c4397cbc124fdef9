"""How daemon and board are shown together: what `dt up` and `dt status` print."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamos_tasks.app.daemon_lock import DaemonCard, running_daemon
from dreamos_tasks.app.status_socket import ask_status
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.eta import eta_document, progress_cells
from dreamos_tasks.interfaces.cli.gate_lines import gate_lines
from dreamos_tasks.interfaces.cli.task_view import claim_line, task_document
from dreamos_tasks.interfaces.cli.text import ago, count, harmless, local
from dreamos_tasks.model.instants import read_instant
from dreamos_tasks.model.json_form import to_json
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.task import PRIORITY_RANKS

if TYPE_CHECKING:
    from datetime import datetime

SHOWN_RUNNING = 20
NO_DAEMON = "no daemon: claims work all the same; dt up starts one"


def show_up(call: Call, card: DaemonCard, *, started: bool, made: tuple[Path, ...], link: str | None) -> None:
    """Where the daemon is, and what to do next. `link`: what signs a browser in to the dashboard."""
    log = str(call.home.logs / "daemon.log")
    form = {**daemon_form(card), "home": str(call.home.path), "log": log, "dashboard": link}
    commands = next_commands(call)
    if call.out.as_json:
        call.out.document({**form, "started": started, "made": [str(path) for path in made], "next": commands})
        return
    out = call.out
    out.line(f"the daemon {'is ready' if started else 'is already running'} (pid {card.process.pid})")
    for name in ("inbox", "board", "log"):
        out.line(f"  {name:<10} {form[name]}")
    if link is not None:
        out.line(f"  {'dashboard':<10} {link}")
        out.note(f"  {'':<10} the link signs one browser in, once, within ten minutes; dt dashboard prints another")
        wanted = call.settings.server.port
        if wanted and not card.endpoints["http"].endswith(f":{wanted}"):
            out.note(f"  {'':<10} port {wanted} was taken, so it is on the next free one; server.port sets another")
    out.line("next:")
    for command in commands:
        out.line(f"  {command}")


def next_commands(call: Call) -> list[str]:
    """Three commands to go on with, as they are to be typed here."""
    dt = _this_command()
    if call.home_option is not None:
        dt += f" --home {shlex.quote(call.home_option)}"
    return [f'{dt} add "Say hello" --run "echo hello"', f"{dt} list", f"{dt} status"]


def _this_command() -> str:
    """How this command is typed here: by its name, or by its path where the shell would not find it."""
    called = sys.argv[0]
    if shutil.which("dt") is not None or os.path.basename(called) != "dt" or not os.path.isfile(called):
        return "dt"
    nearer = os.path.relpath(called)
    return shlex.quote(called if nearer.startswith("..") else nearer)


def daemon_form(card: DaemonCard) -> dict[str, Any]:
    """The card as a document."""
    return {"pid": card.process.pid, **{name: value for name, value in asdict(card).items() if name != "process"}}


def status_form(call: Call) -> dict[str, Any]:
    """Everything `dt status` knows. `daemon` is null when none runs; `responding` false when it does not answer."""
    card = running_daemon(call.home.daemon_file)
    report = ask_status(call.home.status_socket) if card is not None else None
    daemon = None if card is None else {**daemon_form(card), **(report or {}), "responding": report is not None}
    board_path = call.home.board(call.settings.board)
    board: dict[str, Any] = {"path": str(board_path), "exists": board_path.exists()}
    tasks: list[dict[str, Any]] = []
    gates: list[Any] = []
    if board["exists"]:
        nexus = call.nexus
        board["tasks"] = dict(nexus.stats()["status"])
        board["ready"] = len(nexus.find_tasks(TaskQuery(statuses=frozenset({"ready"}))))
        tasks = [{**task_document(nexus, task), "eta": eta_document(call, task)} for task in _running(call)]
        gates = [to_json(gate) for gate in nexus.gates()]
        board["incidents"] = dict(Counter(one.severity.value for one in nexus.incidents.all() if one.is_waiting))
    return {"home": str(call.home.path), "daemon": daemon, "board": board, "in_progress": tasks, "gates": gates}


def show_status(call: Call) -> Iterator[str]:
    """The same for a person, line by line."""
    form = status_form(call)
    yield f"daemon   {_daemon_line(form['daemon'])}"
    board = form["board"]
    if not board["exists"]:
        if call.home.board_lock(call.settings.board).exists():
            yield f"board    {board['path']} is gone, and there was one: restore a copy (dt list says how)"
        else:
            yield f"board    none yet at {board['path']}: dt init makes one"
        return
    counts = board["tasks"]
    words = [f"{number} {word.replace('_', ' ')}" for word, number in counts.items() if number]
    yield f"board    {board['path']}: {', '.join(words) or 'no tasks yet'}" + (
        f" ({board['ready']} ready)" if counts.get("pending") else ""
    )
    if counts.get("awaiting_approval"):
        yield f"asks     {counts['awaiting_approval']} of them await people's word: dt approvals"
    if board["incidents"]:
        severities = [f"{board['incidents'][word]} {word}" for word in PRIORITY_RANKS if word in board["incidents"]]
        yield f"look     {count(sum(board['incidents'].values()), 'incident')} ({', '.join(severities)}): dt incidents"
    now = call.nexus.clock.now()
    running = _running(call)[:SHOWN_RUNNING]
    progress = progress_cells(call, running)
    for task in running:
        far = f", {progress[task.task_id]}" if task.task_id in progress else ""
        yield f"running  {task.task_id}  {harmless(task.title)}: {claim_line(task, now)}{far}"
    yield from gate_lines(call.nexus.gates(), now)
    if form["daemon"] is not None:
        yield from _report_lines(form["daemon"], now)


def _running(call: Call) -> list[Any]:
    return list(call.nexus.find_tasks(TaskQuery(statuses=frozenset({"in_progress"}))))


def _daemon_line(daemon: Mapping[str, Any] | None) -> str:
    if daemon is None:
        return NO_DAEMON
    line = f"running, pid {daemon['pid']}"
    if not daemon["responding"]:
        return f"{line}, but it does not answer: it may be stopped, or very busy (dt doctor)"
    line += f", {len(daemon['running'])} of {daemon['capacity']} places taken"
    return f"{line}, draining" if daemon["draining"] else line


def _report_lines(daemon: Mapping[str, Any], now: datetime) -> Iterator[str]:
    for trouble in daemon.get("trouble", ()):
        yield f"trouble  {harmless(trouble)}"
    if daemon.get("pressure"):
        yield f"pressure {harmless(daemon['pressure'])}"
    yield f"inbox    {daemon['inbox']}"
    if "http" in daemon["endpoints"]:
        yield f"web      {daemon['endpoints']['http']} (dt dashboard signs a browser in)"
    yield from _monitor_lines(daemon.get("monitor") or {}, now)


def _monitor_lines(monitor: Mapping[str, Any], now: datetime) -> Iterator[str]:
    if not monitor.get("last_check_at"):
        yield "monitor  has not checked yet"
        return
    instant = read_instant(monitor["last_check_at"])
    found = [
        f"{monitor[name]} {words}"
        for name, words in (("stalled", "stalled"), ("expired", "leases expired"))
        if monitor.get(name)
    ]
    found += [f"silent: {', '.join(monitor['silent_agents'])}"] if monitor.get("silent_agents") else []
    yield f"monitor  checked at {local(instant, now)} ({ago(instant, now)}): {', '.join(found) or 'nothing stalls'}"
    if monitor.get("error"):
        yield f"trouble  the last check failed: {harmless(monitor['error'])}"
