"""Targets of messages: a webhook, mailboxes, or whatever apprise knows; each with what must never be shown of it."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import unquote

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import AfterValidator, Discriminator, Field, Strict, Tag

from dreamos_tasks.tools import texts
from dreamos_tasks.tools.http_url import origin_of, read_url
from dreamos_tasks.tools.texts import has_no_nul

SECRET_PREFIX = "whsec_"  # noqa: S105  Standard Webhooks: what all secrets begin with, and no secret itself
FORBID: Mapping[str, Any] = {"extra": "forbid"}
SHORTEST_URL_SECRET = 8  # characters: a shorter part of an apprise URL is rather a word than a token

# Services whose URLs name a host where others put a token; each also with TLS, under its name and an s.
_HOSTED = frozenset({"json", "xml", "form", "ntfy", "gotify", "mailto", "mqtt"})
_ADDRESS = re.compile(r"[0-9A-Za-z.!#$%&'*+/=?^_`{|}~-]+@[0-9A-Za-z.\[\]:_-]+")
_HOST = re.compile(r"[0-9A-Za-z._:-]+")
_DEFAULT_PORTS = {"starttls": 587, "tls": 465, "none": 25}


def is_text(text: str) -> str:
    """The text, when it is one that can be written as UTF-8 and has no NUL. Raises ValueError."""
    return has_no_nul(texts.is_text(text))


def _url(text: str) -> str:
    read_url(is_text(text))
    return text


def _signing_secret(text: str) -> str:
    try:
        key = b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (NotBase64, ValueError):
        key = b""
    if not key:
        raise ValueError(f"is no signing secret: it is base64, mostly after {SECRET_PREFIX}")
    return text


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text) or text.count("@") != 1:
        raise ValueError(f"{text[:60]!r} is no plain mail address such as ada@example.org")
    return text


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError(f"{text[:60]!r} is no host name")
    return text


def _apprise_url(text: str) -> str:
    if not re.match(r"[A-Za-z][A-Za-z0-9_+.-]*://", is_text(text)):
        raise ValueError("is no apprise URL: it begins with the name of a service and ://")
    return text


Text = Annotated[str, AfterValidator(is_text)]
Address = Annotated[str, MaxLen(254), AfterValidator(_address)]  # RFC 5321: no longer one can be sent to
CaFile = Annotated[Text, MinLen(1), Field(description="a file of certificates to trust besides the system's")]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTarget:
    """A URL that takes JSON by POST, signed as Standard Webhooks says."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = FORBID

    kind: Literal["webhook"]
    url: Annotated[str, AfterValidator(_url), Field(description="http:// or https://")]
    secret: Annotated[
        str, AfterValidator(_signing_secret), Field(description="shared with the receiver: base64 after whsec_")
    ] = field(repr=False)
    ca_file: CaFile | None = None

    @property
    def place(self) -> str:
        """Where it is, for people."""
        scheme, host, port = origin_of(read_url(self.url))
        return f"{scheme}://{host}:{port}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown: the receiver's name for the sender may be a secret part of its path."""
        return (
            self.secret,
            self.secret.removeprefix(SECRET_PREFIX),
            *_long_parts(self.url.split("://", 1)[1], after=1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailTarget:
    """Mailboxes, by way of a mail server."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = FORBID

    kind: Literal["email"]
    host: Annotated[str, AfterValidator(_host), Field(description="the mail server that takes it")]
    port: Annotated[
        Annotated[int, Strict(), Ge(1), Le(65535)] | None,
        Field(description="null: 587 with starttls, 465 with tls, 25 with none"),
    ] = None
    tls: Annotated[
        Literal["starttls", "tls", "none"],
        Field(description="starttls: encrypted before anything is said; tls: from the first byte; none: never"),
    ] = "starttls"
    username: Text | None = None
    password: Text | None = field(default=None, repr=False)
    sender: Annotated[Address, Field(description="the address it comes from")]
    recipients: Annotated[tuple[Address, ...], MinLen(1), MaxLen(100), Field(description="all of them get it, or none")]
    ca_file: CaFile | None = None

    def __post_init__(self) -> None:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        if self.password is not None and self.tls == "none":
            raise ValueError("a password is only sent encrypted: use tls: starttls, or tls: tls")

    @property
    def server_port(self) -> int:
        """The port, also where it is left out."""
        return _DEFAULT_PORTS[self.tls] if self.port is None else self.port

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return ", ".join(self.recipients)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown."""
        return (self.password,) if self.password else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AppriseTarget:
    """One of the services that apprise knows, the desktop among them."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = FORBID

    kind: Literal["apprise"]
    url: Annotated[
        str, AfterValidator(_apprise_url), Field(description="as apprise writes it: slack://..., dbus://, ntfy://...")
    ] = field(repr=False)

    @property
    def place(self) -> str:
        """Where it is, for people: the service, for the rest of the URL may be secret."""
        return self.url.split("://", 1)[0] + "://"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown: services put their tokens anywhere in the URL, also where others have a host."""
        scheme, _, rest = self.url.partition("://")
        host = (
            re.split(r"[/?#:]", rest.split("/", 1)[0].rpartition("@")[2])[0]
            if scheme.lower().removesuffix("s") in _HOSTED
            else ""
        )
        return (self.url, *(part for part in _long_parts(rest) if part != host))


Target = Annotated[
    Annotated[WebhookTarget, Tag("a webhook")]
    | Annotated[EmailTarget, Tag("an e-mail")]
    | Annotated[AppriseTarget, Tag("an apprise URL")],
    Discriminator(
        lambda target: _TAGS.get(
            str(target.get("kind") if isinstance(target, Mapping) else getattr(target, "kind", ""))
        ),
        custom_error_type="target_kind",
        custom_error_message="a target is an object whose kind is webhook, email or apprise",
    ),
]
_TAGS = {"webhook": "a webhook", "email": "an e-mail", "apprise": "an apprise URL"}


def _long_parts(text: str, *, after: int = 0) -> Iterator[str]:
    """The parts of a URL that may be a token, as they stand and as they are meant; the first `after` are none."""
    for part in re.split(r"[/?&=#@:]", text)[after:]:
        if len(part) >= SHORTEST_URL_SECRET:
            yield part
            yield unquote(part)
