"""Messages to webhooks: signed as Standard Webhooks says, and refused in the receiver's own words."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from standardwebhooks import Webhook

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.testing import context_in
from tests.tools.listening import nobody_listening
from tests.tools.messages import SIGNING_KEY, SIGNING_SECRET, message_tool, sent, webhook
from tests.tools.receiver import receiver


async def test_what_is_posted_carries_the_signature_of_its_bytes(tmp_path: Path) -> None:
    now = datetime(2026, 11, 21, 12, 30, 15, 999_999, tzinfo=UTC)
    with receiver() as team:
        result = await sent(tmp_path, webhook(team.url + "/hook"), tool=message_tool(now=lambda: now), body="grün")

    assert result.category is None
    (request,) = team.requests
    signed = f"{request.headers['webhook-id']}.{int(now.timestamp())}.".encode() + request.body
    expected = base64.b64encode(hmac.new(SIGNING_KEY, signed, hashlib.sha256).digest()).decode()
    assert request.path == "/hook"
    assert request.headers["webhook-timestamp"] == str(int(now.timestamp()))
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    assert request.headers["content-type"] == "application/json"


async def test_a_receiver_with_the_official_library_accepts_it(tmp_path: Path) -> None:
    with receiver() as team:
        await sent(tmp_path, webhook(team.url), subject="Nightly", body="grün", level="warning")

    (request,) = team.requests
    assert Webhook(SIGNING_SECRET).verify(request.body, request.headers) == {
        "type": "task.message",
        "data": {
            "message_id": request.headers["webhook-id"],
            "task_id": "dt-7k2m",
            "step": "step",
            "level": "warning",
            "subject": "Nightly",
            "body": "grün",
        },
    }


@pytest.mark.parametrize(
    ("status", "category"),
    [
        (302, ErrorCategory.CONFIGURATION),
        (400, ErrorCategory.CONFIGURATION),
        (401, ErrorCategory.PERMISSION),
        (410, ErrorCategory.CONFIGURATION),
        (429, ErrorCategory.RESOURCE),
        (500, ErrorCategory.TRANSIENT),
        (503, ErrorCategory.TRANSIENT),
    ],
)
async def test_a_refusal_is_sorted_by_its_status(tmp_path: Path, status: int, category: ErrorCategory) -> None:
    with receiver(status=status, headers={"location": "/elsewhere"}) as team:
        result = await sent(tmp_path, webhook(team.url))

    assert result.category is category
    assert str(status) in result.message
    assert result.value is None
    assert [request.path for request in team.requests] == ["/"]  # no redirect is followed


async def test_a_webhook_that_is_gone_is_called_so(tmp_path: Path) -> None:
    with receiver(status=410) as team:
        result = await sent(tmp_path, webhook(team.url))

    assert "gone for good" in result.message


async def test_the_wait_that_a_receiver_asks_for_is_passed_on(tmp_path: Path) -> None:
    with receiver(status=503, headers={"retry-after": "17"}) as team:
        result = await sent(tmp_path, webhook(team.url))

    assert result.retry_after_seconds == 17


async def test_nobody_listening_is_transient(tmp_path: Path) -> None:
    with nobody_listening() as port:
        result = await sent(tmp_path, webhook(f"http://127.0.0.1:{port}"))

    assert result.category is ErrorCategory.TRANSIENT


async def test_neither_key_nor_path_of_a_webhook_is_shown(tmp_path: Path) -> None:
    with receiver(status=500, echoes=True) as team:
        text = f"the key is {SIGNING_SECRET.removeprefix('whsec_')}"
        result = await sent(tmp_path, webhook(f"{team.url}/T0AB/canary-in-the-path"), body=text)

    assert "canary" not in repr(result)
    assert SIGNING_SECRET.removeprefix("whsec_") not in repr(result)


async def test_a_long_answer_is_cut(tmp_path: Path) -> None:
    with receiver(status=200, body=b"\0" + b"x" * 1_000_000) as team:
        result = await sent(tmp_path, webhook(team.url))

    assert result.category is None
    assert result.value["response"]["body"] == "\ufffd" + "x" * 499


async def test_tls_is_verified_with_the_authority_that_the_target_names(tmp_path: Path) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with receiver(ca=ca) as team:
        untrusted = await sent(tmp_path, webhook(team.url))
        trusted = await sent(tmp_path, {**webhook(team.url), "ca_file": str(tmp_path / "ca.pem")})

    assert untrusted.category is ErrorCategory.CONFIGURATION
    assert "certificate" in untrusted.cause
    assert trusted.category is None
    assert len(team.requests) == 1


async def test_a_message_of_a_step_called_anything_is_valid_json(tmp_path: Path) -> None:
    with receiver() as team:
        await sent(tmp_path, webhook(team.url), body='"\\\u2028\U0001f600', context=context_in(tmp_path, step='a"b/ü'))

    content = json.loads(team.requests[0].body)
    assert content["data"]["body"] == '"\\\u2028\U0001f600'
    assert content["data"]["step"] == 'a"b/ü'
