"""Visit: one page in a browser, the actions on it, and what they give."""

from __future__ import annotations

import asyncio
import io
import json
import re
import time
from collections.abc import Sequence

from playwright.async_api import Download as Started
from playwright.async_api import Error, Locator, Page, Request
from playwright.async_api import TimeoutError as TookTooLong

from dreamos_tasks.tools.browser_actions import (
    Action,
    Choose,
    Click,
    Download,
    Extract,
    Fill,
    Found,
    Goto,
    Press,
    Screenshot,
    WaitFor,
    in_words,
)
from dreamos_tasks.tools.browser_failure import Failure, Kind
from dreamos_tasks.tools.browser_files import BrowserFiles, TooLarge
from dreamos_tasks.tools.browser_proxy import GuardedProxy, Place, Trouble
from dreamos_tasks.tools.http_url import port_of, read_url

LAST_PICTURE_SECONDS = 10.0  # for the picture of what a failed action saw
LONGEST_LINE = 500  # characters of the log, which a page writes to, too

_METHOD = re.compile(r"^[A-Z]\w+\.\w+: ")
_REPEATED = re.compile(r"(\d+ \W )?(waiting \d+ ?ms|retrying|attempting)")
_NO_SELECTOR = re.compile(
    r"InvalidSelectorError|while parsing \w+ selector|Unknown engine|is not a valid (\w+ )?(selector|expression)"
)
_GONE = re.compile(r"crash|has been closed")


class Visit:
    """One page, the actions on it, and what they give. `most_characters` is for all that is taken, as JSON."""

    def __init__(
        self, page: Page, proxy: GuardedProxy, files: BrowserFiles, *, timeout_seconds: float, most_characters: int
    ) -> None:
        self._page = page
        self._proxy = proxy
        self._files = files
        self._timeout_seconds = timeout_seconds
        self._most_characters = most_characters
        self._failed_url = ""
        self._started: list[Started] = []
        self._has_started = asyncio.Event()
        self.extracted: dict[str, object] = {}
        self.screenshots: list[dict[str, object]] = []
        self.downloads: list[dict[str, object]] = []
        page.context.on("page", self._listen)
        self._listen(page)

    async def do(self, action: Action) -> None:
        """Do it. Raises Failure."""
        began = time.monotonic()
        seconds = action.timeout_seconds or self._timeout_seconds
        known = len(self._proxy.troubles)
        try:
            async with asyncio.timeout(seconds + 1):  # for what Playwright does not time itself
                said = await self._done(action, 1000 * seconds)
        except TookTooLong as error:
            kind = Kind.TIMEOUT if isinstance(action, Goto) else Kind.WAITING
            raise Failure(kind, f"not done within {seconds:g} s{_waited_for(error)}") from error
        except TimeoutError as error:
            raise Failure(Kind.TIMEOUT, f"not done within {seconds:g} s") from error
        except TooLarge as error:
            raise Failure(Kind.TOO_LARGE, str(error)) from error
        except OSError as error:
            raise Failure(Kind.DISK, str(error), number=error.errno or 0) from error
        except Error as error:
            raise self._failure(action, error, self._proxy.troubles[known:]) from error
        log(f"{in_words(action)}{said} ({time.monotonic() - began:.1f} s)")

    async def finish(self) -> None:
        """Keep what was downloaded, when it is complete. Raises Failure."""
        for download in self._started:
            name = download.suggested_filename
            try:
                with (await download.path()).open("rb") as content:
                    self.downloads.append(await asyncio.to_thread(self._files.keep, name, content))
            except TooLarge as error:
                raise Failure(Kind.TOO_LARGE, str(error)) from error
            except OSError as error:
                raise Failure(Kind.DISK, f"{name}: {error}", number=error.errno or 0) from error
            except Error as error:
                raise Failure(Kind.LOST, f"{name}: {_first_line(error)}") from error

    async def last_picture(self) -> None:
        """What was seen when an action failed, as far as anything was."""
        if self._page.url.startswith(("chrome-error:", "about:")):
            return
        try:
            async with asyncio.timeout(LAST_PICTURE_SECONDS):
                await self._picture(Screenshot(screenshot="failure"), 1000 * LAST_PICTURE_SECONDS)
        except (Error, OSError, TooLarge) as error:
            log(f"no picture of it: {error}")

    async def _done(self, action: Action, milliseconds: float) -> str:
        page = self._page
        match action:
            case Goto():
                return await self._gone(action, milliseconds)
            case WaitFor(wait_for=selector, state=state):
                await page.locator(selector).first.wait_for(state=state, timeout=milliseconds)
            case Click(click=selector):
                await page.locator(selector).click(timeout=milliseconds)
            case Download(download=selector):
                async with page.expect_download(timeout=milliseconds) as started:
                    await page.locator(selector).click(timeout=milliseconds)
                return f" -> {(await started.value).suggested_filename}"
            case Fill(fill=(selector, text)):
                await page.locator(selector).fill(text, timeout=milliseconds)
            case Choose(choose=(selector, value)):
                await page.locator(selector).select_option(value, timeout=milliseconds)
            case Press(press=(selector, key)):
                await page.locator(selector).press(key, timeout=milliseconds)
            case Extract(extract=wanted):
                for name, one in wanted.items():
                    found = one if isinstance(one, Found) else Found(selector=one)
                    self.extracted[name] = await self._taken(found, milliseconds)
                self._check_length()
            case Screenshot():
                await self._picture(action, milliseconds)
        return ""

    async def _gone(self, action: Goto, milliseconds: float) -> str:
        self._has_started.clear()
        try:
            response = await self._page.goto(action.goto, wait_until=action.until, timeout=milliseconds)
        except Error as error:
            if "Download is starting" not in error.message:
                raise
            await self._has_started.wait()
            return " -> a download"
        if response is None:
            return ""
        expected = action.expect_status
        if response.status not in expected if expected else response.status >= 400:
            said = f"it answered {response.status} {response.status_text}"
            raise Failure(Kind.STATUS, said.strip(), number=response.status)
        return f" -> {response.status}"

    async def _taken(self, found: Found, milliseconds: float) -> object:
        locator = self._page.locator(found.selector)
        if not found.all:
            return await _text_of(locator.first, found.attribute, milliseconds)
        return [await _text_of(one, found.attribute, milliseconds) for one in await locator.all()]

    async def _picture(self, wanted: Screenshot, milliseconds: float) -> None:
        if wanted.selector is None:
            content = await self._page.screenshot(full_page=wanted.full_page, timeout=milliseconds)
        else:
            content = await self._page.locator(wanted.selector).screenshot(timeout=milliseconds)
        name = f"{wanted.screenshot}.png"
        self.screenshots.append(await asyncio.to_thread(self._files.keep, name, io.BytesIO(content)))

    def _check_length(self) -> None:
        length = len(json.dumps(self.extracted))
        if length > self._most_characters:
            self.extracted.clear()
            most = self._most_characters
            raise Failure(Kind.TOO_LARGE, f"what is taken has {length} characters as JSON, and may have {most}")

    def _failure(self, action: Action, error: Error, troubles: Sequence[Trouble]) -> Failure:
        """What it was; the browser says no more of a connection than that there was none."""
        said = _first_line(error)
        place = place_of(self._failed_url or action.goto) if isinstance(action, Goto) and "ERR_SOCKS" in said else None
        for trouble in troubles:
            if trouble.place == place:
                return _of_trouble(trouble)
        if _NO_SELECTOR.search(said):
            return Failure(Kind.SELECTOR, said)
        if self._page.is_closed() or _GONE.search(said):
            return Failure(Kind.LOST, said)
        return Failure(Kind.PAGE, said)

    def _listen(self, page: Page) -> None:
        page.on("download", self._note_started)
        page.on("console", lambda message: log(f"console {message.type}: {message.text}"))
        page.on("requestfailed", self._note_failed)
        page.on("pageerror", lambda error: log(f"error in the page: {error}"))

    def _note_started(self, download: Started) -> None:
        self._started.append(download)
        self._has_started.set()

    def _note_failed(self, request: Request) -> None:
        """A page that did not open: the last of those that it was redirected to."""
        if request.is_navigation_request() and request.url.startswith("http"):
            self._failed_url = request.url


def place_of(url: str) -> Place:
    """The host and port that a URL leads to."""
    parsed = read_url(url)
    return parsed.raw_host.decode("ascii").strip("[]").lower(), port_of(parsed)


def log(line: str) -> None:
    """Write a line to the log of the step."""
    print(" ".join(line.split())[:LONGEST_LINE], flush=True)  # noqa: T201


async def _text_of(element: Locator, attribute: str | None, milliseconds: float) -> str | None:
    if attribute is not None:
        return await element.get_attribute(attribute, timeout=milliseconds)
    return await element.inner_text(timeout=milliseconds)


def _of_trouble(trouble: Trouble) -> Failure:
    error = trouble.error
    if isinstance(error, OSError):
        return Failure.of_connection(error)
    return Failure(Kind.REFUSED, str(error), fix=error.fix)


def _first_line(error: Error) -> str:
    """What happened, without the name of Playwright's method, and without its log."""
    return _METHOD.sub("", error.message.partition("\nCall log:")[0].strip())


def _waited_for(error: Error) -> str:
    """The last that Playwright says it did before the time was up."""
    lines = [line.strip(" -") for line in error.message.partition("Call log:")[2].splitlines()]
    said = [line for line in lines if line and not _REPEATED.match(line)]
    return f": {said[-1]}" if said else ""
