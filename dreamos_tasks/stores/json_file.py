"""JsonStore: a small board in a JSON file that a person can read, diff and edit by hand."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import RLock

import filelock

from dreamos_tasks.errors import BoardLocked, BoardUnavailable, Refused
from dreamos_tasks.model import gate
from dreamos_tasks.model.event import Change, Event
from dreamos_tasks.model.task import Task
from dreamos_tasks.protocols import ClockReading
from dreamos_tasks.stores import board_file, json_troubles
from dreamos_tasks.stores.json_document import FORM_VERSION, MARK, JsonDocument, Writer, parse
from dreamos_tasks.stores.memory import MemoryStore
from dreamos_tasks.stores.replay import replay_problems
from dreamos_tasks.stores.shelves import Form
from dreamos_tasks.stores.typed_form import Misfit

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
POLL_SECONDS = 0.01  # between two tries for the lock; a commit takes about as long
# Editors write in place, or rename the old file away first. What looks torn or gone is looked at again until it has been
# left alone for this long; no editor rings a bell that we could wait for.
SETTLE_SECONDS = 0.05
SETTLE_TRIES = 40

Stamp = tuple[int, int, int]


class JsonStore(MemoryStore):
    """One board in one JSON file. Threads may share it; processes each open their own; a person may edit the file.

    Every transaction reads the file if it has changed, under a lock among processes, and replaces it as a whole if the
    transaction changed something. Reads take no lock: the file is whole at every moment. What was written by hand is
    checked, and the next transaction adds the events that tell of it.
    """

    def __init__(self, path: Path, *, lock_timeout_seconds: float = 30.0) -> None:
        """Open the board at `path`. Raises BoardUnavailable kinds; never makes a file."""
        super().__init__()
        self.path = path
        self._file = Path(os.path.realpath(path))
        self._lock_timeout_seconds = lock_timeout_seconds
        self._file_lock = self._new_file_lock()
        self._reads_under_way = 0
        self._writer = Writer()
        self._document = JsonDocument()
        self._content = b""
        self._stamp: Stamp | None = None
        self._others_mark = 0  # another number after each writing that was not ours
        self._offset_was_set = False
        self._is_swept = False
        self._trouble: tuple[Stamp | None, BoardUnavailable] | None = None
        self._refresh()

    @classmethod
    def create(cls, path: Path, *, lock_timeout_seconds: float = 30.0) -> JsonStore:
        """Open the board at `path`, making an empty one when there is none. The folder must be there."""
        if not path.exists():
            board_file.refuse_network_mount(path.parent)
            try:
                board_file.create_file_with(path, Writer().write(JsonDocument()))
            except FileExistsError:
                pass  # another process was faster
            except OSError as error:
                raise board_file.write_failed(path, error) from error
        return cls(path, lock_timeout_seconds=lock_timeout_seconds)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See TaskStore."""
        with self._lock:
            if self._in_transaction:
                with super().transaction():
                    yield
                return
            try:
                self._take_file_lock()
                self._refresh(thoroughly=True)
                self._sweep()
                self._offset_was_set = False
                tasks, event_count, shelves = dict(self._tasks), len(self._events), self._shelves
                with super().transaction():
                    self._record_edits()
                    yield
                    if self._changed_since(tasks, event_count) or self._shelves is not shelves:
                        self._write()
            finally:
                self._file_lock.release(force=True)  # it counts one more after Ctrl-C has broken off its taking

    def clock_offset(self, measure: ClockReading) -> int:
        """See TaskStore. Written along with the next change; an array has no place for it and goes by the wall clock."""
        with self._reading():
            if self._document.is_array:
                return measure.wall_us - measure.since_boot_us
        return super().clock_offset(measure)

    def set_clock_offset(self, boot_id: str, offset_us: int) -> None:
        """See TaskStore."""
        super().set_clock_offset(boot_id, offset_us)
        self._offset_was_set = not self._document.is_array

    def load(
        self,
        tasks: Iterable[Task],
        events: Iterable[Event],
        *,
        offsets: Mapping[str, int],
        kept: Iterable[tuple[str, str, Form]] = (),
    ) -> None:
        """See TaskStore."""
        kept = tuple(kept)
        for shelf, _, _ in kept:
            self._require_place(shelf)
        super().load(tasks, events, offsets=offsets, kept=kept)
        self._offset_was_set = True

    def keep(self, shelf: str, key: str, form: Form | None) -> None:
        """See TaskStore."""
        self._require_place(shelf)
        super().keep(shelf, key, form)

    def change_mark(self) -> int:
        """See TaskStore. Raises BoardGone when there is no file."""
        with self._lock:
            stamp = self._current_stamp()
            if stamp is None:
                self._refresh()
            return self._others_mark if stamp == self._stamp else hash((self._others_mark, stamp))

    def backup(self, target: Path) -> None:
        """See TaskStore."""
        with self._reading():
            content = self._content
        try:
            board_file.create_file_with(target, content)
        except FileExistsError as error:
            raise BoardUnavailable(
                f"{target} is there already", fix="name a new file, or remove that one first"
            ) from error
        except OSError as error:
            raise BoardUnavailable(
                f"the copy to {target} failed", cause=str(error), fix=f"df {target.parent}"
            ) from error

    def integrity_problems(self) -> Sequence[str]:
        """See TaskStore. Reads the file anew and replays it; a hand edit is none, as the next transaction records it."""
        with self._reading():
            if self._in_transaction:
                return super().integrity_problems()
            self._refresh(thoroughly=True)
            edited = {task.task_id: task for task, _ in self._document.edits}
            recorded = [event for _, events in self._document.edits for event in events]
            return replay_problems({**self._tasks, **edited}.values(), (*self._events, *recorded))

    def survive_forks(self) -> None:
        """See TaskStore."""
        from dreamos_tasks.stores import forking  # for programs in Python: no command forks

        forking.register(self)

    @property
    def lock(self) -> RLock:
        """See Forkable."""
        return self._lock

    def let_go(self) -> None:
        """See Forkable. Between transactions nothing is open."""

    def arrive_in_child(self, *, is_whole: bool) -> None:
        """See Forkable. A transaction that is under way is the parent's: the child's copy of it is not written."""
        if not is_whole:
            self._lock = RLock()  # held by a thread that is not in this process
            self._reads_under_way, self._in_transaction = 0, False
        self._stamp = None
        self._file_lock = self._new_file_lock()  # one that is inherited refuses its service

    def _new_file_lock(self) -> filelock.BaseFileLock:
        return filelock.FileLock(
            f"{self._file}.lock",
            timeout=self._lock_timeout_seconds,
            mode=board_file.FILE_MODE,
            thread_local=False,
            poll_interval=POLL_SECONDS,
            fallback_to_soft=False,
        )

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock:
            if not self._in_transaction and not self._reads_under_way:
                self._refresh()
            self._reads_under_way += 1
            try:
                yield
            finally:
                self._reads_under_way -= 1

    def _take_file_lock(self) -> None:
        try:
            self._file_lock.acquire()
        except filelock.Timeout as error:
            raise BoardLocked(self._file_lock.lock_file, waited_seconds=self._lock_timeout_seconds) from error
        except OSError as error:
            raise board_file.lock_unopened(self._file_lock.lock_file, error) from error

    def _require_place(self, shelf: str) -> None:
        """An array of tasks has room for nothing else. What is counted at gates each process may keep for itself."""
        if self._document.is_array and shelf != gate.SHELF:
            raise Refused(
                f"{self.path} is a plain array of tasks, which has no place for anything else",
                cause=f"what was to be kept is of the kind {shelf!r}",
                fix=f'write the array into {{"{MARK}": {FORM_VERSION}, "tasks": [...]}}, or use dt board convert --to sqlite',
            )

    # -- reading the file

    def _refresh(self, *, thoroughly: bool = False) -> None:
        """Take in what the file says now. `thoroughly`: compare the content too, as two quick writes can look alike."""
        stamp = self._current_stamp()
        if stamp is not None and stamp == self._stamp and not thoroughly:
            return
        if self._trouble is not None and self._trouble[0] == stamp:
            raise self._trouble[1].with_traceback(None)
        self._trouble = None
        before: object = self
        for _ in range(SETTLE_TRIES):
            stamp, trouble = self._take_in()
            if trouble is None:
                return
            if stamp == before or (stamp is None and self._stamp is None):
                self._trouble = (stamp, trouble)
                break
            before = stamp
            time.sleep(SETTLE_SECONDS)
        else:
            trouble = json_troubles.restless(self.path, tries=SETTLE_TRIES)
        raise trouble

    def _take_in(self) -> tuple[Stamp | None, BoardUnavailable | None]:
        """Read the file; gives its stamp, and what is wrong with it."""
        try:
            content, found = board_file.read_file(self._file)
        except FileNotFoundError:
            return None, json_troubles.gone(self.path, was_open=self._stamp is not None)
        except OSError as error:
            raise BoardUnavailable(f"{self.path} cannot be read", cause=str(error), fix=f"ls -l {self.path}") from error
        stamp = _stamp(found)
        if content != self._content or self._stamp is None:
            saved_at = EPOCH + timedelta(microseconds=found.st_mtime_ns // 1000)
            try:
                document = parse(content, path=str(self.path), saved_at=saved_at)
            except Misfit as misfit:
                return stamp, json_troubles.corrupt(self._file, content, misfit, saved_at=saved_at)
            self._document = document
            self._tasks = dict(document.tasks)
            self._events = list(document.events)
            self._offsets = dict(document.offsets)
            if not document.is_array:  # which has no place for them
                self._shelves = document.shelves
            self._content = content
        if stamp != self._stamp:
            self._others_mark = hash((self._others_mark, stamp))
            self._stamp = stamp
        return stamp, None

    def _current_stamp(self) -> Stamp | None:
        try:
            return _stamp(os.stat(self._file))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BoardUnavailable(f"{self.path} cannot be read", cause=str(error), fix=f"ls -l {self.path}") from error

    # -- writing the file

    def _sweep(self) -> None:
        """Remove, once, what killed writers left beside the board. Under the lock nobody else is writing."""
        if not self._is_swept:
            self._is_swept = True
            board_file.remove_unfinished(self._file)

    def _record_edits(self) -> None:
        for task, events in self._document.edits:
            self.save(Change(self._tasks[task.task_id], task, events))

    def _changed_since(self, tasks: Mapping[str, Task], event_count: int) -> bool:
        return (
            self._offset_was_set
            or len(self._events) != event_count
            or len(self._tasks) != len(tasks)
            or any(tasks.get(task_id) is not task for task_id, task in self._tasks.items())
        )

    def _write(self) -> None:
        document = replace(
            self._document,
            tasks=self._tasks,
            events=tuple(self._events),
            offsets=self._offsets,
            shelves=self._shelves,
            edits=(),
        )
        content = self._writer.write(document)
        stamp = self._current_stamp()
        if stamp is None:
            raise json_troubles.gone(self.path, was_open=True)
        if stamp != self._stamp:
            raise BoardUnavailable(
                f"{self.path} was edited while it was being changed",
                cause="the edit was kept, and nothing was written over it",
                fix="try again",
            )
        try:
            written = board_file.replace_file(self._file, content)
        except OSError as error:
            self._stamp = (0, 0, 0)  # whatever is there now is to be read again
            raise board_file.write_failed(self.path, error) from error
        self._content, self._stamp = content, _stamp(written)
        self._document = replace(document, tasks={}, events=())


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_mtime_ns, found.st_size, found.st_ino
