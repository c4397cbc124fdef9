"""What the guides show is true: the calls in docs/guides/tools.md are accepted by the tools that they name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dreamos_tasks.app.schemas import tool_schema
from dreamos_tasks.config.home import Home
from dreamos_tasks.errors import ToolNotFound
from dreamos_tasks.tools.file_params import KINDS
from tests.command import ROOT
from tests.tools.filing import files_tool

GUIDE = ROOT / "docs" / "guides" / "tools.md"
BLOCKS = re.findall(r"^```json\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def calls_in(document: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The tool and parameters of every step in it, however deep."""
    if isinstance(document, dict):
        if isinstance(document.get("params"), dict):
            yield document.get("tool", "shell"), document["params"]
        else:
            for part in document.values():
                yield from calls_in(part)
    elif isinstance(document, list):
        for part in document:
            yield from calls_in(part)


CALLS = [call for block in BLOCKS for call in calls_in(json.loads(block))]


@pytest.mark.parametrize(("name", "params"), CALLS, ids=lambda part: part if isinstance(part, str) else "")
def test_a_call_in_the_guide_fits_the_schema_of_its_tool(name: str, params: Mapping[str, Any], tmp_path: Path) -> None:
    try:
        schema = tool_schema(Home(path=tmp_path, found_by="--home"), name)
    except ToolNotFound:
        pytest.skip(f"this program is not built with the tool {name}")

    jsonschema.Draft202012Validator(dict(schema)).validate(params)


@pytest.mark.parametrize("params", [params for name, params in CALLS if name == "files"], ids=lambda one: one["action"])
def test_a_call_of_the_tool_files_in_the_guide_is_right(params: Mapping[str, Any]) -> None:
    assert files_tool().validate(params) == ()


def test_the_guide_shows_every_action_of_the_tool_files() -> None:
    shown = {params["action"] for name, params in CALLS if name == "files"}

    assert shown == set(KINDS)


def test_the_guide_names_every_parameter_of_the_tool_files() -> None:
    section = GUIDE.read_text(encoding="utf-8").partition("\n## files\n")[2].partition("\n## ")[0]
    known = {field.name for kind in KINDS.values() for field in fields(kind)}

    assert {name for name in known if f"`{name}`" not in section} == {"action"}


@pytest.mark.parametrize(("language", "file"), [("toml", "pyproject.toml"), ("python", "weather_tool.py")])
def test_what_the_guide_shows_of_the_weather_tool_stands_in_it(language: str, file: str) -> None:
    guide = (ROOT / "docs" / "guides" / "writing-a-tool.md").read_text(encoding="utf-8")
    shown = re.findall(rf"^```{language}\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)[0]
    example = (ROOT / "examples" / "weather_tool" / file).read_text(encoding="utf-8").splitlines()

    assert [line for line in shown.splitlines() if line not in example] == []
