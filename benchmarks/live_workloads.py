"""W9: a hundred WebSocket clients follow the board: how long from the commit to the frame, and how many frames a second."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TypedDict

from benchmarks.board_workloads import folder
from benchmarks.daemon_workloads import daemon, until
from benchmarks.measuring import Results, percentile
from dreamos_tasks import TaskDraft, TaskNexus

CLIENTS = 100
LIBRARY, PLAIN, OURS = "websockets.broadcast()", "one frame written to all", "dreamos-tasks FULL"
RATES = (100, 500)
CONFIG = "dreamos_tasks: 1\nserver: {port: 0}\n"


class Seen(TypedDict):
    """What the clients say: see live_clients."""

    frames: int
    first_ns: int
    last_ns: int
    arrivals: Mapping[str, list[int]]


def w9(results: Results, *, repetitions: int, quick: bool) -> None:
    """Live."""
    seconds = 3 if quick else 8
    for rate in RATES:
        for metric in ("p50", "p99"):
            results.compare_with("W9", f"commit to frame at {rate}/s, {metric}", LIBRARY)
    results.compare_with("W9", "flooded", PLAIN)
    for _ in range(repetitions):
        for rate in RATES:
            events = rate * seconds
            for system, kind in ((PLAIN, "plain"), (LIBRARY, "library")):
                _add_waits(results, rate, system, *_served(kind, events, rate))
            _add_waits(results, rate, OURS, *_followed(events, rate))
        events = 4_000 if quick else 15_000
        for system, kind in ((PLAIN, "plain"), (LIBRARY, "library")):
            _add_flood(results, system, _served(kind, events, 0)[1], events)
        _add_flood(results, OURS, _followed(events, 0)[1], events)


def _add_waits(results: Results, rate: int, system: str, sent: Mapping[int, int], seen: Seen) -> None:
    waits = [(at - sent[int(number)]) / 1e6 for number, arrivals in seen["arrivals"].items() for at in arrivals]
    for metric, percent in (("p50", 50), ("p99", 99)):
        results.add("W9", f"commit to frame at {rate}/s, {metric}", "ms", system, percentile(waits, percent))
    results.add("W9", f"delivered at {rate}/s", "%", system, 100 * seen["frames"] / (len(sent) * CLIENTS))


def _add_flood(results: Results, system: str, seen: Seen, events: int) -> None:
    taken = (seen["last_ns"] - seen["first_ns"]) / 1e9
    results.add("W9", "flooded", "deliveries/s", system, seen["frames"] / taken)
    results.add("W9", "delivered when flooded", "%", system, 100 * seen["frames"] / (events * CLIENTS))


def _served(kind: str, events: int, rate: int) -> tuple[Mapping[int, int], Seen]:
    """By a plain server: when each event was sent, and when it came."""
    with _process("live_servers", kind, CLIENTS, events, rate) as server:
        port = int(_line(server))
        with _clients(f"ws://127.0.0.1:{port}/", "", "", events) as clients:
            assert _line(clients) == "ready"
            sent = {int(number): at for number, at in json.loads(_line(server)).items()}
            seen: Seen = json.loads(_line(clients))
        assert server.stdin is not None
        server.stdin.close()
        server.wait(30)
    return sent, seen


def _followed(events: int, rate: int) -> tuple[Mapping[int, int], Seen]:
    """By a daemon, of what another process writes to the board: when each commit was done, and when its frame came."""
    with folder() as home:
        (home / "config.yaml").write_text(CONFIG)
        with daemon(home, concurrent=1):
            until(lambda: "http" in _endpoints(home), 20)
            base = _endpoints(home)["http"]
            token = (home / "runtime" / "token").read_text().strip()
            url = f"{base.replace('http', 'ws', 1)}/api/v1/live?after=0"
            with _clients(url, base, token, events) as clients, TaskNexus.open(home / "runtime" / "nexus.db") as nexus:
                assert _line(clients) == "ready"
                time.sleep(0.3)
                sent = _add_tasks(nexus, events, rate)
                seen: Seen = json.loads(_line(clients))
    return sent, seen


def _endpoints(home: Path) -> Mapping[str, str]:
    found: Mapping[str, str] = json.loads((home / "runtime" / "daemon.json").read_text())["endpoints"]
    return found


def _add_tasks(nexus: TaskNexus, events: int, rate: int) -> Mapping[int, int]:
    drafts = [TaskDraft(title=f"{number:09d}") for number in range(events)]
    if not rate:
        nexus.add_tasks(drafts)
        return {}
    sent, begin = {}, time.monotonic()
    for number, draft in enumerate(drafts):
        time.sleep(max(0.0, begin + number / rate - time.monotonic()))
        nexus.add_task(draft)
        sent[number] = time.monotonic_ns()
    return sent


def _clients(url: str, origin: str, token: str, events: int) -> subprocess.Popen[str]:
    return _process("live_clients", url, origin, token, CLIENTS, events)


def _process(module: str, *args: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{module}", *map(str, args)],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _line(process: subprocess.Popen[str]) -> str:
    stream: IO[str] | None = process.stdout
    assert stream is not None
    line = stream.readline().strip()
    assert line, f"{process.args!r} ended early"
    return line
