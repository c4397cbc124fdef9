"""The package's front door."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.resources import files

import pytest

import dreamos_tasks


@pytest.mark.parametrize("name", dreamos_tasks.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(dreamos_tasks, name) is not None
    assert name in dir(dreamos_tasks)


def test_a_name_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(AttributeError, match="module 'dreamos_tasks' has no attribute 'TaskBoard'"):
        dreamos_tasks.TaskBoard  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_package_imports_nothing_of_it_and_nothing_slow() -> None:
    script = "import sys, dreamos_tasks; dreamos_tasks.__version__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert [name for name in loaded if name.startswith("dreamos_tasks.")] == []
    assert loaded.isdisjoint({"importlib.metadata", "pydantic", "asyncio", "dataclasses"})


def test_the_dashboard_is_in_the_package_with_all_that_its_page_loads() -> None:
    dashboard = files("dreamos_tasks.interfaces.http.dashboard")
    index = (dashboard / "page" / "index.html").read_text(encoding="utf-8")
    loaded = re.findall(r'(?:src|href)="(page/[^"]+)"', index)
    assert len(loaded) > 3
    assert [path for path in loaded if not (dashboard / path).is_file()] == []
