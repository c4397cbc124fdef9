"""HTTP URLs: read by one parser, so that what is judged is what is called; and the host that a call shares with others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dreamos_tasks.tools.address_guard import literal_address

if TYPE_CHECKING:
    from httpx2 import URL  # imported when first needed: it takes a tenth of a second

LONGEST_URL = 32_768  # characters; a browser takes no longer one
LONGEST_SHOWN = 200  # characters of a URL in a message
_HOST = re.compile(rb"[A-Za-z0-9._-]{1,253}")
DEFAULT_PORTS = {"http": 80, "https": 443}


def read_url(text: str) -> URL:
    """The URL. Raises ValueError, in words, for one that this program does not call."""
    from httpx2 import URL, InvalidURL

    if len(text) > LONGEST_URL:
        raise ValueError(f"has more than {LONGEST_URL} characters")
    try:
        url = URL(text)
    except (InvalidURL, ValueError) as error:
        raise ValueError(f"is no URL: {error}") from None
    check_url(url)
    return url


def check_url(url: URL) -> None:
    """Raise ValueError when this program does not call such a URL."""
    if url.scheme not in DEFAULT_PORTS:
        raise ValueError("must begin with http:// or https://")
    if url.userinfo:
        raise ValueError("must not hold a user name or password: it would be shown wherever the URL is; use auth")
    if not url.host:
        raise ValueError("names no host")
    if not _HOST.fullmatch(url.raw_host) and ("%" in url.host or literal_address(url.host) is None):
        raise ValueError(f"names the host {url.host!r}, which cannot be one")
    if not 0 < port_of(url) < 65536:
        raise ValueError(f"has no port {url.port}: ports are 1-65535")


def port_of(url: URL) -> int:
    """The port, also where the URL leaves it out."""
    return DEFAULT_PORTS[url.scheme] if url.port is None else url.port


def origin_of(url: URL) -> tuple[str, str, int]:
    """Scheme, host and port: who is trusted with what was meant for this URL."""
    return url.scheme, url.raw_host.decode("ascii"), port_of(url)


def shown(url: URL) -> str:
    """The URL for people: without its query, where credentials are often found."""
    text = str(url.copy_with(query=None, fragment=None))
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "..."


def host_of(params: Mapping[str, object]) -> str | None:
    """The host that a call with these parameters goes to, with its port unless it is the scheme's own; None when unclear.

    Calls of the same host share its fate: a circuit breaker and a rate limit count them together.
    """
    text = params.get("url")
    if not isinstance(text, str):
        return None
    try:
        url = read_url(text)
    except ValueError:
        return None
    return url.netloc.decode("ascii").replace(".:", ":").rstrip(".")
