"""What every route is handed: the context, the board's desk, and who asks with which scope."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.interfaces.http.context import WebContext
from dreamos_tasks.interfaces.http.sign_in import Caller
from dreamos_tasks.interfaces.http.tokens import Scope


async def context_of(request: Request) -> WebContext:
    """The context the application was built with."""
    context: WebContext = request.app.state.context
    return context


async def desk_of(request: Request) -> BoardDesk:
    """The way to the board."""
    return (await context_of(request)).desk


class Lets:
    """A dependency: who asks, if the token's scope is enough. Raises NotSignedIn, NotAllowed."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> Caller:
        """See FastAPI."""
        caller = (await context_of(request)).sign_in.who(request.scope["headers"])
        caller.require(self.scope)
        return caller


Context = Annotated[WebContext, Depends(context_of)]
Board = Annotated[BoardDesk, Depends(desk_of)]
Reader = Annotated[Caller, Depends(Lets(Scope.READ))]
Agent = Annotated[Caller, Depends(Lets(Scope.AGENT))]
Operator = Annotated[Caller, Depends(Lets(Scope.OPERATOR))]
