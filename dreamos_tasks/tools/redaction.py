"""Redactor: blanks secrets in all that is kept or shown of a call, also where one is split over pieces of a stream.

A secret is found as it stands, and as programs commonly write one: escaped for JSON, Python, HTML or a shell, URL-encoded,
as base64 (also within a longer text, as in `Authorization: Basic`), and as hexadecimal digits; the longer lines of one that
has several lines are found each for itself. What is compressed, encrypted, or wrapped into lines is not recognised.
"""

from __future__ import annotations

import html
import json
import os
import shlex
from base64 import b64encode
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus

from dreamos_tasks.model.tool import ToolResult

MARK = "[secret]"
SHORTEST_ENCODED = 4  # bytes of a secret that is looked for as base64 and hexadecimal: shorter ones are found anywhere
SHORTEST_LINE = 8  # characters of a secret's line that is looked for alone

_MARK = MARK.encode("ascii")
_KEPT_BY_URLS = ("", "/", "!'()*", ";,/?:@&=+$!'()*#")  # Python's, RFC 3986's path, encodeURIComponent's, encodeURI's

_Span = tuple[int, int]


class Redactor:
    """Knows the secrets of one call. `text`, `value` and `result` blank at once; `feed` and `rest` blank one stream.

    Without secrets everything is given back as it is.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = sorted({form for secret in secrets for form in _forms_of(secret)})
        self._first_bytes = frozenset(form[0] for form in self._forms)
        self._longest = max(map(len, self._forms), default=0)
        self._held = b""  # the end of the stream so far, which a secret may begin with
        self._blanked = 0  # so many bytes of it belong to a secret whose mark has been given out

    def text(self, text: str) -> str:
        """The text with each secret blanked."""
        if not self._forms:
            return text
        found = text.encode("utf-8", "surrogatepass")
        spans = self._spans(found)
        return _marked(found, spans, end=len(found)).decode("utf-8", "surrogatepass") if spans else text

    def value(self, value: Any) -> Any:
        """JSON with each secret blanked, in keys too; a number that a secret stands in becomes the mark."""
        if not self._forms:
            return value
        match value:
            case str():
                return self.text(value)
            case Mapping():
                return {self.text(key): self.value(inner) for key, inner in value.items()}
            case list() | tuple():
                return [self.value(inner) for inner in value]
            case bool() | None:
                return value
            case _:
                return MARK if self._spans(str(value).encode("utf-8", "replace")) else value

    def result(self, result: ToolResult) -> ToolResult:
        """What a tool answers, with each secret blanked in everything that is kept or shown of it."""
        if not self._forms:
            return result
        return replace(
            result,
            message=self.text(result.message),
            cause=self.text(result.cause),
            suggestions=tuple(map(self.text, result.suggestions)),
            output_head=self.text(result.output_head),
            output_tail=self.text(result.output_tail),
            value=self.value(result.value),
            undo=self.value(result.undo),
        )

    def feed(self, chunk: bytes) -> bytes:
        """Take the next piece of a stream; gives what is sure by now: an end that a secret may begin with is held back."""
        return self._passed(chunk, is_last=False) if self._forms else chunk

    def rest(self) -> bytes:
        """The end of the stream."""
        return self._passed(b"", is_last=True) if self._held else b""

    def _passed(self, chunk: bytes, *, is_last: bool) -> bytes:
        waiting = self._held + chunk
        end = len(waiting) if is_last else self._first_possible(waiting)
        spans = self._spans(waiting, blanked=self._blanked)
        passed = _marked(waiting, spans, end=end, blanked=self._blanked)
        if end > 0:
            self._blanked = max((stop - end for start, stop in spans if start < end < stop), default=0)
        self._held = waiting[end:]
        return passed

    def _first_possible(self, waiting: bytes) -> int:
        """Where the longest end of this begins that is the beginning of a secret; its length when there is none."""
        for start in range(max(0, len(waiting) - self._longest + 1), len(waiting)):
            if waiting[start] in self._first_bytes and self._begins_a_form(waiting[start:]):
                return start
        return len(waiting)

    def _begins_a_form(self, end: bytes) -> bool:
        place = bisect_left(self._forms, end)  # what begins with it comes after it
        while place < len(self._forms) and self._forms[place].startswith(end):
            if len(self._forms[place]) > len(end):
                return True
            place += 1
        return False

    def _spans(self, found: bytes, *, blanked: int = 0) -> list[_Span]:
        """Where secrets stand, in order; those that overlap are one."""
        spans = [(0, blanked)] if blanked else []
        for form in self._forms:
            spans.extend((start, start + len(form)) for start in _places_of(form, found))
        joined: list[_Span] = []
        for start, stop in sorted(spans):
            if joined and start < joined[-1][1]:
                joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
            else:
                joined.append((start, stop))
        return joined


def _marked(found: bytes, spans: list[_Span], *, end: int, blanked: int = 0) -> bytes:
    """What comes before `end`, with a mark for each span that begins there; one that begins with `blanked` has its mark."""
    parts = []
    place = 0
    for start, stop in spans:
        if start >= end:
            break
        parts.append(found[place:start])
        if start > 0 or not blanked:
            parts.append(_MARK)
        place = stop
    parts.append(found[place:end])
    return b"".join(parts)


def _places_of(form: bytes, found: bytes) -> Iterator[int]:
    place = found.find(form)
    while place >= 0:
        yield place
        place = found.find(form, place + 1)


def _forms_of(secret: str) -> Iterator[bytes]:
    """The bytes that a secret may stand as. A secret that is blank has none: a text full of marks would tell nothing."""
    stripped = secret.strip()
    if not stripped:
        return
    lines = [line.strip() for line in stripped.splitlines()]
    for text in {secret, stripped, *(line for line in lines if len(line) >= SHORTEST_LINE)}:
        yield from (written.encode("utf-8", "surrogatepass") for written in _written_forms(text))
        raw = text.encode("utf-8", "surrogatepass")
        yield from _percent_forms(raw)
        if len(raw) >= SHORTEST_ENCODED:
            yield from (raw.hex().encode("ascii"), raw.hex().upper().encode("ascii"))
            yield from _base64_forms(raw)
        try:
            yield os.fsencode(text)  # a variable that is no UTF-8 is read with surrogates, and printed without
        except UnicodeEncodeError:
            continue


def _written_forms(text: str) -> Iterator[str]:
    yield text
    ascii_only = json.dumps(text)[1:-1]
    readable = json.dumps(text, ensure_ascii=False)[1:-1]
    for escaped in (ascii_only, readable):
        yield escaped
        yield escaped.replace("/", "\\/")
    yield repr(text)[1:-1]
    yield html.escape(text)
    yield html.escape(text, quote=False)
    yield shlex.quote(text).removeprefix("'").removesuffix("'")


def _percent_forms(raw: bytes) -> Iterator[bytes]:
    encoded = [quote(raw, safe=kept) for kept in _KEPT_BY_URLS]
    encoded.append(quote_plus(raw))
    for text in encoded:
        yield text.encode("ascii")
        yield _with_small_digits(text).encode("ascii")


def _with_small_digits(text: str) -> str:
    first, *others = text.split("%")
    return "%".join((first, *(other[:2].lower() + other[2:] for other in others)))


def _base64_forms(raw: bytes) -> Iterator[bytes]:
    """What base64 makes of it wherever it begins in what is encoded: three ways, less what it shares with its neighbours."""
    for offset in range(3):
        encoded = b64encode(bytes(offset) + raw).rstrip(b"=")
        first = -(-offset * 8 // 6)
        shared_end = (offset + len(raw)) * 8 // 6
        for form in (encoded[first:], encoded[first:shared_end]):
            yield form
            yield form.replace(b"+", b"-").replace(b"/", b"_")
