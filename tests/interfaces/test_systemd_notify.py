"""Notifier, heard by a real datagram socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dreamos_tasks.interfaces.systemd.notify import Notifier


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    """A socket where systemd would have its own; a receive fails when nothing has come."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + address[1:] if address.startswith("@") else address)
        listener.setblocking(False)
        yield listener


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@dreamos-tasks-{os.getpid()}-{tmp_path.name}"


def test_each_message_is_what_systemd_expects(address: str) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
    with listening(address) as listener:
        sent = [
            notifier.ready("0 of 4 places taken"),
            notifier.ready(),
            notifier.status("2 of 4 places taken"),
            notifier.watchdog(),
            notifier.stopping("draining"),
        ]
        heard = [listener.recv(4096).decode() for _ in sent]
    assert all(sent)
    assert heard == [
        "READY=1\nSTATUS=0 of 4 places taken",
        "READY=1",
        "STATUS=2 of 4 places taken",
        "WATCHDOG=1",
        "STOPPING=1\nSTATUS=draining",
    ]


def test_a_status_cannot_smuggle_in_another_message(address: str) -> None:
    with listening(address) as listener:
        Notifier(address).status("a title\nMAINPID=1\r\nREADY=1 \udcff")
        assert listener.recv(4096) == b"STATUS=a title MAINPID=1 READY=1 \\udcff"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_a_socket_nothing_is_sent(environ: dict[str, str]) -> None:
    notifier = Notifier.from_environment(environ)
    assert not notifier.ready("up")
    assert not notifier.watchdog()


def test_a_socket_that_is_gone_is_no_error(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with listening(address):
        pass
    assert not Notifier(address).ready()
    Path(address).unlink()
    assert not Notifier(address).watchdog()


def test_a_socket_that_nobody_reads_holds_nothing_up_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamos_tasks.interfaces.systemd.notify.SEND_TIMEOUT_SECONDS", 0.01)
    address = str(tmp_path / "notify")
    with listening(address) as listener:
        sent = 0
        while Notifier(address).status("still here"):
            sent += 1
        heard = 0
        while heard < sent:
            assert listener.recv(4096) == b"STATUS=still here"
            heard += 1
        assert Notifier(address).status("read again")


@pytest.mark.parametrize(
    ("environ", "interval_seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_systemd_looks(
    environ: dict[str, str], interval_seconds: float | None
) -> None:
    assert Notifier.from_environment(environ).watchdog_interval_seconds == interval_seconds
