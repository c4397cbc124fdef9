"""The text of llms.txt, in the form of llmstxt.org: what this program is, its verbs as the verb table has them, its pages."""

from __future__ import annotations

from collections.abc import Iterator

from dreamos_tasks.interfaces.cli.topics import AGENTS
from dreamos_tasks.interfaces.cli.verb_table import ALIASES, THEMES

HEAD = """\
# dreamos-tasks

> A task board in one file that AI agents and people share, and a daemon that runs the tasks that have commands. Any number of \
agents claim tasks from it, one winner each; what is acknowledged is on the disk; no daemon is needed to add or claim. \
The command is `dt` (or `dreamos-tasks`, or `python -m dreamos_tasks`).

Begin with `dt prime`: in under 1,000 tokens it tells what you hold, what is ready and what to call. `dt setup claude` (codex, \
gemini, cursor, opencode) makes a program work from the board, `dt mcp` serves it over MCP, the daemon at `/mcp` and \
`/api/v1` too. Every verb takes `--json` and `--help`.
"""
TAIL = """\
Exit codes: 0 done, 1 failed, 2 wrong call, 3 not found, 4 refused (the error says why and what to do), 5 nothing ready, 6 no \
board, 7 invalid input. Errors with `--json`: `{"error": {"code", "message", "cause", "fix"}}` on stderr.

From Python: `from dreamos_tasks import TaskNexus, TaskDraft`; `TaskNexus.open("runtime/nexus.db")`; `get_next_task("ada")`; \
`mark_task_completed(task.task_id, token=task.claim.token, result={})`.
"""
PAGES = (
    (
        "Docs",
        (
            (
                "Guide for agents",
                "docs/guides/agents.md",
                "from nothing to two agents at work; claims, results, mail, MCP",
            ),
            ("Reference", "docs/reference.md", "the fields of a task, every verb's JSON, exit codes, inbox, Python"),
            ("Writing a plan", "docs/guides/plans.md", "steps, what they hand on, retries, verification, rollback"),
            ("Tools", "docs/guides/tools.md", "what a step can do: shell, files, http, python, browser, message"),
            ("Errors and retries", "docs/guides/errors.md", "what is tried again, and what an error tells"),
        ),
    ),
    (
        "Optional",
        (
            ("Life of a task", "docs/lifecycle.md", "states, claims, leases, tokens"),
            ("Approvals and questions", "docs/guides/approvals.md", "what people are asked first"),
            ("Limits", "docs/guides/limits.md", "rates, breakers and keys that processes share"),
            ("Architecture", "docs/architecture.md", "how it is built"),
        ),
    ),
)


def llms_text() -> str:
    """The whole file."""
    verbs = "".join(f"{line}\n" for line in _verb_lines())
    pages = "".join(
        f"\n## {title}\n\n" + "".join(f"- [{name}]({path}): {what}\n" for name, path, what in links)
        for title, links in PAGES
    )
    return f"{HEAD}\n```\n{AGENTS}```\n\n{verbs}\n{TAIL}{pages}"


def _verb_lines() -> Iterator[str]:
    for theme, verbs in THEMES.items():
        yield f"**{theme}**"
        yield from (f"- `dt {verb}`: {summary}" for verb, (_, summary) in verbs.items())
        yield ""
    yield "Other words for the same: " + ", ".join(f"`{alias}` = `{verb}`" for alias, verb in ALIASES.items()) + "."
