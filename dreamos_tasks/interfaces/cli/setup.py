"""The verb setup: has Claude Code, Codex, Gemini CLI, Cursor or OpenCode work from this board, and shows what it writes."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dreamos_tasks.errors import UsageError
from dreamos_tasks.interfaces.cli.call import NAMED, Call
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import FILLED, OneOf
from dreamos_tasks.interfaces.cli.text import harmless_block
from dreamos_tasks.interfaces.cli.verb import verb

if TYPE_CHECKING:
    from dreamos_tasks.app.setup.programs import Program, Scope
    from dreamos_tasks.app.setup.setting_up import FileChange, Installation

PROGRAM_NAMES = ("claude", "codex", "gemini", "cursor", "opencode")
DIFF_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@verb(
    "setup",
    examples=(
        "dt setup",
        "dt setup claude --dry-run",
        "dt setup codex --yes",
        "dt setup gemini --user --agent gem",
        "dt setup claude --remove",
    ),
)
@click.argument("program", metavar="[PROGRAM]", required=False, type=OneOf("program", PROGRAM_NAMES))
@option("--project", "for_project", is_flag=True, help="For everybody who works in this project. [default]")
@option("--user", "for_user", is_flag=True, help="For you, in every project.")
@option("--agent", metavar="NAME", type=FILLED, help="The name it acts under. [default: each session has its own]")
@option("--remove", is_flag=True, help="Take out what was written, and leave everything else as it is.")
@option("--dry-run", is_flag=True, help="Only show what would be written.")
@option("--yes", is_flag=True, help="Do not ask.")
def setup(
    call: Call,
    program: str | None,
    for_project: bool,
    for_user: bool,
    agent: str | None,
    remove: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Write what a PROGRAM needs to work from this board: its MCP server, its instructions, and a hook that calls dt prime.

    Shows the difference first and asks. Everything else in those files stays as it is, byte for byte. Without a PROGRAM it
    lists which are set up: claude, codex, gemini, cursor, opencode.
    """
    from dreamos_tasks.app.setup.programs import BY_NAME, Scope
    from dreamos_tasks.app.setup.setting_up import carry_out, planned

    if for_project and for_user:
        raise UsageError("--project and --user exclude each other", fix="name one of them")
    if program is None:
        _list(call)
        return
    scope = Scope.USER if for_user else Scope.PROJECT
    chosen = BY_NAME[program]
    changes = planned(chosen, _installation(call, chosen, scope, agent), remove=remove)
    if all(change.action == "keep" for change in changes):
        _tell(call, chosen, scope, changes, written=(), done=f"nothing to {'remove' if remove else 'do'}")
        return
    if not call.out.as_json:
        _show(call, changes)
    if not dry_run:
        _ask(call, yes=yes)
    written = () if dry_run else carry_out(changes, scope=scope)
    then = "" if remove or dry_run else chosen.then
    done = (
        "nothing was written"
        if dry_run
        else f"{chosen.title} {'no longer works' if remove else 'works'} from this board"
    )
    _tell(call, chosen, scope, changes, written=written, done=done, then=then)


def _installation(call: Call, program: Program, scope: Scope, agent: str | None) -> Installation:
    from dreamos_tasks.app.setup.setting_up import Installation, root_of
    from dreamos_tasks.model.task import check_name

    return Installation(
        command=_command(),
        root=root_of(program, scope, environ=os.environ, start=Path.cwd()),
        scope=scope,
        options=("--home", str(call.home.path)) if call.home.found_by in NAMED else (),
        agent=check_name(agent, what="an agent's name") if agent is not None else None,
    )


def _command() -> tuple[str, ...]:
    """What starts this program: by its name, so that a project's files fit everybody, where the name is known."""
    return ("dt",) if shutil.which("dt") else (sys.executable, "-m", "dreamos_tasks")


def _list(call: Call) -> None:
    """Which programs are set up."""
    from dreamos_tasks.app.setup.programs import PROGRAMS, Scope
    from dreamos_tasks.app.setup.setting_up import is_set_up, root_of

    found = {
        program: [
            scope.value
            for scope in Scope
            if is_set_up(program, scope, root_of(program, scope, environ=os.environ, start=Path.cwd()))
        ]
        for program in PROGRAMS
    }
    if call.out.as_json:
        call.out.document(
            [{"program": each.name, "title": each.title, "set_up": scopes} for each, scopes in found.items()]
        )
        return
    rows = [(each.name, each.title, ", ".join(scopes) or "-") for each, scopes in found.items()]
    call.out.table(("PROGRAM", "WHAT IT IS", "SET UP FOR"), rows)


def _show(call: Call, changes: Sequence[FileChange]) -> None:
    for change in changes:
        for line in change.diff().splitlines():
            call.out.line(call.out.painted(harmless_block(line), DIFF_COLOURS.get(line[:1], "")))


def _ask(call: Call, *, yes: bool) -> None:
    if yes:
        return
    if call.out.as_json or not sys.stdin.isatty():
        raise UsageError(
            "this changes files of another program, so it asks first",
            cause="nobody is there to answer",
            fix="look with --dry-run, then add --yes",
        )
    click.confirm("Write this?", abort=True, err=True)


def _tell(
    call: Call,
    program: Program,
    scope: Scope,
    changes: Sequence[FileChange],
    *,
    written: Sequence[Path],
    done: str,
    then: str = "",
) -> None:
    if call.out.as_json:
        call.out.document(
            {
                "program": program.name,
                "scope": scope.value,
                "changes": [
                    {"path": str(change.file.path), "action": change.action, "diff": change.diff()}
                    for change in changes
                ],
                "written": [str(path) for path in written],
                "next": then,
            }
        )
        return
    for path in written:
        call.out.note(f"wrote {path}" if path.exists() else f"removed {path}")
    call.out.note(done)
    if then and find_spec("mcp") is None:
        call.out.note("note: dt mcp needs the extra `mcp`, which is not installed: pip install 'dreamos-tasks[mcp]'")
    if then and shutil.which("dt") is None:
        call.out.note(f"note: dt is not on the PATH, so {sys.executable} was written; it fits this machine alone")
    if then:
        call.out.note(f"next: {then}")
