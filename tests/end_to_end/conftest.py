"""A place of its own for each end-to-end test, and its daemon ended afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.project import Project, project_in


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Ends its daemon, whatever the test did to it."""
    with project_in(tmp_path) as here:
        yield here
