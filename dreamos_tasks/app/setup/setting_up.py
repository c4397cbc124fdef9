"""Setting up: what a program's files are to be, told as changes before any is made, and then made one file at a time."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any

from dreamos_tasks.app.setup import json_file, marked_file, toml_file
from dreamos_tasks.app.setup.json_file import Entry
from dreamos_tasks.app.setup.marked_file import MARKDOWN
from dreamos_tasks.app.setup.placed_file import PlacedFile
from dreamos_tasks.app.setup.programs import BESIDE, PROGRAMS, SERVER, Form, Part, Program, Scope
from dreamos_tasks.errors import DreamosError, InvalidInput

HOW = """\
Claim a task before you work on it, with the tools of the MCP server `dreamos-tasks` or with `dt next --agent NAME`; complete, \
fail or release it when you are done. Put work that you find but do not do on the board (`dt add`). Never edit the board's \
files by hand.
"""
TEXTS = {
    Scope.PROJECT: f"""\
## Tasks

The work on this project is kept on a task board that agents and people share. Begin each session with `dt prime`: it says \
what you hold, what is ready, and which commands there are. {HOW}""",
    Scope.USER: f"""\
## Tasks

A project may keep its work on a task board that agents and people share: `dt prime` says whether this one does, what you \
hold, what is ready, and which commands there are. If so: {HOW}""",
}
PROJECT_MARKS = (".git", ".dreamos")  # the nearest folder upwards with one of these is the project
CONTEXT_LINES = 2  # around a change; what stands further away need not be shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """How a program is to reach the board: the command, what the home and the agent are, where the settings lie."""

    command: tuple[str, ...]  # what starts dt
    root: Path  # the project, or the folder of the user's settings
    scope: Scope
    options: tuple[str, ...] = ()  # such as --home DIR
    agent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """What is to become of one file. None: there is no file."""

    file: PlacedFile
    before: bytes | None
    after: bytes | None

    @property
    def action(self) -> str:
        """In a word."""
        if self.before == self.after:
            return "keep"
        return "create" if self.before is None else "delete" if self.after is None else "change"

    def diff(self) -> str:
        """As `diff -u` writes it; "" when nothing changes."""
        old, new = (("" if side is None else side.decode("utf-8")) for side in (self.before, self.after))
        name = str(self.file.path)
        lines = unified_diff(
            old.splitlines(keepends=True),
            new.splitlines(keepends=True),
            fromfile="/dev/null" if self.before is None else name,
            tofile="/dev/null" if self.after is None else name,
            n=CONTEXT_LINES,
        )
        return "".join(line if line.endswith("\n") else f"{line}\n\\ no line end\n" for line in lines)


def root_of(program: Program, scope: Scope, *, environ: Mapping[str, str], start: Path) -> Path:
    """The folder that the program's files are named from: the project around `start`, or the user's."""
    if scope is Scope.PROJECT:
        around = (
            folder for folder in (start, *start.parents) if any((folder / mark).exists() for mark in PROJECT_MARKS)
        )
        return next(around, start)
    if program.folder_variable and environ.get(program.folder_variable):
        return Path(environ[program.folder_variable]).expanduser().absolute()
    if program.folder.startswith(".config/") and os.path.isabs(environ.get("XDG_CONFIG_HOME", "")):
        return Path(environ["XDG_CONFIG_HOME"]) / program.folder.removeprefix(".config/")
    return Path.home() / program.folder


def planned(program: Program, to: Installation, *, remove: bool) -> Sequence[FileChange]:
    """What is to become of each of the program's files. Nothing is written. Raises InvalidInput, LeadsElsewhere."""
    before: dict[Path, bytes | None] = {}
    texts: dict[Path, str | None] = {}
    files: dict[Path, PlacedFile] = {}
    for part in program.parts(to.scope):
        file = PlacedFile.at(to.root, part.file)
        if file.target not in files:
            files[file.target], before[file.target] = file, file.content()
            texts[file.target] = None if before[file.target] is None else file.text()
        text = texts[file.target]
        if remove and (text is None or _others_need(program, part, file, to)):
            continue
        texts[file.target] = _edited(part, text, file, to, program, remove=remove)
    return [
        FileChange(file=file, before=before[target], after=_bytes(texts[target], before[target]))
        for target, file in files.items()
    ]


def carry_out(changes: Sequence[FileChange], *, scope: Scope) -> Sequence[Path]:
    """Make the changes; gives the files that were written. Raises Refused, OSError: files before that one are done."""
    changed = [change for change in changes if change.action != "keep"]
    for change in changed:
        change.file.put(change.before, change.after, private=scope is Scope.USER)
    return [change.file.path for change in changed]


def is_set_up(program: Program, scope: Scope, root: Path) -> bool:
    """Whether the program finds the board by its settings of this scope."""
    part = program.parts(scope)[0]
    try:
        text = PlacedFile.at(root, part.file).text()
    except (DreamosError, OSError):
        return False
    if part.form is Form.MCP_TOML:
        return toml_file.has_table(text)
    return json_file.has_entry(text, Entry(path=(*part.keys, SERVER), value=None))


def _edited(
    part: Part, text: str | None, file: PlacedFile, to: Installation, program: Program, *, remove: bool
) -> str | None:
    mark = "\ufeff" if (text or "").startswith("\ufeff") else ""
    body = None if text is None else text.removeprefix(mark)
    try:
        new = _edit(part, to, program, remove=remove)(body)
    except InvalidInput as error:
        raise InvalidInput(f"{file.path}: {error.message}", cause=error.cause, fix=error.fix) from None
    return None if new is None else mark + new


def _edit(part: Part, to: Installation, program: Program, *, remove: bool) -> Callable[[str | None], str | None]:
    """What is done to the text of a file for this part."""
    if part.form is Form.TEXT:
        if remove:
            return lambda text: marked_file.without_block(text or "", marks=MARKDOWN)
        return lambda text: marked_file.with_block(text, TEXTS[to.scope], marks=MARKDOWN)
    if part.form is Form.MCP_TOML:
        if remove:
            return lambda text: toml_file.without_table(text or "")
        server = _server(part.form, to)
        return lambda text: toml_file.with_table(text, (*part.keys, SERVER), server)
    entry = _entry(part, to, program)
    if remove:
        return lambda text: json_file.without_entry(text or "", entry)
    return lambda text: json_file.with_entry(text, entry)


def _entry(part: Part, to: Installation, program: Program) -> Entry:
    if part.form in (Form.MCP_JSON, Form.MCP_OPENCODE):
        return Entry(path=(*part.keys, SERVER), value=_server(part.form, to))
    tail = f"prime --hook {program.name}"
    command = f"{shlex.join([*to.command, *to.options])} {tail}"
    if to.agent is not None:
        command += f" --agent {shlex.quote(to.agent)}"
    hook: dict[str, Any] = {"command": command}
    if part.form is Form.HOOK_GROUP:
        matcher = {"matcher": part.matcher} if part.matcher is not None else {}
        hook = {**matcher, "hooks": [{"type": "command", **hook}]}
    return Entry(path=part.keys, value=hook, is_ours=lambda value: _runs(value, tail), beside=BESIDE.get(part.form))


def _runs(value: Any, tail: str) -> bool:
    """Whether this hook runs our command and nothing else."""
    if not isinstance(value, dict):
        return False
    if "hooks" in value:
        hooks = value["hooks"]
        return isinstance(hooks, list) and len(hooks) == 1 and _runs(hooks[0], tail)
    command = value.get("command")
    return isinstance(command, str) and f" {tail}" in command


def _server(form: Form, to: Installation) -> dict[str, Any]:
    words = [*to.command, *to.options, "mcp", *(("--agent", to.agent) if to.agent is not None else ())]
    if form is Form.MCP_OPENCODE:
        return {"type": "local", "command": words, "enabled": True}
    return {"command": words[0], "args": words[1:]}


def _others_need(program: Program, part: Part, file: PlacedFile, to: Installation) -> bool:
    """Whether another program that is set up here reads the same text, be it by way of a link."""
    return part.form is Form.TEXT and to.scope is Scope.PROJECT and any(_sharing(program, file, to))


def _sharing(program: Program, file: PlacedFile, to: Installation) -> Iterator[bool]:
    for other in PROGRAMS:
        texts = (part.file for part in other.project if part.form is Form.TEXT)
        if other is not program and any((to.root / text).resolve() == file.target for text in texts):
            yield is_set_up(other, to.scope, to.root)


def _bytes(text: str | None, before: bytes | None) -> bytes | None:
    """The text as it lies on the disk. An empty file that was there stays."""
    if text is None or (before is None and not text):
        return None
    return text.encode("utf-8")
