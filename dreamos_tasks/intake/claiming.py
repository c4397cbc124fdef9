"""Taking dropped files: which are whole, and the rename that claims them. Everything here runs in a worker thread."""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.intake.admission import drop_key
from dreamos_tasks.intake.draft_forms import Door
from dreamos_tasks.intake.drafts import Reading
from dreamos_tasks.intake.dropped import Content, Fingerprint, ManyNames, is_lines, read_dropped, read_tasks
from dreamos_tasks.intake.folders import SUFFIXES, InboxFolders, safe_name, unsafe
from dreamos_tasks.intake.json_text import UnreadableJson
from dreamos_tasks.intake.problems import InvalidDrafts, Problem
from dreamos_tasks.intake.step_forms import CheckCall
from dreamos_tasks.model.task import NAME_PATTERN

CREATED_BY = "inbox"
BATCH_FILES = 64  # what the board's desk puts into one commit
BATCH_BYTES = 4_194_304  # and no more at once than this, or one file: read, it takes twenty times the room
LOOK_AHEAD = 1000  # names of a folder that are sorted by age before they are taken: an inbox may hold any number
MOST_TOLD = 1000

DISK_ERRORS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
)  # no file's own fault: the next would fail too

Log = Callable[[str], None]


def is_no_files_fault(error: OSError, *folders: Path) -> bool:
    """Whether the disk or one of the folders is to blame, so that the next file would fare no better."""
    if error.errno in DISK_ERRORS:
        return True
    return isinstance(error, PermissionError) and not all(os.access(folder, os.W_OK | os.X_OK) for folder in folders)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeRules:
    """What is taken: how large, how many tasks, and how long a file must lie unchanged that may still be written."""

    max_bytes: int = 10_485_760
    max_tasks_per_file: int = 10_000
    settle_seconds: float = 5.0
    check_call: CheckCall | None = None
    monotonic: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A claimed file: what it gives, or why it gives nothing."""

    path: Path  # in .taken
    name: str
    agent: str | None
    verdict: Reading | InvalidInput
    key: str = ""
    sha256: str = ""
    size: int = 0
    is_recovered: bool = False

    @property
    def dropped_as(self) -> str:
        """The name, with the agent's folder."""
        return f"{self.agent}/{self.name}" if self.agent else self.name


@dataclass(slots=True)
class _Sighting:
    fingerprint: Fingerprint
    since: float


@dataclass(slots=True)
class Claimer:
    """Claims what is whole. Remembers which files were seen unfinished, and what it has told."""

    folders: InboxFolders
    rules: IntakeRules
    warn: Log
    _unfinished: dict[Path, _Sighting] = field(default_factory=dict)
    _told: dict[str, None] = field(default_factory=dict)

    def agents(self) -> list[Path]:
        """The folders of agents; what is no such folder is told once."""
        found = []
        with os.scandir(self.folders.inbox) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name in ("accepted", "rejected"):
                    continue
                if entry.is_dir(follow_symlinks=False) and self._is_agents(entry):
                    found.append(Path(entry.path))
        return sorted(found)

    def leftovers(self) -> Iterator[Path]:
        """Files that were claimed and not finished: the daemon ended, or the board or the disk failed."""
        with os.scandir(self.folders.taken) as entries:
            some = list(islice(entries, LOOK_AHEAD))
        yield from (path for _, path in sorted(_aged(some)))

    def candidates(self, agents: Sequence[Path]) -> Iterator[Path]:
        """Every dropped file, one of each folder in turn, the oldest first as far as LOOK_AHEAD names go."""
        waiting = [self._by_age(folder) for folder in (self.folders.inbox, *agents)]
        while waiting:
            for names in tuple(waiting):
                path = next(names, None)
                if path is None:
                    waiting.remove(names)
                else:
                    yield path

    def claim(self, paths: Iterator[Path], *, finished: Collection[Path] = ()) -> list[Taken]:
        """Claim the next batch; empty when there are no more. `finished`: their writers have closed or renamed them."""
        batch: list[Taken] = []
        size = 0
        for path in paths:
            taken = self._take(path, is_finished=path in finished)
            if taken is not None:
                batch.append(taken)
                size += taken.size
            if len(batch) >= BATCH_FILES or size >= BATCH_BYTES:
                return batch
        return batch

    def next_look_seconds(self) -> float | None:
        """How long until an unfinished file will have been quiet for long enough."""
        now = self.rules.monotonic()
        due = [sighting.since + self.rules.settle_seconds - now for sighting in self._unfinished.values()]
        return max(0.0, min(due)) if due else None

    @property
    def unfinished(self) -> int:
        """How many files are waited for."""
        return len(self._unfinished)

    def forget_gone(self) -> None:
        """Forget the unfinished files that are no longer there."""
        for path in [path for path in self._unfinished if not os.path.lexists(path)]:
            del self._unfinished[path]

    def judge(self, path: Path, *, name: str, agent: str | None) -> tuple[Reading | InvalidInput, Content | None]:
        """What a file gives, or why it gives nothing; and its content, where it could be read. Raises OSError."""
        content = None
        rules = self.rules
        try:
            content = read_dropped(path, max_bytes=rules.max_bytes)
            door = Door(created_by=CREATED_BY, assigned_to=agent, check_call=rules.check_call)
            limits = {"max_bytes": rules.max_bytes, "max_tasks": rules.max_tasks_per_file}
            return read_tasks(content, name, door, **limits), content
        except InvalidInput as error:
            return error, content
        except PermissionError as error:
            return InvalidDrafts([Problem(pointer="", message=f"it cannot be read: {error.strerror}")]), None

    def _take(self, path: Path, *, is_finished: bool) -> Taken | None:
        """Claim one file if it is whole, or wrong for good."""
        is_leftover = path.parent == self.folders.taken
        agent, name = _from_taken(path.name) if is_leftover else (self._agent_of(path), safe_name(path.name))
        try:
            found = os.lstat(path)
            if self._must_wait(path, found, is_finished=is_finished):
                return None
            verdict, content = self.judge(path, name=name, agent=agent)
            if isinstance(verdict, UnreadableJson | ManyNames) and self._may_change(path, verdict, found):
                return None
            claimed = path if is_leftover else self._claim(path, name, agent)
            same = content is None or Fingerprint.of(os.lstat(claimed)) == content.fingerprint
        except FileNotFoundError:
            return None  # its writer took it back, or another process was faster
        except OSError as error:
            if is_no_files_fault(error, path.parent, self.folders.taken):
                raise
            self._tell(f"{path} {error.errno}", f"{name} cannot be taken: {error.strerror}; it is tried again")
            return None
        except Exception as error:  # noqa: BLE001  one file's trouble is not the others'
            self._tell(f"{path} {error}", f"{name} cannot be taken: {error!r}; it is tried again")
            return None
        self._unfinished.pop(path, None)
        if not same:  # written, or another file put in its place, in the moment before: it is looked at anew
            self._unfinished[claimed] = _Sighting(Fingerprint.of(os.lstat(claimed)), self.rules.monotonic())
            return None
        return Taken(
            path=claimed,
            name=name,
            agent=agent,
            verdict=verdict,
            key=drop_key(content.text, name=name, agent=agent) if content is not None else "",
            sha256=content.sha256 if content is not None else "",
            size=len(content.text) if content is not None else 0,
            is_recovered=is_leftover,
        )

    def _must_wait(self, path: Path, found: os.stat_result, *, is_finished: bool) -> bool:
        """Whether the file may still be written, as far as can be told without reading it."""
        seen, fingerprint = self._unfinished.get(path), Fingerprint.of(found)
        if seen is not None and seen.fingerprint == fingerprint:
            return not is_finished and not self._is_quiet(seen)
        if is_finished or not is_lines(path.name):
            return False
        if seen is None and (path.parent == self.folders.taken or found.st_ctime_ns != found.st_mtime_ns):
            return False  # a rename sets the time of change and leaves that of the content; a write sets both alike
        # Lines are whole after each of them: the text does not tell whether more are to come.
        self._unfinished[path] = seen = _Sighting(fingerprint, self.rules.monotonic())
        return not self._is_quiet(seen)

    def _may_change(self, path: Path, error: InvalidInput, found: os.stat_result) -> bool:
        """Whether time may mend what is wrong: a text that ends midway, or a second name that its writer will remove."""
        if isinstance(error, UnreadableJson) and not error.unfinished:
            return False
        seen = self._unfinished.get(path)
        if seen is None or seen.fingerprint != Fingerprint.of(found):
            seen = self._unfinished[path] = _Sighting(Fingerprint.of(found), self.rules.monotonic())
        return not self._is_quiet(seen)

    def _is_quiet(self, seen: _Sighting) -> bool:
        return self.rules.monotonic() - seen.since >= self.rules.settle_seconds

    def _claim(self, path: Path, name: str, agent: str | None) -> Path:
        claimed = self.folders.taken / f"{secrets.token_hex(4)},{agent or ''},{name}"
        os.rename(path, claimed)
        return claimed

    def _agent_of(self, path: Path) -> str | None:
        return None if path.parent == self.folders.inbox else path.parent.name

    def _by_age(self, folder: Path) -> Iterator[Path]:
        try:
            with os.scandir(folder) as entries:
                wanted = filter(self._is_wanted, entries)
                while some := list(islice(wanted, LOOK_AHEAD)):
                    yield from (path for _, path in sorted(_aged(some)))
        except FileNotFoundError:
            return

    def _is_wanted(self, entry: os.DirEntry[str]) -> bool:
        name = entry.name
        if name.startswith((".", "~")) or name.endswith(("~", ".tmp", ".part")):
            return False  # what writers call a file that is not finished
        if not name.lower().endswith(SUFFIXES):
            if not entry.is_dir(follow_symlinks=False):
                self._tell(entry.path, f"{safe_name(name)} is left where it is: only *.json and *.jsonl are taken")
            return False
        if entry.is_dir(follow_symlinks=False):
            self._tell(entry.path, f"{safe_name(name)} is left where it is: it is a folder")
            return False
        return True

    def _is_agents(self, entry: os.DirEntry[str]) -> bool:
        name = entry.name
        if name.lower().endswith(SUFFIXES):
            return False  # told as a file that is a folder
        if NAME_PATTERN.fullmatch(name) is None:
            self._tell(entry.path, f"the folder {safe_name(name)} is passed over: no agent can have that name")
            return False
        problem = unsafe(Path(entry.path), entry.stat(follow_symlinks=False))
        if problem:
            self._tell(entry.path, f"{problem}: what is dropped there is not taken; chmod 700 {entry.path}")
            return False
        return True

    def _tell(self, about: str, words: str) -> None:
        """Say it once."""
        if about not in self._told:
            if len(self._told) >= MOST_TOLD:
                self._told.pop(next(iter(self._told)))
            self._told[about] = None
            self.warn(words)


def _aged(entries: Sequence[os.DirEntry[str]]) -> Iterator[tuple[int, Path]]:
    for entry in entries:
        try:
            yield entry.stat(follow_symlinks=False).st_mtime_ns, Path(entry.path)
        except FileNotFoundError:
            continue


def _from_taken(name: str) -> tuple[str | None, str]:
    """Agent and name of a claimed file. One that somebody else put there goes by its own name."""
    parts = name.split(",", 2)
    if len(parts) != 3 or (parts[1] and NAME_PATTERN.fullmatch(parts[1]) is None):
        return None, safe_name(name)
    return parts[1] or None, parts[2]
