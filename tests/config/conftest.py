"""A home and an environment of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamos_tasks.config.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a runtime folder and no config.yaml."""
    path = tmp_path / "home"
    (path / "runtime").mkdir(parents=True)
    return Home(path=path, found_by="--home")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The environment of a user without any settings."""
    return {"HOME": str(tmp_path / "user"), "XDG_CONFIG_HOME": str(tmp_path / "xdg"), "PATH": "/usr/bin"}
