"""Verbs about the board as a file: backup, and board info, check, convert, restore."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dreamos_tasks.errors import BoardGone, NotFound, Refused, UsageError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import FILLED, SECONDS
from dreamos_tasks.interfaces.cli.text import count
from dreamos_tasks.interfaces.cli.verb import verb
from dreamos_tasks.interfaces.cli.verb_group import verb_group

if TYPE_CHECKING:
    from dreamos_tasks.app.board_care import BoardFacts

KINDS = ("json", "sqlite")
SHOWN_PROBLEMS = 20


@verb("backup", examples=("dt backup ~/board-monday.db", "dt backup /mnt/safe/board.db --json"))
@click.argument("file", type=FILLED)
def backup(call: Call, file: str) -> None:
    """Copy the board to a new FILE, complete and at one instant, while others go on working."""
    from dreamos_tasks.app.board_care import back_up_board

    target = _target(file)
    _require_board(call)
    _require_folder(target)
    if target.exists() or target.is_symlink():
        raise Refused(f"{target} is there already", fix="name a new file, or move that one away first")
    _show_facts(call, back_up_board(call.nexus.store, target), verb="copied to")
    call.out.note(f"to bring it back: dt board restore {target}")


@verb_group(
    "board",
    examples=("dt board", "dt board check", "dt board convert --to json", "dt board restore FILE", "dt board prune"),
)
def board(call: Call) -> None:
    """Say what the board is (as board info does); check, convert, restore or prune it."""
    _info(call)


@board.below("info", examples=("dt board info", "dt board info --json"))
def board_info(call: Call) -> None:
    """Say where the board is, of which kind, and how large."""
    _info(call)


@board.below("check", examples=("dt board check", "dt board check --json"))
def board_check(call: Call) -> None:
    """Check every page of the file, and that the event log tells the same as the tasks. Exits 1 when something is wrong."""
    from dreamos_tasks.app.board_care import facts_of, soundness_problems

    path = _require_board(call)
    problems = list(soundness_problems(call.nexus.store, path))
    facts = facts_of(call.nexus.store, path)
    if call.out.as_json:
        call.out.document({"ok": not problems, "problems": problems, **_form(facts)})
    elif not problems:
        call.out.line(f"{path} is sound: {count(facts.tasks, 'task')}, newest event {facts.last_seq}")
    else:
        call.out.line(f"{path} is not sound:")
        for problem in problems[:SHOWN_PROBLEMS]:
            call.out.line(f"  {problem}")
        if len(problems) > SHOWN_PROBLEMS:
            call.out.hint(f"truncated: {len(problems) - SHOWN_PROBLEMS} more with --json")
    call.exit_code = 1 if problems else 0


@board.below("convert", examples=("dt board convert --to json", "dt board convert --to sqlite --out /srv/board.db"))
@option("--to", "kind", type=click.Choice(KINDS), required=True, help="The kind of the new board.")
@option("--out", "out", metavar="PATH", type=FILLED, help="Where to. [default: beside the old one]")
def board_convert(call: Call, kind: str, out: str | None) -> None:
    """Copy the board into one of another kind, without loss. The old one stays in use until config.yaml says otherwise."""
    from dreamos_tasks.app.board_care import convert_board, kind_of

    path = _require_board(call)
    if out is None and kind_of(path) == kind:
        raise UsageError(f"the board is {kind} already", fix=f"dt backup FILE copies it; or --out PATH: {path} stays")
    target = _target(out) if out is not None else path.with_suffix(".json" if kind == "json" else ".db")
    _require_folder(target)
    facts = convert_board(call.home, call.settings, kind=kind, target=target)
    _show_facts(call, facts, verb="copied to")
    shown = "" if target.parent == call.home.runtime and target.stem == "nexus" else f", path: {target}"
    call.out.note(f"to use it, write in {call.home.config}: board: {{store: {kind}{shown}}}")


@board.below("restore", examples=("dt board restore ~/board-monday.db", "dt board restore board.db --yes --json"))
@click.argument("file", type=FILLED)
@option("--yes", is_flag=True, help="Do not ask.")
def board_restore(call: Call, file: str, yes: bool) -> None:
    """Put a copy in the board's place. It is checked first, and the old board is kept beside it. Not while a daemon runs."""
    from dreamos_tasks.app.board_care import restore_board

    path = call.home.board(call.settings.board)
    if path.exists():
        _ask(call, f"Put {file} in the place of {path}? (The old board is kept.)", yes=yes)
    facts, aside = restore_board(call.home, call.settings, _target(file))
    if call.out.as_json:
        call.out.document({**_form(facts), "kept": None if aside is None else str(aside)})
        return
    call.out.line(f"restored {count(facts.tasks, 'task')}, newest event {facts.last_seq} to {facts.path}")
    if aside is not None:
        call.out.line(f"the old board is kept as {aside}")


@board.below("prune", examples=("dt board prune --older-than 90d --dry-run", "dt board prune --older-than 90d --yes"))
@option("--older-than", "seconds", type=SECONDS, help="Of tasks that ended so long ago. [default: as retention says]")
@option("--dry-run", is_flag=True, help="Only say what would be removed.")
@option("--yes", is_flag=True, help="Do not ask.")
def board_prune(call: Call, seconds: float | None, dry_run: bool, yes: bool) -> None:
    """Remove what tasks that are long over have left: their run folders, and all but two events of their histories.

    Tasks themselves stay, with result and links, and so does all that is not over. What was removed cannot be undone.
    """
    from dreamos_tasks.monitoring.pruning import Pruner, prune_now

    _require_board(call)
    runs_before, events_before = _horizons(call, seconds)
    if not dry_run:
        _ask(call, "Remove the run folders and shorten the histories of tasks that are long over?", yes=yes)
    pruner = Pruner(call.home.runs, is_dry=dry_run)
    pruned = prune_now(pruner, call.nexus, runs_before=runs_before, events_before=events_before)
    if call.out.as_json:
        call.out.document({**asdict(pruned), "dry_run": dry_run})
    else:
        would = "would remove" if dry_run else "removed"
        histories = "1 history" if pruned.histories == 1 else f"{pruned.histories} histories"
        call.out.line(
            f"{would} {count(pruned.events, 'event')} of {histories}, "
            f"and the run folders of {count(pruned.folders, 'task')} ({pruned.bytes} bytes)"
        )
    for reason in pruned.kept:
        call.out.hint(f"not removed: {reason}")
    call.exit_code = 1 if pruned.kept else 0


def _horizons(call: Call, seconds: float | None) -> tuple[datetime | None, datetime | None]:
    """Before which instant tasks must have ended: for their run folders, and for their histories."""
    from dreamos_tasks.monitoring.pruning import days_before

    now, kept = call.nexus.clock.now(), call.settings.retention
    if seconds is not None:
        return now - timedelta(seconds=seconds), now - timedelta(seconds=seconds)
    if kept.runs_days is None and kept.events_days is None:
        raise UsageError(
            "nothing says how old what is to be removed must be",
            cause="retention.runs_days and retention.events_days are not set: everything is kept",
            fix="dt board prune --older-than 90d --dry-run",
        )
    runs, events = (None if days is None else days_before(now, days) for days in (kept.runs_days, kept.events_days))
    return runs, events


def _info(call: Call) -> None:
    from dreamos_tasks.app.board_care import facts_of

    path = _require_board(call)
    facts = facts_of(call.nexus.store, path)
    _show_facts(call, facts, verb="is")


def _show_facts(call: Call, facts: BoardFacts, *, verb: str) -> None:
    if call.out.as_json:
        call.out.document(_form(facts))
        return
    numbers = f"{count(facts.tasks, 'task')}, newest event {facts.last_seq}, {facts.bytes} bytes"
    call.out.line(f"the board {verb} {facts.path} ({facts.kind}: {numbers})")


def _form(facts: BoardFacts) -> dict[str, str | int]:
    return {
        "path": str(facts.path),
        "kind": facts.kind,
        "bytes": facts.bytes,
        "tasks": facts.tasks,
        "last_seq": facts.last_seq,
    }


def _target(file: str) -> Path:
    return Path(file).expanduser().absolute()


def _require_board(call: Call) -> Path:
    """The board's file. Raises BoardGone: looking at a board must not make one."""
    path = call.home.board(call.settings.board)
    if not path.exists():
        raise BoardGone(f"there is no board at {path}", fix="dt init makes one")
    return path


def _require_folder(target: Path) -> None:
    """Raises NotFound: a folder that is not there may be a slip, or a disk that is not mounted."""
    if not target.parent.is_dir():
        raise NotFound(
            f"there is no folder {target.parent} for the copy", fix=f"mkdir -p {shlex.quote(str(target.parent))}"
        )


def _ask(call: Call, question: str, *, yes: bool) -> None:
    if yes:
        return
    if call.out.as_json or not sys.stdin.isatty():
        raise UsageError("this changes the board, so it asks first", cause="nobody is there to answer", fix="add --yes")
    click.confirm(question, abort=True, err=True)
