"""Messages to webhooks: JSON by POST, signed as https://www.standardwebhooks.com says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING

from dreamos_tasks.model.failure import Symptom, diagnose
from dreamos_tasks.tools.address_guard import AddressGuard
from dreamos_tasks.tools.extras import load
from dreamos_tasks.tools.message_targets import WebhookTarget
from dreamos_tasks.tools.message_text import Message, NotDelivered

if TYPE_CHECKING:
    from httpx2 import Response

    from dreamos_tasks.tools.http_exchange import HttpAnswer

SHOWN_BYTES = 500  # of the answer, on the board
GONE = 410
SILENCE_SECONDS = 30.0  # Standard Webhooks: a receiver answers within 15 to 30 s


def body_of(message: Message) -> bytes:
    """What is posted: the same bytes whenever the message is sent again."""
    content = {
        "type": "task.message",
        "data": {
            "message_id": message.message_id,
            "task_id": message.task_id,
            "step": message.step,
            "level": message.level.value,
            "subject": message.title,
            "body": message.body,
        },
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


async def post(target: WebhookTarget, message: Message, *, guard: AddressGuard, now: datetime) -> Mapping[str, object]:
    """Deliver it; gives what was answered. `now` is of the wall clock, by which receivers refuse what is too old.

    Raises NotDelivered, ExtraMissing, CallRefused, and OSError for a name or a `ca_file` that is not there.
    """
    from httpx2 import (
        URL,
        HTTPError,
    )  # with what follows it takes a tenth of a second, and not every step calls somebody

    from dreamos_tasks.tools.http_exchange import REDIRECTS, HttpExchange, HttpRequest
    from dreamos_tasks.tools.http_failure import result_of_error

    body = body_of(message)
    request = HttpRequest(
        url=URL(target.url),
        method="POST",
        headers=_signed(target, message.message_id, body, now=now) | {"content-type": "application/json"},
        content=body,
        kept=REDIRECTS,  # the address of a webhook that has moved is to be corrected, not followed
    )
    exchange = HttpExchange(
        guard, connect_seconds=SILENCE_SECONDS, idle_seconds=SILENCE_SECONDS, ca_file=target.ca_file or ""
    )
    try:
        async with exchange.open(request) as answer:
            return await _answered(answer, target, now=now)
    except HTTPError as error:
        raise NotDelivered(result_of_error(error, f"POST to {target.place}")) from error


async def _answered(answer: HttpAnswer, target: WebhookTarget, *, now: datetime) -> Mapping[str, object]:
    from dreamos_tasks.tools.http_body import retry_after_of

    status, text = answer.response.status_code, await _beginning(answer.response)
    if 200 <= status < 300:
        return {"status": status, "body": text}
    said = "this webhook is gone for good (410)" if status == GONE else f"it answered {status}"
    raise NotDelivered.because(
        f"{target.place} did not take the message: {said}",
        diagnose(Symptom(http_status=status, text=text)),
        retry_after_seconds=retry_after_of(answer.response, now=now),
    )


async def _beginning(response: Response) -> str:
    """Of what was answered; the rest is not waited for."""
    found = b""
    async with aclosing(response.aiter_bytes()) as pieces:
        async for piece in pieces:
            found += piece[: SHOWN_BYTES - len(found)]
            if len(found) == SHOWN_BYTES:
                break
    return found.decode("utf-8", "ignore").replace("\0", "\ufffd")


def _signed(target: WebhookTarget, message_id: str, body: bytes, *, now: datetime) -> dict[str, str]:
    webhook = load("standardwebhooks", extra="notify").Webhook(target.secret)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": webhook.sign(msg_id=message_id, timestamp=now, data=body.decode("utf-8")),
    }
