"""dt incidents: found by the monitor, told to every kind of target, taken on by people; by processes that share a board."""

from __future__ import annotations

import json
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.command import DtProcess, own_environment
from tests.tools.receiver import receiver

PAST = "2020-01-01T00:00:00Z"


def command(tmp_path: Path, **settings: str) -> DtProcess:
    variables = {f"DREAMOS_TASKS_{name}": value for name, value in settings.items()}
    dt = DtProcess(tmp_path, own_environment(tmp_path, **variables))
    assert dt("init").code == 0
    return dt


def overdue(dt: DtProcess, title: str = "Send the report", *options: str) -> str:
    said = dt("add", title, "--due", PAST, *options)
    assert said.code == 0, said.err
    return said.out.strip()


@pytest.mark.parametrize("store", ["sqlite", "json"])
def test_an_overdue_task_is_an_incident_that_people_take_on(tmp_path: Path, store: str) -> None:
    dt = command(tmp_path, BOARD__STORE=store)
    assert dt("incidents", "--json").form == []
    first, second = overdue(dt), overdue(dt, "Pay the bill", "--priority", "high")
    report = dt("monitor", "--once", "--json").form
    assert [(line["change"], line["kind"], line["task_id"]) for line in report["incidents"]] == [
        ("opened", "overdue", first),
        ("opened", "overdue", second),
    ]

    status = dt("status", "--json").form["board"]["incidents"]
    assert status == {"high": 1, "medium": 1}
    assert "2 incidents (1 high, 1 medium): dt incidents" in dt("status").out
    urgent, other = dt("incidents", "--json").form
    assert (urgent["task_id"], urgent["severity"], urgent["state"]) == (second, "high", "open")
    assert f"{urgent['incident_id']}  high" in dt("incidents").out

    acknowledged = dt("incidents", "ack", second, "--by", "eva", "--reason", "on it")
    assert (acknowledged.code, acknowledged.out.split()[:2]) == (0, [urgent["incident_id"], "acknowledged:"])
    snoozed = dt("incidents", "snooze", other["incident_id"], "--for", "2h", "--json").form
    assert (snoozed[0]["state"], snoozed[0]["snoozed_until"] > snoozed[0]["opened_at"]) == ("snoozed", True)
    assert [line["state"] for line in dt("incidents", "--json").form] == ["acknowledged", "snoozed"]
    assert "acknowledged by eva: on it" in dt("incidents", "show", urgent["incident_id"]).out
    assert "snoozed until" in (page := dt("incidents", "show", other["incident_id"]).out)
    assert "Z" not in page, "people are told instants in their own time"

    assert dt("cancel", first).code == 0
    assert dt("incidents", "close", second).code == 0
    dt("monitor", "--once")
    assert [line["state"] for line in dt("incidents", "--json").form] == ["closed"]
    assert [line["task_id"] for line in dt("incidents", "list", "--past", "--json").form] == [first]
    assert dt("incidents", "ack", other["incident_id"]).code == 7, "it is over"


def test_several_are_said_at_once_or_none(tmp_path: Path) -> None:
    dt = command(tmp_path)
    first = overdue(dt)
    overdue(dt, "Pay the bill")
    dt("monitor", "--once")
    assert dt("incidents", "ack").code == 2
    assert dt("incidents", "ack", first, "--all").code == 2
    missing = dt("incidents", "ack", first, "in-zzzz", "--json")
    assert (missing.code, missing.error["code"]) == (3, "incident_not_found")
    assert [line["state"] for line in dt("incidents", "--json").form] == ["open", "open"]
    assert dt("incidents", "show", "in-", "--json").error["code"] == "ambiguous_incident"
    assert dt("incidents", "snooze", first, "--for", "1h", "--until", "+2h").code == 2
    assert dt("incidents", "snooze", first, "--until", PAST).code == 7
    assert len(dt("incidents", "ack", "--all", "--json").form) == 2
    assert dt("incidents", "ack", "--all", "--json").form == []


def test_every_kind_of_target_is_told_once(tmp_path: Path) -> None:
    with receiver() as server:
        secret = "whsec_" + b64encode(b"0123456789abcdef").decode()
        dt = command(
            tmp_path,
            ESCALATION__TARGETS='["task", "mailbox:ops", "message:pager", "command"]',
            ESCALATION__COMMAND="cat >> told.jsonl; echo $DREAMOS_TASKS_SEVERITY >> severity",
            TOOLS__MESSAGE__OPTIONS=json.dumps(
                {"targets": {"pager": {"kind": "webhook", "url": f"{server.url}/hook", "secret": secret}}}
            ),
        )
        task_id = overdue(dt)
        for _ in range(3):
            said = dt("monitor", "--once")
            assert (said.code, said.err) == (0, "")

        (request,) = server.requests
    assert task_id in request.body.decode()
    (told,) = [json.loads(line) for line in (tmp_path / "told.jsonl").read_text().splitlines()]
    assert (told["severity"], told["incidents"][0]["task_id"]) == ("medium", task_id)
    assert (tmp_path / "severity").read_text() == "medium\n"
    (mail,) = dt("mail", "list", "--agent", "ops", "--json").form
    assert mail["subject"].startswith(f"[medium] {task_id} (Send the report) was due at 2020-01-01")
    assert mail["body"]["incidents"][0]["task_id"] == task_id
    (asked,) = dt("list", "--tag", "incident", "--json").form
    assert (asked["related_task_id"], asked["priority"], asked["created_by"]) == (task_id, "medium", "monitor")
    (incident,) = dt("incidents", "--json").form
    assert (incident["told_severity"], incident["telling_error"]) == ("medium", "")


def test_a_task_of_an_incident_becomes_more_urgent_with_it(tmp_path: Path) -> None:
    dt = command(tmp_path, ESCALATION__TARGETS='["task"]', ESCALATION__RAISE_AFTER_SECONDS="0.001")
    overdue(dt)
    for _ in range(3):
        dt("monitor", "--once")
    (asked,) = dt("list", "--tag", "incident", "--json").form
    assert asked["priority"] == "critical"


def test_a_command_that_fails_is_said_and_noted(tmp_path: Path) -> None:
    dt = command(
        tmp_path, ESCALATION__TARGETS='["command"]', ESCALATION__COMMAND="echo the pager is broken >&2; exit 3"
    )
    overdue(dt)
    said = dt("monitor", "--once")
    assert said.code == 0
    assert "command could not be told of 1 incidents" in said.err
    (incident,) = dt("incidents", "--json").form
    assert incident["untold_targets"] == ["command"]
    assert "the pager is broken" in incident["telling_error"]
    assert list((tmp_path / ".dreamos" / "runtime" / "runs").iterdir()) == []
    assert "could not be told (1 time)" in dt("incidents", "show", incident["incident_id"]).out


def test_a_mailbox_of_the_strategy_and_the_target_task_do_not_ask_twice(tmp_path: Path) -> None:
    dt = command(
        tmp_path,
        ESCALATION__TARGETS='["task"]',
        MONITORING__ESCALATION_STRATEGY="escalate",
        MONITORING__PENDING_TIMEOUT_SECONDS="0.001",
    )
    task_id = dt("add", "nobody wants it").out.strip()
    for _ in range(3):
        dt("monitor", "--once")
    about = [task for task in dt("list", "--tag", "escalation", "--json").form if task["related_task_id"] == task_id]
    assert [task["task_id"].startswith("escalation_") for task in about] == [True]


def test_monitors_at_once_open_and_tell_each_incident_once(tmp_path: Path) -> None:
    dt = command(tmp_path, ESCALATION__TARGETS='["command"]', ESCALATION__COMMAND="cat >> told.jsonl")
    ids = {overdue(dt, f"task {number}") for number in range(8)}
    with ThreadPoolExecutor(4) as pool:
        assert {said.code for said in pool.map(lambda _: dt("monitor", "--once"), range(4))} == {0}
    told = [
        incident["task_id"]
        for line in (tmp_path / "told.jsonl").read_text().splitlines()
        for incident in json.loads(line)["incidents"]
    ]
    assert sorted(told) == sorted(ids)
    assert len(dt("incidents", "--json").form) == len(ids)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TARGETS", '["pigeon"]'),
        ("TARGETS", '["mailbox"]'),
        ("TARGETS", '["command"]'),
        ("QUIET_HOURS", "22-7"),
        ("TELL_FROM", "urgent"),
    ],
)
def test_a_setting_that_would_tell_nobody_is_refused(tmp_path: Path, name: str, value: str) -> None:
    dt = DtProcess(tmp_path, own_environment(tmp_path, **{f"DREAMOS_TASKS_ESCALATION__{name}": value}))
    assert dt("config", "check").code == 2
