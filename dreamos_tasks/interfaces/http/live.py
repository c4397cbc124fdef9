"""The live feed: a WebSocket on which all who may read the board are told what happens, after the last id they have seen."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from dreamos_tasks.errors import DreamosError, InvalidInput, UsageError
from dreamos_tasks.interfaces.http.answers import problem_response
from dreamos_tasks.interfaces.http.live_frames import pipe_of
from dreamos_tasks.interfaces.http.refusals import HttpRefused, NoSuchPath
from dreamos_tasks.interfaces.http.tokens import Scope

if TYPE_CHECKING:
    from dreamos_tasks.interfaces.http.context import WebContext

LIVE_PATH = "/api/v1/live"
MOST_FOLLOWERS = (
    500  # each has a connection and its buffers; more than that are a mistake that would bring the daemon down
)
LARGEST_SEQ = 2**63 - 1
KNOWN_WORDS = ("after", "task")


class TooManyFollowers(HttpRefused):
    """So many follow the board already that one more is refused."""

    code = "too_many_followers"
    status = 503

    def __init__(self) -> None:
        super().__init__(
            f"{MOST_FOLLOWERS} connections follow the board already",
            cause="a program that connects again and again, and closes nothing?",
            fix="close some; GET /api/v1/events gives the same messages",
        )


class NotUpgraded(HttpRefused):
    """The path speaks WebSocket alone."""

    code = "not_upgraded"
    status = 426

    def __init__(self) -> None:
        super().__init__(
            f"{LIVE_PATH} is followed by WebSocket",
            cause="the request does not ask for one, or something on its way does not let it through",
            fix="GET /api/v1/events?after=SEQ&wait=30 gives the same messages",
        )


def live_routes(context: WebContext) -> list[BaseRoute]:
    """The WebSocket."""

    async def live(websocket: WebSocket) -> None:
        """`after`: the last id seen (left out: from now on). `task`: of this task alone."""
        try:
            may_follow(context, websocket)
            known_words(websocket)
            if context.live.clients >= MOST_FOLLOWERS:
                raise TooManyFollowers
            after = seq_from(websocket.query_params.get("after"))
            task_id = await known_task(context, websocket.query_params.get("task"))
            await context.live.begin()
        except DreamosError as error:
            await websocket.send_denial_response(problem_response(error))
            return
        await websocket.accept()
        async with context.live.follow(
            pipe_of(websocket.scope), after=after, task_id=task_id, is_welcome=lambda: _may_still(context, websocket)
        ):
            while (await websocket.receive())["type"] != "websocket.disconnect":
                continue  # it has nothing to say

    async def nothing_here(websocket: WebSocket) -> None:
        """No other path is followed."""
        path = websocket.scope["path"]
        refused = NoSuchPath(f"no WebSocket is at {path}", fix=f"the live feed is at {LIVE_PATH}")
        await websocket.send_denial_response(problem_response(refused))

    async def not_upgraded(_request: Request) -> Response:
        """Whoever asks for the feed in plain HTTP, by hand or through a proxy that lets no upgrade pass."""
        raise NotUpgraded

    return [
        WebSocketRoute(LIVE_PATH, live),
        WebSocketRoute("/{path:path}", nothing_here),
        Route(LIVE_PATH, not_upgraded, methods=["GET"]),
    ]


def known_words(websocket: WebSocket) -> None:
    """Refuse a slip, which would mean "from now on", and what is said twice. Raises UsageError."""
    for name in websocket.query_params:
        near = get_close_matches(name, KNOWN_WORDS, n=1)
        if name not in KNOWN_WORDS:
            raise UsageError(
                f"there is no query parameter {name!r} here",
                cause=f"known are {', '.join(KNOWN_WORDS)}",
                fix=f"did you mean {near[0]}?" if near else "leave it out",
            )
        if len(websocket.query_params.getlist(name)) > 1:
            raise UsageError(f"{name} is given more than once", fix="give it once")


def seq_from(word: str | None) -> int | None:
    """The id that was given. Raises InvalidInput."""
    if word is None:
        return None
    if not (word.isascii() and word.isdigit()) or int(word) > LARGEST_SEQ:
        raise InvalidInput(
            f"after={word[:40]!r} is no id of a message",
            cause="it is the id of the last message seen: 0 or more",
            fix="after=0 tells everything; left out: what happens from now on",
        )
    return int(word)


async def known_task(context: WebContext, task_id: str | None) -> str | None:
    """The id of the task that was named. Raises TaskNotFound, AmbiguousTaskId."""
    if task_id is None:
        return None
    return (await context.desk.read(lambda nexus: nexus.get_task_by_id(task_id))).task_id


def may_follow(context: WebContext, websocket: WebSocket) -> None:
    """Raises NotSignedIn, NotAllowed."""
    context.sign_in.who(websocket.scope["headers"]).require(Scope.READ)


def _may_still(context: WebContext, websocket: WebSocket) -> bool:
    """Whether the token has not been revoked meanwhile, and the session is not over."""
    try:
        may_follow(context, websocket)
    except DreamosError:
        return False
    return True
