"""Contest: races of real processes in a scratch folder on the user's own disk, killed at random if asked, and audited."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from dreamos_tasks.app.boards import make_folder
from dreamos_tasks.app.nexus import TaskNexus
from dreamos_tasks.app.race.auditor import audit, read_board
from dreamos_tasks.app.race.journal import Journal
from dreamos_tasks.app.race.ledger import Ledger
from dreamos_tasks.errors import DreamosError
from dreamos_tasks.model.event import EventType
from dreamos_tasks.model.task import TaskDraft

SCRATCH = ".race-"
ADDS_EACH = 5
TASKS_EACH = 25  # to be worked on; more are added while processes are killed, so that nobody runs out
LEASE_SECONDS = 1.0  # a killed process's task is free again after so long
KILL_EVERY_SECONDS = (0.02, 0.15)  # chance says when within this; starting a process takes about as long
PATIENCE_SECONDS = 120.0  # for the last task, or a process's end: the disk may be slow, but not so slow


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What one race showed."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of it. `seed` makes the same choices again (not the same timing: that is the machine's)."""

    proofs: tuple[Proof, ...]
    processes: int
    seed: int
    folder: Path
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether all held."""
        return all(proof.ok for proof in self.proofs)


def run_races(
    beside: Path, *, name: str = "nexus.db", processes: int, rounds: int, kill_seconds: float, seed: int
) -> Report:
    """Race on a board in a folder of its own beside this one, which is removed afterwards. `name` says which kind it is.

    `kill_seconds`: how long processes are killed while they work; 0: none is. Raises BoardUnavailable kinds, OSError.
    """
    start = time.monotonic()
    with (
        _scratch(beside.parent) as folder,
        closing(Contest(folder / name, processes=processes, rng=random.Random(seed))) as contest,
    ):
        proofs = [contest.claims(rounds), contest.adds()]
        proofs += [contest.work(kill_seconds=kill_seconds), *contest.audited()]
    return Report(proofs=tuple(proofs), processes=processes, seed=seed, folder=folder, seconds=time.monotonic() - start)


class Contest:
    """The races on one board; each gives its proof. They share the board, so that the audit holds all of them to account.

    `doors`: by which interface the first racer comes, the second and so on, over and over; all but `python` need the `home`.
    """

    def __init__(
        self,
        board: Path,
        *,
        processes: int,
        rng: random.Random,
        doors: Sequence[str] = ("python",),
        home: Path | None = None,
        tasks_each: int = TASKS_EACH,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.board = board
        self.doors = doors
        self.place = home or board
        self.tasks_each = tasks_each
        self.patience_seconds = patience_seconds
        self.processes = processes
        self.rng = rng
        self.nexus = TaskNexus.open(board)
        self.ledger = Ledger(board.parent / "ledger")
        self.journal = Journal(board.parent / "journal")

    def close(self) -> None:
        """Close the board."""
        self.nexus.close()

    def claims(self, rounds: int) -> Proof:
        """All claim the same task at once, round after round."""
        winners = []
        with self._started("claim") as racers:
            for number in range(rounds):
                task_id = self.nexus.add_task(TaskDraft(title=f"round {number + 1}")).task_id
                answers = _ask_all(racers, task_id)
                winners.append(answers.count("won"))
                task = self.nexus.get_task_by_id(task_id)
                if task.claim is not None:
                    self.nexus.mark_task_completed(task_id, token=task.claim.token)
        good = sum(count == 1 for count in winners)
        detail = f"{self.processes} processes claimed one task: exactly one winner in {good} of {rounds} rounds"
        return Proof(name="claims", ok=good == rounds, detail=detail + ("" if good == rounds else f" ({winners})"))

    def adds(self) -> Proof:
        """All add at once; what each was told is there."""
        with self._started("add", str(ADDS_EACH)) as racers:
            told = [task_id for answer in _ask_all(racers, "go") for task_id in answer.split()]
        for task_id in told:
            self.ledger.note("add", task_id)
        kept = {task.task_id for task in self.nexus.get_all_tasks()} & set(told)
        wanted = self.processes * ADDS_EACH
        detail = f"{self.processes} x {ADDS_EACH} tasks added at once: {len(kept)} of {wanted} kept"
        return Proof(name="adds", ok=len(kept) == wanted == len(told), detail=detail)

    def work(self, *, kill_seconds: float) -> Proof:
        """All claim and complete until nothing is left; meanwhile processes are killed, and others take their place."""
        kills = 0
        with ExitStack() as stack:
            racers = [stack.enter_context(self._worker(number)) for number in range(self.processes)]
            for racer in racers:
                _hear(racer)
            self._add_work(self.processes * self.tasks_each)
            end = time.monotonic() + kill_seconds
            while time.monotonic() < end:
                time.sleep(self.rng.uniform(*KILL_EVERY_SECONDS))
                chosen = self.rng.randrange(len(racers))
                racers[chosen].kill()
                racers[chosen].wait()
                kills += 1
                racers[chosen] = stack.enter_context(self._worker(chosen))
                if not self.nexus.stats()["status"].get("pending"):
                    self._add_work(self.processes)
            finished = self._all_finished(racers)
        done = self.nexus.stats()["status"].get("completed", 0)
        total = sum(self.nexus.stats()["status"].values())
        how = f", {kills} times a process was killed with kill -9" if kill_seconds else ""
        left = "" if finished else f"; {total - done} were not finished in {self.patience_seconds:.0f} s"
        return Proof(name="work", ok=finished, detail=f"{done} of {total} tasks completed{how}{left}")

    def audited(self) -> Sequence[Proof]:
        """What an auditor finds that knows only the events, and what was told to whom."""
        board = read_board(self.nexus)
        found = audit(board, journal=self.journal.entries(), ledger=self.ledger.entries())
        completions = Counter(event.task_id for event in board.events if event.type is EventType.TASK_COMPLETED)
        once = sum(completions[task.task_id] == 1 for task in board.tasks)
        detail = f"{once} of {len(board.tasks)} tasks were completed exactly once"
        lines = "; ".join(f"{each.invariant} {each.task_id} {each.what}" for each in found[:3])
        more = f", and {len(found) - 3} more" if len(found) > 3 else ""
        return (
            Proof(name="exactly_once", ok=once == len(board.tasks) == len(completions), detail=detail),
            Proof(
                name="audit",
                ok=not found,
                detail=(lines + more)
                or f"the board is sound, its {len(board.events)} events tell the same, all that was acknowledged is there",
            ),
        )

    def _add_work(self, count: int) -> None:
        for task in self.nexus.add_tasks([TaskDraft(title=f"work {number}") for number in range(count)]):
            self.ledger.note("add", task.task_id)

    def _all_finished(self, racers: Sequence[subprocess.Popen[str]]) -> bool:
        """Let them go on until all is done; False when it takes too long, or none of them is left."""
        end = time.monotonic() + self.patience_seconds
        while self._is_open():
            if time.monotonic() > end or all(racer.poll() is not None for racer in racers):
                return False
            time.sleep(0.05)  # the board is asked; who finishes last cannot know it
        return True

    def _is_open(self) -> bool:
        counts = self.nexus.stats()["status"]
        return sum(counts.values()) > counts.get("completed", 0)

    @contextmanager
    def _worker(self, number: int) -> Iterator[subprocess.Popen[str]]:
        files = (str(self.ledger.path), str(self.journal.path), str(LEASE_SECONDS))
        with _racer("work", *self._place_of(number), *files) as racer:
            yield racer

    def _place_of(self, number: int) -> tuple[str, str, str]:
        return self.doors[number % len(self.doors)], str(self.place), f"racer-{number + 1}"

    @contextmanager
    def _started(self, deed: str, *arguments: str) -> Iterator[Sequence[subprocess.Popen[str]]]:
        """So many processes, all of them at the start line."""
        with ExitStack() as stack:
            racers = [
                stack.enter_context(_racer(deed, *self._place_of(number), *arguments))
                for number in range(self.processes)
            ]
            for racer in racers:
                _hear(racer)
            yield racers


class RacerLost(DreamosError):
    """A process of the race ended, or fell silent."""

    code = "racer_lost"


def _ask_all(racers: Sequence[subprocess.Popen[str]], word: str) -> Sequence[str]:
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write(f"{word}\n")
        racer.stdin.flush()
    return [_hear(racer) for racer in racers]


def _hear(racer: subprocess.Popen[str]) -> str:
    assert racer.stdout is not None
    line = racer.stdout.readline()
    if not line:
        said = racer.communicate()[1].strip().splitlines()
        raise RacerLost("a process of the race ended", cause=said[-1] if said else f"it exited with {racer.returncode}")
    return line.strip()


@contextmanager
def _racer(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """One process, ended in any case."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DREAMOS_TASKS_")}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "dreamos_tasks.app.race.racer", *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        try:
            process.communicate(timeout=PATIENCE_SECONDS)  # closes stdin, which is what they wait for
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextmanager
def _scratch(beside: Path) -> Iterator[Path]:
    """A folder on the same disk, gone afterwards; what a killed race has left goes with it."""
    make_folder(beside)
    for left in beside.glob(f"{SCRATCH}*"):
        pid = left.name.removeprefix(SCRATCH).partition("-")[0]
        if left.is_dir() and not left.is_symlink() and pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{SCRATCH}{os.getpid()}-", dir=beside))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
