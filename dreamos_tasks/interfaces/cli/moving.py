"""Verbs that move whole boards: import, export."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dreamos_tasks.errors import InvalidInput, UsageError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.given import unreadable
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import FILLED, STATE, OneOf
from dreamos_tasks.interfaces.cli.streams import read_stdin
from dreamos_tasks.interfaces.cli.text import count, harmless
from dreamos_tasks.interfaces.cli.verb import verb
from dreamos_tasks.model.told_form import task_told

if TYPE_CHECKING:
    from dreamos_tasks.app.importing import ImportReport
    from dreamos_tasks.intake.formats.sources import Source

READ_FORMATS = ("auto", "boards", "json", "jsonl")
WRITTEN_FORMATS = ("json", "jsonl", "markdown", "boards")


@verb(
    "import",
    examples=(
        "dt import old-board/ --dry-run     (a board in four files: task_backlog.json, working_tasks.json, ...)",
        "dt import tasks.json",
        "dt export --format jsonl | dt --home ../other import - --format jsonl",
    ),
)
@click.argument("source", metavar="FILE|DIR|-", type=FILLED)
@option(
    "--format",
    "form",
    type=OneOf("format", READ_FORMATS),
    default="auto",
    show_default=True,
    help="boards: four files in a folder; json: a list; jsonl: a task a line.",
)
@option("--dry-run", is_flag=True, help="Say what would come, and add nothing.")
def import_(call: Call, source: str, form: str, dry_run: bool) -> None:
    """Bring tasks of another board here, and say what was mapped, kept or refused. Again adds nothing: each id comes once.

    What no field says is kept in `extra`. What was in progress there is pending here. Exits 7 when a task was refused.
    """
    from dreamos_tasks.app.importing import import_tasks

    report = import_tasks(call.nexus, _read(source, form), home=call.home, dry_run=dry_run)
    if call.out.as_json:
        call.out.document(_form(report, dry_run=dry_run))
    else:
        _show(call, report, dry_run=dry_run)
    call.exit_code = InvalidInput.exit_code if report.refused else 0


@verb(
    "export",
    examples=(
        "dt export > board.json",
        "dt export --format markdown --status pending",
        "dt export --format boards --output old-board/",
    ),
)
@option(
    "--format",
    "form",
    type=OneOf("format", WRITTEN_FORMATS),
    default="json",
    show_default=True,
    help="json: one array; jsonl: a task a line; markdown: for people; boards: four files in a folder.",
)
@option("--output", "-o", metavar="FILE|DIR", type=FILLED, help="Write it there instead of to stdout.")
@option("--status", "statuses", type=STATE, multiple=True, help="Only tasks in this state. Several: in any of them.")
def export(call: Call, form: str, output: str | None, statuses: tuple[str, ...]) -> None:
    """Write out all tasks. `dt import` reads json, jsonl and boards again."""
    from dreamos_tasks.app.exporting import all_tasks, as_markdown, check_folder, write_boards, write_lines

    tasks = all_tasks(call.nexus, frozenset(statuses))
    if form == "boards":
        if output is None:
            raise UsageError("a board in four files needs a folder", fix="--output DIR")
        folder = Path(output)
        check_folder(folder)
        _told(call, folder, write_boards(tasks, folder))
        return
    if form == "markdown":
        lines = as_markdown(tasks)
    else:
        texts = (json.dumps(task_told(task), ensure_ascii=False) for task in tasks)
        lines = texts if form == "jsonl" else _array(texts)
    if output is None:
        for line in lines:
            call.out.text(line + "\n")
        return
    write_lines(lines, Path(output))
    call.out.note(f"written to {output}")


def _read(source: str, form: str) -> Source:
    from dreamos_tasks.intake.formats.sources import read_source, read_stream

    try:
        return read_stream(read_stdin(), format=form) if source == "-" else read_source(Path(source), format=form)
    except OSError as error:
        raise unreadable(source, error) from error


def _form(report: ImportReport, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "added": dict(report.added),
        "here": dict(report.here),
        "refused": dict(report.refused),
        "notes": [{"kind": note.kind.value, "where": note.where, "said": note.said} for note in report.notes],
    }


def _show(call: Call, report: ImportReport, *, dry_run: bool) -> None:
    out = call.out
    for note in report.notes:
        out.line(f"{note.kind.value:<8}  {harmless(note.where)}  {harmless(note.said)}")
    for source_id, reason in report.refused.items():
        out.line(f"refused   {harmless(source_id)}  {harmless(reason)}")
    verb = "would come" if dry_run else "added"
    said = [f"{count(len(report.added), 'task')} {verb}"]
    said += [f"{len(report.here)} here already"] if report.here else []
    said += [f"{len(report.refused)} refused"] if report.refused else []
    out.note(", ".join(said))


def _array(texts: Iterable[str]) -> Iterator[str]:
    """A JSON array with a task a line."""
    between = "["
    for text in texts:
        yield f"{between}{text}"
        between = ","
    yield "]" if between == "," else "[]"


def _told(call: Call, place: Path, counts: Mapping[str, int]) -> None:
    if call.out.as_json:
        call.out.document({"path": str(place), "tasks": dict(counts)})
    else:
        call.out.note(f"{place}: " + ", ".join(f"{name} {number}" for name, number in counts.items()))
