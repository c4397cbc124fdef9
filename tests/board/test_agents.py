"""What a registered agent is held to when it claims; and that all others work as they did."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from dreamos_tasks.board import agents as verbs
from dreamos_tasks.board.idle import nothing_ready
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.errors import (
    AgentAtCapacity,
    AgentNotFound,
    AgentNotRegistered,
    AgentPaused,
    DreamosError,
    InvalidInput,
    NotClaimable,
    Refused,
)
from dreamos_tasks.model import agent as model
from dreamos_tasks.model.agent import AgentProfile, agent_from_form, agent_to_form
from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.outcome import Succeeded
from dreamos_tasks.model.plan import Plan, Step
from dreamos_tasks.model.query import ClaimRequest
from dreamos_tasks.model.task import ProcessIdentity, Task, TaskDraft
from tests.fakes import FakeClock, at
from tests.kinds import make_store

PROCESS = ProcessIdentity(pid=7, started_ticks=99, boot_id="boot-1", instance="")
OTHER = ProcessIdentity(pid=8, started_ticks=99, boot_id="boot-1", instance="")


@pytest.fixture(params=["memory", "json", "sqlite"])
def nexus(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> TaskNexus:
    """A board of each kind that has a place for agents."""
    store = make_store(request.param, tmp_path)
    request.addfinalizer(store.close)  # noqa: PT021  the nexus is the value
    return TaskNexus(store, clock)


def add(nexus: TaskNexus, title: str = "x", **fields: object) -> Task:
    return nexus.add_task(TaskDraft(title=title, **fields))  # type: ignore[arg-type]


def register(nexus: TaskNexus, name: str = "ada", **said: object) -> None:
    nexus.register_agent(AgentProfile(agent_id=name, **said))  # type: ignore[arg-type]


def claims_of(nexus: TaskNexus, task: Task) -> list[Event]:
    return [event for event in nexus.events(task_id=task.task_id) if event.type is EventType.TASK_CLAIMED]


def test_an_agent_is_kept_as_it_was_registered(nexus: TaskNexus, clock: FakeClock) -> None:
    register(nexus, capabilities=("gpu", "docker"), max_in_progress=2, kind="claude-code", note="x", process=PROCESS)
    clock.advance(60)
    nexus.pause_agent("ada", by="ops", reason="flaky")

    (view,) = nexus.agents()
    assert (view.agent_id, view.state, view.registered) == ("ada", "paused", True)
    assert (view.capabilities, view.max_in_progress, view.kind) == (("gpu", "docker"), 2, "claude-code")
    assert view.registered_at == at(0)
    assert view.paused is not None
    assert (view.paused.by, view.paused.at, view.paused.reason) == ("ops", at(60), "flaky")
    assert [(note["what"], note["by"], note["why"]) for note in view.log] == [
        ("registered", "ada", ""),
        ("paused", "ops", "flaky"),
    ]
    form = nexus.store.kept(model.SHELF, "ada")
    assert form is not None
    assert agent_to_form(agent_from_form(form)) == form
    assert agent_from_form(form).process == PROCESS


def test_the_verbs_look_where_the_model_says() -> None:
    assert verbs.SHELF == model.SHELF


def test_registering_again_replaces_what_was_said_and_nothing_else(nexus: TaskNexus, clock: FakeClock) -> None:
    register(nexus, capabilities=("gpu",), max_in_progress=1)
    nexus.pause_agent("ada", by="ops")
    clock.advance(60)
    register(nexus, capabilities=("docker",))

    (view,) = nexus.agents()
    assert (view.capabilities, view.max_in_progress, view.registered_at) == (("docker",), None, at(0))
    assert (view.state, view.last_heard_at) == ("paused", at(60)), "it must not unpause itself so"


def test_an_agent_that_starts_every_morning_leaves_one_note(nexus: TaskNexus, clock: FakeClock) -> None:
    for _ in range(5):
        register(nexus, capabilities=("gpu",))
        clock.advance(86_400)
    assert [note["what"] for note in nexus.agents()[0].log] == ["registered"]


@pytest.mark.parametrize(
    "said",
    [
        {"agent_id": "no blanks"},
        {"agent_id": "ada", "capabilities": ("gpu", "")},
        {"agent_id": "ada", "max_in_progress": 0},
        {"agent_id": "ada", "note": "x" * 501},
    ],
)
def test_what_cannot_be_an_agent_is_refused(said: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        AgentProfile(**said)  # type: ignore[arg-type]


def test_an_agent_offers_what_it_is_registered_with_unless_it_names_something(nexus: TaskNexus) -> None:
    task = add(nexus, requires=("gpu",))
    register(nexus, "ada", capabilities=("gpu",))
    register(nexus, "ben", capabilities=("docker",))

    assert nexus.get_next_task("ben") is None
    assert "requires gpu, which ben does not offer" in nothing_ready(nexus, ClaimRequest(agent_id="ben")).cause
    with pytest.raises(NotClaimable, match="ben"):
        nexus.claim_task(task.task_id, "ben")
    assert nexus.get_next_task("cyd") is None
    claimed = nexus.get_next_task("ada")
    assert claimed is not None
    nexus.release_task(task.task_id, "ada")
    named = nexus.get_next_task("ben", capabilities=("gpu",))
    assert named is not None
    nexus.release_task(task.task_id, "ben")
    assert nexus.claim_task(task.task_id, "cyd").claim is not None, "a stranger vouches for itself, as ever"


def test_an_agent_holds_no_more_than_it_may(nexus: TaskNexus, clock: FakeClock) -> None:
    tasks = [add(nexus, str(number)) for number in range(4)]
    register(nexus, max_in_progress=2)
    first, second = nexus.get_next_task("ada"), nexus.get_next_task("ada")
    assert first is not None
    assert second is not None

    assert nexus.get_next_task("ada") is None
    hindrance = nexus.hindrance_of("ada")
    assert isinstance(hindrance, AgentAtCapacity)
    assert first.task_id in nothing_ready(nexus, ClaimRequest(agent_id="ada")).cause
    with pytest.raises(AgentAtCapacity) as caught:
        nexus.claim_task(tasks[2].task_id, "ada")
    assert (caught.value.exit_code, caught.value.held) == (4, (first.task_id, second.task_id))
    assert nexus.claim_task(first.task_id, "ada").claim == first.claim, "what it holds it may claim again"

    nexus.mark_task_completed(first.task_id, "ada")
    third = nexus.claim_task(tasks[2].task_id, "ada")
    clock.advance(nexus.rules.lease_seconds)
    assert third.claim is not None
    assert nexus.claim_task(tasks[3].task_id, "ada").claim is not None, "a lease that ran out holds nothing"


def test_completing_makes_room_for_the_next_in_the_same_commit(nexus: TaskNexus) -> None:
    for number in range(2):
        add(nexus, str(number))
    register(nexus, max_in_progress=1)
    mine = nexus.get_next_task("ada")
    assert mine is not None
    ended, following = nexus.complete_and_claim_next(mine.task_id, Succeeded(), "ada")
    assert ended.status == "completed"
    assert following is not None


def test_a_paused_agent_gets_nothing_and_may_finish_what_it_holds(nexus: TaskNexus) -> None:
    for number in range(3):
        add(nexus, str(number))
    register(nexus)
    mine = nexus.get_next_task("ada")
    assert mine is not None
    nexus.pause_agent("ada", by="ops", reason="flaky")

    with pytest.raises(AgentPaused, match="paused") as caught:
        nexus.get_next_task("ada")
    assert "ops" in caught.value.cause
    assert "flaky" in caught.value.cause
    other = nexus.get_all_tasks(status="pending")[0]
    with pytest.raises(AgentPaused):
        nexus.claim_task(other.task_id, "ada")
    assert nexus.claim_task(mine.task_id, "ada").claim == mine.claim
    nexus.heartbeat(mine.task_id, "ada")
    ended, following = nexus.complete_and_claim_next(mine.task_id, Succeeded(), "ada")
    assert (ended.status, following) == ("completed", None)

    nexus.resume_agent("ada", by="ops")
    assert nexus.get_next_task("ada") is not None


def test_who_was_paused_does_not_go_on_by_its_own_word(nexus: TaskNexus) -> None:
    register(nexus)
    nexus.pause_agent("ada", by="ops")
    with pytest.raises(AgentPaused):
        nexus.resume_agent("ada", by="ada")
    with pytest.raises(AgentPaused):
        nexus.forget_agent("ada", by="ada")
    nexus.resume_agent("ada", by="ops")
    nexus.pause_agent("ada", by="ada", reason="lunch")
    assert nexus.resume_agent("ada", by="ada").pause is None


def test_a_daemon_that_is_paused_finds_nothing(nexus: TaskNexus) -> None:
    add(nexus, plan=Plan(steps=(Step(name="run"),)))
    register(nexus, "daemon")
    nexus.pause_agent("daemon", by="ops")
    assert nexus.get_next_task("daemon", runs_plans=True) is None
    nexus.resume_agent("daemon", by="ops")
    assert nexus.get_next_task("daemon", runs_plans=True) is not None


def test_a_claim_tells_which_registration_it_was_confirmed_by(nexus: TaskNexus) -> None:
    task = add(nexus)
    register(nexus, capabilities=("gpu",), kind="codex", process=PROCESS)
    nexus.claim_task(task.task_id, "cyd")
    nexus.release_task(task.task_id, "cyd")
    for process in (None, PROCESS, OTHER):
        nexus.claim_task(task.task_id, "ada", process=process)
        nexus.release_task(task.task_id, "ada")

    told = [event.detail.get("agent") for event in claims_of(nexus, task)]
    registered = {"registered_at": "2026-03-01T09:00:00.000000Z", "kind": "codex", "capabilities": ["gpu"]}
    assert told == [
        None,
        registered,
        {**registered, "process": "the registered one"},
        {**registered, "process": "another than the registered one"},
    ]
    assert nexus.store.integrity_problems() in ((), [])


def test_claims_and_heartbeats_are_signs_of_life_and_written_now_and_then_only(
    nexus: TaskNexus, clock: FakeClock
) -> None:
    task = add(nexus)
    register(nexus)
    clock.advance(5)
    nexus.claim_task(task.task_id, "ada")
    assert nexus.agents()[0].last_heard_at == at(5), "by its claim"
    nexus.release_task(task.task_id, "ada")
    assert nexus.agents()[0].last_heard_at == at(0)

    clock.advance(20)
    assert nexus.get_next_task("ada") is not None
    clock.advance(60)
    nexus.heartbeat(task.task_id, token=2)
    nexus.mark_task_completed(task.task_id, token=2)
    assert nexus.agents()[0].last_heard_at == at(85)
    clock.advance(60)
    assert nexus.agent_heartbeat("ada").last_heartbeat_at == at(145)


def test_an_agent_is_idle_working_or_silent(nexus: TaskNexus, clock: FakeClock) -> None:
    add(nexus)
    register(nexus)
    assert nexus.agent("ada").state == "idle"
    assert nexus.get_next_task("ada") is not None
    assert nexus.agent("ada").state == "working"
    clock.advance(nexus.rules.silent_agent_seconds + 1)
    assert nexus.agent("ada").state == "silent"
    nexus.agent_heartbeat("ada")
    assert nexus.agent("ada").state == "working"


def test_who_holds_a_task_is_listed_without_being_registered(nexus: TaskNexus) -> None:
    task = add(nexus, "Fix the parser")
    nexus.claim_task(task.task_id, "zoe")
    register(nexus, "ada")

    ada, zoe = nexus.agents()
    assert (ada.agent_id, ada.tasks) == ("ada", ())
    assert (zoe.agent_id, zoe.registered, zoe.state, zoe.registered_at) == ("zoe", False, "working", None)
    (held,) = zoe.tasks
    assert (held.task_id, held.title, held.token, held.claimed_at) == (task.task_id, "Fix the parser", 1, at(0))


def test_an_agent_that_nobody_knows_is_not_found_and_the_nearest_is_named(nexus: TaskNexus) -> None:
    register(nexus, "ada")
    for act in (
        lambda: nexus.pause_agent("aad", by="ops"),
        lambda: nexus.resume_agent("aad", by="ops"),
        lambda: nexus.forget_agent("aad", by="ops"),
        lambda: nexus.agent_heartbeat("aad"),
        lambda: nexus.agent("aad"),
    ):
        with pytest.raises(AgentNotFound) as caught:
            act()
        assert (caught.value.exit_code, caught.value.nearest) == (3, ("ada",))


def test_an_agent_that_is_forgotten_works_as_any_other(nexus: TaskNexus) -> None:
    add(nexus)
    register(nexus, max_in_progress=1)
    nexus.pause_agent("ada", by="ops")
    assert nexus.forget_agent("ada", by="ops").max_in_progress == 1
    assert nexus.agents() == []
    assert nexus.get_next_task("ada") is not None


def test_a_board_may_be_for_registered_agents_only(tmp_path: Path, clock: FakeClock) -> None:
    rules = BoardRules(registered_only=True, own_agents=("robot",))
    with closing(make_store("sqlite", tmp_path)) as store:
        nexus = TaskNexus(store, clock, rules=rules)
        task = add(nexus)
        planned = add(nexus, plan=Plan(steps=(Step(name="run"),)))
        register(nexus, "ada")

        with pytest.raises(AgentNotRegistered) as caught:
            nexus.get_next_task("aad")
        assert caught.value.nearest == ("ada",)
        with pytest.raises(AgentNotRegistered):
            nexus.claim_task(task.task_id, "aad")
        assert nexus.get_next_task("ada") is not None
        assert nexus.get_next_task("robot", runs_plans=True) is not None
        nexus.release_task(planned.task_id, "robot")
        assert nexus.claim_task(planned.task_id, "run-4711").claim is not None


def test_a_plain_array_has_no_place_for_agents_and_its_claims_go_on(tmp_path: Path, clock: FakeClock) -> None:
    with closing(make_store("json_array", tmp_path)) as store:
        nexus = TaskNexus(store, clock)
        add(nexus)
        with pytest.raises(Refused, match="no place"):
            register(nexus)
        assert nexus.get_next_task("ada") is not None
        assert [view.agent_id for view in nexus.agents()] == ["ada"]


def test_a_refused_claim_leaves_no_trace(nexus: TaskNexus, clock: FakeClock) -> None:
    task = add(nexus)
    register(nexus)
    nexus.claim_task(task.task_id, "ben")
    clock.advance(60)
    before = nexus.store.kept(model.SHELF, "ada")
    with pytest.raises(DreamosError):
        nexus.claim_task(task.task_id, "ada")
    assert nexus.store.kept(model.SHELF, "ada") == before
