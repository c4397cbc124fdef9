"""The tools of a board, made from its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.app.call_checks import call_check
from dreamos_tasks.app.tool_shop import build_tools, children_of
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import Settings, ToolSettings
from dreamos_tasks.errors import ConfigError
from dreamos_tasks.tools.registry import ToolRegistry

NAMES = ("browser", "files", "http", "message", "python", "shell", "web_search")


def shop(folder: Path, **options: Any) -> ToolRegistry:
    home = Home(path=folder, found_by="--home")
    settings = Settings(tools={name: ToolSettings(options=given) for name, given in options.items()})
    return build_tools(children_of(home, instance="test"), home=home, settings=settings)


def test_each_tool_is_there_by_its_name(tmp_path: Path) -> None:
    tools = shop(tmp_path)

    assert set(NAMES) <= set(tools.names())
    assert [tools.get(name).name for name in NAMES] == list(NAMES)


def test_options_are_read_with_the_secrets_they_name(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.env"
    secrets.write_text("SEARCH=abc\n")
    secrets.chmod(0o600)
    engine = {"kind": "brave", "url": "https://search.example", "token": "${secret:SEARCH}"}

    tool: Any = shop(tmp_path, web_search={"engines": [engine]}).get("web_search")

    assert tool._options.engines[0].token == "abc"
    with pytest.raises(ConfigError, match="name a secret"):
        shop(tmp_path, web_search={"engines": [{**engine, "token": "${secret:OTHER}"}]}).get("web_search")


def test_a_secret_may_stand_where_the_option_has_a_form_and_is_not_shown_when_it_has_another(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.env"
    secrets.write_text("HOOK=whsec_c2VjcmV0\nWRONG=canary-no-base64!\n")
    secrets.chmod(0o600)
    team = {"kind": "webhook", "url": "https://hooks.example", "secret": "${secret:HOOK}"}

    tool: Any = shop(tmp_path, message={"targets": {"team": team}}).get("message")

    assert tool._options.targets["team"].secret == "whsec_c2VjcmV0"
    with pytest.raises(ConfigError, match="options/targets/team/secret") as refusal:
        shop(tmp_path, message={"targets": {"team": {**team, "secret": "${secret:WRONG}"}}}).get("message")
    assert "canary" not in repr(refusal.value) + str(refusal.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"http": {"max_byte": 1}}, "did you mean 'max_bytes'"),
        ({"http": {"max_bytes": "many"}}, "tools.http.options/max_bytes"),
        ({"files": {"daemon_address": "x"}}, "has no 'daemon_address'"),
    ],
)
def test_wrong_options_are_named_with_what_is_right(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        shop(tmp_path, **options).get(next(iter(options)))


@pytest.mark.parametrize(
    ("tool", "params", "pointers"),
    [
        ("shell", {"command": ["echo", "${steps.a.output}"], "env": {"T": "${secret:T}"}}, []),
        ("shell", {"command": "echo ${steps.a.output}"}, ["/command"]),
        ("shell", {"command": "echo $${steps.a.output} ${HOME}"}, []),
        ("shell", {"command": ["echo", "${secret:T}"]}, ["/command/1"]),
        ("http", {"url": "${steps.a.output.url}", "headers": {"Authorization": "Bearer ${secret:T}"}}, []),
        ("http", {"url": "https://example.org/?k=${secret:T}"}, ["/url"]),
        ("shell", {"command": "true", "success_codes": "${steps.a.value}"}, []),
        ("shell", {"command": "true", "success_codes": "x ${steps.a.value}"}, ["/success_codes"]),
    ],
)
def test_a_reference_stands_for_any_value_and_may_stand_where_nobody_can_read_it(
    tmp_path: Path, tool: str, params: dict[str, Any], pointers: list[str]
) -> None:
    problems = call_check(shop(tmp_path))(tool, params)

    assert [problem.pointer for problem in problems] == pointers
