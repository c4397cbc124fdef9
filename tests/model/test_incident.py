"""Incidents: told once at each severity, more severe as time goes by, quiet when people say so or sleep."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import time

import pytest

from dreamos_tasks.model import incident as rules
from dreamos_tasks.model.incident import (
    Condition,
    EscalationRule,
    Incident,
    IncidentKind,
    IncidentState,
    incident_from_form,
    incident_to_form,
)
from dreamos_tasks.model.task import Priority
from tests.fakes import at

RULE = EscalationRule(raise_after_seconds=100)
NOON, NIGHT = time(12), time(23, 30)
STALL = Condition(cause="stalled:dt-1", kind=IncidentKind.STALLED, text="nobody claims dt-1", task_id="dt-1")


def opened(condition: Condition = STALL) -> Incident:
    return rules.opened(condition, incident_id="in-1", by="monitor", now=at(0))


def told(incident: Incident, seconds: float) -> Incident:
    return rules.told(incident, severity=incident.severity, failures={}, by="monitor", now=at(seconds))


def is_due(incident: Incident, seconds: float, *, rule: EscalationRule = RULE, time_of_day: time = NOON) -> bool:
    return rules.is_to_be_told(incident, rule, now=at(seconds), time_of_day=time_of_day)


def seen(incident: Incident, seconds: float, condition: Condition = STALL) -> Incident:
    return rules.seen_again(incident, condition, RULE, by="monitor", now=at(seconds))


def test_it_is_told_once_and_again_at_each_severity() -> None:
    incident = opened()
    assert is_due(incident, 0)
    incident = told(incident, 1)
    assert not is_due(incident, 99)

    severities = []
    for seconds in (99, 100, 150, 200, 300, 5_000):
        incident = seen(incident, seconds)
        if is_due(incident, seconds):
            severities.append((seconds, incident.severity.value))
            incident = told(incident, seconds)
    assert severities == [(100, "high"), (200, "critical")]


def test_nothing_changes_while_nothing_happens() -> None:
    incident = opened()
    assert seen(incident, 99) is incident


def test_who_acknowledges_hears_no_more_of_it() -> None:
    incident = rules.acknowledged(told(opened(), 1), by="eva", now=at(2), why="on it")
    assert seen(incident, 10_000) is incident
    assert not is_due(incident, 10_000)
    assert incident.log[-1] == {
        "at": "2026-03-01T09:00:02.000000Z",
        "by": "eva",
        "what": "acknowledged",
        "why": "on it",
    }


def test_what_becomes_more_urgent_itself_is_told_though_it_was_acknowledged() -> None:
    incident = rules.acknowledged(told(opened(), 1), by="eva", now=at(2))
    incident = seen(incident, 50, replace(STALL, severity=Priority.CRITICAL))
    assert (incident.state, incident.severity) == (IncidentState.OPEN, Priority.CRITICAL)
    assert is_due(incident, 50)


def test_what_had_risen_as_far_already_is_no_news() -> None:
    incident = rules.acknowledged(told(seen(opened(), 100), 100), by="eva", now=at(101))
    incident = seen(incident, 150, replace(STALL, severity=Priority.HIGH))
    assert (incident.state, incident.severity) == (IncidentState.ACKNOWLEDGED, Priority.HIGH)


def test_a_snooze_is_over_in_time_and_then_it_is_told_again() -> None:
    incident = rules.snoozed(told(opened(), 1), until=at(500), by="eva", now=at(2))
    assert seen(incident, 499) is incident
    assert not is_due(incident, 499)
    awake = seen(incident, 500)
    assert (awake.state, awake.snoozed_until, awake.severity) == (IncidentState.OPEN, None, Priority.MEDIUM)
    assert is_due(awake, 500)
    assert seen(awake, 599).severity is Priority.MEDIUM, "its time begins anew"
    assert seen(awake, 600).severity is Priority.HIGH


def test_closed_by_hand_it_stays_closed_as_long_as_its_cause_lasts() -> None:
    incident = rules.closed(opened(), by="eva", now=at(1), why="may be late")
    assert seen(incident, 10_000) is incident
    assert not is_due(incident, 10_000)
    assert seen(incident, 20_000, replace(STALL, severity=Priority.CRITICAL)).state is IncidentState.CLOSED


@pytest.mark.parametrize(
    ("quiet", "silent", "loud"),
    [
        ((time(22), time(7)), (time(22), time(23, 59), time(0), time(6, 59)), (time(21, 59), time(7), time(12))),
        ((time(12), time(13)), (time(12), time(12, 59)), (time(11, 59), time(13), time(0))),
    ],
)
def test_quiet_hours_may_go_over_midnight(
    quiet: tuple[time, time], silent: tuple[time, ...], loud: tuple[time, ...]
) -> None:
    rule = replace(RULE, quiet=quiet)
    assert [is_due(opened(), 0, rule=rule, time_of_day=at_) for at_ in silent] == [False] * len(silent)
    assert [is_due(opened(), 0, rule=rule, time_of_day=at_) for at_ in loud] == [True] * len(loud)


def test_what_is_severe_enough_wakes_people() -> None:
    rule = replace(RULE, quiet=(time(22), time(7)), quiet_except=Priority.HIGH)
    high = opened(replace(STALL, severity=Priority.HIGH))
    assert is_due(high, 0, rule=rule, time_of_day=NIGHT)
    assert not is_due(opened(), 0, rule=rule, time_of_day=NIGHT)


def test_what_is_not_severe_enough_is_told_to_nobody() -> None:
    rule = replace(RULE, tell_from=Priority.HIGH)
    assert not is_due(opened(), 0, rule=rule)
    assert is_due(opened(replace(STALL, severity=Priority.HIGH)), 0, rule=rule)


def test_while_one_tells_it_nobody_else_does() -> None:
    incident = rules.being_told(opened(), now=at(0))
    assert not is_due(incident, rules.TELLING_SECONDS - 1)
    assert is_due(incident, rules.TELLING_SECONDS), "whoever told it was killed, perhaps"


def test_what_could_not_be_told_is_tried_again_later_and_later_and_only_there() -> None:
    incident = opened()
    instants = []
    seconds = 0.0
    for _ in range(4):
        incident = rules.told(
            incident, severity=Priority.MEDIUM, failures={"message:pager": "no answer"}, by="monitor", now=at(seconds)
        )
        assert incident.telling_until is not None
        wait = (incident.telling_until - at(seconds)).total_seconds()
        instants.append(wait)
        assert not is_due(incident, seconds + wait - 1)
        seconds += wait
        assert is_due(incident, seconds)
    assert instants == [60, 300, 1800, 1800]
    assert (incident.untold_targets, incident.failed_tellings) == (("message:pager",), 4)
    assert [note["what"] for note in incident.log] == ["opened", "telling failed"], "the same trouble is noted once"

    done = told(incident, seconds)
    assert (done.untold_targets, done.telling_error, done.failed_tellings) == ((), "", 0)
    assert seen(incident, seconds + 5_000).untold_targets == (), "a new severity is told everywhere"


def test_a_new_severity_waits_for_no_target_that_could_not_be_told() -> None:
    failed = opened()
    for _ in range(3):
        failed = rules.told(failed, severity=failed.severity, failures={"command": "exit 1"}, by="monitor", now=at(0))
    assert not is_due(seen(failed, 99), 99)
    risen = seen(failed, 100)
    assert (is_due(risen, 100), risen.untold_targets) == (True, ())
    telling = rules.being_told(opened(), now=at(99))
    assert not is_due(seen(telling, 100), 100), "whoever tells it now is left to it"


def test_what_rises_while_it_is_told_is_told_to_all_again() -> None:
    risen = seen(rules.being_told(opened(), now=at(99)), 100)
    done = rules.told(risen, severity=Priority.MEDIUM, failures={"command": "exit 1"}, by="monitor", now=at(101))
    assert done.untold_targets == ()


def test_the_highest_severity_stays() -> None:
    critical = opened(replace(STALL, severity=Priority.CRITICAL))
    assert rules.raise_at(critical, RULE) is None
    assert rules.next_severity(Priority.CRITICAL) is Priority.CRITICAL


def test_an_incident_comes_back_from_the_board_as_it_was_kept() -> None:
    incident = rules.snoozed(told(seen(opened(), 100), 101), until=at(900), by="eva", now=at(102))
    failed = rules.told(incident, severity=Priority.HIGH, failures={"command": "exit 1"}, by="monitor", now=at(103))
    for one in (opened(), incident, failed, rules.ended(incident, by="monitor", now=at(999))):
        form = json.loads(json.dumps(incident_to_form(one)))
        assert incident_from_form(form) == one
