"""The board as an MCP server: over stdio (`dt mcp`), and over HTTP at the daemon's /mcp. Needs the extra `mcp`."""

from __future__ import annotations

from importlib.util import find_spec

from dreamos_tasks.errors import UsageError


class ExtraNotInstalled(UsageError):
    """What was asked for needs a library that is not installed; names what installs it."""

    code = "extra_missing"

    def __init__(self, what: str, *, extra: str) -> None:
        super().__init__(
            f"{what} needs the extra `{extra}`, which is not installed",
            cause="not everybody needs it, so it is not installed with the rest",
            fix=f"pip install 'dreamos-tasks[{extra}]' (or: uv tool install 'dreamos-tasks[{extra}]')",
        )


def require_mcp(what: str) -> None:
    """Refuse when the MCP library is not there; it is not loaded by this. Raises ExtraNotInstalled."""
    if find_spec("mcp") is None:
        raise ExtraNotInstalled(what, extra="mcp")
