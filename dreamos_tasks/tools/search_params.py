"""WebSearchParams: what a step of the tool `web_search` says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Le
from pydantic import AfterValidator, Field, Strict

from dreamos_tasks.tools.search_engines import MOST_RESULTS, Freshness

LONGEST_QUERY = 400  # characters: Brave takes no more

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{2,4})?")


def _query(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("half a surrogate pair is no text") from None
    words = " ".join(text.split())
    if not words or "\0" in words:
        raise ValueError("must not be empty, and is one line of text")
    if len(words) > LONGEST_QUERY:
        raise ValueError(f"has {len(words)} characters; engines take {LONGEST_QUERY}")
    return words


def _language(text: str) -> str:
    if not _LANGUAGE.fullmatch(text):
        raise ValueError("must be a language as de or pt-BR")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSearchParams:
    """What a step of the tool `web_search` says."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    query: Annotated[
        str,
        AfterValidator(_query),
        Field(description=f"what to look for, at most {LONGEST_QUERY} characters"),
    ]
    count: Annotated[
        Annotated[int, Strict(), Ge(1), Le(MOST_RESULTS)],
        Field(description=f"how many results, 1-{MOST_RESULTS}; there may be fewer"),
    ] = 10
    language: Annotated[
        Annotated[str, AfterValidator(_language)] | None,
        Field(description="the language of the pages, as de or pt-BR; null: any"),
    ] = None
    freshness: Annotated[
        Freshness | None,
        Field(description="how old a page may be: day, week, month or year; null: any age"),
    ] = None
    anew: Annotated[
        bool,
        Strict(),
        Field(description="true: ask an engine, also when it was asked the same lately"),
    ] = False
