"""Files and variables become settings: who wins, where a value comes from, and what follows from what."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamos_tasks.config.catalogue import all_settings, values
from dreamos_tasks.config.home import Home, user_config
from dreamos_tasks.config.loading import load
from dreamos_tasks.config.settings import Settings, ToolSettings


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_without_anything_all_are_defaults(home: Home, environ: dict[str, str]) -> None:
    loaded = load(home, environ)
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}
    assert set(loaded.origins) == {info.key for info in all_settings() if "<name>" not in info.key}


def test_a_variable_goes_before_the_board_which_goes_before_the_user(home: Home, environ: dict[str, str]) -> None:
    user = write(user_config(environ), "retry: {max_attempts: 7, factor: 3}\ndaemon:\n  agent_id: users\n")
    board = write(home.config, "dreamos_tasks: 1\nretry:\n  max_attempts: 8\ndaemon:\n  agent_id: boards\n")
    environ["DREAMOS_TASKS_RETRY__MAX_ATTEMPTS"] = "9"
    loaded = load(home, environ)
    assert (loaded.settings.retry.max_attempts, loaded.settings.daemon.agent_id) == (9, "boards")
    assert loaded.settings.retry.factor == 3
    assert loaded.origins["retry.max_attempts"] == "DREAMOS_TASKS_RETRY__MAX_ATTEMPTS"
    assert loaded.origins["daemon.agent_id"] == f"{board}:5"
    assert loaded.origins["retry.factor"] == f"{user}:1"
    assert loaded.origins["retry.jitter"] == "default"


def test_a_variable_gives_a_value_of_every_type(home: Home, environ: dict[str, str]) -> None:
    environ |= {
        "DREAMOS_TASKS_CLAIMS__LEASE_SECONDS": "0.5",
        "DREAMOS_TASKS_SERVER__PORT": "0",
        "DREAMOS_TASKS_BOARD__STORE": "json",
        "DREAMOS_TASKS_BOARD__PATH": "2026",
        "DREAMOS_TASKS_LIMITS__WALL_SECONDS": "null",
        "DREAMOS_TASKS_DAEMON__ENVIRONMENT": "PATH, LC_*",
        "DREAMOS_TASKS_TOOLS__SHELL__TIMEOUT_SECONDS": "1e2",
        "DREAMOS_TASKS_TOOLS__SHELL__BREAKER__FAILURES": "2",
    }
    loaded = load(home, environ)
    found = values(loaded.settings)
    assert found["claims.lease_seconds"] == 0.5
    assert found["server.port"] == 0
    assert found["board.store"] == "json"
    assert found["board.path"] == "2026"
    assert found["limits.wall_seconds"] is None
    assert found["daemon.environment"] == ("PATH", "LC_*")
    assert found["tools.shell.timeout_seconds"] == 100
    assert found["tools.shell.breaker.failures"] == 2
    assert loaded.origins["tools.shell.breaker.failures"] == "DREAMOS_TASKS_TOOLS__SHELL__BREAKER__FAILURES"
    assert loaded.origins["tools.shell.breaker.open_seconds"] == "default"


def test_a_list_in_a_variable_may_be_written_as_in_a_file(home: Home, environ: dict[str, str]) -> None:
    environ["DREAMOS_TASKS_DAEMON__ENVIRONMENT"] = "[PATH, HOME]"
    assert load(home, environ).settings.daemon.environment == ("PATH", "HOME")


def test_variables_that_are_no_settings_and_empty_ones_are_left_alone(home: Home, environ: dict[str, str]) -> None:
    environ |= {
        "DREAMOS_TASKS_HOME": "/somewhere",
        "DREAMOS_TASKS_AGENT": "ada",
        "DREAMOS_TASKS_TASK_ID": "dt-7k2m",
        "DREAMOS_TASKS_TOKEN": "3",
        "DREAMOS_TASKS_STEP": "run",
        "DREAMOS_TASKS_ATTEMPT": "1",
        "DREAMOS_TASKS_REDUCE": "0",
        "DREAMOS_TASKS_CLAIMS__LEASE_SECONDS": "",
    }
    assert load(home, environ).settings == Settings()


def test_tools_of_two_files_are_put_together_setting_by_setting(home: Home, environ: dict[str, str]) -> None:
    write(user_config(environ), "tools:\n  shell: {timeout_seconds: 5, max_concurrent: 2}\n  http:\n")
    write(home.config, "tools:\n  shell:\n    timeout_seconds: 6\n")
    settings = load(home, environ).settings
    assert settings.tools == {"shell": ToolSettings(timeout_seconds=6, max_concurrent=2), "http": ToolSettings()}
    assert settings.tool("shell").timeout_seconds == 6
    assert settings.tool("python") == ToolSettings()


@pytest.mark.parametrize(
    "text",
    ["", "# nothing yet\n", "claims:\ntools:\n  # shell:\n", "dreamos_tasks: 1\n", "dreamos_tasks: '1'\n", "---\n"],
)
def test_an_empty_file_or_section_says_nothing(text: str, home: Home, environ: dict[str, str]) -> None:
    write(home.config, text)
    assert load(home, environ).settings == Settings()


def test_a_shorter_lease_brings_a_faster_heartbeat(home: Home, environ: dict[str, str]) -> None:
    environ["DREAMOS_TASKS_CLAIMS__LEASE_SECONDS"] = "3"
    loaded = load(home, environ)
    assert loaded.settings.claims.heartbeat_seconds == 1
    assert loaded.settings.monitoring.silent_agent_seconds == 3
    assert loaded.origins["claims.heartbeat_seconds"] == "default: a third of claims.lease_seconds"


def test_a_slower_heartbeat_makes_an_agent_silent_later(home: Home, environ: dict[str, str]) -> None:
    write(home.config, "claims:\n  heartbeat_seconds: 200\n")
    loaded = load(home, environ)
    assert loaded.settings.monitoring.silent_agent_seconds == 600
    assert loaded.origins["monitoring.silent_agent_seconds"] == "default: three times claims.heartbeat_seconds"


def test_a_heartbeat_that_a_weaker_source_set_yields_to_a_shorter_lease(home: Home, environ: dict[str, str]) -> None:
    write(home.config, "claims:\n  lease_seconds: 900\n  heartbeat_seconds: 60\n")
    environ["DREAMOS_TASKS_CLAIMS__LEASE_SECONDS"] = "30"
    assert load(home, environ).settings.claims.heartbeat_seconds == 10


def test_a_heartbeat_that_a_weaker_source_set_stays_where_it_fits(home: Home, environ: dict[str, str]) -> None:
    write(home.config, "claims:\n  heartbeat_seconds: 20\n")
    environ["DREAMOS_TASKS_CLAIMS__LEASE_SECONDS"] = "30"
    assert load(home, environ).settings.claims.heartbeat_seconds == 20


def test_the_daemons_allow_list_knows_names_and_beginnings() -> None:
    daemon = Settings().daemon
    assert daemon.passes("PATH")
    assert daemon.passes("LC_ALL")
    assert not daemon.passes("PATHS")
    assert not daemon.passes("AWS_SECRET_ACCESS_KEY")
    assert not daemon.passes("DREAMOS_TASKS_BOARD__URL")
