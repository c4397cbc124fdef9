"""The board's list of incidents: one a cause, named by id, task or agent, kept for a while when it is over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import time
from pathlib import Path

import pytest

from dreamos_tasks.board import incidents as module
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import AmbiguousIncident, IncidentNotFound, InvalidInput, Refused
from dreamos_tasks.model.incident import Condition, EscalationRule, IncidentKind
from dreamos_tasks.model.task import Priority
from tests.fakes import FakeClock, at
from tests.kinds import board_path, make_store, open_store

RULE = EscalationRule(raise_after_seconds=100)
NOON = time(12)


@pytest.fixture(params=["memory", "json", "sqlite"])
def nexus(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[TaskNexus]:
    with closing(make_store(request.param, tmp_path)) as store:
        yield TaskNexus(store, clock)


def stalled(task_id: str, severity: Priority = Priority.MEDIUM) -> Condition:
    return Condition(
        cause=f"stalled:{task_id}",
        kind=IncidentKind.STALLED,
        text=f"nobody claims {task_id}",
        severity=severity,
        task_id=task_id,
    )


def overdue(task_id: str) -> Condition:
    return Condition(cause=f"overdue:{task_id}", kind=IncidentKind.OVERDUE, text=f"{task_id} is late", task_id=task_id)


def update(nexus: TaskNexus, *conditions: Condition) -> module.IncidentChanges:
    return nexus.incidents.update(conditions, RULE, by="monitor")


def test_a_cause_has_one_incident_for_as_long_as_it_lasts(nexus: TaskNexus, clock: FakeClock) -> None:
    changes = update(nexus, stalled("dt-1"), stalled("dt-2"), stalled("dt-1"))
    assert [one.task_id for one in changes.opened] == ["dt-1", "dt-2"]
    clock.advance(10)
    assert not nexus.incidents.compare([stalled("dt-1"), stalled("dt-2")], RULE, by="monitor").must_be_kept
    again = update(nexus, stalled("dt-1"))
    assert ([one.task_id for one in again.over], again.opened) == (["dt-2"], ())
    assert [one.task_id for one in nexus.incidents.all()] == ["dt-1"]
    (past,) = nexus.incidents.past()
    assert (past.state, past.over_at) == ("over", at(10))

    clock.advance(10)
    assert [one.incident_id for one in update(nexus, stalled("dt-1"), stalled("dt-2")).opened] != [past.incident_id]


def test_the_most_severe_come_first_and_of_these_the_oldest(nexus: TaskNexus, clock: FakeClock) -> None:
    update(nexus, stalled("dt-1"))
    clock.advance(1)
    update(nexus, stalled("dt-1"), stalled("dt-2", Priority.CRITICAL), stalled("dt-0"))
    assert [one.task_id for one in nexus.incidents.all()] == ["dt-2", "dt-1", "dt-0"]


def test_an_incident_is_named_by_its_id_its_beginning_its_task_or_its_agent(nexus: TaskNexus) -> None:
    silent = Condition(cause="silent_agent:ada", kind=IncidentKind.SILENT_AGENT, text="x", agent_id="ada")
    first, second, third, agent = update(nexus, stalled("dt-1"), stalled("dt-2"), overdue("dt-2"), silent).opened
    book = nexus.incidents

    assert book.get(first.incident_id) == first
    assert book.get(first.incident_id.removeprefix("in-")) == first
    assert book.get("ada") == agent
    assert list(book.named("dt-2")) == [third, second], "by cause, as they are as old"
    with pytest.raises(AmbiguousIncident) as caught:
        book.get("dt-2")
    assert caught.value.candidates == (third.incident_id, second.incident_id)
    with pytest.raises(AmbiguousIncident):
        book.named("in-")
    with pytest.raises(IncidentNotFound):
        book.named("in-????")


def test_people_take_on_put_off_and_close(nexus: TaskNexus, clock: FakeClock) -> None:
    first, second, third = update(nexus, stalled("dt-1"), stalled("dt-2"), stalled("dt-3")).opened
    book = nexus.incidents
    assert book.acknowledge(first.incident_id, by="eva", why="on it").state == "acknowledged"
    assert book.snooze(second.incident_id, until=at(200), by="eva").snoozed_until == at(200)
    assert book.close(third.incident_id, by="eva", why="may be late").state == "closed"
    with pytest.raises(InvalidInput, match="past"):
        book.snooze(second.incident_id, until=at(0), by="eva")

    clock.advance(150)
    causes = (stalled("dt-1"), stalled("dt-2"), stalled("dt-3"))
    assert update(nexus, *causes).risen == ()
    clock.advance(50)
    assert [one.incident_id for one in update(nexus, *causes).risen] == [second.incident_id], "it is awake"
    assert book.get(third.incident_id).log[-1]["why"] == "may be late"

    update(nexus)
    with pytest.raises(InvalidInput, match="over"):
        book.acknowledge(first.incident_id, by="eva")


def test_what_is_to_be_told_is_given_to_one_teller(nexus: TaskNexus, clock: FakeClock) -> None:
    update(nexus, stalled("dt-1"), stalled("dt-2"))
    book = nexus.incidents
    taken = book.take_untold(RULE, time_of_day=NOON, limit=1)
    others = book.take_untold(RULE, time_of_day=NOON, limit=9)
    assert [one.task_id for one in (*taken, *others)] == ["dt-1", "dt-2"]
    assert not book.has_untold(RULE, time_of_day=NOON)

    book.note_told(
        {
            taken[0].cause: (Priority.MEDIUM, {}),
            others[0].cause: (Priority.MEDIUM, {"command": "exit 1"}),
            "stalled:gone": (Priority.LOW, {}),
        },
        by="monitor",
    )
    first, second = book.all()
    assert (first.told_severity, first.told_at) == (Priority.MEDIUM, at(0))
    assert (second.told_severity, second.untold_targets) == (None, ("command",))
    clock.advance(60)
    assert [one.task_id for one in book.take_untold(RULE, time_of_day=NOON, limit=9)] == ["dt-2"]


def test_the_next_change_is_known(nexus: TaskNexus) -> None:
    assert nexus.incidents.next_at(RULE, now=at(0)) is None
    first, second = update(nexus, stalled("dt-1"), stalled("dt-2")).opened
    assert nexus.incidents.next_at(RULE, now=at(0)) == at(100)
    nexus.incidents.acknowledge(first.incident_id, by="eva")
    nexus.incidents.snooze(second.incident_id, until=at(30), by="eva")
    assert nexus.incidents.next_at(RULE, now=at(0)) == at(30)


def test_of_those_that_are_over_the_newest_are_kept(
    nexus: TaskNexus, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_PAST", 3)
    for number in range(5):
        update(nexus, stalled(f"dt-{number}"))
        clock.advance(1)
        update(nexus)
        clock.advance(1)
    assert [one.task_id for one in nexus.incidents.past()] == ["dt-4", "dt-3", "dt-2"]
    assert [one.task_id for one in nexus.incidents.past(limit=1)] == ["dt-4"]


@pytest.mark.parametrize("kind", ["json", "sqlite"])
def test_two_monitors_at_once_open_one_incident_a_cause(kind: str, tmp_path: Path) -> None:
    make_store(kind, tmp_path).close()
    opened: list[str] = []

    def check() -> None:
        with closing(open_store(kind, board_path(kind, tmp_path))) as store:
            nexus = TaskNexus(store, FakeClock())
            for _ in range(5):
                opened.extend(one.cause for one in update(nexus, stalled("dt-1"), stalled("dt-2")).opened)

    threads = [threading.Thread(target=check) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(opened) == ["stalled:dt-1", "stalled:dt-2"]


def test_a_plain_array_has_no_place_for_incidents(tmp_path: Path) -> None:
    with closing(make_store("json_array", tmp_path)) as store:
        nexus = TaskNexus(store, FakeClock())
        with pytest.raises(Refused, match="no place"):
            update(nexus, stalled("dt-1"))
        assert nexus.incidents.all() == []
