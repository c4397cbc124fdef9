"""A place of its own for each end-to-end test, and its daemon ended afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import DtProcess, Said, end_started, own_environment
from tests.end_to_end.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Ends its daemon, whatever the test did to it."""
    dt = DtProcess(tmp_path, own_environment(tmp_path, DREAMOS_TASKS_INBOX__RESCAN_SECONDS="1"))
    here = Project(tmp_path, dt)
    assert dt("init").code == 0
    yield here
    end_started()
    here.open_gate()
    said: Said = dt("down", "--timeout", "60")
    assert said.code == 0, said.err
    assert not os.path.lexists(here.runtime / "daemon.json")
