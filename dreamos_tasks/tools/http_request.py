"""HTTP requests as steps describe them: the request to send, and the credentials in it that nobody is to see again."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import urlencode

from dreamos_tasks.tools.http_exchange import REDIRECTS, HttpRequest
from dreamos_tasks.tools.http_params import HttpParams, QueryValue
from dreamos_tasks.tools.http_url import read_url

SHORTEST_CREDENTIAL = 8  # characters: a shorter text stands in too much by chance to be blanked everywhere

_OF_CREDENTIALS = re.compile("auth|cookie|credential|key|pass|secret|session|signature|token", re.IGNORECASE)


def request_of(values: HttpParams, *, max_redirects: int) -> HttpRequest:
    """What to send. `max_redirects` holds unless the step names its own."""
    url = read_url(values.url)
    if values.query:
        added = urlencode([(name, _written(one)) for name, value in values.query.items() for one in _each(value)])
        url = url.copy_with(query="&".join(part for part in (url.query.decode("ascii"), added) if part).encode("ascii"))
    return HttpRequest(
        url=url,
        method=values.method,
        headers=_headers(values),
        content=_content(values),
        max_redirects=max_redirects if values.max_redirects is None else values.max_redirects,
        kept=frozenset(status for status in REDIRECTS if values.expects(status)),
    )


def credentials_in(values: HttpParams) -> Iterator[str]:
    """What a step signs in with, as far as its parameters' names tell."""
    found = [value for name, value in _headers(values).items() if _OF_CREDENTIALS.search(name)]
    found += [value.partition(" ")[2] for value in found]  # `Bearer` and `Basic` are no secret
    if values.auth is not None:
        found.append(values.auth.password)
    return (text for text in found if len(text) >= SHORTEST_CREDENTIAL)


def _headers(values: HttpParams) -> dict[str, str]:
    headers = {name.lower(): value for name, value in values.headers.items()}
    if values.auth is not None:
        both = f"{values.auth.username}:{values.auth.password}".encode()
        headers["authorization"] = "Basic " + b64encode(both).decode("ascii")
    if values.json is not None:
        headers.setdefault("content-type", "application/json")
    elif values.body is not None:
        headers.setdefault("content-type", "text/plain; charset=utf-8")
    return headers


def _content(values: HttpParams) -> bytes | None:
    if values.json is not None:
        return json.dumps(values.json, allow_nan=False).encode("ascii")
    return values.body.encode("utf-8") if values.body is not None else None


def _each(value: QueryValue | tuple[QueryValue, ...]) -> tuple[QueryValue, ...]:
    return value if isinstance(value, tuple) else (value,)


def _written(value: QueryValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
