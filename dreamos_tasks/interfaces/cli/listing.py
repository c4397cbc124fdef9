"""Verbs that list tasks: ready, list, search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import click

from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import (
    FILLED,
    PRIORITY,
    STATE,
    TASK_ID,
    agent_option,
    category_option,
    several,
    tag_option,
    watch_option,
)
from dreamos_tasks.interfaces.cli.task_view import show_table, task_document
from dreamos_tasks.interfaces.cli.text import terminal_lines
from dreamos_tasks.interfaces.cli.verb import verb
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.task import Status, Task, priority_from

OTHER_LINES = 4  # of a screen that shows a list: its header, that it is cut, and where the cursor is
DEFAULT_LIMIT = 50  # a screen or two; what an agent reads costs it tokens

limits = several(
    (
        option(
            "--limit",
            metavar="N",
            type=click.IntRange(min=1),
            default=DEFAULT_LIMIT,
            show_default=True,
            help="At most N.",
        ),
        option("--after", metavar="ID", type=TASK_ID, help="Go on behind this task, the last one shown before."),
        option("--all", "no_limit", is_flag=True, help="However many there are."),
    )
)


@verb(
    "list",
    examples=(
        "dt list",
        "dt list --status pending --tag core --limit 20 --json",
        "dt list --status failed --category transient",
        "dt list --agent ada",
    ),
)
@option(
    "--status",
    "-s",
    "statuses",
    type=STATE,
    multiple=True,
    help="In this state; also ready, blocked, scheduled. Several: in any.",
)
@tag_option("With this tag. Several: with all of them.")
@option("--priority", "-p", type=PRIORITY, help="Of this priority.")
@option("--agent", metavar="NAME", type=FILLED, help="Held by, or assigned to.")
@option("--parent", metavar="ID", type=FILLED, help="The children of this task.")
@option("--text", metavar="WORDS", type=FILLED, help="With these words in title or description.")
@category_option
@limits
@watch_option
def list_(
    call: Call,
    statuses: tuple[str, ...],
    tags: tuple[str, ...],
    priority: str | None,
    agent: str | None,
    parent: str | None,
    text: str | None,
    category: str | None,
    limit: int,
    after: str | None,
    no_limit: bool,
    watches: bool,
) -> None:
    """List tasks, newest first. Those that failed (--status failed) with the reason why."""
    query = TaskQuery(
        statuses=frozenset(statuses),
        tags=tags,
        priority=priority_from(priority) if priority is not None else None,
        agent=agent,
        parent_id=call.nexus.get_task_by_id(parent).task_id if parent is not None else None,
        text=text,
        category=ErrorCategory(category) if category is not None else None,
        order=Order.NEWEST,
    )
    if watches:
        from dreamos_tasks.interfaces.cli.watching import watch

        watch(call, lambda: _list(call, query, after=after, limit=min(limit, max(1, terminal_lines() - OTHER_LINES))))
    else:
        _list(call, query, after=after, limit=None if no_limit else limit)


@verb("ready", examples=("dt ready", "dt ready --tag core --json"))
@tag_option("With this tag. Several: with all of them.")
@agent_option
@limits
def ready(call: Call, tags: tuple[str, ...], agent: str | None, limit: int, after: str | None, no_limit: bool) -> None:
    """List what can be claimed now, in the order of claiming. With --agent: what is assigned to that agent."""
    query = TaskQuery(statuses=frozenset({"ready"}), tags=tags, agent=agent, order=Order.QUEUE)
    _list(call, query, after=after, limit=None if no_limit else limit)


@verb("search", examples=("dt search parser", 'dt search "login page" --status pending'))
@click.argument("words", nargs=-1, required=True, type=FILLED)
@option("--status", "-s", "statuses", type=STATE, multiple=True, help="In this state. Several: in any.")
@limits
def search(
    call: Call, words: tuple[str, ...], statuses: tuple[str, ...], limit: int, after: str | None, no_limit: bool
) -> None:
    """Find tasks whose title or description holds the words, in this order and any case. Newest first."""
    query = TaskQuery(text=" ".join(words), statuses=frozenset(statuses), order=Order.NEWEST)
    _list(call, query, after=after, limit=None if no_limit else limit)


def _list(call: Call, query: TaskQuery, *, after: str | None, limit: int | None) -> None:
    nexus, out = call.nexus, call.out
    last = nexus.get_task_by_id(after).task_id if after is not None else None
    found = nexus.find_tasks(replace(query, after=last, limit=limit + 1 if limit is not None else None))
    shown = found[:limit]
    if out.as_json:
        out.document([task_document(nexus, task) for task in shown])
    elif shown and query.statuses == {Status.FAILED.value}:
        from dreamos_tasks.interfaces.cli.dead_letters import retry_command, show_dead_letters

        show_dead_letters(out, nexus, shown)
        out.note(f"{retry_command(query, shown)} gives a fresh start; dt show ID tells more of one")
    elif shown:
        show_table(out, nexus, shown, progress=_progress(call, shown))
    else:
        out.note("no task" + _why_none(call, query))
    if len(found) > len(shown):
        out.hint(f"truncated: {len(shown)} are shown; --after {shown[-1].task_id} shows the next, --all shows all")


def _progress(call: Call, tasks: Sequence[Task]) -> Mapping[str, str]:
    """How far those are that somebody works on."""
    if not any(task.claim is not None and (task.plan or task.progress) for task in tasks):
        return {}
    from dreamos_tasks.interfaces.cli.eta import progress_cells

    return progress_cells(call, tasks)


def _why_none(call: Call, query: TaskQuery) -> str:
    """What may have been meant instead of a tag that no task has, or how to begin."""
    tags: Sequence[str] = tuple(call.nexus.stats()["tag"])
    for tag in query.tags:
        if tag not in tags:
            from difflib import get_close_matches

            near = get_close_matches(tag, tags, n=2)
            return f" is tagged {tag}" + (f"; did you mean {' or '.join(near)}?" if near else "")
    return " fits" if call.nexus.store.last_seq() else ' on this board yet: dt add "what is to be done" puts one on it'
