"""The last change is taken back by a new event: the task is as it was, and its events go on telling it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dreamos_tasks.errors import CannotUndo
from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.event import Change, Event, EventType
from dreamos_tasks.model.history import differing_fields
from dreamos_tasks.model.query import ClaimRequest
from dreamos_tasks.model.request import Request, RequestKind
from dreamos_tasks.model.taking_back import SPOKEN, is_spoken, take_back, taken_back_by
from dreamos_tasks.model.task import TASK_FIELDS, Status, Task, TaskDraft, evolve
from tests.fakes import START, at

ASKED = Request(request_id="", kind=RequestKind.QUESTION, asked_by="", asked_at=START, text="which?")


class Story:
    """A task and all its events, numbered as a board numbers them."""

    def __init__(self) -> None:
        self.task = lifecycle.add(TaskDraft(title="x"), task_id="a", now=START).task
        self.events: list[Event] = []
        self.now = 0
        self._take(lifecycle.add(TaskDraft(title="x"), task_id="a", now=START))

    def say(self, act: Callable[[Task], Change]) -> Event:
        """Have something happen; gives its last event."""
        self.now += 10
        self._take(act(self.task))
        return self.events[-1]

    def take_back(self, event: Event) -> Event:
        return self.say(lambda task: take_back(task, tuple(self.events), event, by="eve", now=at(self.now)))

    def told(self) -> tuple[str, ...]:
        """Where the task is not what its events tell."""
        told: Task | None = None
        for event in self.events:
            told = lifecycle.fold(told, event)
        assert told is not None
        return differing_fields(told, self.task)

    def _take(self, change: Change) -> None:
        self.task = change.task
        for event in change.events:
            numbered = {name: getattr(event, name) for name in ("type", "task_id", "at", "by", "changes", "detail")}
            self.events.append(Event(**numbered, seq=len(self.events) + 1))

    # -- what happens

    def claim(self) -> Event:
        ada = ClaimRequest(agent_id="ada")
        return self.say(lambda task: lifecycle.claim(task, ada, unfinished=(), now=at(self.now), lease_seconds=900))

    def pause(self, **more: bool) -> Event:
        return self.say(lambda task: lifecycle.pause(task, by="cli", now=at(self.now), **more))  # type: ignore[arg-type]

    def resume(self) -> Event:
        return self.say(lambda task: lifecycle.resume(task, by="cli", now=at(self.now)))

    def cancel(self) -> Event:
        return self.say(lambda task: lifecycle.cancel(task, by="cli", now=at(self.now)))

    def retry(self) -> Event:
        return self.say(lambda task: lifecycle.retry(task, by="cli", now=at(self.now)))

    def edit(self, title: str) -> Event:
        return self.say(lambda task: lifecycle.edit(task, {"title": title}, by="cli", now=at(self.now)))

    def ask_and_park(self) -> Event:
        self.say(lambda task: lifecycle.ask(task, ASKED, agent_id="ada", token=None, now=at(self.now)))
        return self.say(lambda task: lifecycle.release(task, agent_id="ada", token=None, now=at(self.now)))


def differing(before: Task, after: Task) -> set[str]:
    return {name for name in TASK_FIELDS if getattr(before, name) != getattr(after, name)} - {"updated_at"}


LEAD_INS: dict[str, Callable[[Story], object]] = {
    "pending": lambda _: None,
    "paused": lambda story: story.pause(),
    "asking": lambda story: (story.claim(), story.ask_and_park()),
    "cancelled": lambda story: story.cancel(),
    "held": lambda story: story.claim(),
    "held, to pause": lambda story: (story.claim(), story.pause(at_boundary=True)),
}
SAID: dict[str, Callable[[Story], Event]] = {
    "pause": Story.pause,
    "pause at the boundary": lambda story: story.pause(at_boundary=True),
    "resume": Story.resume,
    "cancel": Story.cancel,
    "retry": Story.retry,
    "edit": lambda story: story.edit("y"),
}
PAIRS = [
    ("pending", ("pause", "cancel", "edit")),
    ("paused", ("resume", "cancel", "edit")),
    ("asking", ("pause", "cancel", "edit")),
    ("cancelled", ("retry",)),
    ("held", ("pause", "pause at the boundary", "cancel", "edit")),
    ("held, to pause", ("resume",)),
]
CASES = [(before, said) for before, verbs in PAIRS for said in verbs]
ENDS_A_CLAIM = [("held", "pause"), ("held", "cancel")]


@pytest.mark.parametrize(("before", "said"), [case for case in CASES if case not in ENDS_A_CLAIM])
def test_the_task_is_as_it_was_and_its_events_tell_it(before: str, said: str) -> None:
    story = Story()
    LEAD_INS[before](story)
    was = story.task
    event = SAID[said](story)

    story.take_back(event)

    assert differing(was, story.task) == set()
    assert story.told() == ()


@pytest.mark.parametrize(("before", "said"), ENDS_A_CLAIM)
def test_a_claim_does_not_come_back_the_task_is_in_the_queue_again(before: str, said: str) -> None:
    story = Story()
    LEAD_INS[before](story)
    was = story.task
    event = SAID[said](story)

    story.take_back(event)

    assert (story.task.status, story.task.claim, story.task.pause) == (Status.PENDING, None, None)
    assert differing(was, story.task) == {"status", "claim", "pending_since"}
    assert story.told() == ()


def test_a_task_that_was_added_is_cancelled() -> None:
    story = Story()

    story.take_back(story.events[0])

    assert (story.task.status, story.task.finished_at) == (Status.CANCELLED, at(10))
    assert story.told() == ()


def test_what_was_taken_back_is_passed_over_and_the_change_before_can_be() -> None:
    story = Story()
    first, second = story.edit("y"), story.edit("z")

    taken = story.take_back(second)
    assert taken_back_by(taken) == (second.seq,)
    story.take_back(first)

    assert story.task.title == "x"
    assert story.told() == ()


@pytest.mark.parametrize("since", ["claim", "pause", "cancel"])
def test_after_anything_else_it_cannot_be_taken_back(since: str) -> None:
    story = Story()
    event = story.edit("y")
    {"claim": story.claim, "pause": story.pause, "cancel": story.cancel}[since]()

    with pytest.raises(CannotUndo, match="something has happened to it since"):
        story.take_back(event)


def test_a_decision_cannot_be_taken_back() -> None:
    story = Story()
    story.claim()
    story.ask_and_park()
    event = story.say(lambda task: lifecycle.answer(task, "a.r1", "the newer", by="eve", now=at(story.now)))

    with pytest.raises(CannotUndo, match="that cannot be taken back"):
        story.take_back(event)


@pytest.mark.parametrize("by", ["board", "monitor", "run-77", "the-daemon"])
def test_what_machines_do_by_themselves_is_nobodys_last_change(by: str) -> None:
    event = Event(type=EventType.TASK_PAUSED, task_id="a", at=START, by=by)

    assert not is_spoken(event, machines=("the-daemon",))
    assert is_spoken(Event(type=EventType.TASK_PAUSED, task_id="a", at=START, by="run-x"))
    assert not is_spoken(Event(type=EventType.TASK_CLAIMED, task_id="a", at=START, by="ada"))


def test_every_verb_that_is_spoken_is_tried_here() -> None:
    assert {word.split()[0] for word in SAID} | {"add", "approve", "reject", "answer"} == set(SPOKEN.values())


def test_a_task_under_a_lease_that_has_run_out_is_left_to_it() -> None:
    story = Story()
    story.claim()
    event = story.edit("y")
    story.now = 2000

    story.take_back(event)

    assert story.task == evolve(story.task, {"title": "x", "status": Status.IN_PROGRESS})
