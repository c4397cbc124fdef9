"""Circuit breaker: opens after enough failures, lets exactly one probe through, and believes the probe alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from dreamos_tasks.model import breaker as breakers
from dreamos_tasks.model.breaker import CLOSED, Breaker, BreakerRule, Position
from dreamos_tasks.model.hold import Hold
from tests.fakes import at

RULE = BreakerRule(failures=3, window_seconds=60, open_seconds=30)


def hold(number: int) -> Hold:
    return Hold(task_id=f"t{number}", token=1, step="call")


def alive(_hold: Hold) -> bool:
    return True


def dead(_hold: Hold) -> bool:
    return False


def opened(*, second: float = 0) -> Breaker:
    breaker = CLOSED
    for number in range(3):
        breaker = breakers.failed(breaker, RULE, hold(number), now=at(second), reason="refused")
    return breaker


def test_so_many_failures_within_the_window_open_it() -> None:
    two = breakers.failed(CLOSED, RULE, hold(1), now=at(0), reason="refused")
    two = breakers.failed(two, RULE, hold(2), now=at(59), reason="refused")
    assert breakers.position(two, at(59)) is Position.CLOSED

    three = breakers.failed(two, RULE, hold(3), now=at(59.5), reason="reset")
    assert (breakers.position(three, at(60)), three.open_until, three.reason) == (Position.OPEN, at(89.5), "reset")


def test_failures_that_are_older_than_the_window_are_forgotten() -> None:
    breaker = CLOSED
    for second in (0, 30, 60, 90, 120):
        breaker = breakers.failed(breaker, RULE, hold(second), now=at(second), reason="refused")
        assert breakers.position(breaker, at(second)) is Position.CLOSED
    assert breaker.failed_at == (at(90), at(120))


def test_after_its_time_exactly_one_is_let_through() -> None:
    breaker = opened()
    assert not breakers.lets_through(breaker, at(29.9), is_live=alive)
    assert breakers.lets_through(breaker, at(30), is_live=alive)

    probed = breakers.let_through(breaker, hold(7), at(30))
    assert not breakers.lets_through(probed, at(31), is_live=alive)
    assert breakers.position(probed, at(31)) is Position.HALF_OPEN


def test_a_probe_whose_claim_is_over_without_a_word_makes_room_for_another() -> None:
    probed = breakers.let_through(opened(), hold(7), at(30))
    assert breakers.lets_through(probed, at(31), is_live=dead)
    assert breakers.let_through(probed, hold(8), at(31)).probe == hold(8)


def test_the_probe_alone_closes_it() -> None:
    probed = breakers.let_through(opened(), hold(7), at(30))
    assert breakers.answered(probed, hold(1)) == probed
    assert breakers.answered(probed, hold(7)) == CLOSED
    assert breakers.answered(opened(), hold(1)) == opened()


def test_the_probe_alone_opens_it_again() -> None:
    probed = breakers.let_through(opened(), hold(7), at(30))
    assert breakers.failed(probed, RULE, hold(1), now=at(31), reason="late") == probed
    again = breakers.failed(probed, RULE, hold(7), now=at(32), reason="still")
    assert (again.open_until, again.probe, again.reason) == (at(62), None, "still")


def test_a_probe_that_never_called_leaves_its_place_to_the_next() -> None:
    probed = breakers.let_through(opened(), hold(7), at(30))
    assert breakers.gave_no_verdict(probed, hold(7)) == opened()
    assert breakers.gave_no_verdict(probed, hold(8)) == probed


@dataclass
class World:
    """Calls that start and end at random, and what must hold of those that were let through."""

    breaker: Breaker = CLOSED
    second: float = 0
    under_way: list[tuple[Hold, Position]] = field(default_factory=list)
    dead: set[Hold] = field(default_factory=set)
    started: int = 0

    def is_live(self, call: Hold) -> bool:
        return call not in self.dead and any(call == one for one, _ in self.under_way)

    def start(self) -> None:
        now = at(self.second)
        where = breakers.position(self.breaker, now)
        if breakers.lets_through(self.breaker, now, is_live=self.is_live):
            assert where is not Position.OPEN
            self.started += 1
            call = hold(self.started)
            self.breaker = breakers.let_through(self.breaker, call, now)
            self.under_way.append((call, where))
        else:
            assert where is not Position.CLOSED
        if breakers.position(self.breaker, now) is Position.HALF_OPEN:
            assert sum(self.is_live(call) for call, begun in self.under_way if begun is Position.HALF_OPEN) <= 1

    def end(self, place: int, verdict: str) -> None:
        if not self.under_way:
            return
        call, _ = self.under_way.pop(place % len(self.under_way))
        before = self.breaker
        now = at(self.second)
        if call in self.dead:
            return  # a claim that is over cannot write
        match verdict:
            case "fails":
                self.breaker = breakers.failed(before, RULE, call, now=now, reason="refused")
            case "answers":
                self.breaker = breakers.answered(before, call)
            case _:
                self.breaker = breakers.gave_no_verdict(before, call)
        if before.open_until is not None and before.probe != call:
            assert self.breaker == before, "while it is open, only its probe has a say"
        if before.probe == call:
            closed = breakers.position(self.breaker, now) is Position.CLOSED
            assert closed is (verdict == "answers")


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("start")),
            st.tuples(st.just("wait"), st.floats(0, 40)),
            st.tuples(st.just("end"), st.integers(0, 9), st.sampled_from(("fails", "answers", "never called"))),
            st.tuples(st.just("dies"), st.integers(0, 9)),
        ),
        max_size=60,
    )
)
@settings(max_examples=300, deadline=None)
def test_whatever_happens_no_call_goes_through_while_it_is_open_and_one_at_most_while_half_open(
    acts: list[tuple[object, ...]],
) -> None:
    world = World()
    for act in acts:
        match act:
            case ("start",):
                world.start()
            case ("wait", float(seconds)):
                world.second += seconds
            case ("end", int(place), str(verdict)):
                world.end(place, verdict)
            case ("dies", int(place)) if world.under_way:
                world.dead.add(world.under_way[place % len(world.under_way)][0])
