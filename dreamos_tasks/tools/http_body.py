"""HttpBody: what a server answers, read up to a limit, and the value that later steps may refer to."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from httpx2 import Headers, Response

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.model.keepable import check_keepable, keepable_text
from dreamos_tasks.tools.http_exchange import HttpAnswer
from dreamos_tasks.tools.http_url import shown

MARK = "[secret]"
LONGEST_HEADER = 2000  # characters of one that are kept
HEADERS_CHARACTERS = 16_384  # of all together
LONGEST_WAIT_SECONDS = 86_400.0  # that a server may ask for: one that wants more is asked again after a day

_COOKIES = frozenset({"set-cookie", "set-cookie2"})  # they sign a visitor in
_JSON_TYPE = re.compile(r"application/(.+\+)?json", re.IGNORECASE)
_CHARSETS = re.compile(r"utf-(8|16|32)|ascii|iso8859|iso2022|cp\d|koi8|shift|euc|gb|big5")


class BodyTooLarge(Exception):
    """A body is longer than may be read."""

    def __init__(self, limit_bytes: int, *, announced_bytes: int | None = None) -> None:
        size = f"{announced_bytes} bytes" if announced_bytes is not None else "longer"
        super().__init__(f"the body is {size}, and max_bytes is {limit_bytes}")


async def read_body(answer: HttpAnswer, take: Callable[[bytes], None], *, max_bytes: int) -> None:
    """Give the body, decompressed, piece by piece to `take`. Raises BodyTooLarge before more than `max_bytes` are read."""
    response = answer.response
    announced = response.headers.get("content-length", "") if answer.request.method != "HEAD" else ""
    if announced.isdecimal() and int(announced) > max_bytes:
        raise BodyTooLarge(max_bytes, announced_bytes=int(announced))
    total = 0
    async with aclosing(response.aiter_bytes()) as pieces:
        async for piece in pieces:  # at most a mebibyte each, however well it was compressed
            take(piece[: max_bytes - total])
            total += len(piece)
            if max(total, response.num_bytes_downloaded) > max_bytes:
                raise BodyTooLarge(max_bytes)


class Excerpt:
    """The beginning of a body, in memory: enough of it for a value."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self.content = bytearray()
        self.total_bytes = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece."""
        self.total_bytes += len(piece)
        self.content += piece[: max(0, self._limit - len(self.content))]

    @property
    def is_whole(self) -> bool:
        """Whether nothing had to be left out."""
        return self.total_bytes == len(self.content)


def value_of(answer: HttpAnswer, excerpt: Excerpt, *, limit_characters: int) -> dict[str, Any]:
    """The answer as a later step may refer to it.

    `status`, `url` (without its query), `headers` (lower case), `bytes`; and `json` when it is JSON, else `text` when it is
    text. A text that is too long is cut, JSON that is too long is left out, and `truncated` is true.
    """
    headers = answer.response.headers
    value: dict[str, Any] = {
        "status": answer.response.status_code,
        "url": shown(answer.request.url),
        "headers": kept_headers(headers),
        "bytes": excerpt.total_bytes,
    }
    room = limit_characters - len(json.dumps(value))
    found = _json_in(excerpt, room) if _JSON_TYPE.match(headers.get("content-type", "")) else None
    if found is not None:
        return {**value, **found}
    text = _text_in(excerpt, answer.response)
    if text is None:
        return value
    kept = _fitting(text, room - 100)
    return {**value, "text": kept, **({"truncated": True} if len(kept) < len(text) or not excerpt.is_whole else {})}


def kept_headers(headers: Headers) -> Mapping[str, str]:
    """The headers, as many as there is room for; cookies are blanked."""
    kept: dict[str, str] = {}
    room = HEADERS_CHARACTERS
    for name in headers:
        value = MARK if name in _COOKIES else keepable_text(headers[name])[:LONGEST_HEADER]
        room -= len(name) + len(value)
        if room < 0:
            break
        kept[name] = value
    return kept


def retry_after_of(response: Response, *, now: datetime) -> float | None:
    """How many seconds the server asks to be left alone; None when it does not.

    It names seconds, or an instant by its own clock, of which its header Date tells; `now` stands in for a missing one.
    """
    asked = response.headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdecimal():
        return min(float(asked), LONGEST_WAIT_SECONDS)
    until = _instant(asked)
    if until is None:
        return None
    seconds = (until - (_instant(response.headers.get("date", "")) or now)).total_seconds()
    return min(max(0.0, seconds), LONGEST_WAIT_SECONDS)


def _json_in(excerpt: Excerpt, room: int) -> dict[str, Any] | None:
    """None when it is no JSON after all, or such as a board cannot keep."""
    if not excerpt.is_whole:
        return {"truncated": True}
    try:
        found = json.loads(excerpt.content)
        check_keepable(found)
    except (ValueError, RecursionError, InvalidInput):
        return None
    return {"json": found} if len(json.dumps(found)) <= room else {"truncated": True}


def _text_in(excerpt: Excerpt, response: Response) -> str | None:
    """The body as text; None when it is none."""
    decoder = codecs.getincrementaldecoder(_charset_of(response))("strict")
    try:
        text = decoder.decode(bytes(excerpt.content), final=excerpt.is_whole)
    except UnicodeError:
        return None
    return None if "\0" in text else keepable_text(text)


def _charset_of(response: Response) -> str:
    """The character set that the answer names, when it is one of text; some of Python's codecs do other things."""
    try:
        name = codecs.lookup(response.charset_encoding or "utf-8").name
    except LookupError:
        return "utf-8"
    return name if _CHARSETS.match(name) else "utf-8"


def _fitting(text: str, room: int) -> str:
    """As much of its beginning as takes this many characters as JSON."""
    kept = text[: max(0, room)]
    while len(json.dumps(kept)) > max(2, room):
        kept = kept[: len(kept) * 3 // 4]
    return kept


def _instant(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
