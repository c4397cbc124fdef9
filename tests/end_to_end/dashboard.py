"""Dashboard: a real browser at the dashboard of a real daemon, as a person would use it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, StorageState, sync_playwright

from dreamos_tasks.app.daemon_lock import read_card
from tests.command import until
from tests.end_to_end.project import Project
from tests.tools.browsing import need_browser

PATIENCE_MS = 30_000  # a busy machine
AXE = Path(__file__).parent / "axe" / "axe.min.js"
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"  # of axe-core 4.14.1
AXE_RULES = {"resultTypes": ["violations"], "preload": False, "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
UNHEARD = ("WebSocket connection to", "net::ERR_CONNECTION", "Failed to load resource")  # while there is no daemon
Scheme = Literal["light", "dark"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """This machine's browser, if it has one."""
    found = need_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, chromium_sandbox=os.geteuid() != 0)
        yield browser
        browser.close()


@dataclass
class Dashboard:
    """One browser window at the dashboard. `faults` are what the browser has complained of."""

    project: Project
    page: Page
    faults: list[str] = field(default_factory=list)

    def open(self, hash_: str = "#/board") -> None:
        """Sign in by a fresh link, and go there."""
        said = self.project.dt("dashboard", "--json")
        assert said.code == 0, said.err
        self.page.goto(said.form["url"])
        self.come_back(hash_)

    def come_back(self, hash_: str = "#/board") -> None:
        """Go there, where the browser is signed in already."""
        if self.page.url == "about:blank":
            card = read_card(self.project.runtime / "daemon.json")
            assert card is not None
            self.page.goto(card.endpoints["http"])
        self.page.wait_for_selector(".board")
        self.go(hash_)

    def go(self, hash_: str) -> None:
        """As a link within the page does."""
        self.page.evaluate("hash => { location.hash = hash; }", hash_)

    def card(self, title: str, *, state: str | None = None) -> Locator:
        """The card of a task, in the column of this state."""
        column = f'.column[data-state="{state}"] ' if state else ""
        return self.page.locator(f"{column}.card", has_text=title)

    def see(self, place: Locator) -> Locator:
        """Wait until it is there."""
        place.first.wait_for(timeout=PATIENCE_MS)
        return place

    def until(self, expression: str) -> None:
        """Wait until this is true on the page."""
        until(lambda: self.page.evaluate(expression))

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def accessibility_faults(self) -> list[str]:
        """What axe-core calls serious or critical on the page as it is."""
        source = AXE.read_bytes()
        assert hashlib.sha256(source).hexdigest() == AXE_SHA256
        before = list(self.faults)  # axe measures with styles of its own, which the page's policy forbids
        if not self.page.evaluate("() => Boolean(window.axe)"):
            self.page.evaluate(source.decode())
        found: Any = self.page.evaluate("rules => axe.run(document, rules)", AXE_RULES)
        self.faults[:] = before
        return [
            json.dumps([fault["id"], fault["help"], [node["html"][:200] for node in fault["nodes"]][:3]])
            for fault in found["violations"]
            if fault["impact"] in ("serious", "critical")
        ]

    def complained(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(UNHEARD):
            self.faults.append(message.text)


@contextmanager
def window(
    project: Project,
    browser: Browser,
    *,
    scheme: Scheme = "light",
    width: int = 1280,
    height: int = 800,
    session: StorageState | None = None,
) -> Iterator[Dashboard]:
    """A browser that remembers nothing but a session, if one is given. The test fails when it complained of anything."""
    context = browser.new_context(
        color_scheme=scheme,
        viewport={"width": width, "height": height},
        reduced_motion="reduce",
        storage_state=session,
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    here = Dashboard(project, page)
    page.on("console", here.complained)
    page.on("pageerror", lambda error: here.faults.append(str(error)))
    try:
        yield here
    finally:
        context.close()
    assert here.faults == [], here.faults
