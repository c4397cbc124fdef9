"""The torture suite: real daemons, commands and agents, killed, stopped and misled; seeded, so that it can be repeated."""

from __future__ import annotations

import os
import random
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.torture.rig import Rig


@pytest.fixture
def rng(request: pytest.FixtureRequest, long_run: bool) -> random.Random:
    """Chance that can be repeated: the seed is shown when the test fails. In the short run it is the same every time."""
    given = request.config.getoption("--seed")
    if given is not None:
        seed = int(given)
    else:
        seed = int.from_bytes(os.urandom(4)) if long_run else zlib.crc32(request.node.name.encode())
    print(f"repeat this with --seed {seed}")  # noqa: T201  pytest shows it when the test fails
    return random.Random(seed)


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """Makes homes; everything started on them is ended after the test."""
    made: list[Rig] = []

    def make(name: str = "home", /, **config: Mapping[str, Any]) -> Rig:
        made.append(Rig(tmp_path / name, config))
        return made[-1]

    yield make
    for rig in made:
        rig.close()


@pytest.fixture
def rig(request: pytest.FixtureRequest, make_rig: Callable[..., Rig]) -> Rig:
    """A home as most tests want it; `on_each_file` gives one with its board in each kind of file."""
    return make_rig(board={"store": getattr(request, "param", "sqlite")})
