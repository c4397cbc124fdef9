"""The verb inbox: what waits, what was rejected and why, what was accepted; a file checked before it is dropped."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.given import unreadable
from dreamos_tasks.interfaces.cli.options import FILLED
from dreamos_tasks.interfaces.cli.text import ago, count, harmless, harmless_block
from dreamos_tasks.interfaces.cli.verb_group import verb_group
from dreamos_tasks.interfaces.documents import inbox_files

if TYPE_CHECKING:
    from dreamos_tasks.app.inbox_folder import DroppedFile
    from dreamos_tasks.intake.drafts import Reading

SHOWN_ACCEPTED = 10
STDIN = "-"


@verb_group(
    "inbox",
    examples=("dt inbox", "dt inbox validate task.json", "cp task.json $(dt inbox path)/", "dt inbox retry bad.json"),
)
def inbox(call: Call) -> None:
    """List the inbox: what waits, what was rejected and why, what was accepted of late."""
    from dreamos_tasks.app.daemon_lock import running_daemon
    from dreamos_tasks.app.inbox_folder import read_inbox

    folder = call.home.inbox(call.settings.inbox)
    found = read_inbox(folder, newest=SHOWN_ACCEPTED)
    if call.out.as_json:
        groups = {"waiting": found.waiting, "rejected": found.rejected, "accepted": found.accepted}
        call.out.document(
            {
                "path": str(folder),
                **{name: list(inbox_files(files)) for name, files in groups.items()},
                "folders": [str(path) for path in found.folders],
            }
        )
        return
    call.out.line(str(folder))
    for word, files in (("waiting", found.waiting), ("rejected", found.rejected), ("accepted", found.accepted)):
        for file in files:
            _show(call, word, file)
    for path in found.folders:
        _show_folder(call, folder, path)
    if not (found.waiting or found.rejected or found.accepted or found.folders):
        call.out.note("nothing was dropped here yet; dt help inbox says how")
    if found.waiting and running_daemon(call.home.daemon_file) is None:
        call.out.note("the daemon takes files in, and is not running: dt up starts it")
    if found.rejected:
        call.out.note("mend the file and drop it again, or as it is: dt inbox retry NAME")


@inbox.below("path", examples=("dt inbox path", "mv task.json.part $(dt inbox path)/task.json"))
def inbox_path(call: Call) -> None:
    """Say where the inbox is."""
    folder = str(call.home.inbox(call.settings.inbox))
    if call.out.as_json:
        call.out.document({"path": folder})
    else:
        call.out.line(folder)


@inbox.below(
    "validate",
    examples=("dt inbox validate task.json", "dt inbox validate *.json --json", "generate | dt inbox validate -"),
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FILLED)
def inbox_validate(call: Call, files: tuple[str, ...]) -> None:
    """Say what the inbox would say to these files, and add nothing. Exits 7 when one would be rejected."""
    answers = [_answer(call, file) for file in files]
    bad = [answer for answer in answers if not answer["ok"]]
    if call.out.as_json:
        call.out.document(answers[0] if len(answers) == 1 else answers)
    else:
        for answer in answers:
            _show_answer(call, answer)
    call.exit_code = InvalidInput.exit_code if bad else 0


@inbox.below("retry", examples=("dt inbox retry bad.json",))
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=FILLED)
def inbox_retry(call: Call, names: tuple[str, ...]) -> None:
    """Put rejected files back into the inbox, as they lie there now."""
    from dreamos_tasks.app.inbox_folder import put_back
    from dreamos_tasks.board.doorbell import Doorbell

    folder = call.home.inbox(call.settings.inbox)
    paths = [put_back(folder, name) for name in names]
    Doorbell(call.home.doorbell).ring()
    if call.out.as_json:
        call.out.document([str(path) for path in paths])
    else:
        for path in paths:
            call.out.line(f"put back {path}")


def _answer(call: Call, file: str) -> dict[str, Any]:
    """The same as would stand in the note of a rejection, or how many tasks there are."""
    from dreamos_tasks.app.reading import judge_file, read_work
    from dreamos_tasks.intake.filing import note_of

    reading: Reading | InvalidInput
    limits = call.settings.inbox
    try:
        if file == STDIN:
            reading = read_work(sys.stdin.buffer.read(), home=call.home, limits=limits, created_by="inbox")
        else:
            reading = judge_file(Path(file).absolute(), home=call.home, limits=limits)
    except InvalidInput as error:
        reading = error
    except OSError as error:
        raise unreadable(file, error) from error
    if isinstance(reading, InvalidInput):
        return {"file": file, "ok": False, "error": note_of(reading)}
    notices = [notice.to_json() for notice in reading.notices]
    return {"file": file, "ok": True, "tasks": len(reading.drafts), "warnings": notices}


def _show_answer(call: Call, answer: Mapping[str, Any]) -> None:
    name = harmless(answer["file"])
    if not answer["ok"]:
        call.out.line(f"{name}: would be rejected")
        for line in _reasons(answer["error"]):
            call.out.line(f"  {line}")
        return
    call.out.line(f"{name}: {count(answer['tasks'], 'task')}")
    for notice in answer["warnings"]:
        call.out.line(f"  {harmless(notice['pointer'])}: {harmless(notice['message'])}")


def _show(call: Call, word: str, file: DroppedFile) -> None:
    ids = ", ".join(map(str, file.note.get("task_ids", ())))
    more = f": {harmless(ids)}" if ids else ""
    call.out.line(f"  {word:<8}  {harmless(file.name)}  ({ago(file.at, datetime.now(UTC))}){more}")
    if word == "rejected":
        for line in _reasons(file.note):
            call.out.line(f"              {line}")


def _show_folder(call: Call, inbox: Path, path: Path) -> None:
    """It is named like a file of tasks, and what happens to it is not what was meant, perhaps."""
    name = harmless(str(path.relative_to(inbox)))
    fate = (
        f"what is dropped into it is assigned to the agent {harmless(path.name)}"
        if path.parent == inbox
        else "it is not looked into"
    )
    call.out.line(f"  {'folder':<8}  {name}/  is no file of tasks: {fate}")


def _reasons(note: Mapping[str, Any]) -> list[str]:
    """Each problem of a rejection in a line, with its fix."""
    lines = []
    for problem in note.get("problems") or [note]:
        place = f"line {problem['line']}, " if problem.get("line") else ""
        place += str(problem.get("pointer") or "the whole")
        expected = f"; expected {problem['expected']}" if problem.get("expected") else ""
        lines.append(harmless_block(f"{place}: {problem.get('message', 'no reason is noted')}{expected}"))
        if problem.get("fix"):
            lines.append(harmless_block(f"  fix: {problem['fix']}"))
    return lines
