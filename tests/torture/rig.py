"""Rig: a home of its own with real daemons, commands and agents on it, all of them processes that this test started."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.app.daemon_lock import running_daemon
from dreamos_tasks.app.home_making import make_home
from dreamos_tasks.app.nexus import TaskNexus
from dreamos_tasks.app.race.auditor import Violation, audit, read_board
from dreamos_tasks.app.race.journal import Journal
from dreamos_tasks.app.race.ledger import Ledger
from dreamos_tasks.app.status_socket import ask_status
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.model.plan import Plan, Step
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import Task, TaskDraft
from tests.answer import Answer
from tests.torture.processes import end_all, processes_of
from tests.torture.waiting import TIMEOUT_SECONDS, until

PROJECT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-P", "-m", "dreamos_tasks.interfaces.cli.main")
LEASE_SECONDS = 3.0  # of agents that may be killed, and of a daemon that is to lose its lease
# Everything that is slow for people's sake is quick here; but a busy machine makes no lease run out that nobody has let go.
CONFIG: Mapping[str, Mapping[str, Any]] = {
    "claims": {"lease_seconds": 600, "heartbeat_seconds": 0.5, "max_lost_leases": 1000},
    "daemon": {
        "grace_seconds": 2,
        "data_version_poll_seconds": 0.2,
        "max_concurrent_tasks": 4,
        "under_pressure": "ignore",
    },
    "inbox": {"rescan_seconds": 0.5, "settle_seconds": 0.3},
    "retry": {"base_seconds": 0.1, "max_seconds": 0.2},
    "monitoring": {"check_interval_seconds": 0.5},
    "limits": {"disk_free_bytes": 0, "wall_seconds": 120},  # some boards are on disks of one MiB
    "server": {"enabled": False, "port": 0},  # it takes half of a daemon's start; who comes by HTTP enables it
    "logging": {"level": "DEBUG"},
}


class DaemonsAnswer(Answer):
    """What a command gave that may log."""

    @property
    def error(self) -> Any:
        """The error on stderr, of a call with --json; a daemon may have logged something before."""
        return json.loads(self.err.splitlines()[-1])["error"]


class Rig:
    """One home. `close` ends everything that was started on it. `notes`: where journal and ledger are kept."""

    def __init__(
        self, path: Path, config: Mapping[str, Mapping[str, Any]] | None = None, *, notes: Path | None = None
    ) -> None:
        self.home = Home(path=path, found_by="--home")
        self.journal = Journal((notes or path.parent) / f"{path.name}.journal")
        self.ledger = Ledger((notes or path.parent) / f"{path.name}.ledger")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DREAMOS_TASKS_")},
            "XDG_CONFIG_HOME": str(path / "no-config"),
        }
        self._started: list[subprocess.Popen[bytes]] = []
        path.mkdir(mode=0o700)
        sections = {
            name: {**CONFIG.get(name, {}), **(config or {}).get(name, {})} for name in {*CONFIG, *(config or {})}
        }
        self.store = str(sections.get("board", {}).get("store", "sqlite"))
        lines = ["dreamos_tasks: 1", *(f"{name}: {json.dumps(section)}" for name, section in sections.items())]
        self.home.config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.home.config.chmod(0o600)
        make_home(self.home, Settings())

    @property
    def board(self) -> Path:
        """The board's file."""
        return self.home.runtime / ("nexus.json" if self.store == "json" else "nexus.db")

    @property
    def inbox(self) -> Path:
        """Where files are dropped."""
        return self.home.runtime / "inbox"

    @cached_property
    def nexus(self) -> TaskNexus:
        """The board, opened by the test itself."""
        return TaskNexus.open(self.board)

    # -- commands and processes

    def dt(self, *args: str, environment: Mapping[str, str] | None = None, prefix: Sequence[str] = ()) -> Answer:
        """Run the command on this home, in a process of its own."""
        done = subprocess.run(
            [*prefix, *COMMAND, "--home", str(self.home.path), *args],
            env={**self.environment, **(environment or {})},
            cwd=self.home.path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
        )
        return DaemonsAnswer(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start any program; it is killed at the end if it lives then."""
        process = subprocess.Popen(command, **{"env": self.environment, "stdin": subprocess.DEVNULL, **options})
        self._started.append(process)
        return process

    def start_daemon(self, *, wait: bool = True, environment: Mapping[str, str] | None = None) -> Daemon:
        """Start `dt daemon`, and wait until it serves."""
        out = open(self.home.path / "daemon.out", "ab")  # noqa: SIM115  the process writes to it
        with out:
            process = self.start(
                [*COMMAND, "--home", str(self.home.path), "daemon"],
                cwd=self.home.path,
                env={**self.environment, **(environment or {})},
                stdout=out,
                stderr=out,
            )
        daemon = Daemon(self, process)
        if wait:
            until(daemon.is_ready, what=lambda: f"daemon ready; it said: {self.said()}")
        return daemon

    def http_address(self) -> str:
        """Where the daemon serves HTTP, once it does: a moment after it serves at all."""

        def told() -> str:
            card = running_daemon(self.home.daemon_file)
            return "" if card is None else card.endpoints.get("http", "")

        return until(told, what=lambda: f"the daemon serves HTTP; it said: {self.said()}")

    def start_agent(self, name: str) -> subprocess.Popen[bytes]:
        """Start an agent that claims and completes tasks without a plan until it is killed or stdin closes."""
        files = ("python", str(self.board), name, str(self.ledger.path), str(self.journal.path), str(LEASE_SECONDS))
        command = [sys.executable, "-m", "dreamos_tasks.app.race.racer", "work", *files]
        return self.start(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def said(self) -> str:
        """What daemons have said on stdout and stderr."""
        return (self.home.path / "daemon.out").read_text(errors="replace")[-3000:]

    def log(self) -> str:
        """The daemon's log."""
        return "".join(file.read_text(errors="replace") for file in sorted(self.home.logs.glob("*.log")))

    def close(self) -> None:
        """End what was started, and what that left. May be called twice."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
        self._started = []
        end_all(self.home.path)
        if "nexus" in self.__dict__:
            self.nexus.close()
            del self.__dict__["nexus"]

    # -- tasks

    def add_plan(self, title: str, *commands: str | Sequence[str], **fields: Any) -> str:
        """Add a task for the daemon: a shell step a command, `s1` onwards. Gives its id."""
        steps = tuple(
            Step(
                name=f"s{number}",
                params={"command": command if isinstance(command, str) else list(command)},
                idempotent=True,  # cut in the middle, it runs again without asking
            )
            for number, command in enumerate(commands, start=1)
        )
        return self.add(TaskDraft(title=title, plan=Plan(steps=steps), **fields))

    def add_journalled(self, title: str, *, steps: int = 3, then: str = "true", **fields: Any) -> str:
        """Add a task each of whose steps notes itself in the journal and then does something."""
        return self.add_plan(title, *([self.journal.command(then)] * steps), **fields)

    def add(self, draft: TaskDraft) -> str:
        """Add a task and note that the board acknowledged it."""
        task_id = self.nexus.add_task(draft).task_id
        self.ledger.note("add", task_id)
        return task_id

    def task(self, task_id: str) -> Task:
        """The task as it is now."""
        return self.nexus.get_task_by_id(task_id)

    def wait_for(self, task_id: str, *statuses: str, timeout_seconds: float = TIMEOUT_SECONDS) -> Task:
        """The task, once it is in one of the states; `final` is any of the three."""
        wanted = {"completed", "failed", "cancelled"} if statuses == ("final",) else set(statuses)

        def now() -> str:
            task = self.task(task_id)
            return f"{task_id} is {task.status}, wanted {wanted}; {task.error}; log: {self.log()[-2000:]}"

        until(lambda: self.task(task_id).status in wanted, timeout_seconds=timeout_seconds, what=now)
        return self.task(task_id)

    def wait_for_all(self, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Until every task is final."""

        def left() -> list[str]:
            found = self.nexus.stats()["status"]
            return [
                f"{word}: {n}" for word, n in found.items() if n and word not in ("completed", "failed", "cancelled")
            ]

        until(lambda: not left(), timeout_seconds=timeout_seconds, what=lambda: f"{left()}; log: {self.log()[-3000:]}")

    # -- judgement

    def violations(self, *, all_final: bool = True) -> list[Violation]:
        """What the auditor finds. Nobody should write meanwhile."""
        return audit(
            read_board(self.nexus),
            journal=self.journal.entries(),
            ledger=self.ledger.entries(),
            processes=processes_of(self.home.path),
            all_final=all_final,
        )

    def assert_sound(self, *, all_final: bool = True) -> None:
        """I1-I7 hold. What a task leaves running may take its grace to end."""
        until(
            lambda: not any(violation.invariant == "I7" for violation in self.violations(all_final=all_final)),
            what=lambda: self.violations(all_final=all_final),
        )
        assert self.violations(all_final=all_final) == []


class Daemon:
    """One `dt daemon` of the rig."""

    def __init__(self, rig: Rig, process: subprocess.Popen[bytes]) -> None:
        self.rig = rig
        self.process = process
        self.pid = process.pid

    def is_ready(self) -> bool:
        """Whether it serves. AssertionError when it ended instead."""
        assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.rig.said()}"
        card = running_daemon(self.rig.home.daemon_file)
        return card is not None and card.process.pid == self.pid

    def status(self) -> Mapping[str, Any] | None:
        """Its own report; None when it does not answer."""
        return ask_status(self.rig.home.status_socket)

    def report(self) -> Mapping[str, Any]:
        """The same, once it answers."""
        return until(self.status, what=lambda: f"it answers; log: {self.rig.log()[-2000:]}") or {}

    def trouble(self) -> list[str]:
        """What it says is wrong."""
        return list((self.status() or {}).get("trouble", ()))

    def kill(self) -> None:
        """SIGKILL: it gets no chance to say anything."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and wait; gives the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=TIMEOUT_SECONDS)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stopped as by Ctrl-Z, a suspended machine, a swapping one; but not within a transaction, where all would wait."""
        until(self._freezes_without_the_lock, what="frozen outside a transaction")
        try:
            yield
        finally:
            if self.process.poll() is None:
                os.kill(self.pid, signal.SIGCONT)

    def processor_seconds(self) -> float:
        """What it has used so far."""
        text = Path(f"/proc/{self.pid}/stat").read_text()
        fields = text[text.rindex(")") + 2 :].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def is_calm(self, share: float = 0.5) -> bool:
        """Whether it lets others have the processor: of three seconds there is one of which it uses no more than this."""

        def used() -> float:
            before = self.processor_seconds()
            self.live(1.0)
            return self.processor_seconds() - before

        return any(used() < share for _ in range(3))

    def live(self, seconds: float) -> None:
        """Wait so long for its end, which must not come."""
        with suppress(subprocess.TimeoutExpired):
            code = self.process.wait(seconds)
            raise AssertionError(f"it ended with {code}: {self.rig.said()}")

    def _freezes_without_the_lock(self) -> bool:
        os.kill(self.pid, signal.SIGSTOP)
        with open(f"{self.rig.board}.lock", "rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.kill(self.pid, signal.SIGCONT)
                return False
        return True


on_each_file = pytest.mark.parametrize("rig", ["sqlite", "json"], indirect=True)


def quick_retry(attempts: int) -> RetryPolicy:
    """A policy that does not keep a test waiting."""
    return RetryPolicy(max_attempts=attempts, base_seconds=0.05, max_seconds=0.1)
