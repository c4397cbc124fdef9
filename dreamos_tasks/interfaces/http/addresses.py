"""Addresses: where the server listens. Sockets are bound here, so that a port that is taken is told of in time and in words."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from loguru import logger

from dreamos_tasks.app.port_holder import holder_of
from dreamos_tasks.board.doorbell import short_path
from dreamos_tasks.errors import ConfigError

BACKLOG = 256  # so many are taken at once, before those that must go for them have gone: each is an open file
NEXT_PORTS = 20  # tried one after another, when the port was left to us


def bind_tcp(host: str, port: int, *, by_hand: bool) -> socket.socket:
    """A socket that listens on the host and port; `by_hand`: on no other port. Raises ConfigError."""
    ports = (port,) if by_hand or port == 0 else (*range(port, min(port + NEXT_PORTS, 65_536)), 0)
    family, address = _resolved(host)
    for candidate in ports:
        listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            listener.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # what is left of closed connections is no holder
            listener.bind((address, candidate))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRINUSE and candidate != ports[-1]:
                continue
            raise _not_bound(host, candidate, error) from error
        listener.setblocking(False)
        bound = listener.getsockname()[1]
        if port not in (0, bound):
            holder = holder_of(port) or "another program"
            logger.warning(
                "port {} is taken by {}; the dashboard is on {} instead (server.port sets it)", port, holder, bound
            )
        return listener
    raise AssertionError("the last port was bound or refused")


def bind_unix(path: Path) -> socket.socket:
    """A unix socket at the path that its owner alone can reach; one that an earlier daemon left is replaced."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        path.unlink(missing_ok=True)
        with short_path(str(path)) as reachable:
            listener.bind(reachable)
        os.chmod(path, 0o600)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"the socket {path} cannot be made",
            cause=error.strerror or str(error),
            fix=f"ls -ld {path.parent}, or server.socket: null",
        ) from error
    listener.setblocking(False)
    return listener


def _resolved(host: str) -> tuple[socket.AddressFamily, str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(
            f"server.host is {host!r}, which is no address of this machine",
            cause=str(error),
            fix="server.host: 127.0.0.1",
        ) from error
    family, *_, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, str(address[0])


def _not_bound(host: str, port: int, error: OSError) -> ConfigError:
    where = f"{host} port {port}"
    match error.errno:
        case errno.EADDRINUSE:
            holder = holder_of(port)
            return ConfigError(
                f"the dashboard cannot listen on {where}: it is taken",
                cause=f"{holder} listens there"
                if holder
                else f"another program listens there (ss -ltnp 'sport = :{port}')",
                fix="end that program, or set server.port to another (0: any free one), or leave it out",
            )
        case errno.EACCES:
            return ConfigError(
                f"the dashboard may not listen on {where}",
                cause="ports below 1024 are the system's",
                fix="set server.port to 1024 or more",
            )
        case _:
            return ConfigError(
                f"the dashboard cannot listen on {where}",
                cause=error.strerror or str(error),
                fix="server.host: 127.0.0.1",
            )
