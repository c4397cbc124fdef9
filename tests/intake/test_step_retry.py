"""What a step says of its retries, at the doors: they agree on what is right, and say what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dreamos_tasks.errors import InvalidTask
from dreamos_tasks.intake.draft_forms import Door, draft_of
from dreamos_tasks.intake.findings import Findings
from dreamos_tasks.intake.typed import retry_form
from dreamos_tasks.model.step_retry import STEP_RETRY_RULES, check_retry
from tests.values import json_values

DOOR = Door(created_by="inbox")
PLAUSIBLE = st.integers(-2, 2000) | st.floats(-2, 1e9) | st.booleans() | st.sampled_from(["full", "none", "transient"])
POLICIES = st.dictionaries(
    st.sampled_from([*STEP_RETRY_RULES, "retries"]),
    PLAUSIBLE | st.none() | st.lists(st.sampled_from(["transient", "logic", "rain"]), max_size=2) | json_values,
    max_size=4,
)


def findings_of(retry: Any, *, key: str = "plan") -> Findings:
    steps = [{"name": "a", "run": "true", "retry": retry}]
    findings = Findings()
    draft_of({"title": "x", key: {"steps": steps} if key == "plan" else steps}, "", findings, DOOR)
    return findings


@given(POLICIES)
@example({"max_attempts": 3.0})
@example({"max_attempts": None, "after_crash": None})
@example({"categories": ["transient"], "jitter": "none", "refresh": "login", "after_crash": True})
def test_every_door_takes_the_same(retry: dict[str, Any]) -> None:
    try:
        check_retry(retry_form(retry), pointer="")
        right = True
    except InvalidTask:
        right = False
    places = [problem.pointer for problem in findings_of(retry).problems]
    assert right == (places == [])
    assert all(place.startswith("/plan/steps/0/retry") for place in places)


@pytest.mark.parametrize(
    ("retry", "pointer", "expected"),
    [
        (5, "/plan/steps/0/retry", "an object {...}"),
        ({"max_attempts": 0}, "/plan/steps/0/retry/max_attempts", "a number of 1 or more"),
        ({"max_atempts": 2}, "/plan/steps/0/retry/max_atempts", "one of max_attempts, base_seconds"),
        ({"categories": ["rain"]}, "/plan/steps/0/retry/categories/0", "one of 'transient'"),
        ({"refresh": 1}, "/plan/steps/0/retry/refresh", "a text"),
        ({"after_crash": "yes"}, "/plan/steps/0/retry/after_crash", "true or false"),
        ({"jitter": "ful"}, "/plan/steps/0/retry/jitter", "full or none"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(retry: Any, pointer: str, expected: str) -> None:
    problems = [(problem.pointer, problem.expected) for problem in findings_of(retry).problems]
    assert any(place == pointer and said.startswith(expected) for place, said in problems), problems


def test_a_check_with_a_retry_is_told_that_its_task_has_it() -> None:
    findings = findings_of({"max_attempts": 2}, key="verify")
    assert [notice.pointer for notice in findings.notices] == ["/verify/0/retry"]
    assert findings.problems == []
