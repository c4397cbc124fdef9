"""StepOutput: what the steps of one run print, line by line as it comes, from the files in which it is kept."""

from __future__ import annotations

import os
from codecs import getincrementaldecoder
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from dreamos_tasks.execution.surroundings import VERIFY_PREFIX
from dreamos_tasks.model.task import Task
from dreamos_tasks.tools.capture import file_name_of

READ_BYTES = 262_144  # of one file at a time: what prints more is caught up with at its end
LONGEST_LINE = 8192  # characters; what goes on without a line end is shown in pieces
LOG_SUFFIX = ".log"


class StepOutput:
    """Follows the files of one claim's folder. Secrets are blanked in them already."""

    def __init__(self, run_dir: Path, task: Task, on_line: Callable[[str, str], None]) -> None:
        """`on_line` is given the step and a line of what it prints, without its end."""
        self._run_dir = run_dir
        self._names = _names_of(task)
        self._on_line = on_line
        self._followed: dict[str, _Followed] = {}

    def read_new(self) -> None:
        """Hand on what has come since the last time."""
        with suppress(FileNotFoundError), os.scandir(self._run_dir) as entries:
            for entry in entries:
                if entry.name.endswith(LOG_SUFFIX) and entry.name not in self._followed:
                    self._followed[entry.name] = _Followed(Path(entry.path))
        for name, followed in self._followed.items():
            self._hand_on(name, followed.lines())

    def finish(self, step: str | None = None) -> None:
        """Hand on all that is left of a step that has ended; None: of all."""
        self.read_new()
        for name, followed in self._followed.items():
            if step is None or self._step_of(name) == step:
                self._hand_on(name, followed.rest())

    def _hand_on(self, name: str, lines: list[str]) -> None:
        for line in lines:
            self._on_line(self._step_of(name), line)

    def _step_of(self, file: str) -> str:
        stem = file.removesuffix(LOG_SUFFIX)
        return self._names.get(stem, stem)


class _Followed:
    """A file that grows."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read_bytes = 0
        self._decoder = getincrementaldecoder("utf-8")("replace")  # a character may come in two parts
        self._begun = ""  # a line whose end has not come yet

    def lines(self) -> list[str]:
        """The lines that have come."""
        with suppress(OSError), self._file.open("rb") as stream:
            stream.seek(self._read_bytes)
            chunk = stream.read(READ_BYTES)
            self._read_bytes += len(chunk)
            *whole, self._begun = (self._begun + self._decoder.decode(chunk)).split("\n")
            while len(self._begun) > LONGEST_LINE:
                whole.append(self._begun[:LONGEST_LINE])
                self._begun = self._begun[LONGEST_LINE:]
            return whole
        return []

    def rest(self) -> list[str]:
        """All that is left, a line without an end too."""
        left: list[str] = []
        while lines := self.lines():
            left += lines
        if self._begun:
            left.append(self._begun)
            self._begun = ""
        return left


def _names_of(task: Task) -> Mapping[str, str]:
    """By the names of their files, the steps: those of the plan, and those of the verification."""
    planned = [step.name for step in task.plan.steps] if task.plan is not None else []
    verified = [VERIFY_PREFIX + step.name for step in task.verify]
    return {file_name_of(name): name for name in (*verified, *planned)}
