"""Asks the running daemon over its unix socket (or, without one, its port), as the owner of the home: for a sign-in link."""

from __future__ import annotations

import json
import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamos_tasks.board.doorbell import short_path
from dreamos_tasks.errors import DreamosError, Refused
from dreamos_tasks.interfaces.http.tokens import TokenBook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dreamos_tasks.config.home import Home

ANSWER_TIMEOUT_SECONDS = 10.0
LINKS_PATH = "/login/links"


def ask_for_link(home: Home, endpoints: Mapping[str, str]) -> str:
    """A link that signs one browser in. Raises Refused when there is no dashboard, DreamosError when it does not answer."""
    url = endpoints.get("http")
    if url is None:
        raise Refused(
            "the daemon serves no dashboard",
            cause="server.enabled is false in its settings",
            fix="set server.enabled: true, then dt down && dt up",
        )
    if "socket" not in endpoints and url.startswith("https"):
        raise Refused(
            "without its unix socket the daemon cannot be asked for a link",
            cause="server.socket is null, and its certificate names another host than this machine",
            fix="leave server.socket out, then dt down && dt up",
        )
    token = TokenBook(home.tokens, home.operator_token).owner_token()
    try:
        answer = _post(LINKS_PATH, url=url, path=endpoints.get("socket"), token=token)
    except (OSError, HTTPException, ValueError) as error:
        raise DreamosError("the daemon does not answer", cause=str(error), fix="dt status, dt doctor") from error
    if "url" not in answer:
        raise DreamosError(
            str(answer.get("detail", "no link")), cause=str(answer.get("cause", "")), fix=str(answer.get("fix", ""))
        )
    return str(answer["url"])


def _post(target: str, *, url: str, path: str | None, token: str) -> Mapping[str, Any]:
    host = url.partition("://")[2]
    connection = HTTPConnection(host, timeout=ANSWER_TIMEOUT_SECONDS) if path is None else _UnixConnection(Path(path))
    try:
        connection.request("POST", target, headers={"Authorization": f"Bearer {token}"})
        answer: Mapping[str, Any] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return answer


class _UnixConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_TIMEOUT_SECONDS)
        with short_path(str(self._path)) as reachable:
            self.sock.connect(reachable)
