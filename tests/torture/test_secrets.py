"""I8: a canary scan of every byte that is written, and of what commands answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dreamos_tasks.model.task import Status
from tests.torture.canary import leaks, new_canary
from tests.torture.processes import processes_of
from tests.torture.rig import Rig
from tests.torture.waiting import until

pytestmark = pytest.mark.torture


def test_what_the_daemon_was_given_in_its_environment_reaches_no_step_and_no_file(rig: Rig) -> None:
    canary = new_canary()
    names = ("GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "PATHLIKE", "LC", "DATABASE_URL")
    daemon = rig.start_daemon(environment=dict.fromkeys(names, canary))
    shown = rig.add_plan("prints what it sees", rig.journal.command("env"))
    failed = rig.add_plan("fails", "env >&2; exit 3")
    running = rig.add_plan("runs", rig.journal.command("sleep 60"))

    assert rig.wait_for(shown, "final").status is Status.COMPLETED
    assert rig.wait_for(failed, "final").status is Status.FAILED
    until(lambda: any(entry.task_id == running for entry in rig.journal.entries()), what="it runs")
    asleep = b"sleep\x0060\0"  # what comes and goes before it is not there any more when it is looked at
    children = until(
        lambda: [found for found in processes_of(rig.home.path) if found.command == asleep], what="it sleeps"
    )
    answers = [rig.dt(*verb, "--json").out.encode() for verb in (("status",), ("list",), ("show", shown), ("doctor",))]
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (daemon.pid, *(child.pid for child in children))]
    environments = [Path(f"/proc/{child.pid}/environ").read_bytes() for child in children]
    rig.nexus.cancel_task(running, by="test")
    daemon.stop()

    own_parent = rig.task(shown).steps[0]
    assert "DREAMOS_TASKS_TASK_ID" in own_parent.output_head, "the scan looked at something"
    assert leaks(canary, [rig.home.path], [*answers, *commands, *environments]) == []


@pytest.mark.parametrize(
    "verb", [("config", "show"), ("config", "show", "--origin"), ("list",), ("status",), ("doctor",)]
)
def test_the_password_in_a_boards_url_is_shown_nowhere(rig: Rig, verb: tuple[str, ...]) -> None:
    password = new_canary().replace("/", "-").replace("+", "-")
    environment = {
        "DREAMOS_TASKS_BOARD__STORE": "postgres",
        "DREAMOS_TASKS_BOARD__URL": f"postgresql://ada:{password}@localhost/board",
    }

    plain = rig.dt(*verb, environment=environment)
    as_json = rig.dt(*verb, "--json", environment=environment)

    texts = [answer.encode() for call in (plain, as_json) for answer in (call.out, call.err)]
    assert leaks(password, [rig.home.path], texts) == []
    assert any(texts)
    if as_json.out:
        json.loads(as_json.out)
