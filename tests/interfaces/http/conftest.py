"""A daemon with its HTTP face, in the test's own loop, on a port of its own and a board of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.interfaces.http.serving import Served, serve


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """With the default settings, but for the port."""
    async with serve(tmp_path / "home") as here:
        yield here
