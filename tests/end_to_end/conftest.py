"""A place of its own for each end-to-end test, and its daemon ended afterwards; a browser, and a daemon for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, StorageState

from tests.end_to_end.dashboard import Dashboard, chromium, window
from tests.end_to_end.project import Project, project_in
from tests.ports import lasting_port


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Ends its daemon, whatever the test did to it."""
    with project_in(tmp_path) as here:
        yield here


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose daemon serves the dashboard on a port of its own, also after a restart; one for all these tests."""
    with project_in(tmp_path_factory.mktemp("served"), DREAMOS_TASKS_SERVER__PORT=str(lasting_port())) as here:
        here.up()
        yield here


@pytest.fixture(scope="module")
def session(served: Project, browser: Browser) -> StorageState:
    """Of a browser that has followed a link."""
    with window(served, browser) as here:
        here.open()
        return here.page.context.storage_state()


@pytest.fixture
def dashboard(served: Project, browser: Browser, session: StorageState) -> Iterator[Dashboard]:
    with window(served, browser, session=session) as here:
        here.come_back()
        yield here
