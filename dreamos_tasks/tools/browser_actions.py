"""Browser actions: what a step of the tool `browser` has a browser do, one after the other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from pydantic import AfterValidator, Discriminator, Field, Strict, Tag

from dreamos_tasks.tools.http_url import read_url
from dreamos_tasks.tools.texts import AnyText, is_text

MOST_ACTIONS = 500
LONGEST_WAIT_SECONDS = 3600.0
FORBID: Mapping[str, Any] = {"extra": "forbid"}

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")


def _is_selector(text: str) -> str:
    if not is_text(text).strip():
        raise ValueError("names no element: write a CSS selector, or text=..., role=..., xpath=...")
    return text


def _is_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text[:60]!r} is no plain name: letters, digits, . _ - and at most 64 of them")
    return text


def _url(text: str) -> str:
    read_url(is_text(text))
    return text


Text = AnyText
Selector = Annotated[str, MaxLen(2000), AfterValidator(_is_selector)]
Name = Annotated[str, AfterValidator(_is_name)]
Status = Annotated[int, Strict(), Ge(100), Le(599)]
Seconds = Annotated[float, Strict(), Gt(0), Le(LONGEST_WAIT_SECONDS)]
Flag = Annotated[bool, Strict()]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timed:
    __pydantic_config__: ClassVar[Mapping[str, Any]] = FORBID

    timeout_seconds: Annotated[
        Seconds | None, Field(description="how long this action may take; null: as the tool is set up")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Goto(_Timed):
    """Open a page."""

    goto: Annotated[str, AfterValidator(_url), Field(description="http:// or https://")]
    until: Annotated[
        Literal["commit", "domcontentloaded", "load", "networkidle"],
        Field(description="when it is open: load, with its pictures; networkidle, when it asks for nothing more"),
    ] = "load"
    expect_status: Annotated[
        Annotated[tuple[Status, ...], MinLen(1)] | None,
        Field(description="the statuses that mean success; null: all below 400"),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitFor(_Timed):
    """Wait for an element."""

    wait_for: Selector
    state: Literal["visible", "hidden", "attached", "detached"] = "visible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Click(_Timed):
    """Click on an element."""

    click: Selector


@dataclass(frozen=True, slots=True, kw_only=True)
class Download(_Timed):
    """Click on an element, and keep the file that is downloaded by that."""

    download: Selector


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill(_Timed):
    """Write a text into a field, in place of what is there."""

    fill: Annotated[tuple[Selector, Text], Field(description="[selector, text]")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choose(_Timed):
    """Choose from a list (a select element)."""

    choose: Annotated[tuple[Selector, Text], Field(description="[selector, value or label]")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Press(_Timed):
    """Press a key in an element."""

    press: Annotated[tuple[Selector, Text], Field(description="[selector, key]: Enter, Escape, Control+A")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is taken from which elements."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = FORBID

    selector: Selector
    attribute: Annotated[Name | None, Field(description="take this attribute; null: the text that is seen")] = None
    all: Annotated[Flag, Field(description="take a list, of all elements; else of the first")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract(_Timed):
    """Take texts from the page, under names that later steps refer to."""

    extract: Annotated[
        Mapping[Name, Selector | Found],
        MinLen(1),
        Field(description="by name a selector, or {selector, attribute, all}"),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Screenshot(_Timed):
    """Take a picture of what is seen."""

    screenshot: Annotated[Name, Field(description="what to call it, without .png")]
    full_page: Annotated[Flag, Field(description="the page from top to bottom, not just the window")] = False
    selector: Annotated[Selector | None, Field(description="of this element alone")] = None


VERBS = ("goto", "wait_for", "click", "download", "fill", "choose", "press", "extract", "screenshot")


def _verb_of(action: object) -> str | None:
    for verb in VERBS:
        if verb in action if isinstance(action, Mapping) else hasattr(action, verb):
            return f"a {verb}"  # no key that stands in an action, so that the place of a problem is told right
    return None


Action = Annotated[
    Annotated[Goto, Tag("a goto")]
    | Annotated[WaitFor, Tag("a wait_for")]
    | Annotated[Click, Tag("a click")]
    | Annotated[Download, Tag("a download")]
    | Annotated[Fill, Tag("a fill")]
    | Annotated[Choose, Tag("a choose")]
    | Annotated[Press, Tag("a press")]
    | Annotated[Extract, Tag("a extract")]
    | Annotated[Screenshot, Tag("a screenshot")],
    Discriminator(
        _verb_of,
        custom_error_type="action_verb",
        custom_error_message=f"an action is an object with one of {', '.join(VERBS)}",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserParams:
    """What a step of the tool `browser` says."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = FORBID

    actions: Annotated[
        tuple[Action, ...],
        MinLen(1),
        MaxLen(MOST_ACTIONS),
        Field(description="what to do, one after the other; the first that fails ends it"),
    ]
    viewport: Annotated[
        tuple[Annotated[int, Strict(), Ge(100), Le(10_000)], Annotated[int, Strict(), Ge(100), Le(10_000)]],
        Field(description="[width, height] of the window's inside, in pixels"),
    ] = (1280, 720)


def in_words(action: Action) -> str:
    """What an action does, without the texts it writes: they may be secret."""
    match action:
        case Goto(goto=url):
            return f"goto {url.partition('?')[0]}"
        case WaitFor(wait_for=selector, state=state):
            return f"wait_for {selector} to be {state}"
        case Click(click=selector):
            return f"click {selector}"
        case Download(download=selector):
            return f"download {selector}"
        case Fill(fill=(selector, _)):
            return f"fill {selector}"
        case Choose(choose=(selector, _)):
            return f"choose in {selector}"
        case Press(press=(selector, key)):
            return f"press {key} in {selector}"
        case Extract(extract=wanted):
            return f"extract {', '.join(wanted)}"
        case Screenshot(screenshot=name):
            return f"screenshot {name}"
