"""A message tool with real receivers, and one call of it."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from dreamos_tasks.model.tool import ToolContext, ToolResult
from dreamos_tasks.testing import context_in
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.message import DEFAULTS, MessageOptions, MessageTool

SIGNING_KEY = b"a key of thirty-two bytes length"
SIGNING_SECRET = "whsec_YSBrZXkgb2YgdGhpcnR5LXR3byBieXRlcyBsZW5ndGg="


def message_tool(options: MessageOptions = DEFAULTS, **settings: Any) -> MessageTool:
    """One whose processes are told from all others."""
    return MessageTool(Children(home_id="home", instance=secrets.token_hex(8)), options, **settings)


def webhook(url: str) -> dict[str, object]:
    """An inline target."""
    return {"kind": "webhook", "url": url, "secret": SIGNING_SECRET}


async def sent(
    folder: Path, to: object, /, tool: MessageTool | None = None, context: ToolContext | None = None, **params: object
) -> ToolResult:
    """What came of a message."""
    params = {"to": to, "body": "the nightly build is red", **params}
    return await (tool or message_tool()).execute(params, context or context_in(folder))
