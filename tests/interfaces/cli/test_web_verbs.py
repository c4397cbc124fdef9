"""dt dashboard and dt token, with and without a daemon."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import DtProcess, end_started, own_environment


@pytest.fixture
def dt(tmp_path: Path) -> Iterator[DtProcess]:
    command = DtProcess(tmp_path, own_environment(tmp_path, DREAMOS_TASKS_SERVER__PORT="0"))
    assert command("init").code == 0
    yield command
    end_started()
    assert command("down").code == 0


def runtime(dt: DtProcess) -> Path:
    return dt.folder / ".dreamos" / "runtime"


def status_of(url: str, token: str | None = None) -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_up_prints_a_link_that_opens_logged_in_once(dt: DtProcess) -> None:
    up = dt("up", "--detach", "--json").form
    assert up["dashboard"].startswith(f"{up['endpoints']['http']}/login?code=")
    again = dt("up", "--detach", "--json").form
    assert again["started"] is False
    assert again["dashboard"] != up["dashboard"]
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with (
        opener.open(up["dashboard"], timeout=30) as page,
        opener.open(f"{up['endpoints']['http']}/api/v1/stats", timeout=30) as stats,
    ):
        assert (page.status, page.url) == (200, f"{up['endpoints']['http']}/")
        assert json.load(stats)["status"] == {}
    assert status_of(up["dashboard"]) == 401
    code = up["dashboard"].rpartition("=")[2]
    assert code not in (runtime(dt) / "logs" / "daemon.log").read_text()
    assert code not in (runtime(dt) / "daemon.json").read_text()


def test_dashboard_prints_a_link_and_needs_the_daemon(dt: DtProcess) -> None:
    without = dt("dashboard")
    assert without.code == 4
    assert "dt up --detach" in without.err
    dt("up", "--detach")
    assert "/login?code=" in dt("dashboard").out
    assert dt("dashboard", "--json").form["url"].startswith("http://127.0.0.1:")


def test_a_token_is_made_shown_once_listed_and_revoked_while_the_daemon_runs(dt: DtProcess) -> None:
    url = dt("up", "--detach", "--json").form["endpoints"]["http"] + "/api/v1/stats"
    made = dt("token", "create", "--agent", "ada", "--json").form
    assert (made["scope"], made["agent"]) == ("agent", "ada")
    assert status_of(url, made["token"]) == 200
    listed = dt("token", "list", "--json")
    assert [one["id"] for one in listed.form] == [made["id"]]
    assert made["token"] not in listed.out
    assert made["id"] in dt("token", "list").out
    assert dt("token", "revoke", made["id"]).code == 0
    assert status_of(url, made["token"]) == 401
    assert dt("token", "revoke", made["id"], "--json").error["code"] == "not_found"


def test_the_owners_token_can_be_renewed(dt: DtProcess) -> None:
    url = dt("up", "--detach", "--json").form["endpoints"]["http"] + "/api/v1/stats"
    file = runtime(dt) / "token"
    old = file.read_text().strip()
    assert file.stat().st_mode & 0o777 == 0o600
    assert status_of(url, old) == 200
    dt("token", "revoke", "owner")
    assert status_of(url, old) == 401
    assert status_of(url, file.read_text().strip()) == 200


@pytest.mark.parametrize("options", [["--scope", "agent"], ["--scope", "operator", "--agent", "ada"]])
def test_the_scope_of_agents_goes_with_an_agent(dt: DtProcess, options: list[str]) -> None:
    refused = dt("token", "create", *options, "--json")
    assert (refused.code, refused.error["code"]) == (2, "usage")


def test_an_agent_makes_no_tokens_and_opens_no_dashboard(dt: DtProcess) -> None:
    agent = DtProcess(dt.folder, {**dt.environment, "DREAMOS_TASKS_AGENT": "ada"})
    for words in (("token", "create", "--scope", "operator"), ("token", "revoke", "owner"), ("dashboard",)):
        refused = agent(*words, "--json")
        assert (refused.code, refused.error["code"]) == (4, "no_person")


def test_a_port_that_is_taken_is_told_with_its_holder_when_it_was_set(dt: DtProcess) -> None:
    port = dt("up", "--detach", "--json").form["endpoints"]["http"].rpartition(":")[2]
    second = DtProcess(dt.folder, {**dt.environment, "DREAMOS_TASKS_SERVER__PORT": port})
    refused = second("--home", "other", "up", "--detach", "--json")
    assert refused.code == 2
    assert "is taken" in refused.error["message"]
    assert "pid" in refused.error["cause"]


def test_without_the_server_the_daemon_works_all_the_same(dt: DtProcess) -> None:
    quiet = DtProcess(dt.folder, {**dt.environment, "DREAMOS_TASKS_SERVER__ENABLED": "false"})
    up = quiet("up", "--detach", "--json").form
    assert up["dashboard"] is None
    assert "http" not in up["endpoints"]
    assert quiet("dashboard").code == 4


def test_another_host_than_this_machine_needs_a_certificate(dt: DtProcess) -> None:
    open_wide = DtProcess(dt.folder, {**dt.environment, "DREAMOS_TASKS_SERVER__HOST": "0.0.0.0"})
    refused = open_wide("up", "--detach", "--json")
    assert refused.code == 2
    assert "server.certfile" in refused.error["message"]
    assert "TLS" in refused.error["message"]
