"""A browser tool with the browser of this machine, and pages to visit."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from dreamos_tasks.model.tool import ToolContext, ToolResult
from dreamos_tasks.testing import context_in
from dreamos_tasks.tools.browser import DEFAULTS, NAMES, BrowserOptions, BrowserTool
from dreamos_tasks.tools.children import Children
from tests.tools.local_server import Answer, redirect, silent, text


def need_browser() -> str:
    """The browser's path. Without one a test is skipped at home, and fails in CI."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        missing = f"there is no browser: none of {', '.join(NAMES)} is on PATH (apt install chromium)"
        if "CI" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def browser_tool(options: BrowserOptions = DEFAULTS) -> BrowserTool:
    """One whose processes are told from all others."""
    return BrowserTool(Children(home_id="home", instance=secrets.token_hex(8)), options)


async def visited(
    folder: Path,
    *actions: Mapping[str, object],
    tool: BrowserTool | None = None,
    context: ToolContext | None = None,
    **params: object,
) -> ToolResult:
    """What came of these actions."""
    return await (tool or browser_tool()).execute({"actions": list(actions), **params}, context or context_in(folder))


def page(body: str, *, title: str = "Shop", cookie: str | None = None) -> Answer:
    """A page, which may set a cookie."""
    whole = f"<!doctype html><meta charset=utf-8><title>{title}</title><link rel=icon href=data:,>{body}"
    headers = {} if cookie is None else {"set_cookie": cookie}
    return text(whole, status=200, content_type="text/html", **headers)


FORM = """
<style>body { font: 20px sans-serif; background: #eef } input, select, button { font: inherit }</style>
<h1>Größen</h1>
<ul><li>S</li><li>M</li><li>L</li></ul>
<a id=next href="/next">next</a> <a id=file href="/report">report</a>
<form onsubmit="event.preventDefault(); answer.textContent = `${name.value} takes ${size.value}`; console.log('sent')">
  <input id=name> <select id=size><option value=1>one</option><option value=2>two</option></select> <button>send</button>
</form>
<p id=answer></p>
<script>
  const name = document.querySelector("#name"), size = document.querySelector("#size")
  const answer = document.querySelector("#answer")
  setTimeout(() => document.body.insertAdjacentHTML("beforeend", "<p id=late>late</p>"), 300)
</script>
"""


def site() -> dict[str, Answer]:
    """What the tests visit."""
    return {
        "/": page(FORM),
        "/next": page("<h1>next</h1>", title="Next"),
        "/report": text("a,b\n1,2\n", content_type="text/csv", content_disposition='attachment; filename="report.csv"'),
        "/away": redirect("http://169.254.169.254/latest/meta-data/"),
        "/leaky": page('<img src="http://169.254.169.254/x.png"><p>here</p>'),
        "/echo": page("<script>document.body.append(location.search); console.error(location.search)</script>"),
        "/slow": silent,
    }
