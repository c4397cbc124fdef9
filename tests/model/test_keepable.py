"""keepable: what every board can keep, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.model.keepable import MAX_DEPTH, check_keepable, is_keepable_text, keepable_text


def nested(levels: int, inner: Any = 0) -> Any:
    for _ in range(levels):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(2**1000),
        1.5,
        "grün \U0001f600 \x01",
        {"a": [1, {"b": None}], "": ()},
        nested(MAX_DEPTH),
        {"a": nested(MAX_DEPTH - 1)},
    ],
)
def test_json_is_kept(value: Any) -> None:
    check_keepable(value)
    json.loads(json.dumps(value, allow_nan=False))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "JSON has no nan"),
        ({"a": [float("-inf")]}, "JSON has no -inf"),
        ("a\0b", "NUL"),
        (["\ud800"], "half a character"),
        ({"\0": 1}, "a key in it"),
        ({1: 1}, "a key in it"),
        ({1, 2}, "set has no JSON form"),
        ([b"bytes"], "bytes has no JSON form"),
        (10**400, "too long"),
        (nested(MAX_DEPTH + 1), "levels deep"),
        (nested(100_000), "levels deep"),
        ({"a": nested(MAX_DEPTH)}, "levels deep"),
    ],
)
def test_what_some_board_could_not_keep_is_refused(value: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        check_keepable(value)


def test_a_text_is_made_such_as_can_be_kept() -> None:
    assert not is_keepable_text("a\0b")
    assert keepable_text("a\0b\udfff") == "a\ufffdb\ufffd"
    assert keepable_text("whole \U0001f600") == "whole \U0001f600"
