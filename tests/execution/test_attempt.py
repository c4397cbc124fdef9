"""An attempt at a plan: what runs side by side, what is asked, what a pause leaves, and what is told at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.model.event import EventType
from dreamos_tasks.model.plan import ApprovalMode, ErrorCategory, Step
from dreamos_tasks.model.request import RequestKind, RequestState, Risk
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import Status
from tests.execution.workbench import Workbench, shell
from tests.waiting import until

TIMEOUT_SECONDS = 120
LONG_ENOUGH_TO_START_SECONDS = 4.0  # also for two commands on a busy machine
pytestmark = pytest.mark.usefixtures("subreaper")
Result = TypeVar("Result")


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path)


def meeting(name: str, other: str, **more: object) -> Step:
    """A step that ends only when another one runs at the same time."""
    line = f"touch {name}; n=0; until [ -e {other} ] || [ $n -gt 600 ]; do sleep 0.05; n=$((n+1)); done; [ -e {other} ]"
    return shell(name, line, **more)


async def called_off_while_it_writes(bench: Workbench, monkeypatch: pytest.MonkeyPatch, *, step: str) -> None:
    """An attempt that is cancelled while the write in which this step begins is on its way to the disk."""
    write, reached = bench.write, asyncio.Event()

    async def slow(act: Callable[[TaskNexus], Result]) -> Result:
        answer = await write(act)
        if bench.statuses().get(step) == "running" and not reached.is_set():
            reached.set()
            await asyncio.sleep(TIMEOUT_SECONDS)
        return answer

    monkeypatch.setattr(bench, "write", slow)
    claimed = bench.claim()
    run = asyncio.create_task(bench.executor.run(claimed))
    await reached.wait()
    run.cancel()
    await asyncio.wait([run])
    assert claimed.claim is not None
    bench.nexus.release_task("a", token=claimed.claim.token, reason="the daemon was stopped")


# -- side by side


async def test_independent_steps_run_side_by_side(bench: Workbench) -> None:
    bench.add(shell("a", "true"), meeting("b", "c", needs=("a",)), meeting("c", "b", needs=("a",)))

    task = await bench.attempt()

    assert task.status is Status.COMPLETED
    assert bench.statuses() == dict.fromkeys("abc", "completed")


async def test_what_has_ended_is_recorded_while_others_still_run(bench: Workbench) -> None:
    bench.add(
        shell("quick", "true"),
        shell("slow", "until [ -e gate ]; do sleep 0.02; done"),
        plan={"max_concurrent_steps": 2},
    )
    attempt = asyncio.create_task(bench.attempt())

    await until(lambda: bench.statuses() == {"quick": "completed", "slow": "running"}, what="quick is recorded")
    (bench.folder / "gate").touch()

    assert (await asyncio.wait_for(attempt, TIMEOUT_SECONDS)).status is Status.COMPLETED


async def test_a_failed_step_that_is_not_critical_leaves_the_rest_and_the_impact_is_told(bench: Workbench) -> None:
    bench.add(shell("a", "exit 3", critical=False), shell("b", "true", needs=("a",)), shell("c", "true"))

    task = await bench.attempt()

    assert task.status is Status.COMPLETED
    assert bench.statuses() == {"a": "failed", "b": "skipped", "c": "completed"}
    assert task.result["impact"] == [
        "step 'a': exit code 3",
        "step 'b' was skipped: it needs step 'a', which failed",
    ]


async def test_when_a_critical_step_fails_what_runs_is_seen_to_its_end_and_nothing_else_starts(
    bench: Workbench,
) -> None:
    bench.add(
        shell("bad", "until [ -e begun ]; do sleep 0.02; done; exit 3"),
        shell("slow", "touch begun; until [ -e gate ]; do sleep 0.02; done; echo slow >> log"),
        shell("later", "echo later >> log"),
        plan={"max_concurrent_steps": 2},
        retry=None,
    )
    attempt = asyncio.create_task(bench.attempt())
    await until(lambda: bench.statuses().get("bad") == "failed", what="the critical step has failed")
    (bench.folder / "gate").touch()

    task = await asyncio.wait_for(attempt, TIMEOUT_SECONDS)

    assert task.status is Status.FAILED
    assert bench.statuses() == {"bad": "failed", "slow": "completed"}
    assert bench.log() == ["slow"]
    assert task.error is not None
    assert task.error.step == "bad"


async def test_a_task_that_is_out_of_time_ends_all_that_runs(bench: Workbench) -> None:
    bench.add(
        shell("a", "touch a; sleep 600"),
        shell("b", "touch b; sleep 600"),
        plan={"max_concurrent_steps": 2},
        timeout_seconds=LONG_ENOUGH_TO_START_SECONDS,
    )

    task = await asyncio.wait_for(bench.attempt(), TIMEOUT_SECONDS)

    assert task.error is not None
    assert task.error.category is ErrorCategory.RESOURCE
    assert bench.statuses() == {"a": "failed", "b": "failed"}
    assert all((bench.folder / name).exists() for name in "ab")


# -- values


async def test_values_of_earlier_steps_reach_later_ones_and_never_a_shell(bench: Workbench) -> None:
    bench.add(
        shell("ask", "printf '%s' '{\"name\": \"x; touch broken\", \"n\": 3}'"),
        Step(
            name="use",
            params={
                "command": ["sh", "-c", 'printf "%s|%s|%s" "$NAME" "$1" "$(cat "$2")" >> log', "-", "n=${steps.ask.output.n}",
                            "${steps.ask.output.path}"],
                "env": {"NAME": "${steps.ask.output.name}"},
            },
            needs=("ask",),
        ),
    )  # fmt: skip

    assert (await bench.attempt()).status is Status.COMPLETED
    assert bench.log() == ['x; touch broken|n=3|{"name": "x; touch broken", "n": 3}']
    assert not (bench.folder / "broken").exists()


async def test_a_value_that_is_not_there_fails_the_step_with_what_there_is(bench: Workbench) -> None:
    bench.add(shell("a", "true"), Step(name="b", params={"command": ["echo", "${steps.a.output.path}"]}))

    task = await bench.attempt()

    assert task.status is Status.FAILED
    assert task.error is not None
    assert task.error.category is ErrorCategory.CONFIGURATION
    assert "step 'a' printed nothing" in task.error.message


async def test_a_secret_reaches_the_command_and_nothing_that_is_kept(tmp_path: Path) -> None:
    secret = "hunter2-canary-7"
    bench = Workbench(tmp_path, secrets={"TOKEN": secret})
    params = {"command": 'echo "it is $T"; [ "$T" = "$(cat want)" ]', "env": {"T": "${secret:TOKEN}"}}
    (tmp_path / "want").write_text(secret)
    bench.add(Step(name="a", params=params))

    task = await bench.attempt()

    assert task.status is Status.COMPLETED
    assert task.steps[0].output_head == "it is [secret]\n"
    assert secret not in repr(bench.nexus.events()) + repr(task)
    kept = [path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert kept
    assert not any(secret.encode() in content for content in kept)


async def test_where_a_command_takes_texts_a_number_of_an_earlier_step_is_written_out(bench: Workbench) -> None:
    bench.add(
        shell("given", """printf '{"n": 7, "yes": true, "list": [1], "none": null}'"""),
        Step(
            name="taken",
            params={
                "command": ["sh", "-c", "echo $1 $N $L; cat", "sh", "${steps.given.output.n}"],
                "env": {"N": "${steps.given.output.yes}", "L": "${steps.given.output.list}"},
                "stdin": "${steps.given.output}",
            },
        ),
        Step(name="nothing", params={"command": ["echo", "${steps.given.output.none}"]}, critical=False),
    )

    task = await bench.attempt()

    assert task.steps[1].output_head.splitlines()[0] == "7 true [1]"
    assert [record.status.value for record in task.steps] == ["completed", "completed", "failed"], "nothing is no text"


async def test_a_secret_of_one_step_is_blanked_in_what_the_others_print_and_read(tmp_path: Path) -> None:
    secret = "hunter2-canary-7"
    bench = Workbench(tmp_path, secrets={"TOKEN": secret, "PIN": "7", "OTHER": "never named"})
    bench.add(
        Step(name="a", params={"command": "cat > kept", "stdin": "token=${secret:TOKEN} pin=${secret:PIN}"}),
        Step(name="b", params={"command": "cat kept; echo; echo 'never named'"}),
        Step(name="c", tool="files", params={"action": "read", "path": "kept"}),
        verify=(shell("check", "cat kept"),),
    )

    task = await bench.attempt()

    assert (task.status, (tmp_path / "kept").read_text()) == (Status.COMPLETED, f"token={secret} pin=7")
    assert task.steps[1].output_head == "token=[secret] pin=7\nnever named\n"
    assert secret not in repr(bench.nexus.events()) + repr(task)


async def test_a_secret_that_is_not_there_is_named(bench: Workbench) -> None:
    bench.add(Step(name="a", params={"command": "true", "env": {"T": "${secret:NOPE}"}}))

    task = await bench.attempt()

    assert task.error is not None
    assert task.error.category is ErrorCategory.CONFIGURATION
    assert "${secret:NOPE}: there is no secret of this name" in task.error.message


# -- people first


async def test_a_step_that_asks_for_approval_waits_without_a_claim(bench: Workbench) -> None:
    bench.add(shell("a", "echo a >> log"), shell("b", "echo b >> log", approval=ApprovalMode.REQUIRED))

    task = await bench.attempt()

    assert (task.status, task.claim) == (Status.AWAITING_APPROVAL, None)
    assert bench.log() == ["a"]
    (request,) = task.requests
    assert (request.step, request.text, request.risk) == ("b", "echo b >> log", Risk.LOW)
    assert bench.nexus.get_next_task("daemon", runs_plans=True) is None

    bench.nexus.approve(request.request_id, by="eve")
    assert (await bench.attempt()).status is Status.COMPLETED
    assert bench.log() == ["a", "b"]


async def test_what_can_destroy_something_is_asked_about_and_runs_as_it_was_approved(bench: Workbench) -> None:
    bench.add(shell("wipe", "rm -rf ../outside"))

    task = await bench.attempt()
    assert task.status is Status.AWAITING_APPROVAL
    assert task.requests[0].risk is Risk.CRITICAL

    bench.nexus.approve("a.r1", by="eve", params={"command": "echo harmless >> log"}, reason="not that")
    assert (await bench.attempt()).status is Status.COMPLETED
    assert bench.log() == ["harmless"]


async def test_other_steps_go_on_while_people_are_asked(bench: Workbench) -> None:
    bench.add(
        shell("ask", "echo ask >> log", approval=ApprovalMode.REQUIRED),
        shell("work", "echo work >> log"),
        plan={"max_concurrent_steps": 2},
    )

    task = await bench.attempt()

    assert task.status is Status.AWAITING_APPROVAL
    assert bench.statuses() == {"work": "completed"}


async def test_a_step_that_is_approved_while_others_run_starts_at_once(bench: Workbench) -> None:
    bench.add(
        shell("ask", "touch approved", approval=ApprovalMode.REQUIRED),
        shell("work", "touch begun; until [ -e approved ]; do sleep 0.02; done"),
        plan={"max_concurrent_steps": 2},
    )
    run = asyncio.create_task(bench.attempt())
    await until((bench.folder / "begun").exists)
    bench.nexus.approve("a.r1", by="eve")
    bench.executor.look_again()

    assert (await asyncio.wait_for(run, TIMEOUT_SECONDS)).status is Status.COMPLETED


async def test_a_rejected_step_fails_the_task_for_want_of_permission_and_a_retry_asks_again(bench: Workbench) -> None:
    bench.add(shell("a", "echo a >> log", approval=ApprovalMode.REQUIRED))
    await bench.attempt()
    bench.nexus.reject("a.r1", by="eve", reason="not today")

    task = await bench.attempt()
    assert task.status is Status.FAILED
    assert task.error is not None
    assert task.error.category is ErrorCategory.PERMISSION
    assert "eve rejected it: not today" in task.error.message

    bench.nexus.retry_task("a", by="eve")
    task = await bench.attempt()
    assert task.status is Status.AWAITING_APPROVAL
    assert [request.state for request in task.requests] == [RequestState.REJECTED, RequestState.OPEN]


async def test_nobody_deciding_in_time_is_a_rejection(bench: Workbench) -> None:
    bench.add(shell("a", "echo a >> log", approval=ApprovalMode.REQUIRED))
    await bench.attempt()
    bench.clock.advance(300)
    bench.nexus.lapse_overdue(by="monitor")

    task = await bench.attempt()

    assert task.status is Status.FAILED
    assert "nobody approved it in time" in (task.error.message if task.error else "")
    assert bench.log() == []


async def test_an_optional_step_that_is_rejected_is_left_out(bench: Workbench) -> None:
    bench.add(shell("a", "false", approval=ApprovalMode.REQUIRED, optional=True), shell("b", "true"))
    await bench.attempt()
    bench.nexus.reject("a.r1", by="eve")

    assert (await bench.attempt()).status is Status.COMPLETED
    assert bench.statuses() == {"a": "skipped", "b": "completed"}


# -- cut in the middle


def cut(bench: Workbench) -> None:
    """The daemon dies in the middle of the first step."""
    claimed = bench.claim()
    assert claimed.steps[0].status == "running"
    bench.clock.advance(10**6)
    bench.nexus.expire_leases()


async def test_a_step_cut_in_the_middle_is_a_question(bench: Workbench) -> None:
    bench.add(shell("a", "echo a >> log"), shell("b", "echo b >> log"))
    cut(bench)

    task = await bench.attempt()

    assert task.status is Status.AWAITING_APPROVAL
    (request,) = task.requests
    assert (request.kind, request.choices) == (RequestKind.QUESTION, ("run again", "skip", "fail"))
    assert bench.log() == []


@pytest.mark.parametrize(
    ("answer", "status", "log"),
    [
        ("run again", Status.COMPLETED, ["a", "b"]),
        ("skip", Status.COMPLETED, ["b"]),
        ("fail", Status.FAILED, []),
    ],
)
async def test_the_answer_decides(bench: Workbench, answer: str, status: Status, log: list[str]) -> None:
    bench.add(shell("a", "echo a >> log"), shell("b", "echo b >> log"))
    cut(bench)
    await bench.attempt()

    bench.nexus.answer("a.r1", answer, by="eve")

    assert (await bench.attempt()).status is status
    assert bench.log() == log


async def test_a_step_that_may_run_twice_is_run_again_unasked(bench: Workbench) -> None:
    bench.add(shell("a", "echo a >> log", idempotent=True))
    cut(bench)

    task = await bench.attempt()

    assert task.status is Status.COMPLETED
    assert task.steps[0].attempt == 2


# -- pauses


async def test_a_pause_lets_the_running_step_end_and_the_next_one_wait(bench: Workbench) -> None:
    bench.add(
        shell("a", "touch begun; until [ -e gate ]; do sleep 0.02; done; echo a >> log"), shell("b", "echo b >> log")
    )
    run = asyncio.create_task(bench.attempt())
    await until((bench.folder / "begun").exists)
    bench.nexus.pause_task("a", by="eve", at_boundary=True)
    (bench.folder / "gate").touch()

    task = await asyncio.wait_for(run, TIMEOUT_SECONDS)

    assert task.status is Status.PAUSED
    assert bench.log() == ["a"]
    bench.nexus.resume_task("a", by="eve")
    assert (await bench.attempt()).status is Status.COMPLETED
    assert bench.log() == ["a", "b"]
    assert [event.type for event in bench.nexus.events() if event.type is EventType.STEP_STARTED] == [
        "step_started"
    ] * 2


async def test_a_pause_asked_for_while_the_last_step_runs_comes_before_the_checks(bench: Workbench) -> None:
    check = shell("check", "echo checked >> log")
    bench.add(shell("a", "touch begun; until [ -e gate ]; do sleep 0.02; done"), verify=(check,))
    run = asyncio.create_task(bench.attempt())
    await until((bench.folder / "begun").exists)
    bench.nexus.pause_task("a", by="eve", at_boundary=True)
    bench.executor.look_again()
    (bench.folder / "gate").touch()

    task = await asyncio.wait_for(run, TIMEOUT_SECONDS)

    assert (task.status, bench.statuses(), bench.log()) == (Status.PAUSED, {"a": "completed"}, [])
    bench.nexus.resume_task("a", by="eve")
    assert (await bench.attempt()).status is Status.COMPLETED
    assert bench.log() == ["checked"]


@pytest.mark.parametrize("green_before", [0, 1])
async def test_a_pause_asked_for_while_a_check_runs_comes_after_it_and_all_checks_are_made_anew(
    bench: Workbench, green_before: int
) -> None:
    checks = [shell(f"green-{number}", "echo green >> log") for number in range(green_before)]
    slow = shell("slow", "echo slow >> log; until [ -e gate ]; do sleep 0.02; done")
    bench.add(shell("a", "true"), verify=(*checks, slow, *(shell("last", "echo last >> log"),) * (1 - green_before)))
    run = asyncio.create_task(bench.attempt())
    await until(lambda: "slow" in bench.log())
    bench.nexus.pause_task("a", by="eve", at_boundary=True)
    bench.executor.look_again()
    (bench.folder / "gate").touch()

    task = await asyncio.wait_for(run, TIMEOUT_SECONDS)

    assert (task.status, task.claim, task.evidence) == (Status.PAUSED, None, ())
    begun = ["green"] * green_before + ["slow"]
    assert bench.log() == begun
    bench.nexus.resume_task("a", by="eve")
    assert (await bench.attempt()).status is Status.COMPLETED
    assert bench.log() == begun * 2 + ["last"] * (1 - green_before)


async def test_a_red_check_is_told_though_a_pause_was_asked_for_meanwhile_and_the_task_is_paused(
    bench: Workbench,
) -> None:
    check = shell("red", "echo red >> log; until [ -e gate ]; do sleep 0.02; done; exit 3")
    bench.add(shell("a", "true"), verify=(check,), retry=RetryPolicy(max_attempts=2, categories=(ErrorCategory.LOGIC,)))
    run = asyncio.create_task(bench.attempt())
    await until(bench.log)
    bench.nexus.pause_task("a", by="eve", at_boundary=True)
    bench.executor.look_again()
    (bench.folder / "gate").touch()

    task = await asyncio.wait_for(run, TIMEOUT_SECONDS)

    assert task.status is Status.PAUSED
    assert task.error is not None
    assert "'red' did not pass" in task.error.message


async def test_a_pause_now_cuts_the_step_and_a_resume_runs_it_again(bench: Workbench) -> None:
    bench.add(shell("a", "echo a >> log; [ -e gate ] || sleep 60"))
    run = asyncio.create_task(bench.attempt())
    await until(bench.log)
    bench.nexus.pause_task("a", by="eve")
    run.cancel()
    await asyncio.wait([run])
    assert bench.statuses() == {"a": "paused"}

    (bench.folder / "gate").touch()
    bench.nexus.resume_task("a", by="eve")

    assert (await bench.attempt()).status is Status.COMPLETED
    assert bench.log() == ["a", "a"]


@pytest.mark.parametrize("plan", [None, {"max_concurrent_steps": 2}])
async def test_nobody_is_asked_about_a_step_that_was_to_begin_when_the_attempt_was_called_off(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, plan: dict[str, int] | None
) -> None:
    bench.add(shell("a", "echo a >> log"), shell("b", "echo b >> log", needs=("a",) if plan else ()), plan=plan)
    await called_off_while_it_writes(bench, monkeypatch, step="b")
    assert bench.statuses() == {"a": "completed", "b": "paused"}

    assert (await bench.attempt()).status is Status.COMPLETED
    assert bench.log() == ["a", "b"]


async def test_a_step_that_has_ended_when_the_attempt_is_called_off_is_recorded(bench: Workbench) -> None:
    waiting = "while [ ! -e gate ]; do sleep 0.02; done"
    bench.add(shell("a", waiting), shell("b", "while :; do sleep 1; done"), plan={"max_concurrent_steps": 2})
    run = asyncio.create_task(bench.executor.run(bench.claim()))
    steps = await until(lambda: {task.get_name(): task for task in asyncio.all_tasks() if task.get_name() == "a a"})
    steps["a a"].add_done_callback(lambda _: run.cancel())  # before the attempt has seen that the step has ended
    (bench.folder / "gate").touch()
    await asyncio.wait([run])

    assert run.cancelled()
    assert bench.statuses() == {"a": "completed", "b": "running"}


async def test_of_critical_steps_that_fail_side_by_side_the_one_that_is_not_tried_again_decides(
    bench: Workbench,
) -> None:
    bench.add(
        shell("passes-later", "echo a >> log; exit 69", needs=()),
        shell("never-twice", "until [ -s log ]; do sleep 0.01; done; echo b >> log; exit 1", retry={"max_attempts": 1}),
        plan={"max_concurrent_steps": 2},
    )

    task = await bench.attempt()

    assert (task.status, task.error and task.error.step) == (Status.FAILED, "never-twice")
    assert bench.log() == ["a", "b"], "no attempt was left to it: it is not run again for the other's sake"


@pytest.mark.parametrize(
    "check",
    [shell("check", "rm -rf ../victim"), shell("check", "touch victim/asked", approval=ApprovalMode.REQUIRED)],
    ids=["destructive", "asks"],
)
async def test_a_check_that_people_would_have_to_be_asked_about_is_not_run(bench: Workbench, check: Step) -> None:
    victim = bench.folder / "victim"
    victim.mkdir()
    bench.add(shell("work", "true"), verify=(check,))

    task = await bench.attempt()

    assert task.status is Status.FAILED
    assert task.error is not None
    assert task.error.category is ErrorCategory.PERMISSION
    assert "'check' did not pass: it was not run" in task.error.message
    assert list(bench.folder.rglob("victim*")) == [victim]


async def test_a_line_that_renews_credentials_destroys_nothing_unasked(bench: Workbench) -> None:
    (bench.folder / "victim").mkdir()
    retry = {"refresh": "rm -rf ../*/victim", "max_attempts": 2, "base_seconds": 0.01}
    bench.add(shell("push", "echo 'Permission denied' >&2; exit 77", retry=retry))

    await bench.attempt()
    bench.clock.advance(60)
    task = await bench.attempt()

    assert task.status is Status.FAILED
    assert task.error is not None
    assert "its credentials could not be renewed: it removes folders" in task.error.message
    assert (bench.folder / "victim").exists()


class LateDesk(Workbench):
    """Its board is slow: what it writes while `is_late` is there long before the writer is told so."""

    is_late = False

    async def write(self, act: Callable[[TaskNexus], Result]) -> Result:
        result = await super().write(act)
        if self.is_late:
            self.is_late = False
            await asyncio.Event().wait()
        return result


async def test_a_step_whose_time_was_over_before_it_started_has_failed_for_now_and_nobody_is_asked_about_it(
    tmp_path: Path,
) -> None:
    bench = LateDesk(tmp_path)
    bench.add(
        shell("first", "echo first >> log"),
        shell("second", "echo second >> log"),
        timeout_seconds=LONG_ENOUGH_TO_START_SECONDS,
        retry=RetryPolicy(max_attempts=3, base_seconds=0, jitter="none"),
    )
    claimed = bench.claim()
    bench.is_late = True

    task = await asyncio.wait_for(bench.executor.run(claimed), TIMEOUT_SECONDS)

    assert bench.statuses() == {"first": "completed", "second": "failed"}
    second = task.steps[1]
    assert second.error is not None
    assert (second.error.category, second.error.step) == (ErrorCategory.TRANSIENT, "second")
    assert "before it could start" in second.error.message
    assert (await bench.attempt()).status is Status.COMPLETED
    assert bench.log() == ["first", "second"]
    assert bench.task.requests == ()
