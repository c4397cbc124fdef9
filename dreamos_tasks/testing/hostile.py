"""Hostile parameters: what a step may be given by a program gone wrong. A tool answers in words; it never raises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_DEEP: list[object] = []
for _ in range(200):
    _DEEP = [_DEEP]

_VALUES: tuple[object, ...] = (
    None,
    True,
    0,
    -1,
    10**400,
    1.5,
    1e308,
    float("nan"),
    "",
    " ",
    "5",
    "true",
    "\0",
    "\ud800",
    "x" * 100_000,
    [],
    [None],
    ["", 5],
    {},
    {"": {}},
    _DEEP,
)


def hostile_params(good: Mapping[str, object], schema: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Good parameters, each time with one thing wrong, missing or added."""
    yield {}
    yield {**good, "no_such_parameter": 1}
    yield {**good, "": None}
    properties = schema.get("properties")
    for name in {**good, **(properties if isinstance(properties, Mapping) else {})}:
        yield {other: value for other, value in good.items() if other != name}
        for value in _VALUES:
            yield {**good, name: value}
