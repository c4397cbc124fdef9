"""What HTTP alone refuses: who asks, from where, and how it is written. Each has the status it is answered with."""

from __future__ import annotations

from typing import ClassVar

from dreamos_tasks.errors import Refused


class HttpRefused(Refused):
    """The request was refused at the door; nothing was changed."""

    status: ClassVar[int] = 400


class NotSignedIn(HttpRefused):
    """The request brings no token that is known, and no session."""

    code = "not_signed_in"
    status = 401

    def __init__(self, why: str) -> None:
        super().__init__(
            "this needs a token, or a browser that is signed in",
            cause=why,
            fix="dt dashboard prints a link that signs a browser in; for programs: dt token create, "
            "and Authorization: Bearer TOKEN",
        )


class NotAllowed(HttpRefused):
    """The token may not do this."""

    code = "not_allowed"
    status = 403


class WrongHost(HttpRefused):
    """The request names another host: it was led here by another's name."""

    code = "wrong_host"
    status = 421

    def __init__(self, given: str, *, known: tuple[str, ...]) -> None:
        super().__init__(
            f"{given!r} is no name of this server" if given else "the request does not say which host it means",
            cause=f"it answers to {', '.join(known)}, so that no other site can be made to stand for it",
            fix="use one of these, or add the name to server.hosts in config.yaml",
        )


class WrongOrigin(HttpRefused):
    """The request comes from a page of another site, or does not say from which."""

    code = "wrong_origin"
    status = 403

    def __init__(self, why: str) -> None:
        super().__init__(
            "requests from pages of other sites are refused",
            cause=why,
            fix="a program sends Authorization: Bearer TOKEN and no Origin; a link is opened from the address bar",
        )


class WrongMediaType(HttpRefused):
    """The body is not said to be JSON."""

    code = "wrong_media_type"
    status = 415

    def __init__(self, given: str) -> None:
        super().__init__(
            f"a body of the type {given!r} is not taken" if given else "the type of the body is not said",
            cause="forms and plain text can be sent from pages of other sites without asking",
            fix="Content-Type: application/json",
        )


class TooLarge(HttpRefused):
    """The body is larger than is taken."""

    code = "too_large"
    status = 413

    def __init__(self, *, most: int) -> None:
        super().__init__(f"the body has more than {most} bytes", fix="send less at once, or raise inbox.max_bytes")


class TooSlow(HttpRefused):
    """The rest of the body does not come."""

    code = "too_slow"
    status = 408

    def __init__(self) -> None:
        super().__init__("the rest of the body has not come", fix="send it again")


class TooManyConnections(HttpRefused):
    """So many connections wait for an answer already that one more is refused."""

    code = "too_many_connections"
    status = 503

    def __init__(self, *, most: int) -> None:
        super().__init__(f"{most} connections wait for an answer already", fix="send it again in a while")


class BrokenRequest(HttpRefused):
    """The request cannot be understood."""

    code = "broken_request"


class NoSuchPath(HttpRefused):
    """Nothing is at this path."""

    code = "no_such_path"
    status = 404


class MethodNotAllowed(HttpRefused):
    """The path does not know the method."""

    code = "method_not_allowed"
    status = 405
