"""The examples work as their readers would use them: installed, found by the program, and tested with pytest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.command import COMMAND, ROOT

WEATHER = ROOT / "examples" / "weather_tool"


@pytest.fixture
def installed(tmp_path: Path) -> Mapping[str, str]:
    """An environment in which the weather tool is installed: its module, and metadata made from its pyproject.toml."""
    project = tomllib.loads((WEATHER / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    site = tmp_path / "site"
    metadata = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir(parents=True)
    (site / "weather_tool.py").write_bytes((WEATHER / "weather_tool.py").read_bytes())
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (metadata / "METADATA").write_text(head, encoding="utf-8")
    groups = project["entry-points"].items()
    lines = [
        line for group, points in groups for line in (f"[{group}]", *(f"{name} = {points[name]}" for name in points))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    return {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}"}


def test_the_weather_tool_is_found_by_its_entry_point(installed: Mapping[str, str], tmp_path: Path) -> None:
    call = [*COMMAND, "--home", str(tmp_path / "home"), "schema", "tool", "weather", "--json"]

    said = subprocess.run(call, env=installed, capture_output=True, text=True, check=True, cwd=tmp_path)

    schema = json.loads(said.stdout)
    assert schema["required"] == ["latitude", "longitude"]


def test_the_weather_tool_passes_the_suite_that_its_tests_are(installed: Mapping[str, str]) -> None:
    call = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(WEATHER)]
    before = set(WEATHER.rglob("*"))
    environment = {**installed, "PYTHONDONTWRITEBYTECODE": "1"}

    said = subprocess.run(call, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)

    assert said.returncode == 0, said.stdout + said.stderr
    assert "1 skipped" in said.stdout, "all but undo is tested"
    assert set(WEATHER.rglob("*")) == before, "nothing is left in the checkout"
