"""MCP clients as tests use them: the official one over stdio, and bare JSON-RPC for what it does not show."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import CallToolResult, Implementation, TextContent

from dreamos_tasks import TaskNexus
from tests.command import own_environment

MODERN = "2026-07-28"
TASKS = "io.modelcontextprotocol/tasks"


def server_command(*options: str) -> list[str]:
    """What starts the server, as users would."""
    return [sys.executable, "-m", "dreamos_tasks", *options]


@dataclass
class BoardClient:
    """The official client, connected to a server process of its own."""

    client: Client

    async def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What the tool gives; the test fails when it is an error."""
        result = await self.result(tool, **arguments)
        assert not result.is_error, text_of(result)
        document: dict[str, Any] | None = result.structured_content
        assert document is not None
        return document

    async def error(self, tool: str, **arguments: Any) -> dict[str, str]:
        """The error that the tool gives; the test fails when all goes well."""
        result = await self.result(tool, **arguments)
        assert result.is_error, text_of(result)
        assert result.meta is not None
        error: dict[str, str] = result.meta["dreamos-tasks/error"]
        assert error["code"] in text_of(result)
        return error

    async def result(self, tool: str, **arguments: Any) -> CallToolResult:
        """Whatever the tool answers."""
        return await self.client.call_tool(tool, arguments)


def text_of(result: CallToolResult) -> str:
    """What a model reads."""
    return "\n".join(content.text for content in result.content if isinstance(content, TextContent))


def make_board(folder: Path) -> None:
    """A named folder without a board is refused."""
    TaskNexus.open(folder / "runtime" / "nexus.db").close()


@asynccontextmanager
async def connected(
    folder: Path, *options: str, name: str = "test-client", errlog: Any = None, mode: Any = "auto", **environment: str
) -> AsyncIterator[BoardClient]:
    """A client of `dt mcp` on the board in the folder, made if there is none."""
    make_board(folder)
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "dreamos_tasks", "--home", str(folder), "mcp", *options],
        env=own_environment(folder, **environment),
        cwd=str(folder),
    )
    transport = stdio_client(parameters, errlog=errlog if errlog is not None else sys.stderr)
    async with Client(transport, client_info=Implementation(name=name, version="1.0"), mode=mode) as client:
        yield BoardClient(client)


@dataclass
class Wire:
    """A server process, spoken to line by line in the newest protocol."""

    folder: Path
    capabilities: Mapping[str, Any] = field(default_factory=lambda: {"elicitation": {}, "extensions": {TASKS: {}}})
    environment: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[str] | None = None
    _last_id: int = 0

    def __enter__(self) -> Wire:
        make_board(self.folder)
        self._process = subprocess.Popen(
            server_command("--home", str(self.folder), "mcp", "--agent", "ada"),
            cwd=self.folder,
            env=own_environment(self.folder, **self.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.communicate(timeout=60)  # closes stdin: the server ends by itself

    @property
    def pid(self) -> int:
        """The server's."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the server is there."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End the server in the middle of whatever it does."""
        assert self._process is not None
        self._process.kill()

    def send_raw(self, line: bytes) -> None:
        """Whatever it is, as one line."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.flush()
        left = memoryview(line + b"\n")
        while left:
            left = left[os.write(self._process.stdin.fileno(), left) :]

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer: `result`, or `error`."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._last_id += 1
        meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "wire", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": dict(self.capabilities),
        }
        message = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": {**params, "_meta": meta}}
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        while line := self._process.stdout.readline():
            answer: dict[str, Any] = json.loads(line)
            if answer.get("id") == self._last_id:
                return answer
        raise AssertionError("the server ended")

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The result of a tool call."""
        result: dict[str, Any] = self.ask("tools/call", name=tool, arguments=arguments)["result"]
        return result
