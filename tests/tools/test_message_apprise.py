"""Messages by apprise: in a process of its own, whose connections are judged like all others."""

from __future__ import annotations

import json
from pathlib import Path

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.tools.message_targets import AppriseTarget
from tests.tools.listening import nobody_listening
from tests.tools.messages import sent
from tests.tools.receiver import receiver


async def test_apprise_sends_it(tmp_path: Path) -> None:
    with receiver(status=200) as team:
        target = {"kind": "apprise", "url": f"json://127.0.0.1:{team.port}/in"}
        result = await sent(tmp_path, target, subject="Nightly", body="grün", level="error")

    assert result.category is None
    assert result.value["target"] == "json://"
    (request,) = team.requests
    content = json.loads(request.body)
    assert request.path == "/in"
    assert (content["title"], content["message"], content["type"]) == ("Nightly", "grün", "failure")


async def test_what_the_service_answers_sorts_the_failure(tmp_path: Path) -> None:
    with receiver(status=403) as team:
        denied = await sent(tmp_path, {"kind": "apprise", "url": f"json://127.0.0.1:{team.port}"})
        team.status = 503
        busy = await sent(tmp_path, {"kind": "apprise", "url": f"json://127.0.0.1:{team.port}"})

    assert denied.category is ErrorCategory.PERMISSION
    assert "403" in denied.message
    assert busy.category is ErrorCategory.TRANSIENT


async def test_nobody_listening_is_transient(tmp_path: Path) -> None:
    with nobody_listening() as port:
        result = await sent(tmp_path, {"kind": "apprise", "url": f"json://127.0.0.1:{port}"})

    assert result.category is ErrorCategory.TRANSIENT
    assert "nothing listens" in result.cause


async def test_a_redirect_to_where_credentials_are_given_out_is_refused(tmp_path: Path) -> None:
    with receiver(status=307, headers={"location": "http://169.254.169.254/latest/"}) as team:
        result = await sent(tmp_path, {"kind": "apprise", "url": f"json://127.0.0.1:{team.port}"})

    assert result.category is ErrorCategory.CONFIGURATION
    assert "credentials" in result.cause


async def test_a_service_that_apprise_does_not_know_is_a_matter_of_configuration(tmp_path: Path) -> None:
    result = await sent(tmp_path, {"kind": "apprise", "url": "nonsense://example.org"})

    assert result.category is ErrorCategory.CONFIGURATION
    assert "nonsense" in result.message


async def test_a_token_anywhere_in_the_url_is_not_shown(tmp_path: Path) -> None:
    with receiver(status=500, echoes=True) as team:
        url = f"json://canary-user:canary-password@127.0.0.1:{team.port}/canary-path?+X=canary-header"
        result = await sent(tmp_path, {"kind": "apprise", "url": url})

    assert result.category is ErrorCategory.TRANSIENT
    assert "canary" not in repr(result)


def test_a_token_that_stands_for_a_host_is_secret_and_a_host_is_not() -> None:
    chat = AppriseTarget(kind="apprise", url="tgram://canary-token/12345678")
    web = AppriseTarget(kind="apprise", url="json://example.org:8080/canary-path")

    assert "canary-token" in chat.secrets
    assert "example.org" not in web.secrets
    assert "canary-path" in web.secrets
