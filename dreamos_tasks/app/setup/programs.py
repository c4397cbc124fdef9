"""The programs that can be set up: where each keeps its settings, and in which form. Nothing but a table.

Taken from their documentation as of November 2026: Claude Code (.mcp.json, ~/.claude.json, hooks in settings.json, CLAUDE.md),
Codex (config.toml, hooks.json, AGENTS.md; a project's are read once it is trusted), Gemini CLI (settings.json, GEMINI.md),
Cursor (mcp.json, hooks.json version 1, AGENTS.md in a project), OpenCode (opencode.json, AGENTS.md; it has plugins, no hooks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

SERVER = "dreamos-tasks"  # the name under which the board is found in each program
STARTS = "startup|resume|clear|compact"  # when Claude Code begins with an empty memory, or one that was cut


class Scope(StrEnum):
    """For whom a program is set up."""

    PROJECT = "project"
    USER = "user"


class Form(StrEnum):
    """What is written, and so how."""

    MCP_JSON = "mcp_json"  # `{"command", "args"}` by the server's name, in an object
    MCP_OPENCODE = "mcp_opencode"  # `{"type": "local", "command": [...], "enabled"}`
    MCP_TOML = "mcp_toml"  # a table
    HOOK_GROUP = "hook_group"  # `{"matcher", "hooks": [{"type", "command"}]}` in a list of the event's
    HOOK_PLAIN = "hook_plain"  # `{"command"}` in a list of the event's
    TEXT = "text"  # what an agent reads, as Markdown


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing that is written: into which file, below the root of the scope, and under which keys."""

    file: str
    form: Form
    keys: tuple[str, ...] = ()
    matcher: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program. `folder_variable` names the user's folder of its settings instead of `folder`, below the user's home."""

    name: str
    title: str
    project: tuple[Part, ...]
    user: tuple[Part, ...]
    folder: str = ""
    folder_variable: str = ""
    then: str

    def parts(self, scope: Scope) -> tuple[Part, ...]:
        """What is written for this scope."""
        return self.project if scope is Scope.PROJECT else self.user


def _hook(file: str, *keys: str, matcher: str | None = None) -> Part:
    return Part(file=file, form=Form.HOOK_GROUP, keys=keys, matcher=matcher)


PROGRAMS: Sequence[Program] = (
    Program(
        name="claude",
        title="Claude Code",
        project=(
            Part(file=".mcp.json", form=Form.MCP_JSON, keys=("mcpServers",)),
            _hook(".claude/settings.json", "hooks", "SessionStart", matcher=STARTS),
            Part(file="CLAUDE.md", form=Form.TEXT),
        ),
        user=(
            Part(file=".claude.json", form=Form.MCP_JSON, keys=("mcpServers",)),
            _hook(".claude/settings.json", "hooks", "SessionStart", matcher=STARTS),
            Part(file=".claude/CLAUDE.md", form=Form.TEXT),
        ),
        then="start claude here and approve the server dreamos-tasks when it asks; /mcp shows it",
    ),
    Program(
        name="codex",
        title="Codex",
        project=(
            Part(file=".codex/config.toml", form=Form.MCP_TOML, keys=("mcp_servers",)),
            _hook(".codex/hooks.json", "hooks", "SessionStart", matcher="startup|resume|clear"),
            Part(file="AGENTS.md", form=Form.TEXT),
        ),
        user=(
            Part(file="config.toml", form=Form.MCP_TOML, keys=("mcp_servers",)),
            _hook("hooks.json", "hooks", "SessionStart", matcher="startup|resume|clear"),
            Part(file="AGENTS.md", form=Form.TEXT),
        ),
        folder=".codex",
        folder_variable="CODEX_HOME",
        then="start codex here and trust the project and its hook when it asks; /mcp shows the server",
    ),
    Program(
        name="gemini",
        title="Gemini CLI",
        project=(
            Part(file=".gemini/settings.json", form=Form.MCP_JSON, keys=("mcpServers",)),
            _hook(".gemini/settings.json", "hooks", "SessionStart"),
            Part(file="GEMINI.md", form=Form.TEXT),
        ),
        user=(
            Part(file=".gemini/settings.json", form=Form.MCP_JSON, keys=("mcpServers",)),
            _hook(".gemini/settings.json", "hooks", "SessionStart"),
            Part(file=".gemini/GEMINI.md", form=Form.TEXT),
        ),
        then="start gemini here; /mcp shows the server",
    ),
    Program(
        name="cursor",
        title="Cursor",
        project=(
            Part(file=".cursor/mcp.json", form=Form.MCP_JSON, keys=("mcpServers",)),
            Part(file=".cursor/hooks.json", form=Form.HOOK_PLAIN, keys=("hooks", "sessionStart")),
            Part(file="AGENTS.md", form=Form.TEXT),
        ),
        user=(
            Part(file=".cursor/mcp.json", form=Form.MCP_JSON, keys=("mcpServers",)),
            Part(file=".cursor/hooks.json", form=Form.HOOK_PLAIN, keys=("hooks", "sessionStart")),
        ),
        then="restart Cursor and switch the server dreamos-tasks on in its settings",
    ),
    Program(
        name="opencode",
        title="OpenCode",
        project=(
            Part(file="opencode.json", form=Form.MCP_OPENCODE, keys=("mcp",)),
            Part(file="AGENTS.md", form=Form.TEXT),
        ),
        user=(
            Part(file="opencode.json", form=Form.MCP_OPENCODE, keys=("mcp",)),
            Part(file="AGENTS.md", form=Form.TEXT),
        ),
        folder=".config/opencode",
        then="start opencode here; opencode mcp list shows the server",
    ),
)
BY_NAME = {program.name: program for program in PROGRAMS}

BESIDE: dict[Form, dict[str, Any]] = {Form.HOOK_PLAIN: {"version": 1}}  # what a new file has to hold as well
