"""watch: the whole board as it goes, on a terminal and as lines; and what follows a board, woken by whoever writes."""

from __future__ import annotations

import io
import json
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from dreamos_tasks.app.nexus import TaskNexus
from dreamos_tasks.interfaces.cli.live_page import LivePage, Work
from dreamos_tasks.interfaces.cli.live_screen import render
from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.live_message import live_message
from tests.command import PATIENCE_SECONDS, DtProcess, end_started, own_environment, until
from tests.fakes import at
from tests.interfaces.cli.conftest import Dt
from tests.interfaces.cli.terminal import Terminal

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[DtProcess]:
    """The command as a process of its own, in a folder with a board."""
    called = DtProcess(tmp_path, own_environment(tmp_path))
    called("init")
    yield called
    end_started()


def test_on_a_terminal_the_board_is_shown_and_what_others_write_appears(there: DtProcess) -> None:
    there("add", "Fix the parser", "--priority", "high")
    terminal = Terminal.start(there, "watch")
    for words in ("no daemon", "1 pending", "NEXT", "Fix the parser"):
        terminal.until(words)
    there("next", "--agent", "ada")
    terminal.until("RUNNING")
    terminal.until("1 in progress")
    task_id = there("list", "--json").form[0]["task_id"]
    there("progress", task_id, "--agent", "ada", "--percent", "40", "--note", "half way")
    terminal.until("40 %")
    there("ask", task_id, "--agent", "ada", "Which database?")
    terminal.until("PEOPLE ARE ASKED")
    terminal.until("Which database?")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130


def test_ctrl_c_leaves_the_terminal_as_it_was(there: DtProcess) -> None:
    terminal = Terminal.start(there, "watch")
    terminal.until("no tasks yet")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert terminal.shown.count("\x1b[?1049h") == 1
    last = terminal.shown.rindex("\x1b[?1049l")
    assert "\x1b[?25h" in terminal.shown  # the cursor is back
    assert "Traceback" not in terminal.shown
    assert "board" not in terminal.shown[last:]


@pytest.mark.parametrize("args", [("watch", "--jsonl"), ("watch", "--json"), ("--json", "watch")])
def test_as_json_it_tells_the_live_messages(dt: Dt, args: tuple[str, ...]) -> None:
    task_id = dt.add("x")
    dt("claim", task_id, "--agent", "ada")
    answer = dt(*args, "--after", "0", "--limit", "2")
    with TaskNexus.open(dt.home / "runtime" / "nexus.db") as nexus:
        assert [json.loads(line) for line in answer.out.splitlines()] == [live_message(e) for e in nexus.events()]


def test_without_a_terminal_it_tells_a_line_for_each_event_from_now_on(dt: Dt) -> None:
    dt.add("long ago")

    bells = dt.home / "runtime" / "bells"

    def write_elsewhere() -> None:
        until(lambda: bells.is_dir() and list(bells.iterdir()))  # it follows, from the event that is the newest now
        with TaskNexus.open(dt.home / "runtime" / "nexus.db") as nexus:
            nexus.claim_task(nexus.get_all_tasks()[0].task_id, "ada")

    writing = threading.Thread(target=write_elsewhere)
    writing.start()
    answer = dt("watch", "--limit", "1")
    writing.join()
    (line,) = answer.out.splitlines()
    assert "task_claimed" in line
    assert "ada" in line
    assert "long ago" not in line


def test_a_terminal_that_can_do_little_gets_lines(there: DtProcess) -> None:
    there("add", "Fix the parser")
    terminal = Terminal.start(there, "watch", TERM="dumb")
    terminal.until("following")
    there("add", "Another one")
    terminal.until("Another one")
    assert "\x1b[" not in terminal.shown
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("rows", [6, 10, 24, 60])
def test_the_page_fits_the_screen_however_much_there_is(rows: int, columns: int) -> None:
    many = [(f"dt-{number}", "high", "x" * 300) for number in range(50)]
    work = Work(
        task_id="dt-1", title="y" * 300, agent_id="ada", step="build", percent=40.0, left="~2 min left", since="1 s"
    )
    page = LivePage(
        now=NOW,
        board="/home/ada/runtime/nexus.db",
        daemon="running, pid 7",
        counts={"pending": 50, "in_progress": 20},
        work=[work] * 20,
        asks=[("dt-1.r1", "approval for step wipe: " + "z" * 300, "dt approve dt-1.r1")] * 9,
        queue=many,
        agents=many[:9],
    )
    events = [Event(type=EventType.TASK_ADDED, task_id=f"dt-{n}", at=at(n), by="cli", seq=n) for n in range(1, 200)]
    console = Console(width=columns, height=rows, file=io.StringIO())
    console.print(render(page, events, rows=rows, columns=columns))
    shown = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(shown) <= rows
    assert all(len(line) <= columns for line in shown)
    assert "dt-1.r1  approval for" in "\n".join(shown), "who is asked needs the whole id, and what"
    if rows >= 24:
        assert " of 9" in "\n".join(shown)
        assert "50 or more" in "\n".join(shown)


def test_what_tasks_hold_cannot_repaint_the_screen(there: DtProcess) -> None:
    there("add", "\x1b[31mred [bold]text[/bold]\x07")
    terminal = Terminal.start(there, "watch")
    terminal.until("\\x1b[31mred [bold]text[/bold]\\x07")
    terminal.process.send_signal(signal.SIGINT)
    terminal.end()


def test_logs_are_followed_from_before_the_task_begins_until_it_is_over(there: DtProcess) -> None:
    (there.folder / "runtime").mkdir(exist_ok=True)
    task_id = there(
        "add", "say", "--run", "echo one; while [ ! -e gate ]; do sleep 0.02; done; echo two", "--json"
    ).form["task_id"]
    following = there.start("logs", task_id, "--follow")
    assert following.stderr is not None
    assert "its output follows when it runs" in following.stderr.readline()
    running = there.start("run", task_id)
    assert following.stdout is not None
    assert following.stdout.readline() == "one\n"
    (there.folder / "gate").touch()
    out, _ = following.communicate(timeout=60)
    assert out == "two\n"
    assert following.returncode == 0
    running.communicate(timeout=60)


@pytest.mark.parametrize("verb", ["status", "list", "show"])
def test_verbs_that_look_can_be_kept_on_the_screen(there: DtProcess, verb: str) -> None:
    task_id = there("add", "Fix the parser", "--json").form["task_id"]
    terminal = Terminal.start(there, verb, *((task_id,) if verb == "show" else ()), "--watch")
    terminal.until("ready")
    there("cancel", task_id)
    terminal.until("cancelled")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert terminal.shown.rpartition("\x1b[?1049l")[2].strip() == "interrupted"


def test_a_list_that_is_watched_begins_at_the_top_of_the_screen(there: DtProcess) -> None:
    for number in range(30):
        there("add", f"Task {number}")
    terminal = Terminal.start(there, "list", "--watch", COLUMNS="40", LINES="12")
    drawn = terminal.until("truncated: 8 are shown")
    terminal.process.terminate()
    terminal.end()
    assert "Task 29" in drawn
    assert "Task 21" not in drawn


def test_who_waits_is_woken_at_once_by_another_process(there: DtProcess) -> None:
    task_id = there("add", "x", "--json").form["task_id"]
    waiting = there.start("wait", task_id)
    bells = there.folder / ".dreamos" / "runtime" / "bells"
    until(lambda: bells.is_dir() and list(bells.iterdir()))
    there("cancel", task_id)
    waiting.communicate(timeout=60)
    assert waiting.returncode == 1
    assert list(bells.iterdir()) == []


@pytest.mark.parametrize("verb", [("watch", "--after", "0"), ("events", "--follow"), ("logs", "dt-held", "--follow")])
def test_what_tells_on_and_on_ends_when_nobody_reads_any_more(there: DtProcess, verb: tuple[str, ...]) -> None:
    there("add", "-", text='{"title": "x", "task_id": "dt-held", "run": "true"}')
    there("claim", "dt-held", "--agent", "ada")
    runs = there.folder / ".dreamos" / "runtime" / "runs" / "dt-held" / "1"
    runs.mkdir(parents=True)
    (runs / "run.log").write_text("begun\n")
    followed = there.start(*verb)
    assert followed.stdout is not None
    assert followed.stdout.readline()
    followed.stdout.close()
    assert followed.wait(timeout=PATIENCE_SECONDS) == 0
    assert followed.stderr is not None
    assert "error" not in followed.stderr.read()


@pytest.mark.parametrize("verb", [("status",), ("monitor", "--once")])
def test_lines_are_broken_between_words_on_a_narrow_terminal_and_whole_in_a_pipe(
    there: DtProcess, verb: tuple[str, ...]
) -> None:
    there("add", "late " * 20, "--due", "2026-01-01")
    there("monitor", "--once")
    terminal = Terminal.start(there, *verb, COLUMNS="30")
    assert terminal.end() == 0
    shown = terminal.plain.splitlines()
    path = str(there.folder)
    assert all(len(line) <= 30 or path in line for line in shown)
    assert " ".join(shown).split() == there(*verb).out.split()
