"""init, paths, config, completion, help, version."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.interfaces.cli.conftest import Dt


@pytest.fixture
def dt(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Dt:
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "user" / name))
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    return Dt(tmp_path, capsys, monkeypatch)


def everything_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.name != ".settings.json"}


def test_init_makes_a_private_board_here_and_names_every_file_it_made(dt: Dt, tmp_path: Path) -> None:
    said = dt("init", "--json")
    home = tmp_path / "project" / ".dreamos"
    assert said.code == 0
    assert {Path(made) for made in said.json["made"]} == {home, *everything_below(home)}
    assert (home / "config.yaml").read_text().startswith("dreamos_tasks: 1")
    for path in (home, *everything_below(home)):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_second_init_changes_nothing(dt: Dt, tmp_path: Path) -> None:
    dt("init")
    config = tmp_path / "project" / ".dreamos" / "config.yaml"
    config.write_text("dreamos_tasks: 1\nclaims: {lease_seconds: 5}\n")
    dt("add", "kept")
    said = dt("init", "--json")
    assert (said.code, said.json["made"]) == (0, [])
    assert "lease_seconds: 5" in config.read_text()
    assert dt("list", "--json").json[0]["title"] == "kept"


def test_a_dry_run_names_what_init_would_make_and_makes_nothing(dt: Dt, tmp_path: Path) -> None:
    would = dt("init", "--dry-run", "--json").json["made"]
    assert everything_below(tmp_path / "project") == set()
    made = dt("init", "--json").json["made"]
    assert [path for path in made if not path.endswith(".lock")] == would  # the lock is made by whoever first needs it


def test_init_makes_the_home_that_is_named_with_the_folders_above_it(dt: Dt, tmp_path: Path) -> None:
    said = dt("init", "--home", str(tmp_path / "deep" / "er"), "--json")
    assert str(tmp_path / "deep") in said.json["made"]
    assert (tmp_path / "deep" / "er" / "runtime" / "nexus.db").exists()


def test_the_board_of_a_folder_is_found_from_below_it(dt: Dt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dt("init")
    below = tmp_path / "project" / "src"
    below.mkdir()
    monkeypatch.chdir(below)
    assert dt("paths", "--json").json["home"] == str(tmp_path / "project" / ".dreamos")


def test_paths_names_every_place_and_makes_none(dt: Dt, tmp_path: Path) -> None:
    found = dt("paths", "--json").json
    assert found["found_by"] == "user"
    assert {"home", "config", "board", "inbox", "outbox", "runs", "logs", "daemon", "status_socket"} <= set(found)
    assert not (tmp_path / "user").exists()


def test_config_check_says_every_slip_at_once_with_its_place(dt: Dt, tmp_path: Path) -> None:
    dt("init")
    config = tmp_path / "project" / ".dreamos" / "config.yaml"
    config.write_text("dreamos_tasks: 1\nclaims:\n  lease_second: 5\ndaemon:\n  max_concurrent_tasks: none\n")
    said = dt("config", "check", "--json")
    assert said.code == 2
    assert "claims.lease_seconds" in said.error["cause"]
    assert f"{config}:5" in said.error["cause"]


def test_config_show_says_where_each_value_comes_from(dt: Dt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dt("init")
    config = tmp_path / "project" / ".dreamos" / "config.yaml"
    config.write_text("dreamos_tasks: 1\nclaims:\n  lease_seconds: 500\n")
    monkeypatch.setenv("DREAMOS_TASKS_DAEMON__MAX_CONCURRENT_TASKS", "9")
    shown = dt("config", "show", "--json").json
    assert shown["claims.lease_seconds"] == {"value": 500.0, "origin": f"{config}:3"}
    assert shown["daemon.max_concurrent_tasks"]["origin"] == "DREAMOS_TASKS_DAEMON__MAX_CONCURRENT_TASKS"
    assert shown["server.port"]["origin"] == "default"
    assert dt("config", "show", "claims.lease_seconds").out == "claims.lease_seconds: 500\n"
    assert dt("config", "show", "claims.lease").code == 3


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_gives_a_script_for_both_names_of_the_command(dt: Dt, shell: str) -> None:
    said = dt("completion", shell)
    assert "_DT_COMPLETE" in said.out
    assert "_DREAMOS_TASKS_COMPLETE" in said.out


def test_the_bash_completion_is_a_script_that_bash_reads(dt: Dt) -> None:
    script = dt("completion", "bash").out
    checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("topic", ["exit-codes", "environment", "inbox", "config", "agents"])
def test_every_topic_has_a_text(dt: Dt, topic: str) -> None:
    assert topic in dt("help").out
    assert len(dt("help", topic).out.splitlines()) > 5


def test_help_on_a_verb_is_its_own_help_and_a_slip_gets_the_nearest_word(dt: Dt) -> None:
    assert "Usage: dt init" in dt("help", "init").out
    said = dt("help", "exit-code", "--json")
    assert said.code == 3
    assert said.error["fix"].startswith("did you mean exit-codes")


def test_help_on_exit_codes_knows_the_code_of_every_error(dt: Dt) -> None:
    text = dt("help", "exit-codes").out
    assert "claim_held" in text
    assert "board_locked" in text


def test_a_verb_with_verbs_of_its_own_lists_them(dt: Dt) -> None:
    said = dt("config")
    assert said.code == 0
    assert "check" in said.out
    assert dt("config", "shwo", "--json").error["fix"].startswith("did you mean show?")


def test_version_names_what_matters_in_a_report(dt: Dt) -> None:
    assert set(json.loads(dt("version", "--json").out)) == {"version", "python", "sqlite"}


def test_every_schema_that_is_listed_is_a_json_schema(dt: Dt) -> None:
    listed = dt("schema", "--json").json
    for words in ([name] for name in listed["schemas"]), (["tool", name] for name in listed["tools"]):
        for name in words:
            Draft202012Validator.check_schema(dt("schema", *name).json)
    assert "shell" in listed["tools"]
    assert dt("schema", "task-draft").json["title"] == "TaskDraft"


def test_a_task_as_shown_fits_the_schema_of_tasks(dt: Dt) -> None:
    task_id = dt("add", "fits", "--run", "true", "--json").json["task_id"]
    Draft202012Validator(dt("schema", "task").json).validate(dt("show", task_id, "--json").json)
    event = json.loads(dt("events", "--jsonl").out.splitlines()[0])
    Draft202012Validator(dt("schema", "event").json).validate(event)


def test_config_check_refuses_a_store_that_this_release_has_not(dt: Dt, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "dreamos_tasks: 1\nboard: {store: postgres, url: 'postgresql://here/board'}\n"
    )
    said = dt("config", "check")
    assert said.code == 2
    assert "board.store is 'postgres', which this release cannot open" in said.err


def test_config_check_asks_the_tools_about_their_names_and_options(dt: Dt, tmp_path: Path) -> None:
    dt("init")
    (tmp_path / "project" / ".dreamos" / "config.yaml").write_text(
        "dreamos_tasks: 1\ntools:\n  htp: {rate_per_minute: 3}\n  http: {options: {max_byte: 3}}\n"
        "  files: {options: {value_bytes: 1000}}\napprovals: {without: [git-discrd, db-drop]}\n"
    )

    said = dt("config", "check", "--json")

    assert said.code == 2
    for words in (
        "'htp'",
        "tools.http.options has no 'max_byte'; did you mean 'max_bytes'",
        "did you mean git-discard",
    ):
        assert words in said.error["message"]
    assert "files" not in said.error["message"]


def test_a_folder_that_came_with_a_checkout_is_closed_to_others_before_a_board_is_put_into_it(
    dt: Dt, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    (project / "config.yaml").write_text("dreamos_tasks: 1\n")
    (project / "runtime").mkdir(mode=0o755)
    (project / "runtime" / ".gitignore").write_text("*\n")

    assert dt("init").code == 0

    assert stat.S_IMODE((project / "runtime").stat().st_mode) == 0o700


def test_an_option_without_its_value_is_answered_with_the_help_of_its_verb(dt: Dt) -> None:
    for verb in ("list", "add", "next"):
        assert f"dt {verb} --help" in dt(verb, "--json", "--tag").error["fix"]


def test_of_a_board_that_is_gone_status_does_not_say_that_there_was_none(dt: Dt, tmp_path: Path) -> None:
    dt("init")
    dt("add", "x")
    assert "is gone" not in dt("status").out
    (tmp_path / "project" / ".dreamos" / "runtime" / "nexus.db").unlink()

    assert "nexus.db is gone, and there was one" in dt("status").out
