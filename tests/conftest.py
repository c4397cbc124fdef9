"""What every test can rely on: no settings of the person who runs them, no deadline that a busy machine misses."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

WAITING_WORKERS = 2  # of those that run tests side by side

# A test that wants one of these sets it; what the shell or systemd set must not reach a board of the tests.
for name in [name for name in os.environ if name.startswith(("DREAMOS_TASKS_", "NOTIFY_SOCKET", "WATCHDOG_"))]:
    del os.environ[name]

# In CI the same examples every time: a red run can be repeated, and hypothesis prints how.
settings.register_profile("here", deadline=None, print_blob=True)
settings.register_profile("ci", parent=settings.get_profile("here"), derandomize=True, database=None)
settings.load_profile("ci" if "CI" in os.environ else "here")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--long` is what `make torture` gives; `--seed` makes a failed torture test go the same way again."""
    parser.addoption("--long", action="store_true", help="run the torture suite at full length")
    parser.addoption("--seed", help="repeat a run of the torture suite: its tests say which seed they had")


@pytest.fixture(scope="module")
def subreaper() -> Iterator[None]:
    """The tests of this module are run by a subreaper, as steps are by a daemon."""
    from dreamos_tasks.tools.orphans import become_subreaper

    become_subreaper()
    yield
    become_subreaper(on=False)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """`-n auto`, as `make test` says: more than there are cores, as much of a test is waiting for processes and the disk."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return len(os.sched_getaffinity(0)) + WAITING_WORKERS


@pytest.fixture(scope="session")
def long_run(request: pytest.FixtureRequest) -> bool:
    """Whether the torture suite runs at full length."""
    return bool(request.config.getoption("--long"))
