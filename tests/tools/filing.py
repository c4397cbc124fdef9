"""A workspace with real files, and the tool `files` at work in it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dreamos_tasks.model.tool import ToolContext, ToolResult
from dreamos_tasks.testing import context_in
from dreamos_tasks.testing.surroundings import what_is_in
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.files import FilesOptions, FilesTool

OPTIONS = FilesOptions(min_free_bytes=0)


def files_tool(options: FilesOptions = OPTIONS, *, closed: tuple[Path, ...] = ()) -> FilesTool:
    """A tool of its own."""
    return FilesTool(Children(home_id="home", instance=secrets.token_hex(8)), options, closed=closed)


@dataclass(frozen=True)
class Filing:
    """One task's workspace, and calls in it."""

    tool: FilesTool
    context: ToolContext

    @classmethod
    def in_folder(cls, folder: Path, options: FilesOptions = OPTIONS, *, closed: tuple[Path, ...] = ()) -> Filing:
        return cls(files_tool(options, closed=closed), context_in(folder))

    @property
    def root(self) -> Path:
        """The workspace."""
        return self.context.cwd

    @property
    def all(self) -> Mapping[str, object]:
        """All that is in the workspace: modes and contents by path."""
        return what_is_in(self.root)

    def with_context(self, **changes: Any) -> Filing:
        """The same workspace in another call."""
        return Filing(self.tool, replace(self.context, **changes))

    def file(self, path: str, content: str | bytes = "", *, mode: int = 0o644) -> Path:
        """Puts a file there."""
        made = self.root / path
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_bytes(content.encode() if isinstance(content, str) else content)
        made.chmod(mode)
        return made

    async def do(self, action: str, **params: object) -> ToolResult:
        """One call."""
        return await self.tool.execute({"action": action, **params}, self.context)

    async def undo(self, result: ToolResult) -> ToolResult:
        """Takes a call back."""
        assert result.undo is not None, result
        return await self.tool.undo(result.undo, self.context)
