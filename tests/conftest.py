"""What every test can rely on: no settings of the person who runs them, no chance, no deadline that a busy machine misses."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

WAITING_WORKERS = 2  # of those that run tests side by side

# A test that wants one of these sets it; what the shell or systemd set must not reach a board of the tests.
for name in [name for name in os.environ if name.startswith(("DREAMOS_TASKS_", "NOTIFY_SOCKET", "WATCHDOG_"))]:
    del os.environ[name]

# A shell that runs the tests in its background has them ignore Ctrl-C, and so would every command that they interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples every time: what a red run says can be repeated, and a change is not blamed for what was there before.
# The long run looks for new ones, and hypothesis prints how to see them again.
IN_PATIENCE = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("the same", parent=IN_PATIENCE, derandomize=True, database=None)
settings.register_profile("new", parent=IN_PATIENCE)
settings.load_profile("the same")


def pytest_configure(config: pytest.Config) -> None:
    """Before the tests are imported, whose own settings add to these."""
    if config.getoption("--long"):
        settings.load_profile("new")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--long` is what `make torture` gives; `--seed` makes a failed torture test go the same way again."""
    parser.addoption("--long", action="store_true", help="torture at full length, and new examples everywhere")
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
