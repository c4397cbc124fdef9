"""Tools by name: our own, and those that other packages offer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dreamos_tasks.errors import ConfigError, ToolNotFound
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.registry import ToolRegistry
from dreamos_tasks.tools.shell import ShellTool

MODULE = """
from dreamos_tasks.model.tool import Estimate, Health, ToolResult

class WeatherTool:
    name = "weather"
    def params_schema(self): return {}
    def validate(self, params): return ()
    def estimate(self, params): return Estimate()
    async def health(self): return Health(ok=True)
    async def execute(self, params, context): return ToolResult(value="sunny")

class Nothing:
    name = "nothing"

def broken():
    raise RuntimeError("no licence")
"""
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a package, with its metadata, that offers tools."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(package: str, **offers: str) -> None:
        module = package.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(MODULE)
        metadata = tmp_path / f"{module}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {module}:{what}" for name, what in offers.items()]
        (metadata / "entry_points.txt").write_text("\n".join(["[dreamos_tasks.tools]", *lines]))
        monkeypatch.delitem(sys.modules, module, raising=False)

    return install


@pytest.fixture
def shell() -> ShellTool:
    return ShellTool(Children(home_id="home", instance="instance"))


def test_a_tool_is_found_by_its_name(shell: ShellTool) -> None:
    assert ToolRegistry([shell]).get("shell") is shell


def test_an_unknown_tool_is_answered_with_the_nearest(shell: ShellTool) -> None:
    with pytest.raises(ToolNotFound, match="no tool 'shel'; did you mean shell\\?") as refused:
        ToolRegistry([shell]).get("shel")

    assert refused.value.nearest == ("shell",)
    assert isinstance(refused.value, LookupError)


def test_a_word_that_is_near_nothing_is_answered_with_all_there_are(shell: ShellTool) -> None:
    with pytest.raises(ToolNotFound, match="no tool 'xyzzy'; there are shell"):
        ToolRegistry([shell]).get("xyzzy")


async def test_a_tool_of_another_package_is_found(shell: ShellTool, install: Install) -> None:
    install("weather-tools", weather="WeatherTool")
    registry = ToolRegistry([shell])

    assert registry.names() == ["shell", "weather"]
    tool = registry.get("weather")
    assert (await tool.health()).ok
    assert registry.get("weather") is tool


def test_another_package_cannot_take_the_place_of_our_own(shell: ShellTool, install: Install) -> None:
    install("shell-tools", shell="WeatherTool")

    assert ToolRegistry([shell]).get("shell") is shell


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("broken", "the tool 'weather' of weather-tools cannot be loaded: no licence"),
        (
            "absent",
            "the tool 'weather' of weather-tools cannot be loaded: module 'weather_tools' has no attribute",
        ),
        (
            "Nothing",
            "the tool 'weather' of weather-tools is no ToolAdapter: it lacks params_schema, validate",
        ),
    ],
)
def test_a_tool_that_cannot_be_loaded_is_said_when_it_is_needed(
    shell: ShellTool, install: Install, what: str, message: str
) -> None:
    install("weather-tools", weather=what)
    registry = ToolRegistry([shell])

    assert registry.get("shell") is shell
    with pytest.raises(ConfigError, match=message):
        registry.get("weather")


def test_a_tool_must_bear_the_name_it_is_offered_under(shell: ShellTool, install: Install) -> None:
    install("weather-tools", climate="WeatherTool")

    with pytest.raises(ConfigError, match="it lacks the name 'climate'"):
        ToolRegistry([shell]).get("climate")


def test_a_name_that_two_packages_offer_is_refused(shell: ShellTool, install: Install) -> None:
    install("weather-tools", weather="WeatherTool")
    install("other-tools", weather="WeatherTool")

    with pytest.raises(ConfigError, match="several packages offer a tool 'weather'"):
        ToolRegistry([shell]).get("weather")
