"""Where the board is: which folder wins, what marks one, and every path below it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from dreamos_tasks.config.home import Home, find_home, user_config
from dreamos_tasks.config.settings import BoardSettings, InboxSettings
from dreamos_tasks.errors import ConfigError

MARKED = "# a board\n\ndreamos_tasks: 1\nclaims:\n  lease_seconds: 5\n"


def marked(folder: Path, text: str = MARKED) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(text)
    return folder


def test_the_flag_goes_before_all_else(tmp_path: Path, environ: dict[str, str]) -> None:
    marked(tmp_path)
    environ["DREAMOS_TASKS_HOME"] = str(tmp_path / "other")
    home = find_home(tmp_path / "named", environ=environ, start=tmp_path)
    assert (home.path, home.found_by) == (tmp_path / "named", "--home")


def test_the_variable_goes_before_the_folders(tmp_path: Path, environ: dict[str, str]) -> None:
    marked(tmp_path)
    environ["DREAMOS_TASKS_HOME"] = str(tmp_path / "other")
    home = find_home(environ=environ, start=tmp_path)
    assert (home.path, home.found_by) == (tmp_path / "other", "DREAMOS_TASKS_HOME")


def test_an_empty_variable_counts_as_not_set(tmp_path: Path, environ: dict[str, str]) -> None:
    marked(tmp_path)
    assert find_home(environ=environ | {"DREAMOS_TASKS_HOME": ""}, start=tmp_path).found_by == "config.yaml"


def test_an_empty_flag_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="--home is empty"):
        find_home("", environ=environ)


def test_a_flag_that_names_a_file_is_refused_with_its_folder(tmp_path: Path, environ: dict[str, str]) -> None:
    marked(tmp_path)
    with pytest.raises(ConfigError, match="is not a folder") as refused:
        find_home(tmp_path / "config.yaml", environ=environ)
    assert refused.value.fix == f"name its folder: {tmp_path}"


def test_a_flag_may_be_relative_or_begin_with_a_tilde(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    assert find_home("board/../board", environ=environ).path == tmp_path / "board"
    assert find_home("~/board", environ=environ).path == Path("/home/ada/board")


def test_the_nearest_marked_folder_upwards_is_the_home(tmp_path: Path, environ: dict[str, str]) -> None:
    marked(tmp_path)
    near = marked(tmp_path / "project")
    deep = near / "src" / "package"
    deep.mkdir(parents=True)
    home = find_home(environ=environ, start=deep)
    assert (home.path, home.found_by) == (near, "config.yaml")


def test_the_current_folder_is_where_the_search_begins(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    marked(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert find_home(environ=environ).path == tmp_path


def test_a_folder_made_by_init_is_the_home_itself(tmp_path: Path, environ: dict[str, str]) -> None:
    below = marked(tmp_path / ".dreamos")
    inside = tmp_path / "src"
    inside.mkdir()
    home = find_home(environ=environ, start=inside)
    assert (home.path, home.found_by) == (below, ".dreamos")


def test_a_folder_made_by_init_is_known_by_its_runtime_when_its_config_was_removed(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    (tmp_path / ".dreamos" / "runtime").mkdir(parents=True)
    assert find_home(environ=environ, start=tmp_path).path == tmp_path / ".dreamos"


def test_a_folder_of_that_name_which_init_did_not_make_is_passed_by(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / ".dreamos").mkdir()
    assert find_home(environ=environ, start=tmp_path).found_by == "user"


@pytest.mark.parametrize(
    "text",
    [
        "dreamos_tasks: 1",
        "dreamos_tasks: 1\r\nclaims: {}\r\n",
        "\ufeffdreamos_tasks: 1\n",
        "%YAML 1.2\n---\n# why\ndreamos_tasks:  1   # the mark\n",
        "'dreamos_tasks': 1\n",
        'dreamos_tasks: "1"\n',
    ],
)
def test_the_mark_is_known_in_every_common_spelling(text: str, tmp_path: Path, environ: dict[str, str]) -> None:
    marked(tmp_path, text)
    assert find_home(environ=environ, start=tmp_path).path == tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# dreamos_tasks: 1\n",
        "name: something else\ndreamos_tasks: 1\n",
        "dreamos_tasks_extra: 1\n",
        "  - dreamos_tasks: 1\n",
        "dreamos_tasks:1\n",
        "\x00\x01\x02",
    ],
)
def test_another_programs_config_is_passed_by(text: str, tmp_path: Path, environ: dict[str, str]) -> None:
    marked(tmp_path, text)
    assert find_home(environ=environ, start=tmp_path).found_by == "user"


def test_a_mark_of_another_release_is_refused_and_not_passed_by(tmp_path: Path, environ: dict[str, str]) -> None:
    marked(tmp_path, "dreamos_tasks: 2\n")
    with pytest.raises(ConfigError, match=r"dreamos_tasks is '2'; this release reads 'dreamos_tasks: 1'"):
        find_home(environ=environ, start=tmp_path)


def test_a_pipe_or_a_folder_called_config_yaml_blocks_nothing(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    os.mkfifo(tmp_path / "a" / "b" / "config.yaml")
    (tmp_path / "a" / "config.yaml").mkdir()
    marked(tmp_path)
    assert find_home(environ=environ, start=tmp_path / "a" / "b").path == tmp_path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_board_that_another_user_put_into_a_public_folder_is_refused(tmp_path: Path, environ: dict[str, str]) -> None:
    public = marked(tmp_path / "public")
    public.chmod(0o1777)
    os.chown(public / "config.yaml", 12345, 12345)
    with pytest.raises(ConfigError, match=r"belongs to another user \(uid 12345\)"):
        find_home(environ=environ, start=public)
    assert find_home(public, environ=environ).path == public


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_root_may_work_in_a_checkout_of_a_user(tmp_path: Path, environ: dict[str, str]) -> None:
    checkout = marked(tmp_path / "checkout")
    os.chown(checkout / "config.yaml", 12345, 12345)
    assert find_home(environ=environ, start=checkout).path == checkout


def test_without_any_board_it_is_the_users_own(tmp_path: Path, environ: dict[str, str]) -> None:
    home = find_home(environ=environ, start=tmp_path)
    assert (home.path, home.found_by) == (tmp_path / "user/.local/share/dreamos-tasks", "user")
    environ["XDG_DATA_HOME"] = str(tmp_path / "data")
    assert find_home(environ=environ, start=tmp_path).path == tmp_path / "data/dreamos-tasks"


def test_a_relative_xdg_folder_is_ignored_as_its_standard_says(tmp_path: Path, environ: dict[str, str]) -> None:
    environ["XDG_DATA_HOME"] = "data"
    assert find_home(environ=environ, start=tmp_path).path == tmp_path / "user/.local/share/dreamos-tasks"


@pytest.mark.parametrize("named", [True, False])
def test_the_users_folders_are_those_that_platformdirs_knows(
    named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
        if named:
            monkeypatch.setenv(variable, str(tmp_path / variable))
    assert find_home(start=tmp_path).path == platformdirs.user_data_path("dreamos-tasks")
    assert user_config(os.environ) == platformdirs.user_config_path("dreamos-tasks") / "config.yaml"


def test_a_current_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = (
        "import os, sys; os.rmdir(os.getcwd())\n"
        "from dreamos_tasks.config.home import find_home\n"
        "from dreamos_tasks.errors import ConfigError\n"
        "try: find_home(environ={})\n"
        "except ConfigError as error: print(error.message)\n"
    )
    path = os.pathsep.join(entry for entry in sys.path if entry)
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=gone, env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "the current folder no longer exists\n"


def test_every_path_of_a_home_lies_below_it(home: Home) -> None:
    runtime = home.path / "runtime"
    assert home.config == home.path / "config.yaml"
    assert home.runtime == runtime
    assert home.outbox == runtime / "outbox"
    assert home.runs == runtime / "runs"
    assert home.logs == runtime / "logs"
    assert home.daemon_file == runtime / "daemon.json"
    assert home.daemon_lock == runtime / "daemon.lock"
    assert home.doorbell == runtime / "doorbell.sock"
    assert home.inbox(InboxSettings()) == runtime / "inbox"


def test_the_board_is_where_its_store_and_path_say(home: Home) -> None:
    runtime = home.path / "runtime"
    assert home.board(BoardSettings()) == runtime / "nexus.db"
    assert home.board_lock(BoardSettings()) == runtime / "nexus.db.lock"
    assert home.board(BoardSettings(store="json")) == runtime / "nexus.json"
    assert home.board(BoardSettings(path="boards/../ours.db")) == home.path / "ours.db"
    assert home.board_lock(BoardSettings(path="/srv/ours.db")) == Path("/srv/ours.db.lock")
    assert home.inbox(InboxSettings(path="/srv/drop")) == Path("/srv/drop")
