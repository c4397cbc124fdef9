"""Retry policies, ids, dependencies and the rules of a draft."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamos_tasks.errors import InvalidTask
from dreamos_tasks.model.dependencies import find_cycle
from dreamos_tasks.model.ids import ALPHABET, child_id, fresh_id, id_length
from dreamos_tasks.model.outcome import outcome_from_payload
from dreamos_tasks.model.plan import ErrorCategory, Step, likeness_of, steps_from_run
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import PRIORITY_WORDS, Priority, TaskDraft, check_name, priority_from
from tests.fakes import START

# -- retry


def seconds(policy: RetryPolicy, failures: int, roll: float = 1.0) -> float:
    return policy.delay(failures, roll=roll).total_seconds()


def test_pauses_grow_by_the_factor_up_to_the_longest() -> None:
    policy = RetryPolicy(base_seconds=2, factor=3, max_seconds=50, jitter="none")

    assert [seconds(policy, failures) for failures in range(1, 6)] == [2, 6, 18, 50, 50]


def test_full_jitter_takes_any_part_of_the_pause() -> None:
    policy = RetryPolicy(base_seconds=8, jitter="full")

    assert [seconds(policy, 1, roll) for roll in (0.0, 0.25, 1.0)] == [0, 2, 8]
    assert seconds(RetryPolicy(base_seconds=8, jitter="none"), 1, 0.25) == 8


policies = st.builds(
    RetryPolicy,
    factor=st.floats(1, 1e300) | st.integers(1, 10**9),
    base_seconds=st.floats(0, 1e300) | st.integers(0, 10**9),
    max_seconds=st.floats(0, 1e300),
)


@settings(max_examples=100)
@given(policies, st.integers(1, 10**9), st.floats(0, 1))
def test_a_pause_is_never_longer_than_the_longest_however_often_it_failed(
    policy: RetryPolicy, failures: int, roll: float
) -> None:
    pause = policy.delay(failures, roll=roll)

    assert 0 <= pause.total_seconds() <= policy.max_seconds + 1e-6
    assert START + pause >= START


@pytest.mark.parametrize("category", list(ErrorCategory))
def test_what_is_tried_again_depends_on_whose_policy_it_is(category: ErrorCategory) -> None:
    policy = RetryPolicy(max_attempts=2)

    assert policy.tries_again(category, failures=1, own=False) == (category in ("transient", "resource"))
    assert policy.tries_again(category, failures=1, own=True) == (category not in ("configuration", "permission"))
    assert not policy.tries_again(category, failures=2, own=True)
    only = RetryPolicy(max_attempts=2, categories=(category,))
    assert [only.tries_again(other, failures=1, own=False) for other in ErrorCategory].count(True) == 1
    assert not RetryPolicy(categories=()).tries_again(category, failures=1, own=True)


# -- ids


@pytest.mark.parametrize(
    ("tasks", "length"), [(0, 4), (1, 4), (32_768, 4), (32_769, 5), (1_048_576, 5), (1_048_577, 6), (10**9, 7)]
)
def test_ids_grow_so_that_a_fresh_one_is_rarely_taken(tasks: int, length: int) -> None:
    assert id_length(tasks) == length
    assert tasks / 32**length <= 1 / 32


@given(st.integers(4, 12))
@settings(max_examples=30)
def test_a_fresh_id_has_only_letters_that_are_not_mistaken(length: int) -> None:
    task_id = fresh_id(length)

    assert task_id.startswith("dt-")
    assert len(task_id) == 3 + length
    assert set(task_id[3:]) <= set(ALPHABET)
    assert not set("ilou") & set(ALPHABET)
    assert TaskDraft(title="x", task_id=task_id).task_id == task_id


def test_children_are_named_after_their_parent() -> None:
    assert child_id("dt-7k2m", 3) == "dt-7k2m.3"
    assert child_id(child_id("dt-7k2m", 1), 2) == "dt-7k2m.1.2"


# -- dependencies


def cycle(graph: dict[str, str], start: str) -> tuple[str, ...]:
    return find_cycle(start, lambda task_id: tuple(graph.get(task_id, "")))


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({"a": "b", "b": "c"}, ()),
        ({"a": "bc", "b": "d", "c": "d"}, ()),
        ({"a": "a"}, ("a", "a")),
        ({"a": "b", "b": "a"}, ("a", "b", "a")),
        ({"a": "b", "b": "c", "c": "a"}, ("a", "b", "c", "a")),
        ({"a": "xb", "x": "y", "b": "yc", "c": "a"}, ("a", "b", "c", "a")),
        ({"a": "b", "b": "c", "c": "b"}, ()),  # a ring, but not through a
    ],
)
def test_a_ring_through_a_task_is_named(graph: dict[str, str], expected: tuple[str, ...]) -> None:
    assert cycle(graph, "a") == expected


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from("abcdef"), st.text("abcdef", max_size=3), max_size=6))
def test_a_ring_that_is_named_is_one_and_none_is_missed(graph: dict[str, str]) -> None:
    reachable = set(graph.get("a", ""))
    while more := set("".join(graph.get(name, "") for name in reachable)) - reachable:
        reachable |= more

    ring = cycle(graph, "a")

    assert bool(ring) == ("a" in reachable)
    assert all(second in graph[first] for first, second in itertools.pairwise(ring))
    assert not ring or ring[0] == ring[-1] == "a"


# -- the rules of a draft


def test_the_title_may_be_left_to_the_first_line_of_the_description() -> None:
    assert TaskDraft(description="\n  Fix it \nand more").title == "Fix it"
    assert TaskDraft(description="x" * 600).title == "x" * 499 + "…"


@pytest.mark.parametrize("fields", [{}, {"title": "  "}, {"description": " \n "}, {"title": "x" * 501}])
def test_a_task_needs_a_title_of_at_most_500_characters(fields: dict[str, str]) -> None:
    with pytest.raises(InvalidTask) as caught:
        TaskDraft(**fields)  # type: ignore[arg-type]
    assert caught.value.pointer == "/title"
    assert caught.value.fix


def test_names_given_twice_are_kept_once_in_their_order() -> None:
    draft = TaskDraft(title="x", tags=("b", "a", "b"), requires=("g", "g"), depends_on=("y", "x", "y"))

    assert (draft.tags, draft.requires, draft.depends_on) == (("b", "a"), ("g",), ("y", "x"))


@pytest.mark.parametrize("name", ["ada", "@ada", "a:b", "a.b-c_d+e@f", "0", "_x", "A" * 100])
def test_a_name_may_be(name: str) -> None:
    assert check_name(name, what="a tag") == name


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", ".a", "a/b", "a\n", "ä", "A" * 101, "a\x00"])
def test_a_name_may_not_be(name: str) -> None:
    with pytest.raises(InvalidTask):
        check_name(name, what="a tag")


@pytest.mark.parametrize("task_id", ["-a", ".a", "a b", "a/b", "../a", "a" * 129, "a\n", "ü"])
def test_an_id_that_could_be_something_else_is_refused(task_id: str) -> None:
    with pytest.raises(InvalidTask) as caught:
        TaskDraft(title="x", task_id=task_id)
    assert caught.value.pointer == "/task_id"


@pytest.mark.parametrize(
    ("word", "priority"),
    [
        (0, Priority.CRITICAL), (3, Priority.LOW), ("1", Priority.HIGH), ("URGENT", Priority.CRITICAL),
        ("Normal", Priority.MEDIUM), (" high ", Priority.HIGH), (Priority.LOW, Priority.LOW),
    ],
)  # fmt: skip
def test_a_priority_may_be_a_word_or_a_number(word: str | int, priority: Priority) -> None:
    assert priority_from(word) is priority


@pytest.mark.parametrize("word", [4, -1, True, "", "soon", "0.5"])
def test_a_strange_priority_is_refused(word: str | int) -> None:
    with pytest.raises(InvalidTask):
        priority_from(word)


def test_every_priority_has_a_rank_and_a_word() -> None:
    assert [priority.rank for priority in Priority] == [0, 1, 2, 3]
    assert set(PRIORITY_WORDS.values()) == set(Priority)


def test_a_shorthand_makes_one_shell_step_a_line() -> None:
    assert [(s.name, s.tool, s.params) for s in steps_from_run("make test")] == [
        ("run", "shell", {"command": "make test"})
    ]
    assert [s.name for s in steps_from_run(["a", "b"])] == ["run-1", "run-2"]


def test_a_payload_of_another_form_is_none_of_ours() -> None:
    assert outcome_from_payload({"status": "success", "extra": 1}) is None
    assert outcome_from_payload({}) is None


@pytest.mark.parametrize(
    ("step", "like"),
    [
        (Step(name="run", params={"command": "npm run build --workspaces"}), "npm run build"),
        (Step(name="run-12", params={"command": ["make", "-C", "docs", "html"]}), "make -C docs"),
        (Step(name="run", params={"command": "a" * 100}), "a" * 60),
        (Step(name="run", params={}), ""),
        (Step(name="build", params={"command": "make"}), None),
        (Step(name="run-all", params={"command": "make"}), None),
        (Step(name="run", tool="http", params={}), None),
    ],
)
def test_a_step_without_a_name_of_its_own_is_known_by_its_first_words(step: Step, like: str | None) -> None:
    assert likeness_of(step) == like
