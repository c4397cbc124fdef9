"""HttpParams: what a step of the tool `http` says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlencode

from annotated_types import Ge, Le, MinLen
from pydantic import AfterValidator, Field, Strict

from dreamos_tasks.tools.http_url import read_url
from dreamos_tasks.tools.saving import relative_file
from dreamos_tasks.tools.texts import AnyText, is_json, is_text

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110: they change nothing
LARGEST_BODY_BYTES = 2**40
LONGEST_QUERY = 16_384  # characters; many servers take less

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_METHOD = re.compile(r"[A-Za-z]{1,20}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OURS = frozenset(  # they say how the message is framed and who is called; the tool writes them
    ("host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade")
) | frozenset(("proxy-authorization", "proxy-connection"))


def _method(text: str) -> str:
    if not _METHOD.fullmatch(text) or text.upper() in ("CONNECT", "TRACE"):
        raise ValueError(f"{text[:40]!r} is no method of this tool")
    return text.upper()


def _url(text: str) -> str:
    read_url(is_text(text))
    return text


def _query(query: Mapping[str, Any]) -> Mapping[str, Any]:
    if len(urlencode(query, doseq=True)) > LONGEST_QUERY:
        raise ValueError(f"has more than {LONGEST_QUERY} characters; send so much as a body")
    return query


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a header")
    if name.lower() in _OURS:
        raise ValueError(f"{name} is written by the tool itself")
    return name


def _header_value(value: str) -> str:
    if _CONTROL.search(is_text(value)):
        raise ValueError("a header has one line, without control characters")
    return value


def _file(path: str) -> str:
    return relative_file(is_text(path))


Text = AnyText
FileInside = Annotated[str, AfterValidator(_file)]
Method = Annotated[str, AfterValidator(_method)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
QueryValue = Annotated[bool, Strict()] | Annotated[int, Strict()] | Text
Status = Annotated[int, Strict(), Ge(100), Le(599)]
StatusClass = Literal["1xx", "2xx", "3xx", "4xx", "5xx"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuth:
    """A user name and a password."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    username: Text
    password: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpParams:
    """What a step of the tool `http` says."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    url: Annotated[
        str,
        AfterValidator(_url),
        Field(description="what to call: http:// or https://, without a user name or password"),
    ]
    method: Annotated[
        Method, Field(description="GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE, or another that the server knows")
    ] = "GET"
    query: Annotated[
        Mapping[Text, QueryValue | tuple[QueryValue, ...]],
        AfterValidator(_query),
        Field(description="what to add to the query of the url; a list: the name several times"),
    ] = field(default_factory=dict)
    headers: Annotated[
        Mapping[HeaderName, HeaderValue],
        Field(description="headers of the request, each as text"),
    ] = field(default_factory=dict)
    auth: Annotated[
        BasicAuth | None,
        Field(description="username and password, sent as basic authentication"),
    ] = None
    body: Annotated[Text | None, Field(description="the body as text, sent as it stands, in UTF-8")] = None
    json: Annotated[
        Any,
        AfterValidator(is_json),
        Field(description="the body as JSON, instead of body; null: none"),
    ] = None
    expect_status: Annotated[
        Status | StatusClass | Annotated[tuple[Status | StatusClass, ...], MinLen(1)],
        Field(description='what means success: a status as 201, a class as "2xx", or a list of these'),
    ] = "2xx"
    max_bytes: Annotated[
        Annotated[int, Strict(), Ge(0), Le(LARGEST_BODY_BYTES)] | None,
        Field(description="the longest body to read, in bytes after decompression; null: as the tool is set up"),
    ] = None
    max_redirects: Annotated[
        Annotated[int, Strict(), Ge(0), Le(50)] | None,
        Field(description="how many redirects to follow; 0: none; null: as the tool is set up"),
    ] = None
    save_to: Annotated[
        FileInside | None,
        Field(description="a file in the task's workspace to write the body to; it appears complete, or not at all"),
    ] = None

    def __post_init__(self) -> None:
        if self.body is not None and self.json is not None:
            raise ValueError("body and json cannot both be given")
        if self.auth is not None and any(name.lower() == "authorization" for name in self.headers):
            raise ValueError("auth and a header Authorization cannot both be given")

    def expects(self, status: int) -> bool:
        """Whether this status means success."""
        wanted = self.expect_status if isinstance(self.expect_status, tuple) else (self.expect_status,)
        return status in wanted or f"{status // 100}xx" in wanted
