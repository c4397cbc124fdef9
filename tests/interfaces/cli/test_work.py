"""work: a command of the agent's own does its tasks; how it exits settles them."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.app.holding import LOOK_SECONDS
from dreamos_tasks.tools.process_table import stat_of
from tests.command import PATIENCE_SECONDS, DtProcess, end_started, own_environment, until

SHELL = ("--", "sh", "-c")


@pytest.fixture
def dt(tmp_path: Path) -> Iterator[DtProcess]:
    called = DtProcess(tmp_path, own_environment(tmp_path, DREAMOS_TASKS_AGENT="ada"))
    called("init")
    yield called
    end_started()


def added(dt: DtProcess, *args: str) -> str:
    task_id: str = dt("add", *args, "--json").form["task_id"]
    return task_id


def task(dt: DtProcess, task_id: str) -> Any:
    return dt("show", task_id, "--json").form


def test_exit_code_0_completes_the_task_and_what_was_printed_is_kept(dt: DtProcess) -> None:
    task_id = added(dt, "Fix the parser")
    said = dt("work", "--until-empty", *SHELL, "echo at work on $DREAMOS_TASKS_TITLE")
    assert (said.code, said.out) == (0, "at work on Fix the parser\n")
    kept = task(dt, task_id)
    assert (kept["status"], kept["result"]) == (
        "completed",
        {"exit_code": 0, "output": "at work on Fix the parser"},
    )
    assert dt("logs", task_id).out == "at work on Fix the parser\n"
    assert kept["steps"][0]["name"] == "work"


@pytest.mark.parametrize(
    ("writes", "what"),
    [
        ('printf \'{"a": "\\\\ud800"}\'', "half a character"),
        ("printf '{\"a\": NaN}'", "NaN"),
        ("echo [1,,2]", "no JSON"),
        ("head -c 200000 /dev/zero | tr '\\0' '['", "nested"),
        ("head -c 2000000 /dev/zero", "most"),
    ],
    ids=["surrogate", "NaN", "text", "deep", "large"],
)
def test_a_result_file_that_is_no_json_loses_neither_the_work_nor_the_reason(
    dt: DtProcess, writes: str, what: str
) -> None:
    task_id = added(dt, "Fix the parser")
    said = dt("work", "--once", *SHELL, f"echo done; {writes} > $DREAMOS_TASKS_RESULT_FILE")
    assert said.code == 0
    result = task(dt, task_id)["result"]
    assert (result["exit_code"], result["output"]) == (0, "done")
    assert what in result["result_refused"]


def test_a_result_file_that_is_no_file_is_not_waited_for(dt: DtProcess) -> None:
    task_id = added(dt, "Fix the parser")
    assert dt("work", "--once", *SHELL, "mkfifo $DREAMOS_TASKS_RESULT_FILE").code == 0
    assert "FIFO" in task(dt, task_id)["result"]["result_refused"]


def test_a_result_that_says_error_fails_the_task(dt: DtProcess) -> None:
    task_id = added(dt, "Fix the parser")
    form = '{"status": "error", "error_code": "X", "message": "no such grammar"}'
    assert dt("work", "--once", *SHELL, f"echo '{form}' > $DREAMOS_TASKS_RESULT_FILE").code == 1
    kept = task(dt, task_id)
    assert (kept["status"], kept["error"]["message"]) == ("failed", "no such grammar")


def test_the_command_reads_the_task_and_writes_its_result(dt: DtProcess) -> None:
    task_id = added(dt, "Count", "--description", "three $(words) here")
    program = (
        "import json, os, sys; asked = json.load(sys.stdin);"
        "same = json.load(open(os.environ['DREAMOS_TASKS_TASK_FILE']));"
        "assert asked == same and asked['task_id'] == os.environ['DREAMOS_TASKS_TASK_ID'];"
        "json.dump({'words': len(asked['description'].split())}, open(os.environ['DREAMOS_TASKS_RESULT_FILE'], 'w'))"
    )
    assert dt("work", "--once", "--", sys.executable, "-c", program).code == 0
    assert task(dt, task_id)["result"] == {"words": 3}


def test_another_exit_code_fails_the_attempt_with_the_end_of_the_output(dt: DtProcess) -> None:
    task_id = added(dt, "Hopeless")
    said = dt("work", "--once", *SHELL, "echo the reason; exit 3")
    kept = task(dt, task_id)
    assert said.code == 1
    assert (kept["status"], kept["error"]["step"]) == ("failed", "work")
    assert "the reason" in kept["error"]["cause"]


def test_exit_code_75_puts_the_task_off_without_counting_an_attempt(dt: DtProcess) -> None:
    task_id = added(dt, "Busy today")
    dt("work", "--once", *SHELL, "exit 75")
    kept = task(dt, task_id)
    assert (kept["status"], kept["deferrals"], kept["failures"], kept["claim"]) == ("pending", 1, 0, None)
    assert kept["not_before"] is not None


def test_what_does_not_pass_its_checks_is_not_completed(dt: DtProcess) -> None:
    good, bad = added(dt, "good", "--verify", "test -e done"), added(dt, "bad", "--verify", "test -e missing")
    dt("work", "--until-empty", *SHELL, "touch done")
    assert task(dt, good)["evidence"][0]["exit_code"] == 0
    kept = task(dt, bad)
    assert (kept["status"], kept["steps"][0]["status"]) == ("failed", "failed")


def test_a_command_that_settles_its_task_itself_has_the_last_word(dt: DtProcess) -> None:
    task_id = added(dt, "By itself")
    inner = f"{sys.executable} -m dreamos_tasks.interfaces.cli.main"
    said = dt(
        "work", "--once", *SHELL, f'{inner} complete $DREAMOS_TASKS_TASK_ID --result \'{{"by": "itself"}}\'; exit 9'
    )
    assert said.code == 0, said.err
    assert (task(dt, task_id)["status"], task(dt, task_id)["result"]) == ("completed", {"by": "itself"})


def test_a_command_that_settles_its_task_itself_comes_to_its_own_end(dt: DtProcess, tmp_path: Path) -> None:
    task_id = added(dt, "By itself")
    inner = f"{sys.executable} -m dreamos_tasks.interfaces.cli.main"
    line = (
        f"{inner} complete $DREAMOS_TASKS_TASK_ID; touch done; while ! test -e go; do sleep 0.05; done; echo farewell"
    )
    worker = dt.start("work", "--once", *SHELL, line)
    until(lambda: (tmp_path / "done").exists())
    settled = time.monotonic()
    until(lambda: time.monotonic() - settled > 4 * LOOK_SECONDS)
    assert worker.poll() is None
    (tmp_path / "go").touch()
    assert worker.wait(60) == 0
    assert dt("logs", task_id).out.endswith("farewell\n")
    assert dt("logs", task_id, "--json").form[0]["step"] == "work"


@pytest.mark.parametrize("command", [["cluade", "-p"], ["./text"], ["./script"], ["./text/x"]])
def test_a_command_that_cannot_be_started_fails_no_task(dt: DtProcess, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "text").write_text("no program")
    (tmp_path / "script").write_text("echo no first line")
    (tmp_path / "script").chmod(0o755)
    first, second = added(dt, "first"), added(dt, "second")
    said = dt("work", "--until-empty", "--", *command)
    assert said.code == 2
    assert command[0] in said.err
    assert [(task(dt, each)["status"], task(dt, each)["claim"]) for each in (first, second)] == [("pending", None)] * 2


def test_a_task_whose_folder_is_missing_is_at_fault_itself(dt: DtProcess, tmp_path: Path) -> None:
    (tmp_path / "task.json").write_text('{"title": "first", "context": {"cwd": "missing"}}')
    first, second = added(dt, "--file", "task.json"), added(dt, "second")
    assert dt("work", "--until-empty", "--", "true").code == 0
    assert [task(dt, each)["status"] for each in (first, second)] == ["failed", "completed"]


def test_a_task_that_is_lost_to_another_agent_is_said_to_be(dt: DtProcess, tmp_path: Path) -> None:
    task_id = added(dt, "wanted")
    worker = dt.start("work", "--once", *SHELL, "touch begun; sleep 600")
    until(lambda: (tmp_path / "begun").exists())
    worker.send_signal(signal.SIGSTOP)  # it is to look when both have happened
    dt("release", task_id)
    dt("claim", task_id, "--agent", "bob")
    worker.send_signal(signal.SIGCONT)
    assert worker.wait(60) == 1
    assert worker.stderr is not None
    said = worker.stderr.read()
    assert "lost after" in said
    assert "bob" in said


def test_a_task_that_somebody_cancels_is_left_at_once_and_the_next_one_begun(dt: DtProcess, tmp_path: Path) -> None:
    first = added(dt, "first", "--priority", "high")
    second = added(dt, "second")
    line = 'test "$DREAMOS_TASKS_TITLE" = second || { echo $$ > pid; sleep 600; }'
    worker = dt.start("work", "--max-tasks", "2", *SHELL, line)
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    assert dt("cancel", first).code == 0
    assert worker.wait(60) == 0
    assert task(dt, first)["status"] == "cancelled"
    assert task(dt, second)["status"] == "completed"
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_the_first_signal_lets_the_task_be_finished_and_takes_no_other(dt: DtProcess, tmp_path: Path) -> None:
    first, second = added(dt, "first", "--priority", "high"), added(dt, "second")
    worker = dt.start("work", *SHELL, "touch begun; while ! test -e go; do sleep 0.05; done")
    until(lambda: (tmp_path / "begun").exists())
    worker.send_signal(signal.SIGTERM)
    (tmp_path / "go").touch()
    assert worker.wait(60) == 0
    assert (task(dt, first)["status"], task(dt, second)["status"]) == ("completed", "pending")


def test_the_second_signal_gives_the_task_back(dt: DtProcess, tmp_path: Path) -> None:
    task_id = added(dt, "endless")
    worker = dt.start("work", *SHELL, "touch begun; sleep 600")
    until(lambda: (tmp_path / "begun").exists())
    worker.send_signal(signal.SIGINT)
    worker.send_signal(signal.SIGTERM)
    worker.wait(60)
    kept = task(dt, task_id)
    assert (kept["status"], kept["claim"]) == ("pending", None)


def test_what_an_earlier_attempt_failed_with_is_not_said_of_this_one(dt: DtProcess, tmp_path: Path) -> None:
    task_id = added(dt, "twice")
    dt("claim", task_id)
    dt("fail", task_id, "--error", "no disk", "--category", "transient")
    dt("retry", task_id)
    worker = dt.start("work", *SHELL, "touch begun; sleep 600")
    until(lambda: (tmp_path / "begun").exists())
    worker.send_signal(signal.SIGINT)
    worker.send_signal(signal.SIGTERM)
    worker.wait(60)
    assert worker.stderr is not None
    said = worker.stderr.read()
    assert "pending after" in said
    assert "no disk" not in said


def test_waiting_is_ended_by_a_signal_and_by_a_task(dt: DtProcess, tmp_path: Path) -> None:
    worker = dt.start("work", *SHELL, "touch seen")
    task_id = added(dt, "late")
    until(lambda: task(dt, task_id)["status"] == "completed")
    worker.send_signal(signal.SIGINT)
    assert worker.wait(60) == 0


# A worker that is interrupted in the moment in which it has claimed a task, and knows of nothing yet.
INTERRUPTED = """
import os, signal, sys
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.interfaces.cli.main import run
claim = TaskNexus.get_next_task
def claim_and_be_interrupted(*args, **more):
    task = claim(*args, **more)
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    return task
TaskNexus.get_next_task = claim_and_be_interrupted
sys.exit(run(["work", "--", "touch", "begun"]))
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("tasks", [0, 1])
def test_a_task_that_is_claimed_in_the_moment_of_the_signal_is_given_back(
    dt: DtProcess, number: str, tasks: int
) -> None:
    ids = [added(dt, "wanted") for _ in range(tasks)]
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, number],
        cwd=dt.folder,
        env=dict(dt.environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert [(task(dt, each)["status"], task(dt, each)["claim"]) for each in ids] == [("pending", None)] * tasks
    assert not (dt.folder / "begun").exists()


def test_an_agent_that_is_paused_waits_until_it_is_resumed(dt: DtProcess, tmp_path: Path) -> None:
    dt("agents", "register", "ada")
    dt("agents", "pause", "ada", "--reason", "flaky")
    worker = dt.start("work", *SHELL, "true")
    task_id = added(dt, "late")
    assert worker.stderr is not None
    assert "flaky" in worker.stderr.readline()
    assert (worker.poll(), task(dt, task_id)["status"]) == (None, "pending")
    dt("agents", "resume", "ada")
    until(lambda: task(dt, task_id)["status"] == "completed")


def test_without_a_place_for_the_run_the_task_is_given_back(dt: DtProcess, tmp_path: Path) -> None:
    task_id = added(dt, "Fix the parser")
    (runs,) = tmp_path.rglob("runtime/runs")
    shutil.rmtree(runs)
    runs.touch()
    assert dt("work", "--once", *SHELL, "true").code != 0
    kept = task(dt, task_id)
    assert (kept["status"], kept["claim"]) == ("pending", None)


def test_what_a_killed_worker_left_running_is_ended_by_the_next_one(dt: DtProcess, tmp_path: Path) -> None:
    added(dt, "lost")
    worker = dt.start("work", *SHELL, "echo $$ > pid; exec sleep 600")
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    worker.kill()
    worker.wait(60)
    left = int((tmp_path / "pid").read_text())
    assert stat_of(left) is not None
    dt("work", "--until-empty", *SHELL, "true")
    until(lambda: (found := stat_of(left)) is None or found.is_over)  # whoever adopted it may be slow to reap it


def test_json_gives_a_line_a_task_and_nothing_of_what_the_command_prints(dt: DtProcess) -> None:
    added(dt, "one"), added(dt, "two")
    said = dt("work", "--json", "--until-empty", *SHELL, "echo noise")
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [line["title"] for line in lines] == ["one", "two"]


def test_a_command_is_asked_for(dt: DtProcess) -> None:
    said = dt("work", "--json")
    assert (said.code, said.error["code"]) == (2, "usage")


# A worker that is interrupted when its task is done, and the loop that did it is just being closed.
INTERRUPTED_LATE = """
import asyncio, os, signal, sys
from pathlib import Path
from dreamos_tasks.interfaces.cli.main import run
shutdown = asyncio.BaseEventLoop.shutdown_asyncgens
async def be_interrupted(loop):
    if Path("begun").exists():
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
        await asyncio.sleep(0.01)
    await shutdown(loop)
asyncio.BaseEventLoop.shutdown_asyncgens = be_interrupted
sys.exit(run(["work", "--", "touch", "begun"]))
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_signal_that_comes_when_a_task_is_just_done_is_heard(dt: DtProcess, number: str) -> None:
    task_id = added(dt, "wanted")
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_LATE, number],
        cwd=dt.folder,
        env=dt.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert task(dt, task_id)["status"] == "completed"
