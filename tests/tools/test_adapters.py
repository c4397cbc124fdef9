"""Every built-in tool passes the adapter suite. A tool adds a class of its own, here or in its own test module."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from dreamos_tasks.protocols import ToolAdapter
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.files import FilesTool
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


class TestFiles(AdapterSuite):
    def make_tool(self) -> ToolAdapter:
        return FilesTool(Children(home_id="home", instance=secrets.token_hex(8)))

    def prepare(self, workspace: Path) -> None:
        (workspace / "folder").mkdir()
        (workspace / "folder" / "link").symlink_to("../notes.txt")
        (workspace / "notes.txt").write_text("one\ntwo\n")
        (workspace / "notes.txt").chmod(0o640)
        (workspace / "other.txt").write_text("other")
        (workspace / "slow.txt").write_text("a" * 60 + "b")

    def good_params(self) -> Sequence[Params]:
        return [
            {"action": "write", "path": "new/file.txt", "content": "text"},
            {"action": "write", "path": "notes.txt", "content": "AP8=", "encoding": "base64"},
            {"action": "read", "path": "folder/link", "offset": 1, "limit": 5},
            {"action": "edit", "path": "folder/link", "old": "two", "new": "three"},
            {"action": "move", "path": "notes.txt", "to": "other.txt", "overwrite": True},
            {"action": "move", "path": "folder", "to": "new/place/folder"},
            {"action": "delete", "path": "notes.txt"},
            {"action": "delete", "path": "folder", "recursive": True},
            {"action": "delete", "path": "folder/link"},
            {"action": "glob", "pattern": "**/*.txt", "kind": "any"},
            {"action": "grep", "pattern": "t[a-z]o", "glob": "*.txt", "ignore_case": True},
        ]

    def bad_params(self) -> Sequence[Params]:
        return [
            {},
            {"action": "chmod", "path": "notes.txt"},
            {"action": "read"},
            {"action": "write", "path": "a", "content": "!", "encoding": "base64"},
            {"action": "edit", "path": "notes.txt", "old": "", "new": "x"},
            {"action": "move", "path": "notes.txt", "too": "x"},
            {"action": "grep", "pattern": "(", "path": "."},
            {"action": "glob", "pattern": "/etc/*"},
        ]

    def failing_params(self) -> Sequence[Params]:
        return [
            {"action": "read", "path": "missing"},
            {"action": "read", "path": "../secret"},
            {"action": "write", "path": "notes.txt/below", "content": ""},
            {"action": "edit", "path": "notes.txt", "old": "four", "new": "five"},
            {"action": "move", "path": "notes.txt", "to": "other.txt"},
            {"action": "delete", "path": "folder"},
            {"action": "grep", "pattern": "x", "path": "missing"},
        ]

    def slow_params(self) -> Params | None:
        return {"action": "grep", "pattern": "(a+)+$", "path": "slow.txt"}

    def slow_call_is_under_way(self, workspace: Path) -> bool:
        return bool(psutil.Process().children())

    def secret_params(self, secret: str) -> Params | None:
        return {"action": "edit", "path": "missing-" + secret, "old": secret, "new": secret}
