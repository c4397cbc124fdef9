"""What is wrong within a parameter is named where it stands, also where one of several kinds of object may stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Discriminator

from dreamos_tasks.tools.params import Params

FORBID: Mapping[str, Any] = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class Circle:
    __pydantic_config__: ClassVar[Mapping[str, Any]] = FORBID
    kind: Literal["circle"]
    radius: float


@dataclass(frozen=True, kw_only=True)
class Square:
    __pydantic_config__: ClassVar[Mapping[str, Any]] = FORBID
    kind: Literal["square"]
    side: float


Shape = Annotated[Circle | Square, Discriminator("kind")]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    __pydantic_config__: ClassVar[Mapping[str, Any]] = FORBID
    paint: str | Shape
    shapes: tuple[Shape, ...] = ()


@pytest.mark.parametrize(
    ("params", "pointer", "message"),
    [
        ({}, "/paint", "paint is missing"),
        ({"paint": "red", "shapes": [{"kind": "circle"}]}, "/shapes/0/radius", "radius is missing"),
        ({"paint": {"kind": "square"}}, "/paint/side", "side is missing"),
        (
            {"paint": "red", "shapes": [{"kind": "circle", "radius": 1, "side": 1}]},
            "/shapes/0/side",
            "there is no 'side' here",
        ),
        (
            {"paint": "red", "shapes": [{"kind": "circle", "radius": 1, "radus": 1}]},
            "/shapes/0/radus",
            "there is no 'radus' here; did you mean 'radius'?",
        ),
        (
            {"paint": "red", "shapes": [{"kind": "circle", "radius": 1, "zzz": 1}]},
            "/shapes/0/zzz",
            "there is no 'zzz' here",
        ),
        ({"paint": "red", "shapes": [{"kind": "circle", "radius": "x"}]}, "/shapes/0/radius", None),
        ({"paint": "red", "shapes": [{"kind": "star"}]}, "/shapes/0", None),
        ({"paint": "red", "shape": []}, "/shape", "there is no parameter 'shape'; did you mean 'shapes'?"),
    ],
)
def test_a_problem_is_named_where_it_stands(params: Mapping[str, object], pointer: str, message: str | None) -> None:
    (problem,) = Params(Drawing).problems(params)

    assert problem.pointer == pointer
    assert problem.message == message or message is None
