"""What docs/guides/limits.md says of breakers, rates and limits that steps share is true."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from dreamos_tasks.app.shared_limits import OF_THIS_MACHINE, shared_limits
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.loading import load
from dreamos_tasks.config.settings import BreakerSettings, ToolSettings
from dreamos_tasks.execution.gates import HEALTH_SECONDS, NO_LIMITS
from dreamos_tasks.model.gate import SAFETY_SECONDS
from dreamos_tasks.model.rate import WINDOW
from tests.command import ROOT

GUIDE = (ROOT / "docs" / "guides" / "limits.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def test_its_example_is_accepted_and_its_breaker_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"dreamos_tasks: 1\n{EXAMPLE}")
    settings = load(Home(path=tmp_path, found_by="--home"), {}).settings
    http = settings.tool("http")
    assert {name: getattr(http, name) for name in yaml.safe_load(EXAMPLE)["tools"]["http"] if name != "breaker"} == {
        "max_concurrent": 8,
        "max_concurrent_per_host": 2,
        "rate_per_minute": 600,
        "rate_per_minute_per_host": 60,
    }
    assert http.breaker == BreakerSettings()


def test_tools_of_this_machine_have_no_breaker_unless_one_is_set() -> None:
    assert all(f"`{name}`" in GUIDE for name in OF_THIS_MACHINE)
    for name in OF_THIS_MACHINE:
        assert shared_limits(name, ToolSettings()) == NO_LIMITS
        assert shared_limits(name, ToolSettings(breaker=BreakerSettings(failures=2))).breaker is not None
    assert shared_limits("http", ToolSettings()).breaker is not None


def test_its_numbers_are_those_of_the_program() -> None:
    assert WINDOW.total_seconds() == 60
    assert HEALTH_SECONDS == 30
    assert SAFETY_SECONDS == 5
