"""Doors: the ways by which an agent reaches the board, each from outside: Python, the command, MCP over stdio, HTTP.

Clients as anybody could write them: the last three know nothing of this package but what its reference says.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from dreamos_tasks.app.daemon_lock import running_daemon
from dreamos_tasks.app.nexus import TaskNexus
from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.config.home import Home
from dreamos_tasks.errors import BoardUnavailable, ClaimHeld, DreamosError, Refused
from dreamos_tasks.model.task import Progress, TaskDraft

DT = (sys.executable, "-P", "-m", "dreamos_tasks")
PROTOCOL = "2025-11-25"  # of MCP, with its handshake: what most programs speak
MOST_LOST_LEASES = 100_000  # being killed is what this is about: a task is never given up for it
TOOLS = {"add": "add_task", "claim": "claim_task", "next": "get_next_task", "complete": "complete_task"}
Held = tuple[str, int, int]  # a task's id, the token it is held under, and which attempt this is


class Door(Protocol):
    """What a racer does by one interface. Raises what is neither an answer nor a refusal."""

    def add(self, title: str) -> str:
        """Add a task; gives its id."""

    def claim(self, task_id: str) -> bool:
        """Claim this task; False when another holds it."""

    def take(self) -> Held | None:
        """Claim the next task; None when none is ready."""

    def complete(self, held: Held, *, result: Mapping[str, str]) -> bool:
        """Note progress and complete it; False when the claim is over."""

    def close(self) -> None:
        """Leave."""


class DoorBroken(DreamosError):
    """What came through a door was no answer."""

    code = "door_broken"


class PythonDoor:
    """The public interface, in this process. `place`: a home, or the board's file."""

    def __init__(self, place: Path, name: str, *, lease_seconds: float | None = None) -> None:
        self.name = name
        rules = BoardRules(lease_seconds=lease_seconds, max_lost_leases=MOST_LOST_LEASES) if lease_seconds else None
        self._nexus = TaskNexus.open(place / "runtime" / "nexus.db" if place.is_dir() else place, rules=rules)

    def add(self, title: str) -> str:
        """See Door."""
        return self._nexus.add_task(TaskDraft(title=title)).task_id

    def claim(self, task_id: str) -> bool:
        """See Door."""
        try:
            self._nexus.claim_task(task_id, self.name)
        except ClaimHeld:
            return False
        return True

    def take(self) -> Held | None:
        """See Door."""
        task = self._nexus.get_next_task(self.name)
        return (task.task_id, task.last_token, task.attempt) if task is not None else None

    def complete(self, held: Held, *, result: Mapping[str, str]) -> bool:
        """See Door."""
        task_id, token, _ = held
        try:
            self._nexus.record_progress(task_id, Progress(percent=50.0), token=token)
            self._nexus.mark_task_completed(task_id, result=dict(result), token=token)
        except Refused:
            return False
        return True

    def close(self) -> None:
        """See Door."""
        self._nexus.close()


class JsonDoor:
    """What the others share: a verb gives a document, or the code of a refusal."""

    def __init__(self, place: Path, name: str) -> None:
        self.place = place
        self.name = name

    def add(self, title: str) -> str:
        """See Door."""
        return str(self._answer("add", title=title)["task_id"])

    def claim(self, task_id: str) -> bool:
        """See Door."""
        return "refused" not in self._answer("claim", task_id=task_id)

    def take(self) -> Held | None:
        """See Door."""
        task = self._answer("next")
        if task.get("refused") == "nothing_ready":
            return None
        return task["task_id"], int(task["claim"]["token"]), int(task["attempt"])

    def complete(self, held: Held, *, result: Mapping[str, str]) -> bool:
        """See Door."""
        task_id, token, _ = held
        return "refused" not in self._answer("complete", task_id=task_id, token=token, result=dict(result))

    def close(self) -> None:
        """See Door."""

    def _answer(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """The document, or `{"refused": code}`."""
        raise NotImplementedError


class CommandDoor(JsonDoor):
    """`dt`, a process a verb."""

    def _answer(self, verb: str, **arguments: Any) -> dict[str, Any]:
        words = [verb, *(str(arguments[name]) for name in ("title", "task_id") if name in arguments)]
        words += [] if verb == "add" else ["--agent", self.name]
        words += ["--token", str(arguments["token"])] if "token" in arguments else []
        words += ["--result", json.dumps(arguments["result"])] if "result" in arguments else []
        done = subprocess.run(
            [*DT, "--home", str(self.place), *words, "--json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode == 0:
            document: dict[str, Any] = json.loads(done.stdout)
            return document
        if done.returncode in (Refused.exit_code, 5):
            return {"refused": json.loads(done.stderr.splitlines()[-1])["error"]["code"]}
        raise DoorBroken(f"dt {verb} exited with {done.returncode}", cause=done.stderr.decode(errors="replace")[-500:])


class McpDoor(JsonDoor):
    """`dt mcp`, spoken to line by line."""

    def __init__(self, place: Path, name: str) -> None:
        super().__init__(place, name)
        self._last_id = 0
        self._server = subprocess.Popen(
            [*DT, "--home", str(place), "mcp", "--agent", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        client = {"name": "race", "version": "1"}
        self._ask("initialize", protocolVersion=PROTOCOL, capabilities={}, clientInfo=client)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def close(self) -> None:
        """See Door. The server ends with its client."""
        self._server.communicate()

    def _answer(self, verb: str, **arguments: Any) -> dict[str, Any]:
        result = self._ask("tools/call", name=TOOLS[verb], arguments=arguments)
        if result.get("isError"):
            return {"refused": result.get("_meta", {}).get("dreamos-tasks/error", {}).get("code", "")}
        document: dict[str, Any] = result["structuredContent"]
        if verb == "next":
            document = document["task"] or {"refused": "nothing_ready"}
        return document

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._last_id += 1
        self._send({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params})
        assert self._server.stdout is not None
        while line := self._server.stdout.readline():
            answer = json.loads(line)
            if answer.get("id") == self._last_id:
                if "result" not in answer:
                    raise DoorBroken(f"{method} was answered with an error", cause=json.dumps(answer.get("error")))
                result: dict[str, Any] = answer["result"]
                return result
        raise DoorBroken("the MCP server ended")

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(message) + "\n")
        self._server.stdin.flush()


class HttpDoor(JsonDoor):
    """The daemon's /api/v1, over one connection, with the operator's token."""

    def __init__(self, place: Path, name: str) -> None:
        super().__init__(place, name)
        home = Home(path=place, found_by="--home")
        card = running_daemon(home.daemon_file)
        if card is None or "http" not in card.endpoints:
            raise BoardUnavailable(f"no daemon serves {place} over HTTP", fix="dt up")
        token = home.operator_token.read_text(encoding="utf-8").strip()
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._connection = HTTPConnection(urlsplit(card.endpoints["http"]).netloc, timeout=60)

    def close(self) -> None:
        """See Door."""
        self._connection.close()

    def _answer(self, verb: str, **arguments: Any) -> dict[str, Any]:
        task_id = arguments.pop("task_id", None)
        path = {"add": "tasks", "next": "claims"}.get(verb) or f"tasks/{task_id}/{verb}"
        body = arguments if verb == "add" else {**arguments, "agent_id": self.name}
        self._connection.request("POST", f"/api/v1/{path}", json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        document: dict[str, Any] = json.loads(answer.read())
        if answer.status < 300:
            return document
        if answer.status in (404, 409, 412):
            return {"refused": document["code"]}
        raise DoorBroken(f"{path} was answered with {answer.status}", cause=json.dumps(document)[:500])


DOORS: Mapping[str, type[CommandDoor] | type[McpDoor] | type[HttpDoor]] = {
    "cli": CommandDoor,
    "mcp": McpDoor,
    "http": HttpDoor,
}


def door_to(kind: str, place: Path, name: str, *, lease_seconds: float | None = None) -> Door:
    """The door of this kind. `lease_seconds`: of what is claimed by the door `python`; the others have the board's own."""
    if kind == "python":
        return PythonDoor(place, name, lease_seconds=lease_seconds)
    return DOORS[kind](place, name)
