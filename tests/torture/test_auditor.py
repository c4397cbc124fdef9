"""The auditor can fail: it is fed a sound run, and then every kind of violation."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dreamos_tasks.app.race.auditor import Board, TaggedProcess, Violation, audit, read_board
from dreamos_tasks.app.race.journal import WORK, Entry, Journal
from dreamos_tasks.app.race.ledger import Acknowledged, Ledger
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.plan import Plan, Step, StepResult, StepStatus
from dreamos_tasks.model.task import Status, Task, TaskDraft, evolve
from dreamos_tasks.stores.memory import MemoryStore
from tests.fakes import FakeClock
from tests.torture.canary import leaks, new_canary
from tests.torture.processes import end_all, processes_of
from tests.torture.waiting import until

pytestmark = pytest.mark.torture


class SoundRun:
    """A task of two steps whose first claim was lost after step one, and one without a plan that an agent did."""

    def __init__(self) -> None:
        clock = FakeClock()
        self.nexus = TaskNexus(MemoryStore(), clock)
        steps = (Step(name="one"), Step(name="two"))
        self.planned = self.nexus.add_task(TaskDraft(title="planned", plan=Plan(steps=steps))).task_id
        self.plain = self.nexus.add_task(TaskDraft(title="plain")).task_id
        self._step("daemon", "one", 1)
        clock.advance(1000)
        self._step("daemon", "two", 2)
        self.nexus.mark_task_completed(self.planned, token=2)
        taken = self.nexus.get_next_task("ada")
        assert taken is not None
        self.nexus.mark_task_completed(self.plain, token=1)
        self.journal = [
            Entry(self.planned, "one", 1, 1),
            Entry(self.planned, "two", 1, 2),
            Entry(self.plain, WORK, 1, 1),
        ]
        self.ledger = [
            Acknowledged(verb="add", task_id=self.planned),
            Acknowledged(verb="claim", task_id=self.plain, token=1),
            Acknowledged(verb="complete", task_id=self.plain, token=1),
        ]
        self.board = read_board(self.nexus)

    def _step(self, agent_id: str, name: str, token: int) -> None:
        self.nexus.claim_task(self.planned, agent_id)
        for status in (StepStatus.RUNNING, StepStatus.COMPLETED):
            self.nexus.record_step(self.planned, StepResult(name=name, status=status, token=token), token=token)

    def audit(self, board: Board | None = None, **more: object) -> list[Violation]:
        given = {"journal": self.journal, "ledger": self.ledger, **more}
        return audit(board or self.board, **given)  # type: ignore[arg-type]

    def event(self, type_: EventType, *, last: bool = False) -> Event:
        found = [event for event in self.board.events if event.type is type_ and event.task_id == self.planned]
        return found[-1 if last else 0]

    def without(self, dropped: Event) -> Board:
        return replace(self.board, events=tuple(event for event in self.board.events if event is not dropped))

    def with_event(self, event: Event) -> Board:
        return replace(self.board, events=(*self.board.events, replace(event, seq=len(self.board.events) + 1)))

    def with_task(self, change: Callable[[Task], Task]) -> Board:
        tasks = tuple(change(task) if task.task_id == self.planned else task for task in self.board.tasks)
        return replace(self.board, tasks=tasks)


@pytest.fixture
def run() -> SoundRun:
    return SoundRun()


def invariants(found: list[Violation]) -> set[str]:
    return {violation.invariant for violation in found}


def test_a_sound_run_is_found_sound(run: SoundRun) -> None:
    assert run.audit() == []


def test_i1_a_task_that_is_left_open_is_found(run: SoundRun) -> None:
    left = run.nexus.add_task(TaskDraft(title="left"))

    assert run.audit(read_board(run.nexus)) == [Violation("I1", left.task_id, "it is pending and not final")]
    assert run.audit(read_board(run.nexus), all_final=False) == []


def test_i1_a_second_end_is_found(run: SoundRun) -> None:
    assert "I1" in invariants(run.audit(run.with_event(run.event(EventType.TASK_COMPLETED))))


def test_i1_a_board_that_shows_another_end_than_its_events_is_found(run: SoundRun) -> None:
    board = run.with_task(lambda task: evolve(task, {"status": Status.FAILED}))

    assert {"I1", "I6"} == invariants(run.audit(board))


@pytest.mark.parametrize(
    "promised",
    [
        Acknowledged(verb="add", task_id="dt-gone"),
        Acknowledged(verb="claim", task_id="PLAIN", token=7),
        Acknowledged(verb="complete", task_id="PLAIN", token=7),
    ],
    ids=lambda entry: entry.verb,
)
def test_i2_an_acknowledged_write_that_is_gone_is_found(run: SoundRun, promised: Acknowledged) -> None:
    if promised.task_id == "PLAIN":
        promised = replace(promised, task_id=run.plain)

    assert invariants(run.audit(ledger=[*run.ledger, promised])) == {"I2"}


def test_i3_a_step_that_starts_again_after_it_was_recorded_complete_is_found(run: SoundRun) -> None:
    assert "I3" in invariants(run.audit(run.with_event(run.event(EventType.STEP_STARTED))))


def test_i3_an_effect_under_a_later_token_than_the_completion_is_found(run: SoundRun) -> None:
    started = {"name": "one", "status": "running", "attempt": 2, "token": 2}
    event = replace(run.event(EventType.STEP_STARTED, last=True), changes={"steps": [started]}, detail={"step": "one"})
    events = list(run.board.events)
    events.insert(events.index(run.event(EventType.STEP_STARTED, last=True)), event)
    found = run.audit(replace(run.board, events=tuple(events)), journal=[*run.journal, Entry(run.planned, "one", 2, 2)])

    assert [violation.what for violation in found if violation.invariant == "I3"] == [
        f"run after it was recorded complete: {Entry(run.planned, 'one', 2, 2)}",
        f"step_started of 'one' after it was recorded complete (seq {event.seq})",
    ]


def test_i4_a_claim_with_a_token_that_does_not_grow_is_found(run: SoundRun) -> None:
    second = run.event(EventType.TASK_CLAIMED, last=True)
    stale = replace(second, changes={**second.changes, "claim": {**second.changes["claim"], "token": 1}})
    board = replace(run.board, events=tuple(stale if event is second else event for event in run.board.events))

    assert "I4" in invariants(run.audit(board))


def test_i4_two_live_tokens_are_found(run: SoundRun) -> None:
    assert "I4" in invariants(run.audit(run.without(run.event(EventType.TASK_LEASE_EXPIRED))))


def test_i4_a_write_of_a_stale_holder_is_found(run: SoundRun) -> None:
    second = run.event(EventType.STEP_COMPLETED, last=True)
    steps = [{**step, "token": 1} for step in second.changes["steps"]]
    stale = replace(second, changes={**second.changes, "steps": steps})
    board = replace(run.board, events=tuple(stale if event is second else event for event in run.board.events))

    assert "I4" in invariants(run.audit(board))


@pytest.mark.parametrize("type_", [EventType.TASK_RELEASED, EventType.PROGRESS, EventType.TASK_RETRY_SCHEDULED])
def test_i4_a_holders_event_while_nobody_holds_is_found(run: SoundRun, type_: EventType) -> None:
    released = replace(run.event(EventType.TASK_COMPLETED), type=type_, changes={})

    assert "I4" in invariants(run.audit(run.with_event(released)))


@pytest.mark.parametrize(
    ("step", "attempt", "token"), [("one", 1, 1), ("one", 2, 1), ("two", 1, 1), ("three", 1, 2), (WORK, 1, 9)]
)
def test_i5_more_effects_than_attempts_are_found(run: SoundRun, step: str, attempt: int, token: int) -> None:
    extra = Entry(run.planned, step, attempt, token)

    assert invariants(run.audit(journal=[*run.journal, extra])) == {"I5"}


def test_i5_an_effect_of_an_unknown_task_is_found(run: SoundRun) -> None:
    assert invariants(run.audit(journal=[*run.journal, Entry("dt-gone", "one", 1, 1)])) == {"I5"}


def test_i6_what_the_integrity_check_says_is_found(run: SoundRun) -> None:
    assert run.audit(replace(run.board, unsound=("row 3 missing from index",))) == [
        Violation("I6", "", "row 3 missing from index")
    ]


def test_i6_a_task_that_its_events_do_not_tell_is_found(run: SoundRun) -> None:
    assert invariants(run.audit(run.with_task(lambda task: evolve(task, {"title": "another"})))) == {"I6"}
    assert "I6" in invariants(run.audit(replace(run.board, tasks=run.board.tasks[:1])))


def test_i7_a_process_of_a_task_that_does_not_run_is_found(run: SoundRun) -> None:
    ended = TaggedProcess(4711, run.planned, 2, b"sleep")
    unknown = TaggedProcess(4712, "dt-gone", 1, b"sleep")

    found = run.audit(processes=(ended, unknown))

    assert [violation.invariant for violation in found] == ["I7", "I7"]


def test_i7_a_process_of_an_earlier_token_is_found_and_one_of_the_live_token_is_not(run: SoundRun) -> None:
    task = run.nexus.add_task(TaskDraft(title="held"))
    taken = run.nexus.claim_task(task.task_id, "ada")
    assert taken.claim is not None
    board = read_board(run.nexus)

    live = TaggedProcess(4711, task.task_id, taken.claim.token, b"sleep")
    assert run.audit(board, processes=(live,), all_final=False) == []
    assert invariants(run.audit(board, processes=(replace(live, token=0),), all_final=False)) == {"I7"}


def test_i7_the_scan_sees_a_tagged_process_and_no_other(tmp_path: Path) -> None:
    tagged = {**os.environ, "DREAMOS_TASKS_TASK_ID": "dt-1", "DREAMOS_TASKS_TOKEN": "3"}
    waits = [sys.executable, "-c", "input()"]
    with (
        subprocess.Popen(waits, cwd=tmp_path, env=tagged, stdin=subprocess.PIPE) as child,
        subprocess.Popen(waits, cwd=tmp_path, stdin=subprocess.PIPE) as other,
    ):
        until(lambda: processes_of(tmp_path), what="the child is seen")
        seen = processes_of(tmp_path)
        elsewhere = processes_of(tmp_path / "another")
        end_all(tmp_path)
        child.wait()
        assert other.poll() is None
        other.kill()

    assert [(process.pid, process.task_id, process.token) for process in seen] == [(child.pid, "dt-1", 3)]
    assert elsewhere == []
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("form", ["plain", "base64", "quoted"])
def test_i8_a_secret_in_any_file_is_found(tmp_path: Path, form: str) -> None:
    import base64
    import urllib.parse

    canary = new_canary()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "clean.log").write_text("nothing here")
    assert leaks(canary, [tmp_path], [b"nothing"]) == []

    words = {
        "plain": canary,
        "base64": base64.b64encode(canary.encode()).decode(),
        "quoted": urllib.parse.quote(canary, safe=""),
    }[form]
    (tmp_path / "runs" / "out.log").write_bytes(b"\0\xff" + words.encode())

    assert invariants(leaks(canary, [tmp_path])) == {"I8"}
    assert invariants(leaks(canary, [], [words.encode()])) == {"I8"}


def test_the_journal_and_the_ledger_give_back_what_was_written(tmp_path: Path) -> None:
    journal, ledger = Journal(tmp_path / "it's here"), Ledger(tmp_path / "ledger")
    names = {"TASK_ID": "dt-1", "STEP": "one two", "ATTEMPT": "2", "TOKEN": "5"}
    variables = {f"DREAMOS_TASKS_{name}": value for name, value in names.items()}

    subprocess.run(["sh", "-c", journal.command("true")], env={**os.environ, **variables}, check=True)
    journal.append(Entry("dt-2", WORK, 1, 1))
    ledger.note("claim", "dt-1", 5)

    assert journal.entries() == [Entry("dt-1", "one two", 2, 5), Entry("dt-2", WORK, 1, 1)]
    assert ledger.entries() == [Acknowledged(verb="claim", task_id="dt-1", token=5)]


def test_a_line_that_is_being_written_is_not_read_yet(tmp_path: Path) -> None:
    journal, ledger = Journal(tmp_path / "journal"), Ledger(tmp_path / "ledger")
    journal.append(Entry("dt-1", "one", 1, 1))
    ledger.note("add", "dt-1")
    for path in (journal.path, ledger.path):
        with path.open("r+b") as file:
            beginning = file.read(10)
            file.seek(0, 2)
            file.write(beginning)

    assert journal.entries() == [Entry("dt-1", "one", 1, 1)]
    assert ledger.entries() == [Acknowledged(verb="add", task_id="dt-1")]
