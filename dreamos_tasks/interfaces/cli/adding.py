"""The verb that puts work on the board: add."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from dreamos_tasks.errors import UsageError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.draft_options import draft_options, fields_of
from dreamos_tasks.interfaces.cli.ids import STDIN
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import FILLED, agent_option
from dreamos_tasks.interfaces.cli.task_view import state_word, task_document
from dreamos_tasks.interfaces.cli.text import harmless
from dreamos_tasks.interfaces.cli.verb import verb
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.task import Task, TaskDraft

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dreamos_tasks.intake.drafts import Reading


@verb(
    "add",
    examples=(
        'dt add "Fix the parser" --priority high --tag core --depends-on dt-1a2b --run "make test"',
        'dt add "Write the guide" --verify "make docs" --assign ada',
        "dt add --file task.json",
        'echo \'{"title": "Fix the parser"}\' | dt add -',
        'git diff | dt add "Review this" --stdin',
    ),
)
@click.argument("title", nargs=-1)
@draft_options(FILLED)
@option("--dedupe-key", metavar="KEY", type=FILLED, help="A second add with this key gives the first task.")
@option("--file", "-f", "file", metavar="FILE", type=FILLED, help="Tasks from a JSON or JSONL file; - is stdin.")
@option("--body-file", metavar="FILE", type=FILLED, help="The description from a file; - is stdin.")
@option("--stdin", "body_on_stdin", is_flag=True, help="The description from stdin.")
@option("--wait", "waits", is_flag=True, help="Wait for its end; exit with its result.")
@agent_option
def add(
    call: Call,
    title: tuple[str, ...],
    file: str | None,
    body_file: str | None,
    body_on_stdin: bool,
    waits: bool,
    agent: str | None,
    **asked: Any,
) -> None:
    """Add a task, or all tasks of a JSON file, or of stdin when TITLE is -. Prints the ids.

    Options marked + may be given several times. The priority is medium unless you say another.
    """
    created_by = call.actor(agent)
    if file is not None or title == (STDIN,):
        _refuse_beside_file(title, {**asked, "body_file": body_file, "stdin": body_on_stdin}, file=file)
        drafts, is_array = _drafts_from(call, file or STDIN, created_by=created_by)
    else:
        if body_on_stdin or body_file is not None:
            asked["description"] = _body(call, asked["description"], STDIN if body_on_stdin else body_file or STDIN)
        drafts, is_array = [_draft(call, _title(title), asked, created_by=created_by)], False
    call.makes_board = True
    known = _known(call, drafts)
    tasks = call.nexus.add_tasks(drafts)
    if waits:
        from dreamos_tasks.interfaces.cli.following import wait_for

        _say_added(call, tasks, known)
        wait_for(call, [task.task_id for task in tasks], timeout_seconds=None, as_array=is_array)
        return
    if call.out.as_json:
        documents = [task_document(call.nexus, task) for task in tasks]
        call.out.document(documents if is_array else documents[0])
        return
    for task in tasks:
        call.out.line(task.task_id)
    _say_added(call, tasks, known)


def _known(call: Call, drafts: Sequence[TaskDraft]) -> frozenset[str]:
    """The tasks that drafts with a `dedupe_key` are answered with."""
    keys = {draft.dedupe_key for draft in drafts if draft.dedupe_key is not None}
    found = (call.nexus.find_tasks(TaskQuery(dedupe_key=key, limit=1)) for key in keys)
    return frozenset(task.task_id for tasks in found for task in tasks)


def _draft(call: Call, title: str, asked: Mapping[str, Any], *, created_by: str) -> TaskDraft:
    fields = fields_of(call, asked)
    if "plan" in fields or "verify" in fields:
        fields["context"] = {"cwd": os.getcwd()}
    return TaskDraft(title=title, created_by=created_by, **fields)


def _title(words: Sequence[str]) -> str:
    if len(words) > 1:
        raise UsageError(
            f"a title is one argument, not {len(words)}",
            cause="the shell takes words apart at blanks",
            fix=f'dt add "{" ".join(words)}"',
        )
    return words[0] if words else ""


def _body(call: Call, description: str | None, source: str) -> str:
    if description:
        raise UsageError(
            "there are two descriptions",
            cause="--description and --stdin or --body-file each give one",
            fix="leave one out",
        )
    from dreamos_tasks.interfaces.cli.given import file_text

    return file_text(call, source)


def _refuse_beside_file(title: Sequence[str], asked: Mapping[str, Any], *, file: str | None) -> None:
    given = [f"--{name.replace('_', '-')}" for name, value in asked.items() if value]
    if title and file is not None:
        given.insert(0, "TITLE")
    if given:
        raise UsageError(
            f"{', '.join(given)} cannot go with tasks from a file",
            cause="the file says all there is to say about its tasks",
            fix="write it into the file, or leave the file out",
        )


def _drafts_from(call: Call, source: str, *, created_by: str) -> tuple[Sequence[TaskDraft], bool]:
    """The tasks of a file, and whether it holds an array of them. Raises InvalidInput, with a JSON Pointer."""
    if source == STDIN and sys.stdin.isatty():
        call.out.note("reading JSON from the terminal; Ctrl-D ends it")
    from dreamos_tasks.app.reading import read_work
    from dreamos_tasks.interfaces.cli.given import file_text

    reading = read_work(file_text(call, source), home=call.home, limits=call.settings.inbox, created_by=created_by)
    say_notices(call, reading)
    return reading.drafts, reading.is_array


def say_notices(call: Call, reading: Reading) -> None:
    """What was let pass, and where."""
    for notice in reading.notices:
        where = f"{harmless(notice.pointer)}: " if notice.pointer else ""
        call.out.note(f"note: {where}{harmless(notice.message)}")


def _say_added(call: Call, tasks: Sequence[Task], known: frozenset[str]) -> None:
    if call.out.as_json:
        return
    for task in tasks:
        said = f"{task.task_id}, {state_word(call.nexus, task)}: {harmless(task.title)}"
        call.out.note(f"duplicate of {said}; no task was added" if task.task_id in known else f"added {said}")
        if task.limits:
            from dreamos_tasks.interfaces.cli.limit_lines import limit_lines

            for line in limit_lines(task, call.settings):
                call.out.note(f"note: {line}")
    if any(task.plan is not None for task in tasks) and not call.home.daemon_file.exists():
        call.out.note("the daemon runs it, and is not running: dt up starts it")
