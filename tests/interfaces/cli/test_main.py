"""The entry point: help, errors, exit codes, pipes, and what is imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

import dreamos_tasks
from dreamos_tasks.board.doorbell import hang_doorbell
from dreamos_tasks.interfaces.cli import main as entry
from dreamos_tasks.interfaces.cli.verb import Verb
from dreamos_tasks.interfaces.cli.verb_table import ALIASES, VERBS

if TYPE_CHECKING:
    from tests.interfaces.cli.conftest import Dt

PROJECT = Path(__file__).parents[3]
START = "import sys; from dreamos_tasks.__main__ import main; sys.argv[0] = 'dt'; main()"
HEAVY = ("pydantic", "loguru", "asyncio", "rich", "yaml", "fastapi", "watchfiles", "psutil", "apscheduler")
# Each takes as long to import as half of what a verb does.
UNNEEDED = ("random", "socket", "subprocess", "logging", "shutil", "tempfile", "difflib", "zlib", "importlib.metadata")
MOST_MODULES = 90  # of our own: each takes a tenth of a millisecond of the fifteen that a verb has for itself
OF_INSPECT = ("tokenize", "dis")  # what only `inspect` imports; it stands in sys.modules itself, put off
HOT_VERBS = (
    ("add", "x", "--priority", "high", "--run", "make"),
    ("list", "--json"),
    ("ready",),
    ("next", "--agent", "ada", "--json"),
    ("claim", "{id}", "--agent", "ada", "--json"),
    ("heartbeat", "{id}", "--agent", "ada"),
    ("show", "{id}"),
    ("complete", "{id}", "--agent", "ada", "--result", "{}"),
)


def start(*args: str, home: Path, code: str = START, **more: str) -> subprocess.Popen[str]:
    """The command as a process of its own."""
    environment = {**os.environ, "DREAMOS_TASKS_HOME": str(home), "PYTHONPATH": str(PROJECT), **more}
    return subprocess.Popen(
        [sys.executable, "-c", code, *args],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_without_arguments_there_is_a_short_help_with_two_examples(dt: Dt) -> None:
    answer = dt()
    assert answer.code == 0
    assert answer.out.count("\n  dt ") == 2


def test_the_package_can_be_run_as_a_module(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dreamos_tasks", "--version"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, f"dreamos-tasks {dreamos_tasks.__version__}\n")


def test_help_groups_all_verbs_by_theme(dt: Dt) -> None:
    help_text = dt("--help").out
    assert "Work as an agent:" in help_text
    assert all(f"  {verb} " in help_text for verb in VERBS)
    assert all(alias in help_text for alias in ALIASES)


def test_every_verb_of_the_table_has_examples_and_explains_itself(dt: Dt) -> None:
    context = click.Context(entry.root)
    missing = []
    for verb, (target, _) in VERBS.items():
        module = PROJECT / "dreamos_tasks/interfaces/cli" / f"{target.partition(':')[0]}.py"
        if not module.exists():
            missing.append(verb)
            continue
        command = entry.root.get_command(context, verb)
        assert command is not None
        answer = dt(verb, "--help")
        assert answer.code == 0
        assert "EXAMPLES:" in answer.out, verb
        assert "--json" in answer.out, verb
        if isinstance(command, Verb):
            assert all(example for example in command.examples)
    assert "add" not in missing


def test_a_verb_whose_part_is_missing_says_so(dt: Dt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VERBS, "ghost", ("no_such_module:ghost", "nothing"))
    answer = dt("ghost", "--json")
    assert answer.code == 2
    assert "ghost" in answer.error["message"]


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (("lst",), "did you mean list"),
        (("cliam", "x"), "did you mean claim"),
        (("list", "--priorty", "high"), "did you mean --priority"),
        (("list", "--status", "pendin"), "did you mean pending?"),
        (("add", "x", "--priority", "hgh"), "did you mean high?"),
    ],
)
def test_a_slip_gets_the_nearest_word_and_exit_2(dt: Dt, args: tuple[str, ...], hint: str) -> None:
    answer = dt(*args)
    assert answer.code == 2
    assert hint in answer.err
    assert answer.out == ""
    assert answer.err.startswith("error: ")


def test_json_is_legal_before_and_after_the_verb_and_errors_are_json_too(dt: Dt) -> None:
    assert dt("--json", "list").json == []
    assert dt("list", "--json").json == []
    for args in (("--json", "show", "dt-x"), ("show", "dt-x", "--json")):
        answer = dt(*args)
        assert answer.code == 3
        assert answer.error.keys() == {"code", "message", "cause", "fix"}
    assert dt("lst", "--json").error["code"] == "usage"


def test_the_home_may_be_named_before_and_after_the_verb(dt: Dt, tmp_path: Path) -> None:
    other = str(tmp_path / "other")
    dt("--home", other, "add", "there")
    assert [task["title"] for task in dt("list", "--home", other, "--json").json] == ["there"]
    assert dt("list", "--json").json == []


def test_the_version_is_told_as_text_and_as_json(dt: Dt) -> None:
    assert dt("--version").out.startswith("dreamos-tasks ")
    assert dt("--version", "--json").json.keys() == {"version", "python", "sqlite"}


def test_an_unexpected_error_is_one_line_and_debug_shows_where(dt: Dt, monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamos_tasks.board.nexus import TaskNexus

    def broken(*_: object) -> None:
        raise ZeroDivisionError("oops\nsecond line")

    monkeypatch.setattr(TaskNexus, "stats", broken)
    answer = dt("stats")
    assert answer.code == 1
    assert "ZeroDivisionError: oops\n" in answer.err
    assert "Traceback" not in answer.err
    assert "Traceback" in dt("stats", "--debug").err


def test_terminal_escapes_in_a_task_are_shown_and_not_obeyed(dt: Dt) -> None:
    task_id = dt.add("red \x1b[31m \u202eltr\x07", "--description", "line\n\x1b]0;title\x07")
    for args in (("list",), ("show", task_id), ("why", task_id), ("next", "--agent", "ada"), ("events",)):
        out = dt(*args).out
        assert "\x1b" not in out, args
        assert "\x07" not in out, args
        assert "\u202e" not in out, args
    assert "\\x1b[31m" in dt("list").out


def test_colours_are_used_when_asked_for_and_never_in_a_pipe(dt: Dt) -> None:
    dt.add("x")
    assert "\x1b[" not in dt("list").out
    assert "\x1b[32mready" in dt("list", "--color", "always").out
    assert "ready" in dt("list", "--color", "never").out


@pytest.mark.parametrize("variable", [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_no_colours_gets_none(
    dt: Dt, monkeypatch: pytest.MonkeyPatch, variable: tuple[str, str]
) -> None:
    from dreamos_tasks.interfaces.cli.output import Output

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert Output().painted("x", "red") != "x"
    monkeypatch.setenv(*variable)
    assert Output().painted("x", "red") == "x"


def test_a_terminal_gets_a_header_and_indented_json(dt: Dt, monkeypatch: pytest.MonkeyPatch) -> None:
    dt.add("a title that is much too long for so narrow a terminal as this one")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    lines = dt("list").out.splitlines()
    assert lines[0].split() == ["ID", "STATE", "PRIORITY", "AGENT", "AGE", "TITLE"]
    assert all(len(line) <= 60 for line in lines)
    assert lines[1].endswith("…")
    assert dt("stats", "--json").out.startswith("{\n  ")


def test_an_unsound_setting_is_a_configuration_error(dt: Dt) -> None:
    (dt.home / "config.yaml").write_text("dreamos_tasks: 1\nclaims: {lease_second: 5}\n")
    answer = dt("list", "--json")
    assert (answer.code, answer.error["code"]) == (2, "config_invalid")
    assert "lease_seconds" in answer.error["message"] + answer.error["cause"] + answer.error["fix"]


def test_a_board_that_cannot_be_made_is_unavailable(unmade: Dt, home: Path) -> None:
    home.mkdir()
    (home / "runtime").write_text("a file in the way")
    answer = unmade("add", "x", "--json")
    assert answer.code == 6
    assert answer.error["fix"]


@pytest.mark.parametrize("args", HOT_VERBS, ids=lambda args: args[0])
def test_hot_verbs_import_nothing_heavy_and_not_much(dt: Dt, home: Path, args: tuple[str, ...]) -> None:
    task_id = dt.add("held before")
    dt("claim", task_id, "--agent", "ada")
    unwanted = HEAVY + UNNEEDED + OF_INSPECT
    code = (
        "import sys, dreamos_tasks.__main__; from dreamos_tasks.interfaces.cli.main import run; code = run(sys.argv[1:]);"
        "print(len([name for name in sys.modules if name.startswith('dreamos_tasks')]), file=sys.stderr);"
        f"print([name for name in {unwanted!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    process = start(*(arg.replace("{id}", task_id) for arg in args), home=home, code=code)
    _, err = process.communicate(timeout=60)
    modules, found = err.splitlines()[-2:]
    assert found == "[]"
    assert int(modules) <= MOST_MODULES
    assert process.returncode == (5 if args[0] == "next" else 0)


def test_the_daemon_is_rung_for_without_importing_what_ringing_does_not_need(dt: Dt, home: Path) -> None:
    dt.add("makes the folder")
    code = (
        "import sys, dreamos_tasks.__main__; from dreamos_tasks.interfaces.cli.main import run; run(sys.argv[1:]);"
        "print('socket' in sys.modules, file=sys.stderr)"
    )
    with hang_doorbell(home / "runtime" / "doorbell.sock") as bell:
        process = start("add", "x", "--json", home=home, code=code)
        _, err = process.communicate(timeout=60)
        assert err.splitlines()[-1] == "False"
        assert bell.recv(9) == b"!"


def test_a_closed_pipe_is_silent(dt: Dt, home: Path) -> None:
    for number in range(30):
        dt.add(f"task {number} " + "x" * 400)
    process = start("list", "--json", home=home)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(60) == 0
    process.stderr.close()


def test_output_that_cannot_be_written_is_an_error(dt: Dt, home: Path) -> None:
    dt.add("x")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", START, "list"],
            env={**os.environ, "DREAMOS_TASKS_HOME": str(home), "PYTHONPATH": str(PROJECT)},
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: the output could not be written")
    assert "Traceback" not in done.stderr


def test_an_interrupt_exits_130(dt: Dt, home: Path) -> None:
    dt.add("x")
    process = start("events", "--follow", "--jsonl", home=home)
    assert process.stdout is not None
    assert "task_added" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "expected"), [("dt sho", "show"), ("dt show ", "{id}"), ("dt list --status comp", "completed")]
)
def test_the_shell_completes_verbs_states_and_task_ids(dt: Dt, home: Path, words: str, expected: str) -> None:
    task_id = dt.add("x")
    count = str(len(words.split()) - (not words.endswith(" ")))
    process = start(home=home, _DT_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=count)
    out, _ = process.communicate(timeout=60)
    assert expected.replace("{id}", task_id) in out


def test_watch_needs_a_terminal(dt: Dt) -> None:
    answer = dt("list", "--watch")
    assert answer.code == 2
    assert "--follow" in answer.err


def test_watch_draws_again_when_the_board_changes_and_leaves_a_clean_screen(dt: Dt, home: Path) -> None:
    task_id = dt.add("x")
    master, slave = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", START, "list", "--watch"],
        env={**os.environ, "DREAMOS_TASKS_HOME": str(home), "PYTHONPATH": str(PROJECT), "TERM": "dumb"},
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    seen = b""
    while b"ready" not in seen:
        seen += os.read(master, 4096)
    dt("cancel", task_id)
    while b"cancelled" not in seen:
        seen += os.read(master, 4096)
    process.send_signal(signal.SIGINT)
    while b"\x1b[?1049l" not in seen:
        seen += os.read(master, 4096)
    assert process.wait(60) == 130
    os.close(master)
    assert b"Traceback" not in seen


def shell(line: str, home: Path) -> subprocess.CompletedProcess[str]:
    """A line of shell in which `dt` is the command, in a locale that knows ASCII alone."""
    environment = {**os.environ, "DREAMOS_TASKS_HOME": str(home), "PYTHONPATH": str(PROJECT)}
    return subprocess.run(
        ["bash", "-c", f"dt() {{ {sys.executable} -c \"{START}\" \"$@\"; }}; {line}"],
        env={**environment, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(dt: Dt, home: Path, closed: str) -> None:
    done = shell(f"dt add x --stdin {closed}", home)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert [task["title"] for task in dt("list", "--json").json] == ["x"]


def test_text_is_utf_8_in_every_locale(dt: Dt, home: Path) -> None:
    assert shell("dt add 'ümlaut ✓'", home).returncode == 0
    assert dt("list", "--json").json[0]["title"] == "ümlaut ✓"
    listed = shell("dt list", home)
    assert listed.returncode == 0
    assert "mlaut" in listed.stdout


def test_bytes_that_are_no_text_are_invalid_input(dt: Dt, home: Path) -> None:
    assert shell("dt add $'bad \\xff'", home).returncode == 7
    assert shell("printf '\\xff' | dt add x --stdin", home).returncode == 7
    assert dt("list", "--json").json == []


READERS = (
    ("list",),
    ("ready",),
    ("show", "dt-1"),
    ("stats",),
    ("search", "x"),
    ("events",),
    ("next", "--agent", "ada"),
    ("claim", "dt-1", "--agent", "ada"),
    ("complete", "dt-1", "--agent", "ada"),
    ("approvals",),
    ("backup", "copy.db"),
    ("monitor", "--once"),
    ("wait", "dt-1"),
)


@pytest.mark.parametrize("args", READERS, ids=lambda args: args[0])
def test_a_home_that_was_named_and_is_not_there_is_no_empty_board(
    unmade: Dt, tmp_path: Path, args: tuple[str, ...]
) -> None:
    typo = tmp_path / "ty po"

    answer = unmade("--home", str(typo), *args, "--json")

    assert (answer.code, answer.error["code"], answer.out) == (6, "board_gone", "")
    assert str(typo) in answer.error["message"]
    assert not typo.exists()
    assert unmade(*args).code == 6, "nor is one that DREAMOS_TASKS_HOME names"


def test_a_folder_that_holds_no_board_is_not_made_one_by_looking(unmade: Dt, tmp_path: Path) -> None:
    answer = unmade("list", "--home", str(tmp_path), "--json")
    assert answer.error["fix"] == f"if that is the place you mean: dt --home {tmp_path} init"
    assert "holds none" in answer.error["cause"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("args", [("add", "x"), ("run", "--", "true")], ids=lambda args: args[0])
def test_what_is_put_on_a_board_makes_it_and_says_so(unmade: Dt, home: Path, args: tuple[str, ...]) -> None:
    answer = unmade(*args)
    assert answer.code == 0
    assert f"made a board in {home}" in answer.err
    assert unmade("list", "--all").code == 0
    assert "made a board" not in unmade(*args).err


def test_help_is_json_where_that_is_asked_for(dt: Dt) -> None:
    every = dt("help", "--json").json
    assert set(every["topics"]) >= {"inbox", "exit-codes"}
    assert {entry["verb"] for entry in every["verbs"]} == set(VERBS)
    assert "receipt.json" in dt("help", "inbox", "--json").json["text"]
    verb = dt("help", "next", "--json").json
    assert verb["verb"] == "next"
    assert verb["examples"]
    assert "--wait" in verb["text"]
    assert dt("help", "nxt", "--json").error["code"] == "not_found"


def test_the_numbers_of_a_board_stand_under_headings(dt: Dt) -> None:
    dt.add("one", "--tag", "core", "--priority", "high")
    dt("claim", dt.add("two"), "--agent", "ada")
    assert dt("stats").out.splitlines() == [
        "by state:",
        "       1  in_progress",
        "       1  pending",
        "by priority:",
        "       1  high",
        "       1  medium",
        "by who holds them:",
        "       1  ada",
        "by tag:",
        "       1  core",
    ]


def test_who_never_held_a_task_is_not_told_that_it_is_no_longer_his(dt: Dt) -> None:
    task_id = dt.add("x")
    dt("claim", task_id, "--agent", "ada")
    stranger = dt("complete", task_id, "--agent", "bob", "--json").error
    assert "is not yours (agent bob): ada holds it" in stranger["message"]
    dt("release", task_id, "--agent", "ada")
    dt("claim", task_id, "--agent", "bob")
    late = dt("complete", task_id, "--agent", "ada", "--token", "1", "--json").error
    assert "is no longer yours (agent ada, token 1): bob holds it" in late["message"]
    unborn = dt("complete", task_id, "--agent", "ada", "--token", "7", "--json").error
    assert "is not yours (agent ada, token 7)" in unborn["message"]


def test_a_copy_into_a_folder_that_is_not_there_is_refused_by_its_name(dt: Dt, tmp_path: Path) -> None:
    for args in (("backup", "{}"), ("board", "convert", "--to", "json", "--out", "{}")):
        answer = dt(*(word.format(tmp_path / "no where" / "x.db") for word in args), "--json")
        assert answer.code == 3
        assert str(tmp_path / "no where") in answer.error["message"]
        assert answer.error["fix"] == f"mkdir -p '{tmp_path / 'no where'}'"


def test_a_folder_that_is_named_like_a_file_of_tasks_is_no_file_that_waits(dt: Dt, home: Path) -> None:
    (home / "runtime" / "inbox" / "d.json").mkdir()
    (home / "runtime" / "inbox" / "ada" / "e.json").mkdir(parents=True)
    document = dt("inbox", "--json").json
    assert document["waiting"] == []
    assert [Path(path).name for path in document["folders"]] == ["d.json", "e.json"]
    shown = dt("inbox").out
    assert "d.json/  is no file of tasks: what is dropped into it is assigned to the agent d.json" in shown
    assert "ada/e.json/  is no file of tasks: it is not looked into" in shown
    assert "waiting" not in shown
