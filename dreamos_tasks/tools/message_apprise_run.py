"""The program that has apprise send one message. See `own_program`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from dreamos_tasks.tools.address_guard import AddressGuard, CallRefused
from dreamos_tasks.tools.own_program import answer_asked

SHOWN_CHARACTERS = 2000  # of what apprise says of it
_TYPES = {"info": "info", "success": "success", "warning": "warning", "error": "failure"}


class GuardedSockets:
    """Has every connection of this process judged, whoever makes it: apprise's services bring their own clients."""

    def __init__(self, guard: AddressGuard) -> None:
        self.refused: CallRefused | None = None
        self._guard = guard
        sys.addaudithook(self._look)

    def _look(self, event: str, args: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg") and isinstance(args[1], tuple):
            host, port = args[1][:2]
            try:
                self._guard.check(ip_address(str(host).partition("%")[0]), int(port))
            except CallRefused as error:
                self.refused = error
                raise PermissionError(str(error)) from error


def answer(asked: Mapping[str, Any]) -> Mapping[str, object]:
    """Whether it was delivered, and what apprise said about it."""
    import apprise  # it takes half a second

    sockets = GuardedSockets(AddressGuard(**asked["allowed"]))
    with apprise.LogCapture(level=logging.DEBUG, fmt="%(levelname)s %(message)s") as log:  # type: ignore[no-untyped-call]
        service = apprise.Apprise.instantiate(asked["url"])
        delivered = service is not None and bool(
            service.notify(body=asked["body"], title=asked["title"], notify_type=_TYPES[asked["level"]])
        )
        lines = log.getvalue().splitlines()
    refused = sockets.refused
    return {
        "delivered": delivered,
        "known": service is not None,
        "said": "\n".join(_of_level(lines, "WARNING", "ERROR"))[-SHOWN_CHARACTERS:],
        "exceptions": "\n".join(line for line in _of_level(lines, "DEBUG") if "Exception" in line)[-SHOWN_CHARACTERS:],
        "refused": "" if refused is None else str(refused),
        "fix": "" if refused is None else refused.fix,
    }


def _of_level(lines: Sequence[str], *levels: str) -> Iterator[str]:
    for line in lines:
        level, _, text = line.partition(" ")
        if level in levels:
            yield text


if __name__ == "__main__":
    answer_asked(answer)
