"""The tool `message`: what holds for all its targets."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
import yaml
from pydantic import TypeAdapter

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.references import revealed
from dreamos_tasks.protocols import ToolAdapter
from dreamos_tasks.testing import context_in
from dreamos_tasks.testing.leftovers import Leftovers
from dreamos_tasks.tools.message import MessageOptions
from dreamos_tasks.tools.message_targets import AppriseTarget, EmailTarget, WebhookTarget
from tests.test_guides import CALLS, GUIDE
from tests.tools.adapter_suite import AdapterSuite
from tests.tools.mail_server import MailServer, mail_server
from tests.tools.messages import SIGNING_SECRET, message_tool, sent, webhook
from tests.tools.receiver import Receiver, receiver
from tests.waiting import until

Params = Mapping[str, object]


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


class TestMessage(AdapterSuite):
    """Its three kinds of targets, all of them on this machine."""

    @pytest.fixture(autouse=True)
    def servers(self, ca: trustme.CA, tmp_path: Path) -> Iterator[None]:
        self.ca_file = tmp_path / "ca.pem"
        ca.cert_pem.write_to_path(str(self.ca_file))
        with (
            receiver() as self.receiver,
            receiver(silent=True) as self.silent,
            receiver(status=500, echoes=True) as self.echo,
            mail_server(ca, tls="starttls") as self.mail,
        ):
            yield

    receiver: Receiver
    silent: Receiver
    echo: Receiver
    mail: MailServer

    def make_tool(self) -> ToolAdapter:
        return message_tool(
            MessageOptions(
                targets={"team": WebhookTarget(kind="webhook", url=self.receiver.url, secret=SIGNING_SECRET)}
            )
        )

    def email(self) -> dict[str, object]:
        """An inline target."""
        return {
            "kind": "email",
            "host": "127.0.0.1",
            "port": self.mail.port,
            "sender": "dt@example.org",
            "recipients": ["ada@example.org"],
            "ca_file": str(self.ca_file),
        }

    def good_params(self) -> Sequence[Params]:
        return [
            {"to": "team", "body": "done"},
            {"to": webhook(self.receiver.url), "subject": "Döne", "body": "all\nof it", "level": "success"},
            {"to": self.email(), "body": "done", "level": "error"},
            {"to": {"kind": "apprise", "url": f"json://127.0.0.1:{self.receiver.port}"}, "body": "done"},
        ]

    def bad_params(self) -> Sequence[Params]:
        return [
            {},
            {"to": "nobody", "body": "done"},
            {"to": "team"},
            {"to": "team", "body": " "},
            {"to": "team", "body": "done", "subject": "two\nlines"},
            {"to": "team", "body": "done", "level": "loud"},
            {"to": {"kind": "pigeon"}, "body": "done"},
            {"to": {**webhook(self.receiver.url), "secret": "not base64!"}, "body": "done"},
            {"to": {**webhook(self.receiver.url), "url": "ftp://example.org"}, "body": "done"},
            {"to": {**self.email(), "recipients": []}, "body": "done"},
            {"to": {**self.email(), "sender": "dt@example.org\nBcc: eve@example.org"}, "body": "done"},
            {"to": {**self.email(), "tls": "none", "username": "ada", "password": "x"}, "body": "done"},
            {"to": {"kind": "apprise", "url": "no url"}, "body": "done"},
        ]

    def failing_params(self) -> Sequence[Params]:
        return [
            {"to": webhook(self.echo.url), "body": "done"},
            {"to": {**self.email(), "ca_file": None}, "body": "done"},
            {"to": {"kind": "apprise", "url": f"json://127.0.0.1:{self.echo.port}"}, "body": "done"},
            {"to": {"kind": "apprise", "url": "nothing://127.0.0.1"}, "body": "done"},
        ]

    def slow_params(self) -> Params | None:
        return {"to": webhook(self.silent.url), "body": "done"}

    def slow_call_is_under_way(self, workspace: Path) -> bool:
        return bool(self.silent.requests)

    def secret_params(self, secret: str) -> Params | None:
        return {"to": webhook(f"{self.echo.url}/{secret}"), "body": f"the key is {secret}"}


@pytest.mark.parametrize("kind", ["webhook", "apprise", "email"])
async def test_a_cancelled_delivery_leaves_nothing_behind(tmp_path: Path, kind: str, ca: trustme.CA) -> None:
    await asyncio.to_thread(str)  # the loop's own thread is there before, and nobody waits for its end
    leftovers = Leftovers(secrets.token_hex(8))
    context = context_in(tmp_path)
    context = replace(context, environment={**context.environment, **leftovers.environment})
    with receiver(silent=True) as silent, mail_server(silent_at="DATA") as mail:
        targets: Mapping[str, object] = {
            "webhook": webhook(silent.url),
            "apprise": {"kind": "apprise", "url": f"json://127.0.0.1:{silent.port}"},
            "email": {
                "kind": "email",
                "host": "127.0.0.1",
                "port": mail.port,
                "tls": "none",
                "sender": "dt@example.org",
                "recipients": ["ada@example.org"],
            },
        }
        call = asyncio.ensure_future(sent(tmp_path, targets[kind], context=context))
        await until(lambda: silent.requests or "DATA" in mail.heard, what="the receiver has the message")

        call.cancel()
        await asyncio.wait([call])

        assert call.cancelled()
    assert not [line for line in leftovers.found() if line.startswith("process")]  # the servers' threads have ended


@pytest.mark.parametrize("kind", ["webhook", "apprise"])
async def test_a_target_that_never_answers_is_given_up_at_the_timeout(tmp_path: Path, kind: str) -> None:
    with receiver(silent=True) as silent:
        target = webhook(silent.url) if kind == "webhook" else {"kind": kind, "url": f"json://127.0.0.1:{silent.port}"}

        result = await sent(tmp_path, target, context=context_in(tmp_path, timeout_seconds=2.0))

    assert result.category is not None
    assert "2 s" in result.message


async def test_a_delivery_is_recorded(tmp_path: Path) -> None:
    at = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
    with receiver(status=202, body=b"queued") as team:
        options = MessageOptions(targets={"team": WebhookTarget(kind="webhook", url=team.url, secret=SIGNING_SECRET)})
        tool = message_tool(options, now=lambda: at)

        result = await sent(tmp_path, "team", tool=tool, context=context_in(tmp_path, attempt=3))

    assert result.category is None
    message_id = result.value.pop("message_id")
    assert message_id == team.requests[0].headers["webhook-id"]
    assert result.value == {
        "target": "team",
        "kind": "webhook",
        "delivered_at": "2026-11-21T12:30:00.000000Z",
        "attempt": 3,
        "response": {"status": 202, "body": "queued"},
    }


async def test_sent_again_a_message_has_the_id_and_the_bytes_it_had(tmp_path: Path) -> None:
    with receiver(status=503) as team:
        target = webhook(team.url)
        await sent(tmp_path, target, context=context_in(tmp_path, attempt=1, token=1))
        await sent(tmp_path, target, context=context_in(tmp_path, attempt=2, token=4))
        await sent(tmp_path, target, context=context_in(tmp_path, step="other"))
        await sent(tmp_path, target, context=context_in(tmp_path, task_id="dt-other"))
        await sent(tmp_path, target, body="another")
        await sent(tmp_path, target, tool=message_tool(board_id="another board"))

    first, again, *others = team.requests
    assert again.headers["webhook-id"] == first.headers["webhook-id"]
    assert again.body == first.body
    ids = [request.headers["webhook-id"] for request in (first, *others)]
    assert len(set(ids)) == len(ids)


async def test_a_target_that_is_not_configured_is_named_with_its_neighbour(tmp_path: Path) -> None:
    target = WebhookTarget(kind="webhook", url="https://example.org", secret=SIGNING_SECRET)

    (problem,) = message_tool(MessageOptions(targets={"team": target})).validate({"to": "taem", "body": "x"})

    assert problem.pointer == "/to"
    assert problem.message == "there is no target 'taem'; did you mean 'team'?"


async def test_the_address_guard_holds_for_every_kind_of_target(tmp_path: Path) -> None:
    email = {"kind": "email", "host": "169.254.169.254", "sender": "a@example.org", "recipients": ["b@example.org"]}
    for target in (webhook("http://169.254.169.254/"), email, {"kind": "apprise", "url": "json://169.254.169.254"}):
        result = await sent(tmp_path, target)

        assert result.category is ErrorCategory.CONFIGURATION
        assert "credentials" in result.message + result.cause


async def test_the_daemon_itself_is_never_called(tmp_path: Path) -> None:
    with receiver() as daemon:
        tool = message_tool(MessageOptions(daemon_address=f"127.0.0.1:{daemon.port}"))
        for target in (
            webhook(f"http://localhost:{daemon.port}"),
            {"kind": "apprise", "url": f"json://localhost:{daemon.port}"},
        ):
            result = await sent(tmp_path, target, tool=tool)

            assert result.category is ErrorCategory.CONFIGURATION
        assert not daemon.requests


def test_secrets_of_a_target_are_not_in_its_repr() -> None:
    hook = WebhookTarget(kind="webhook", url="https://example.org", secret=SIGNING_SECRET)
    mail = EmailTarget(
        kind="email", host="h", sender="a@example.org", recipients=("b@example.org",), username="u", password="canary"
    )
    chat = AppriseTarget(kind="apprise", url="tgram://canary/1")

    shown = repr((hook, mail, chat))

    assert SIGNING_SECRET not in shown
    assert "canary" not in shown


async def test_health_names_what_installs_a_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamos_tasks.tools.message.is_installed", lambda library: library != "aiosmtplib")
    team = WebhookTarget(kind="webhook", url="https://example.org", secret=SIGNING_SECRET)

    without_targets = await message_tool().health()
    webhooks_only = await message_tool(MessageOptions(targets={"team": team})).health()

    assert not without_targets.ok
    assert without_targets.fix == "pip install 'dreamos-tasks[notify]'"
    assert "aiosmtplib" in without_targets.detail
    assert webhooks_only.ok


@pytest.mark.parametrize("library", ["standardwebhooks", "aiosmtplib", "apprise"])
async def test_a_missing_library_is_a_matter_of_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, library, None)  # an import of it fails
    email = {"kind": "email", "host": "127.0.0.1", "sender": "a@example.org", "recipients": ["b@example.org"]}
    targets = {
        "standardwebhooks": webhook("http://127.0.0.1:9"),
        "aiosmtplib": email,
        "apprise": {"kind": "apprise", "url": "json://127.0.0.1:9"},
    }

    result = await sent(tmp_path, targets[library])

    assert result.category is ErrorCategory.CONFIGURATION
    assert library in result.message
    assert result.suggestions == ("pip install 'dreamos-tasks[notify]'",)


@pytest.mark.parametrize("params", [params for name, params in CALLS if name == "message"])
def test_a_call_in_the_guide_is_right(params: Params) -> None:
    team = WebhookTarget(kind="webhook", url="https://example.org", secret=SIGNING_SECRET)
    known, _ = revealed(params, {"OTHER_HOOK": SIGNING_SECRET, "MAIL": "secret"})

    assert message_tool(MessageOptions(targets={"team": team})).validate(known) == ()


def test_the_targets_in_the_guide_are_options_of_the_tool() -> None:
    block = re.search(r"^```yaml\n(tools:\n  message:\n.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert block is not None
    options = yaml.safe_load(block[1])["tools"]["message"]["options"]
    known, _ = revealed(options, {"TEAM_HOOK": SIGNING_SECRET, "MAIL": "secret"})

    read = TypeAdapter(MessageOptions).validate_python(known)

    assert [type(target) for target in read.targets.values()] == [WebhookTarget, EmailTarget, AppriseTarget]
