"""The board as lists show it, and its day as charts do."""

from __future__ import annotations

from datetime import timedelta

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.board.rows import STATES, board_form, page_of, rows_of
from dreamos_tasks.board.series import CHUNK, BoardSeries
from dreamos_tasks.model.choices import choices_of
from dreamos_tasks.model.json_form import instant_from_text
from dreamos_tasks.model.plan import Plan, Step, StepResult, StepStatus
from dreamos_tasks.model.task import Task, TaskDraft
from tests.fakes import FakeClock


def add(nexus: TaskNexus, title: str, **more: object) -> Task:
    return nexus.add_task(TaskDraft(title=title, **more))  # type: ignore[arg-type]


def test_every_task_is_in_the_one_column_of_its_state(nexus: TaskNexus, clock: FakeClock) -> None:
    first = add(nexus, "first")
    add(nexus, "after it", depends_on=(first.task_id,))
    add(nexus, "later", not_before=clock.now() + timedelta(hours=1))
    nexus.pause_task(add(nexus, "resting").task_id, by="me")
    nexus.cancel_task(add(nexus, "gone").task_id, by="me")
    nexus.claim_task(add(nexus, "held").task_id, "ada")
    form = board_form(nexus, limit=10)
    assert {state: [row["title"] for row in column["rows"]] for state, column in form["columns"].items()} == {
        **{state: [] for state in STATES},
        "ready": ["first"],
        "blocked": ["after it"],
        "scheduled": ["later"],
        "paused": ["resting"],
        "cancelled": ["gone"],
        "in_progress": ["held"],
    }
    assert form["seq"] == nexus.store.last_seq()
    assert form["counts"]["cancelled"] == 1
    assert instant_from_text(form["now"]) == clock.now()


def test_a_column_is_read_page_by_page_in_the_order_of_claiming(nexus: TaskNexus) -> None:
    for number, priority in enumerate(("low", "critical", "medium", "high", "medium")):
        add(nexus, f"t{number}", priority=priority)
    titles, after = [], None
    while True:
        page = page_of(nexus, "ready", limit=2, after=after)
        titles.append([row["title"] for row in page["rows"]])
        after = page["next"]
        if after is None:
            break
    assert titles == [["t1", "t3"], ["t2", "t4"], ["t0"]]


def test_what_is_over_comes_newest_first(nexus: TaskNexus) -> None:
    for title in ("old", "new"):
        nexus.cancel_task(add(nexus, title).task_id, by="me")
    assert [row["title"] for row in page_of(nexus, "cancelled", limit=5)["rows"]] == ["new", "old"]


def test_some_tasks_are_read_by_their_ids_as_they_are_now(nexus: TaskNexus, clock: FakeClock) -> None:
    held, free = add(nexus, "held"), add(nexus, "free")
    nexus.claim_task(held.task_id, "ada")
    rows = rows_of(nexus, (held.task_id, free.task_id, "dt-none"))
    assert (rows[held.task_id] or {})["agent_id"] == "ada"
    assert (rows[free.task_id] or {})["state"] == "ready"
    assert rows["dt-none"] is None
    clock.advance(901)
    assert (rows_of(nexus, (held.task_id,))[held.task_id] or {})["state"] == "ready", "its lease has run out"


def test_a_row_tells_how_far_the_plan_is_and_leaves_out_what_is_empty(nexus: TaskNexus, clock: FakeClock) -> None:
    plan = Plan(steps=tuple(Step(name=name, params={"command": "true"}) for name in ("a", "b", "c")))
    task = add(nexus, "build", plan=plan)
    claim = nexus.claim_task(task.task_id, "daemon").claim
    assert claim is not None
    done = StepResult(
        name="a", status=StepStatus.COMPLETED, token=claim.token, started_at=clock.now(), finished_at=clock.now()
    )
    runs = StepResult(name="b", status=StepStatus.RUNNING, token=claim.token, started_at=clock.now())
    nexus.record_steps(task.task_id, (done,), token=claim.token, starting=(runs,))
    row = rows_of(nexus, (task.task_id,))[task.task_id]
    assert row is not None
    assert row["steps"] == {"done": 1, "all": 3, "running": ["b"]}
    assert row.keys().isdisjoint({"error", "tags", "depends_on", "assigned_to", "finished_at", "asks"})


def test_the_verbs_that_are_offered_are_those_that_can_be_said(nexus: TaskNexus) -> None:
    task = add(nexus, "one")
    assert choices_of(task) == ("pause", "cancel", "edit")
    held = nexus.claim_task(task.task_id, "ada")
    assert choices_of(held) == ("pause", "cancel", "edit")
    assert choices_of(nexus.pause_task(task.task_id, by="me", at_boundary=True)) == ("resume", "cancel", "edit")
    nexus.resume_task(task.task_id, by="me")
    assert choices_of(nexus.pause_task(task.task_id, by="me")) == ("resume", "cancel", "edit")
    assert choices_of(nexus.cancel_task(task.task_id, by="me")) == ("retry",)


def test_the_series_reads_a_long_log_piece_by_piece_and_then_only_what_is_new(
    nexus: TaskNexus, clock: FakeClock
) -> None:
    for number in range(CHUNK):
        add(nexus, f"old {number}")
    clock.advance(25 * 3600)
    nexus.cancel_task(add(nexus, "new").task_id, by="me")
    series, readings = BoardSeries(), 1
    while series.catch_up(nexus):
        readings += 1
    told = series.document(nexus, window_seconds=3600, bucket_seconds=60)
    assert readings == 1, "yesterday's events are passed over"
    assert (sum(told["added"]), sum(told["cancelled"]), told["open"][-1]) == (1, 1, CHUNK)
    assert not told["is_cut"]
    add(nexus, "newer")
    assert not series.catch_up(nexus)
    assert sum(series.document(nexus, window_seconds=3600, bucket_seconds=60)["added"]) == 2


def test_whatever_becomes_of_claims_the_series_ends_where_the_board_stands(nexus: TaskNexus, clock: FakeClock) -> None:
    clock.advance(3600)
    lapsed, given_back, cancelled, retried = (add(nexus, title).task_id for title in "abcd")
    for task_id in (lapsed, given_back, cancelled):
        nexus.claim_task(task_id, "ada")
    nexus.release_task(given_back, "ada")
    nexus.cancel_task(cancelled, by="me")
    clock.advance(901)
    nexus.claim_task(lapsed, "grace")
    nexus.cancel_task(retried, by="me")
    nexus.retry_task(retried, by="me")
    series = BoardSeries()
    assert not series.catch_up(nexus)
    told = series.document(nexus, window_seconds=3600, bucket_seconds=60)
    assert (told["running"][0], told["open"][0]) == (0, 0)
    assert (told["running"][-1], told["open"][-1]) == (1, 3)
