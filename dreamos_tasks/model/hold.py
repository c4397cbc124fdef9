"""Hold: one run of one step, as whoever shares something with it sees it; and what tasks wait for that others use."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from dreamos_tasks.model.value import frozen_value


@frozen_value
class Hold:
    """A step under a claim. It is over when the claim is, also when nobody says so."""

    task_id: str
    token: int
    step: str


class WaitKind(StrEnum):
    """What a step waits for at a gate."""

    ROOM = "room"  # as many calls as may be are under way
    RATE = "rate"  # as many calls as may be have started within the minute
    BREAKER = "breaker"  # it fails, and is left alone for a while


@frozen_value
class KeyUse:
    """Who runs under a `concurrency_key` that another task must wait for, and the place of that task in line."""

    key: str
    holders: tuple[str, ...]
    place: int


@frozen_value
class GateWait:
    """A task was let go because this step may not start yet. `gate` is the gate's key."""

    gate: str
    kind: WaitKind
    step: str
    reason: str

    @property
    def line(self) -> str:
        """Which line it stands in: tasks of one line wait for the same thing."""
        return f"{self.kind.value} {self.gate}"


def hold_from_json(form: Mapping[str, Any]) -> Hold:
    """Back from `to_json`."""
    return Hold(**form)


def gate_wait_from_json(form: Mapping[str, Any]) -> GateWait:
    """Back from `to_json`."""
    return GateWait(**{**form, "kind": WaitKind(form["kind"])})
