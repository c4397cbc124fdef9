"""config.yaml at the top of the project: exactly the defaults, and every setting."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dreamos_tasks.config.catalogue import all_settings, as_yaml, expected, hint_at, info_of, shown, values
from dreamos_tasks.config.home import Home, find_home
from dreamos_tasks.config.loading import load
from dreamos_tasks.config.reference import reference
from dreamos_tasks.config.settings import Settings, ToolSettings

CONFIG = Path(__file__).parents[2] / "config.yaml"


def keys_of(section: dict[str, Any], above: tuple[str, ...] = ()) -> set[str]:
    found = set()
    for name, value in section.items():
        found |= keys_of(value, (*above, name)) if isinstance(value, dict) else {".".join((*above, name))}
    return found


def with_its_example(text: str) -> dict[str, Any]:
    """The reference with what it has as a comment taken in: the example of a tool, and what is left out."""
    text = re.sub(r"(?m)^# ( +[a-z#])", r"\1", text)
    document = yaml.safe_load(re.sub(r"(?m)^( +)# ([a-z_]+: \S+)$", r"\1\2", text))
    assert isinstance(document, dict)
    return document


def test_the_file_is_what_the_definitions_say() -> None:
    assert CONFIG.read_text() == reference(), "python -m dreamos_tasks.config.reference > config.yaml"


def test_the_file_is_read_as_exactly_the_defaults(home: Home, environ: dict[str, str]) -> None:
    home.config.write_text(CONFIG.read_text())
    loaded = load(home, environ)
    assert loaded.settings == Settings()
    assert {key for key, origin in loaded.origins.items() if origin == "default"} == {"server.port"}, (
        "set, no other would be taken"
    )


def test_the_file_names_every_setting_and_nothing_else() -> None:
    document = with_its_example(CONFIG.read_text())
    assert document.pop("dreamos_tasks") == 1
    known = {info.key.replace("<name>", "shell") for info in all_settings()}
    assert keys_of(document) == known


def test_the_example_of_a_tool_is_its_defaults(home: Home, environ: dict[str, str]) -> None:
    home.config.write_text(yaml.safe_dump(with_its_example(CONFIG.read_text())))
    assert load(home, environ).settings.tools == {"shell": ToolSettings()}


def test_every_setting_has_its_unit_and_reason_beside_it() -> None:
    text = re.sub(r"\s*\n(# )? *# ", " ", CONFIG.read_text())
    for info in all_settings():
        assert info.why
        assert info.why[1:] in text
        assert not info.unit or info.unit in text
        assert info.unit or not info.key.endswith(("_seconds", "_bytes"))


def test_the_file_marks_a_home(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG.read_text())
    assert find_home(environ=environ, start=tmp_path).found_by == "config.yaml"


def test_every_setting_is_described() -> None:
    info = info_of(("tools", "my.tool", "breaker", "open_seconds"))
    assert info is not None
    assert info.key == "tools.<name>.breaker.open_seconds"
    assert (info.default, info.unit) == (30, "seconds")
    lease = info_of(("claims", "lease_seconds"))
    assert lease is not None
    assert lease.variable == "DREAMOS_TASKS_CLAIMS__LEASE_SECONDS"
    assert lease.expected == "a number above 0 up to 31536000"
    assert info_of(("claims",)) is None
    assert hint_at(("claims", "nothing")) is None


def test_an_optional_setting_says_so() -> None:
    assert expected(hint_at(("limits", "cpu_seconds"))) == "a number above 0 up to 31536000, or null"


def test_the_contracts_defaults_hold() -> None:
    found = values(Settings())
    contract = {
        "board.store": "sqlite",
        "board.durability": "full",
        "claims.lease_seconds": 900,
        "claims.heartbeat_seconds": 60,
        "daemon.agent_id": "daemon",
        "daemon.max_concurrent_tasks": 4,
        "inbox.max_bytes": 10_485_760,
        "inbox.rescan_seconds": 30,
        "retry.max_attempts": 3,
        "retry.base_seconds": 2,
        "retry.factor": 2,
        "retry.max_seconds": 300,
        "retry.jitter": "full",
        "retry.max_deferrals": 100,
        "monitoring.check_interval_seconds": 300,
        "monitoring.pending_timeout_seconds": 3600,
        "monitoring.escalation_strategy": "log_only",
        "server.host": "127.0.0.1",
        "server.port": 8765,
    }
    assert {key: found[key] for key in contract} == contract


@pytest.mark.parametrize(
    "value", ["plain", "null", "yes", "2026", "a: b", "#", "", "*x", 5, 0.25, 3.0, None, ("A", "B_*")]
)
def test_a_value_written_as_yaml_is_read_as_the_same(value: object) -> None:
    read = yaml.safe_load(as_yaml(value))
    assert (tuple(read) if isinstance(read, list) else read) == value


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:c4nary@here/board",
        "postgresql://ada:c4@nary/x@here/b?a=1",
        "host=here password=c4nary user=ada",
    ],
)
def test_a_password_is_never_shown(url: str) -> None:
    text = str(shown("board.url", url))
    assert "c4" not in text
    assert "***" in text
    assert "here" in text
    assert shown("server.host", url) == url
