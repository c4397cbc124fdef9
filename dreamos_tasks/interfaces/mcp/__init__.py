"""The board as an MCP server: over stdio (`dt mcp`), and over HTTP at the daemon's /mcp. Needs the extra `mcp`."""

from __future__ import annotations

from importlib.util import find_spec

from dreamos_tasks.errors import ExtraNotInstalled


def require_mcp(what: str) -> None:
    """Refuse when the MCP library is not there; it is not loaded by this. Raises ExtraNotInstalled."""
    if find_spec("mcp") is None:
        raise ExtraNotInstalled(what, extra="mcp")
