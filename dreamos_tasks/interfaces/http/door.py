"""Routes at the door: signing in and out by browser, links that sign in, and whether the daemon is well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from dreamos_tasks import __version__
from dreamos_tasks.interfaces.http.asking import LINKS_PATH
from dreamos_tasks.interfaces.http.refusals import NotSignedIn
from dreamos_tasks.interfaces.http.sign_in import LINK_SECONDS
from dreamos_tasks.interfaces.http.tokens import Scope

if TYPE_CHECKING:
    from dreamos_tasks.interfaces.http.context import WebContext

LOGIN_PATH = "/login"


def door_routes(context: WebContext) -> list[Route]:
    """The routes."""

    async def login(request: Request) -> Response:
        """A link that works once: the browser gets a cookie, and the page that it meant."""
        if request.method == "HEAD" or b"prefetch" in request.headers.get("sec-purpose", "").encode():
            return Response(status_code=204)  # whoever only looks ahead must not use the link up
        secret = context.sign_in.begin_session(request.query_params.get("code", ""))
        answer = RedirectResponse(_own_page(request.query_params.get("to", "")), status_code=303)
        if secret is None:
            if "text/html" in request.headers.get("accept", ""):
                return answer  # a person: the page is there for who is signed in, and tells others how that is done
            raise NotSignedIn("the link has been used, or is too old")
        answer.set_cookie(
            context.sign_in.cookie,
            secret,
            max_age=int(context.sign_in.session_seconds),
            path="/",
            secure=context.sign_in.is_secure,
            httponly=True,
            samesite="strict",
        )
        return answer

    async def logout(request: Request) -> Response:
        """End the session."""
        caller = context.sign_in.who(request.scope["headers"])
        answer = Response(status_code=204)
        if caller.by_cookie:
            context.sign_in.end_session(caller)
            answer.delete_cookie(context.sign_in.cookie, path="/", httponly=True, samesite="strict")
        return answer

    async def new_link(request: Request) -> Response:
        """A link that signs one browser in, for whoever may do everything anyway."""
        context.sign_in.who(request.scope["headers"]).require(Scope.OPERATOR)
        return JSONResponse({"url": context.new_sign_in_url(), "lasts_seconds": LINK_SECONDS}, status_code=201)

    async def healthz(_request: Request) -> Response:
        """Whether the daemon is well; says nothing that is not for everybody."""
        report = context.report()
        state = "trouble" if report["trouble"] else "draining" if report["draining"] else "ok"
        return JSONResponse({"status": state, "version": __version__}, status_code=503 if state == "trouble" else 200)

    return [
        Route(LOGIN_PATH, login, methods=["GET"]),
        Route(LINKS_PATH, new_link, methods=["POST"]),
        Route("/logout", logout, methods=["POST"]),
        *(Route(path, healthz, methods=["GET"]) for path in ("/healthz", "/api/v1/healthz")),
    ]


def _own_page(path: str) -> str:
    """Where to go after signing in: a page of this server, whatever the link says."""
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_own else "/"
