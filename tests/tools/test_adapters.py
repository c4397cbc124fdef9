"""Every built-in tool passes the adapter suite. A tool adds a class of its own, here or in its own test module."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from dreamos_tasks.protocols import ToolAdapter
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.shell import ShellTool
from tests.tools.adapter_suite import AdapterSuite

Params = Mapping[str, object]


class TestShell(AdapterSuite):
    def make_tool(self) -> ToolAdapter:
        return ShellTool(Children(home_id="home", instance=secrets.token_hex(8)))

    def good_params(self) -> Sequence[Params]:
        return [
            {"command": "echo hello"},
            {"command": ["sh", "-c", "exit 3"], "success_codes": [3]},
            {"command": "cat; echo $COLOUR; seq 100000", "stdin": "text", "env": {"COLOUR": "green"}, "cwd": "."},
            {"command": ["printf", "\\377\\000\\n"]},
        ]

    def bad_params(self) -> Sequence[Params]:
        return [
            {},
            {"command": ""},
            {"command": []},
            {"command": "true", "comand": "true"},
            {"command": "true", "success_codes": [256]},
            {"command": "tr\0ue"},
        ]

    def failing_params(self) -> Sequence[Params]:
        return [
            {"command": "exit 1"},
            {"command": ["no-such-program"]},
            {"command": "true", "cwd": "nowhere"},
            {"command": "exit 75"},
        ]

    def slow_params(self) -> Params | None:
        return {"command": "setsid sleep 600 & touch begun; sleep 600"}

    def slow_call_is_under_way(self, workspace: Path) -> bool:
        return (workspace / "begun").exists()

    def secret_params(self, secret: str) -> Params | None:
        return {"command": f"echo {secret}; echo {secret} >&2; exit 1"}
