"""The program that drives a browser through the actions of one step. See `own_program`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Error, Page, ProxySettings, async_playwright

from dreamos_tasks.tools.address_guard import AddressGuard
from dreamos_tasks.tools.browser_actions import Action, BrowserParams, Goto, in_words
from dreamos_tasks.tools.browser_failure import Failure, Kind
from dreamos_tasks.tools.browser_files import BrowserFiles
from dreamos_tasks.tools.browser_proxy import GuardedProxy
from dreamos_tasks.tools.browser_visit import Visit, log, place_of
from dreamos_tasks.tools.own_program import answer_asked
from dreamos_tasks.tools.params import Params
from dreamos_tasks.tools.redaction import Redactor

PRINTED_LINES = 5  # of a browser that does not start, the last


async def visit(asked: Mapping[str, Any]) -> Mapping[str, object]:
    """Start the browser, do what is asked, and say what came of it: `value`, and `failure` unless all was done."""
    params = Params(BrowserParams).read(asked["params"])
    named = {place_of(action.goto) for action in params.actions if isinstance(action, Goto)}
    async with GuardedProxy(AddressGuard(**asked["allowed"]), named=named) as proxy, async_playwright() as playwright:
        way_out = ProxySettings(server=proxy.url, bypass="<-loopback>")  # this machine, too, by way of it
        try:
            browser = await playwright.chromium.launch(**asked["launch"], proxy=way_out)
        except Error as error:
            return {"failure": Failure(Kind.LAUNCH, _last_words(error.message)).as_json()}
        page = await _page(browser, params)
        files = BrowserFiles(
            Path(asked["run_dir"]),
            asked["stem"],
            limit_bytes=asked["limit_bytes"],
            redactor=Redactor(asked["secrets"]),
        )
        found = Visit(
            page,
            proxy,
            files,
            timeout_seconds=asked["action_timeout_seconds"],
            most_characters=asked["most_characters"],
        )
        failure = await _all_done(found, params.actions)
        value = {
            "url": page.url,
            "title": await _title(page),
            "extracted": found.extracted,
            "screenshots": found.screenshots,
            "downloads": found.downloads,
            "refused": proxy.refusals,
        }
        await browser.close()
        return {"value": value, "failure": failure}


def _last_words(said: str) -> str:
    """Why a browser did not start, of all that Playwright tells about it."""
    log(said)
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("<launching>")]
    printed = [line.partition("[err]")[2].strip() for line in lines if "[err]" in line]
    return "the browser does not start: " + "; ".join([*lines[:1], *printed[-PRINTED_LINES:]])


async def _page(browser: Browser, params: BrowserParams) -> Page:
    width, height = params.viewport
    return await browser.new_page(viewport={"width": width, "height": height}, accept_downloads=True)


async def _title(page: Page) -> str:
    try:
        return await page.title()
    except Error:  # it is closed, or crashed
        return ""


async def _all_done(found: Visit, actions: Sequence[Action]) -> Mapping[str, object] | None:
    """None when all was done; else what failed."""
    what: dict[str, object] = {}
    try:
        for number, action in enumerate(actions, start=1):
            what = {"what": f"action {number}, {in_words(action)}"}
            await found.do(action)
        what = {"what": "download"}
        await found.finish()
    except Failure as failure:
        log(f"{what['what']}: {failure}")
        await found.last_picture()
        return {**what, **failure.as_json()}
    return None


def answer(asked: Mapping[str, Any]) -> Mapping[str, object]:
    """What came of it."""
    return asyncio.run(visit(asked))


if __name__ == "__main__":
    answer_asked(answer)
