"""The official conformance suite against the daemon's /mcp, and the official inspector against both ways in."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import ROOT, own_environment
from tests.interfaces.mcp.clients import connected, make_board, server_command
from tests.interfaces.mcp.conformance.node_tools import NodeTools, node_tools

SUITE_SECONDS = 300.0  # on an idle machine it takes a tenth of this
INSPECTOR_SECONDS = 120.0
PATIENT = ("--connect-timeout", "60000")  # milliseconds that a busy machine may take to start a server
TELLS_NOTHING = frozenset({"SUCCESS", "INFO", "SKIPPED", "WARNING"})

OURS = frozenset(
    {
        # the protocol itself, old and new
        "server-initialize",
        "server-session-lifecycle",
        "server-stateless",
        "ping",
        "caching",
        "dns-rebinding-protection",
        "http-header-validation",
        "server-sse-multiple-streams",
        # tools, resources and prompts
        "tools-list",
        "tools-call-simple-text",
        "tools-call-error",
        "tools-call-with-progress",
        "resources-list",
        "resources-read-text",
        "resources-templates-read",
        "sep-2164-resource-not-found",
        "prompts-list",
        "prompts-get-simple",
        "prompts-get-with-args",
        # io.modelcontextprotocol/tasks
        "tasks-lifecycle",
        "tasks-capability-negotiation",
        "tasks-wire-fields",
        "tasks-request-state-removal",
        "tasks-mrtr-input",
        "tasks-request-headers",
        "tasks-dispatch-and-envelope",
        "tasks-status-notifications",
        "tasks-required-task-error",
        "tasks-mrtr-composition",
    }
)
NOT_OURS = {
    r"(tools-call-(image|audio|embedded-resource|mixed-content)|resources-read-binary|prompts-get-(embedded|with-image).*)": (
        "a board is text"
    ),
    r"(logging-set-level|tools-call-with-logging|completion-complete|resources-(un)?subscribe|server-sse-polling)": (
        "optional, and not declared"
    ),
    r"(tools-call-(sampling|elicitation)|elicitation-.*)": "the server asks clients nothing while a call runs",
    r"input-required-result-.*": "a call asks back only before a task: tasks-mrtr-composition",
    r"(http-custom-header-server-validation|json-schema-2020-12)": "no tool of ours has such a schema",
    r"sep-2640-skills-.*": "another extension",
}


@pytest.fixture(scope="module")
def tools() -> NodeTools:
    return node_tools()


@pytest.fixture
def fixture_url(tmp_path: Path) -> Iterator[str]:
    """Where the fixture server is."""
    log = tmp_path / "server.log"
    with log.open("w") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.interfaces.mcp.conformance.fixture_server", str(tmp_path / "home")],
            cwd=ROOT,
            env=own_environment(tmp_path),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
        )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    try:
        assert url, log.read_text()
        yield url
    finally:
        process.communicate(timeout=60)  # closes its stdin


def test_it_passes_every_scenario_of_the_official_suite_that_applies(
    tools: NodeTools, fixture_url: str, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    said = tools.run(
        "conformance", "server", "--url", fixture_url, "--suite", "all", "-o", str(out), seconds=SUITE_SECONDS
    )
    checks = {_scenario(folder): _checks(folder) for folder in out.iterdir()}

    undecided = [name for name in checks if name not in OURS and not any(re.fullmatch(one, name) for one in NOT_OURS)]
    assert not undecided, "new scenarios: decide whether they apply"
    assert checks.keys() >= OURS, said.stdout[-2000:] + said.stderr[-2000:]
    failed = {
        f"{name}: {check['id']}": check.get("errorMessage")
        for name in OURS
        for check in checks[name]
        if check["status"] not in TELLS_NOTHING
    }
    assert failed == {}
    assert sum(check["status"] == "SUCCESS" for name in OURS for check in checks[name]) > len(OURS)


def test_the_official_inspector_works_over_stdio(tools: NodeTools, tmp_path: Path) -> None:
    make_board(tmp_path)

    def inspect(*arguments: str) -> Any:
        server = server_command("--home", str(tmp_path), "mcp", "--agent", "ada")
        said = tools.run("mcp-inspector", "--cli", *server, *PATIENT, "--method", *arguments, seconds=INSPECTOR_SECONDS)
        assert said.returncode == 0, said.stderr
        return json.loads(said.stdout)

    listed = inspect("tools/list")
    added = inspect("tools/call", "--tool-name", "add_task", "--tool-arg", "title=By the inspector")
    task_id = added["structuredContent"]["task_id"]
    resource = inspect("resources/read", "--uri", f"board://tasks/{task_id}")
    prompt = inspect("prompts/get", "--prompt-name", "work-on-next-task")

    assert "get_next_task" in {tool["name"] for tool in listed["tools"]}
    assert json.loads(resource["contents"][0]["text"])["title"] == "By the inspector"
    assert "complete_task" in prompt["messages"][0]["content"]["text"]


def test_the_official_inspector_works_over_http(tools: NodeTools, fixture_url: str) -> None:
    said = tools.run(
        *("mcp-inspector", "--cli", fixture_url, "--transport", "http", *PATIENT, "--method", "tools/list"),
        seconds=INSPECTOR_SECONDS,
    )

    assert said.returncode == 0, said.stderr
    assert "get_next_task" in {tool["name"] for tool in json.loads(said.stdout)["tools"]}


async def test_fixture_tools_are_not_part_of_the_server(tmp_path: Path) -> None:
    async with connected(tmp_path) as call:
        names = {tool.name for tool in (await call.client.list_tools()).tools}
        resources = {str(one.uri) for one in (await call.client.list_resources()).resources}

    assert not {name for name in names if name.startswith("test_") or name in ("greet", "slow_compute")}
    assert resources == {"board://tasks", "board://stats"}


def _scenario(folder: Path) -> str:
    match = re.fullmatch(r"server-(.+?)-\d{4}-\d\d-\d\dT[\d-]+Z", folder.name)
    assert match is not None, folder
    return match[1]


def _checks(folder: Path) -> list[dict[str, Any]]:
    checks: list[dict[str, Any]] = json.loads((folder / "checks.json").read_text())
    return checks
