"""What the guide to tools shows of `http` and `web_search` is right, and it names all that they take."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest

from dreamos_tasks.model.plan import StepResult, StepStatus
from dreamos_tasks.model.references import resolved
from dreamos_tasks.protocols import ToolAdapter
from dreamos_tasks.tools.http import HttpOptions, HttpTool
from dreamos_tasks.tools.http_params import HttpParams
from dreamos_tasks.tools.search_params import WebSearchParams
from dreamos_tasks.tools.web_search import WebSearchOptions, WebSearchTool
from tests.command import ROOT

GUIDE = (ROOT / "docs" / "guides" / "tools.md").read_text(encoding="utf-8")
NOW = datetime(2026, 11, 21, tzinfo=UTC)
TOOLS: Mapping[str, ToolAdapter] = {"http": HttpTool(now=lambda: NOW), "web_search": WebSearchTool(now=lambda: NOW)}


def section(name: str) -> str:
    return GUIDE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def calls() -> list[tuple[str, Mapping[str, Any]]]:
    found = []
    for name in TOOLS:
        for block in re.findall(r"^```json\n(.*?)^```", section(name), re.MULTILINE | re.DOTALL):
            found += [(step["tool"], step["params"]) for step in json.loads(block)["plan"]["steps"]]
    return found


@pytest.mark.parametrize(("name", "params"), calls())
def test_a_call_in_the_guide_is_right(name: str, params: Mapping[str, Any]) -> None:
    earlier = {
        "figures": {"json": {"rows": [1, 2]}},
        "search": {"results": [{"title": "a", "url": "https://example.org/", "snippet": ""}]},
    }
    records = {step: StepResult(name=step, status=StepStatus.COMPLETED, value=value) for step, value in earlier.items()}

    filled = resolved(params, records, path_of=lambda _: None)

    assert TOOLS[name].validate(filled) == ()


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("http", (HttpParams, HttpOptions)), ("web_search", (WebSearchParams, WebSearchOptions))],
)
def test_the_guide_names_every_parameter_and_option(name: str, kinds: tuple[type, ...]) -> None:
    known = {field.name for kind in kinds for field in fields(kind)}

    assert {one for one in known if f'"{one}"' not in section(name) and f"`{one}`" not in section(name)} == set()
