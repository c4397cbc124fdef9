"""dt setup: real files of the programs, shown before they are written, and as they were once it is taken back."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import Implementation

from dreamos_tasks.app.setup.programs import PROGRAMS
from tests.command import DtProcess, own_environment
from tests.interfaces.cli.terminal import Terminal

NAMES = [program.name for program in PROGRAMS]
THEIRS = {
    ".mcp.json": '{\n    "mcpServers": {\n        "git": {"command": "uvx", "args": ["mcp-server-git"]}\n    }\n}',
    ".claude/settings.json": '{"permissions":{"allow":["Bash(ls:*)"]},"hooks":{"SessionStart":[{"hooks":[]}]}}\n',
    "CLAUDE.md": "# How we work\r\n\r\nTests first.\r\n",
    ".codex/config.toml": 'model = "o"   # mine\n\n[features]\nweb = true',
    ".gemini/settings.json": "{}\n",
    ".cursor/hooks.json": '{\n\t"version": 1,\n\t"hooks": {\n\t\t"stop": [{"command": "./done.sh"}]\n\t}\n}\n',
    "opencode.json": '{\n  // mine\n  "$schema": "https://opencode.ai/config.json",\n}\n',
    "AGENTS.md": "Be kind.",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with files of its own."""
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    for name, text in THEIRS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(text.encode())
    (folder / "AGENTS.md").chmod(0o640)
    return folder


@pytest.fixture
def dt(project: Path, tmp_path: Path) -> DtProcess:
    """The command, in a folder within the project."""
    (project / "src").mkdir()
    return DtProcess(project / "src", own_environment(tmp_path / "user"))


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file below it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scope", ["--project", "--user"])
def test_what_setup_writes_is_shown_first_written_once_and_taken_back_whole(
    dt: DtProcess, tmp_path: Path, project: Path, name: str, scope: str
) -> None:
    before = files_in(tmp_path)

    shown = dt("setup", name, scope, "--dry-run")
    assert (shown.code, files_in(tmp_path)) == (0, before)
    assert "+" in shown.out
    first = dt("setup", name, scope, "--yes", "--json")
    assert first.code == 0, first.err
    written = files_in(tmp_path)
    again = dt("setup", name, scope, "--json")
    removed = dt("setup", name, scope, "--remove", "--yes", "--json")

    assert written != before
    assert sum(path.encode() in shown.out.encode() for path in first.form["written"]) == len(first.form["written"])
    assert (again.code, again.form["written"]) == (0, []), "nothing is left to ask for"
    assert removed.code == 0, removed.err
    assert files_in(tmp_path) == before
    assert sorted(folder.name for folder in project.iterdir()) == sorted(
        {".git", "src", *(name.partition("/")[0] for name in THEIRS)}
    )


def test_what_is_written_is_what_the_programs_read(dt: DtProcess, project: Path) -> None:
    for name in NAMES:
        assert dt("--home", str(project / "my board"), "setup", name, "--agent", "ada", "--yes").code == 0
    listed = {each["program"]: each["set_up"] for each in dt("setup", "--json").form}

    assert listed == {name: ["project"] for name in NAMES}
    claude = json.loads((project / ".mcp.json").read_text())["mcpServers"]
    options = ["--home", str(project / "my board"), "mcp", "--agent", "ada"]
    assert claude["dreamos-tasks"]["args"][-5:] == options
    assert claude["git"]["args"] == ["mcp-server-git"]
    codex = tomllib.loads((project / ".codex/config.toml").read_text())
    assert codex["mcp_servers"]["dreamos-tasks"]["args"][-5:] == options
    assert (codex["model"], codex["features"]) == ("o", {"web": True})
    gemini = json.loads((project / ".gemini/settings.json").read_text())
    assert gemini["mcpServers"]["dreamos-tasks"] == claude["dreamos-tasks"]
    hooks = json.loads((project / ".claude/settings.json").read_text())["hooks"]["SessionStart"]
    assert [group["hooks"][0]["command"][-31:] for group in hooks[1:]] == ["prime --hook claude --agent ada"]
    assert "'" + str(project / "my board") + "'" in hooks[1]["hooks"][0]["command"]
    assert (project / "AGENTS.md").read_text().startswith("Be kind.\n<!-- dreamos-tasks: begin")
    assert stat.S_IMODE((project / "AGENTS.md").stat().st_mode) == 0o640


def test_the_text_that_several_programs_read_stays_as_long_as_one_is_set_up(dt: DtProcess, project: Path) -> None:
    for name in ("codex", "opencode"):
        dt("setup", name, "--yes")

    dt("setup", "codex", "--remove", "--yes")
    assert "dt prime" in (project / "AGENTS.md").read_text()
    dt("setup", "opencode", "--remove", "--yes")
    assert (project / "AGENTS.md").read_text() == THEIRS["AGENTS.md"]


def test_the_hook_that_is_written_answers_the_program(dt: DtProcess, project: Path) -> None:
    dt("setup", "gemini", "--yes")
    dt("--home", str(project / ".dreamos"), "init")
    dt("--home", str(project / ".dreamos"), "add", "Write the guide")
    command = json.loads((project / ".gemini/settings.json").read_text())["hooks"]["SessionStart"][0]["hooks"][0][
        "command"
    ]

    said = subprocess.run(
        command, shell=True, cwd=project, env=dt.environment, capture_output=True, timeout=60, check=True
    )

    assert "Write the guide" in json.loads(said.stdout)["hookSpecificOutput"]["additionalContext"]


async def test_the_server_that_is_written_serves_the_board(dt: DtProcess, project: Path) -> None:
    dt("--home", str(project / ".dreamos"), "init")
    dt("setup", "claude", "--agent", "ada", "--yes")
    server = json.loads((project / ".mcp.json").read_text())["mcpServers"]["dreamos-tasks"]
    parameters = StdioServerParameters(**server, env=dict(dt.environment), cwd=str(project))

    async with Client(stdio_client(parameters), client_info=Implementation(name="test", version="1")) as client:
        added = await client.call_tool("add_task", {"title": "Write the guide"})
        taken = await client.call_tool("get_next_task", {})

    assert added.structured_content is not None
    assert taken.structured_content is not None
    assert taken.structured_content["task"]["task_id"] == added.structured_content["task_id"]
    assert taken.structured_content["task"]["claim"]["agent_id"] == "ada"


def test_a_project_is_where_its_board_is_when_there_is_no_repository(tmp_path: Path) -> None:
    dt = DtProcess(tmp_path, own_environment(tmp_path / "user"))
    dt("init")
    (tmp_path / "src").mkdir()

    DtProcess(tmp_path / "src", dt.environment)("setup", "opencode", "--yes")

    assert (tmp_path / "opencode.json").exists()


def test_without_a_terminal_it_refuses_and_names_the_flag(dt: DtProcess, tmp_path: Path) -> None:
    before = files_in(tmp_path)

    plain, as_json = dt("setup", "claude"), dt("setup", "claude", "--json")
    assert files_in(tmp_path) == before
    dt("setup", "claude", "--yes")
    removing = dt("setup", "claude", "--remove")

    assert [said.code for said in (plain, as_json, removing)] == [2, 2, 2]
    assert "--yes" in plain.err
    assert "--yes" in as_json.error["fix"]
    assert files_in(tmp_path) != before


def test_at_a_terminal_it_asks_and_no_means_no(dt: DtProcess, tmp_path: Path) -> None:
    before = files_in(tmp_path)
    terminal = Terminal.start(dt, "setup", "claude")

    terminal.until("Write this?")
    terminal.type("n\r")
    terminal.end()

    assert files_in(tmp_path) == before
    assert "+" in terminal.shown


def test_a_link_out_of_the_project_is_not_followed(dt: DtProcess, project: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (project / ".claude/settings.json").unlink()
    (project / ".claude").rmdir()
    (project / ".claude").symlink_to(tmp_path / "elsewhere")
    before = files_in(tmp_path)

    refused = dt("setup", "claude", "--yes", "--json")

    assert (refused.code, refused.error["code"]) == (4, "leads_elsewhere")
    assert files_in(tmp_path) == before, "nothing is written when a part of it cannot be"


def test_a_link_within_the_project_stays_a_link(dt: DtProcess, project: Path) -> None:
    (project / "CLAUDE.md").unlink()
    (project / "CLAUDE.md").symlink_to("AGENTS.md")

    assert dt("setup", "claude", "--yes").code == 0

    assert os.readlink(project / "CLAUDE.md") == "AGENTS.md"
    assert "dt prime" in (project / "AGENTS.md").read_text()
    assert dt("setup", "claude", "--remove", "--yes").code == 0
    assert (project / "AGENTS.md").read_text() == THEIRS["AGENTS.md"]


def test_a_text_that_two_programs_read_by_way_of_a_link_stays_as_long_as_one_is_set_up(
    dt: DtProcess, project: Path
) -> None:
    (project / "CLAUDE.md").unlink()
    (project / "CLAUDE.md").symlink_to("AGENTS.md")
    for name in ("claude", "codex"):
        assert dt("setup", name, "--yes").code == 0

    assert dt("setup", "claude", "--remove", "--yes").code == 0
    assert "dt prime" in (project / "AGENTS.md").read_text()
    assert dt("setup", "codex", "--remove", "--yes").code == 0
    assert (project / "AGENTS.md").read_text() == THEIRS["AGENTS.md"]


def test_empty_files_that_were_there_are_empty_again(dt: DtProcess, project: Path) -> None:
    for name in (".gemini/settings.json", "GEMINI.md"):
        (project / name).write_text("")
    before = files_in(project)

    assert dt("setup", "gemini", "--yes").code == 0
    assert dt("setup", "gemini", "--remove", "--yes").code == 0

    assert files_in(project) == before


@pytest.mark.parametrize("what", ["folder", "circle", "file above it"])
def test_what_is_no_file_is_named_before_anything_is_written(dt: DtProcess, project: Path, what: str) -> None:
    path = project / "CLAUDE.md"
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "circle":
        path.symlink_to("CLAUDE.md")
    else:
        path = project / ".claude/settings.json"
        path.unlink()
        path.parent.rmdir()
        path.parent.write_text("mine")
    before = files_in(project)

    refused = dt("setup", "claude", "--yes", "--json")

    assert (refused.code, refused.error["code"]) == (7, "invalid_input")
    assert str(path) in refused.error["message"]
    assert files_in(project) == before


def test_a_file_that_is_not_understood_is_named_and_nothing_is_written(
    dt: DtProcess, project: Path, tmp_path: Path
) -> None:
    (project / ".claude/settings.json").write_text('{"hooks": \n}')
    before = files_in(tmp_path)

    refused = dt("setup", "claude", "--yes", "--json")

    assert (refused.code, refused.error["code"]) == (7, "invalid_input")
    assert str(project / ".claude/settings.json") in refused.error["message"]
    assert "line 2" in refused.error["message"]
    assert files_in(tmp_path) == before


def test_where_codex_and_opencode_are_told_to_keep_their_settings_there_they_are_written(
    project: Path, tmp_path: Path
) -> None:
    homes = {"CODEX_HOME": str(tmp_path / "codex"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    dt = DtProcess(project, own_environment(tmp_path / "user", **homes))

    assert dt("setup", "codex", "--user", "--yes").code == 0
    assert dt("setup", "opencode", "--user", "--yes").code == 0

    assert (tmp_path / "codex/config.toml").exists()
    assert (tmp_path / "config/opencode/opencode.json").exists()
    assert stat.S_IMODE((tmp_path / "codex/config.toml").stat().st_mode) == 0o600
