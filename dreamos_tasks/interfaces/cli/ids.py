"""Task ids on the command line: prefixes, several at once, `-` for ids on stdin, and one answer for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dreamos_tasks.errors import DreamosError, UsageError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.task_view import task_document
from dreamos_tasks.model.task import Task

STDIN = "-"


def task_ids(call: Call, ids: Sequence[str]) -> list[str]:
    """The ids as they were given, with those on stdin (a word a line; what follows on the line is ignored) for `-`."""
    given: list[str] = []
    for word in ids:
        if word == STDIN:
            given.extend(line.split()[0] for line in call.read_stdin().splitlines() if line.strip())
        else:
            given.append(word)
    if not given:
        raise UsageError("there is no id on stdin", fix="dt list --status pending | dt pause -, or name the ids")
    return list(dict.fromkeys(given))


def one_id(call: Call, ids: Sequence[str], *, because: str) -> str:
    """The only id. Raises UsageError when there are several."""
    given = task_ids(call, ids)
    if len(given) > 1:
        raise UsageError(f"{because} goes with one id, not with {len(given)}", fix="say the verb once for each task")
    return given[0]


def for_each(
    call: Call, ids: Sequence[str], act: Callable[[str], Task], *, say: Callable[[Task], str], several: bool = False
) -> None:
    """Do it to every task, whatever happens to the others, and show what they are now.

    One id gives one document, several give an array (with `several`, so does one). What was refused is said at the end;
    the first refusal's exit code is the command's.
    """
    done: list[Task] = []
    refused: list[DreamosError] = []
    for task_id in task_ids(call, ids):
        try:
            done.append(act(task_id))
        except DreamosError as error:
            refused.append(error)
    is_one = len(ids) == 1 and ids[0] != STDIN and not several
    if call.out.as_json:
        documents = [task_document(call.nexus, task) for task in done]
        if not is_one:
            call.out.document(documents)
        elif documents:
            call.out.document(documents[0])
    else:
        for task in done:
            call.out.line(say(task))
    if refused:
        call.out.error(refused[0], others=refused[1:])
        call.exit_code = refused[0].exit_code
