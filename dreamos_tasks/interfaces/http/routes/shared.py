"""What every route is handed: the context, the board's desk, who asks with which scope, and how answers are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Path, Request
from fastapi import params as fastapi_params
from fastapi.dependencies.utils import get_flat_params
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.responses import JSONResponse

from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import AgentNotNamed, UsageError
from dreamos_tasks.interfaces.http.aside import AsideDesk
from dreamos_tasks.interfaces.http.context import WebContext
from dreamos_tasks.interfaces.http.sign_in import Caller
from dreamos_tasks.interfaces.http.tokens import Scope
from dreamos_tasks.model.task import NAME_PATTERN

Result = TypeVar("Result")
OTHER_PLACES = (fastapi_params.Path, fastapi_params.Header, fastapi_params.Cookie)
MOST_LISTED = 1000  # tasks of one page, events of one answer
DEFAULT_LISTED = 50  # as `dt list`
NAME = f"^{NAME_PATTERN.pattern}$"
NOT_BLANK = (
    r"[^\s\u0085\u001c-\u001f\ufeff]"  # blank is what any of JSON Schema's, Python's or Rust's `\s` takes for it
)


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


async def known_parameters(request: Request) -> None:
    """Refuse a query parameter that the route does not know: a slip would mean "all". Raises UsageError."""
    route = request.scope["route"]
    found = get_flat_params(route.dependant)
    known = {param.alias for param in found if not isinstance(param.field_info, OTHER_PLACES)}
    for name in request.query_params:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise UsageError(
                f"there is no query parameter {name!r} here",
                cause=f"known are {', '.join(sorted(known))}" if known else "this path takes none",
                fix=f"did you mean {near[0]}?" if near else "leave it out",
            )


Context = Annotated[WebContext, Depends(context_of)]
Board = Annotated[BoardDesk, Depends(desk_of)]
Reader = Annotated[Caller, Depends(Lets(Scope.READ))]
Agent = Annotated[Caller, Depends(Lets(Scope.AGENT))]
Operator = Annotated[Caller, Depends(Lets(Scope.OPERATOR))]

# Any route that changes a task heeds If-Match, and reading one heeds If-None-Match: said once, in the document's description.
IfNoneMatch = Annotated[str | None, Header(include_in_schema=False)]
IfMatch = Annotated[str | None, Header(include_in_schema=False)]
TaskId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=200,
        description="The id of a task, or a beginning of it that fits no other.",
        examples=["dt-7k2m"],
    ),
]
WholeNumber = Annotated[
    int,
    Field(ge=1, le=2**53),
    BeforeValidator(lambda value: int(value) if isinstance(value, float) and value.is_integer() else value),  # 3.0 is 3
]
Word = Annotated[str, Field(pattern=NAME)]  # a tag, a capability, a name
AgentName = Annotated[
    str | None,
    Field(
        pattern=NAME,
        description="The agent that acts. With an agent's token it is that agent, and this may be left out.",
    ),
]
Token = Annotated[
    WholeNumber | None,
    Field(description="The claim's token: a write under an older one is refused (409)."),
]
Tags = Annotated[
    list[Word],
    Field(max_length=100, description="Only tasks with all of these tags."),
]
Reason = Annotated[str, Field(max_length=10_000, description="Why; kept in the task's history.")]


class Body(BaseModel):
    """A body of a request: no key that is not known, and every value of the kind it is said to be."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Why(Body):
    """Why."""

    reason: Reason = ""


class Parameters(BaseModel):
    """The parameters of a query: none that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Claimed(Body):
    """Under whose claim a write comes: by agent, by token, or by both."""

    agent_id: AgentName = None
    token: Token = None


def agent_of(caller: Caller, body: Claimed, verb: str) -> str | None:
    """The agent whose claim it is; None where the token alone says it. Raises NotAllowed, AgentNotNamed."""
    agent_id = caller.acting_as(body.agent_id)
    if agent_id is None and body.token is None:
        raise agent_not_named(verb)
    return agent_id


def agent_not_named(verb: str) -> AgentNotNamed:
    """The verb needs an agent, and neither the body nor the token names one."""
    error = AgentNotNamed(verb)
    error.cause = "agent_id is not in the body, and the token of the request is no agent's"
    error.fix = '{"agent_id": "ada"}, or a token made by dt token create --agent ada'
    return error


def answered(document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A document as an answer."""
    return JSONResponse(document, status_code=status, headers=dict(headers or {}))


async def asked(desk: BoardDesk | AsideDesk, ask: Callable[[TaskNexus], Result]) -> JSONResponse:
    """What the board says, as an answer."""
    return answered(await desk.read(ask))
