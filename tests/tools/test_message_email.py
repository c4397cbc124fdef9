"""Messages by e-mail: encrypted, for all recipients or for none, and refused in the server's own words."""

from __future__ import annotations

import email
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
import trustme

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.testing import context_in
from tests.tools.listening import nobody_listening
from tests.tools.mail_server import PASSWORD, USER, Mail, MailServer, mail_server
from tests.tools.messages import sent
from tests.waiting import until


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


def mailbox(server: MailServer, folder: Path, ca: trustme.CA | None = None, **changes: object) -> dict[str, object]:
    """An inline target: this server, whose certificate is trusted."""
    target: dict[str, object] = {
        "kind": "email",
        "host": "127.0.0.1",
        "port": server.port,
        "tls": server.tls,
        "sender": "dt@example.org",
        "recipients": ["ada@example.org", "bob@example.org"],
    }
    if ca is not None:
        ca.cert_pem.write_to_path(str(folder / "ca.pem"))
        target["ca_file"] = str(folder / "ca.pem")
    return {**target, **changes}


def read(mail: Mail) -> EmailMessage:
    message = email.message_from_bytes(mail.content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_mail_is_handed_over_encrypted_and_signed_in(tmp_path: Path, ca: trustme.CA, tls: str) -> None:
    with mail_server(ca, tls=tls, wants_login=True) as server:
        target = mailbox(server, tmp_path, ca, username=USER, password=PASSWORD)
        result = await sent(tmp_path, target, subject="Nächtlich", body="rot\n.\nÄ ende", level="error")
        await until(lambda: server.heard[-1] == "QUIT", what="the farewell")

    assert result.category is None
    (mail,) = server.mails
    assert (mail.encrypted, mail.signed_in) == (True, True)
    assert (mail.sender, mail.recipients) == ("dt@example.org", ["ada@example.org", "bob@example.org"])
    message = read(mail)
    assert message["From"] == "dt@example.org"
    assert message["To"] == "ada@example.org, bob@example.org"
    assert message["Subject"] == "Nächtlich"
    assert message["Message-ID"] == f"<{result.value['message_id']}@example.org>"
    assert message["Date"].datetime.utcoffset() is not None
    assert message["Importance"] == "high"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().splitlines() == ["rot", ".", "Ä ende", "", "-- ", "error, task dt-7k2m, step step"]
    assert result.value["response"] == {"code": 250, "text": "2.0.0 taken as 42"}


async def test_without_a_subject_it_is_the_first_line_of_the_body(tmp_path: Path) -> None:
    with mail_server() as server:
        await sent(tmp_path, mailbox(server, tmp_path), body="\n  the build is red  \nsince noon")

    assert read(server.mails[0])["Subject"] == "the build is red"


async def test_a_server_without_starttls_is_told_nothing(tmp_path: Path, ca: trustme.CA) -> None:
    with mail_server() as server:
        target = mailbox(server, tmp_path, ca, tls="starttls", username=USER, password=PASSWORD)
        result = await sent(tmp_path, target)

    assert result.category is ErrorCategory.CONFIGURATION
    assert "STARTTLS" in result.message
    assert not any(line.startswith(("AUTH", "MAIL")) for line in server.heard)


async def test_a_server_with_a_foreign_certificate_is_told_nothing(tmp_path: Path, ca: trustme.CA) -> None:
    with mail_server(ca, tls="starttls", wants_login=True) as server:
        result = await sent(tmp_path, mailbox(server, tmp_path, username=USER, password=PASSWORD))

    assert result.category is ErrorCategory.CONFIGURATION
    assert "certificate" in result.cause
    assert not any(line.startswith(("AUTH", "MAIL")) for line in server.heard)


async def test_a_wrong_password_is_a_matter_of_permission_and_not_shown(tmp_path: Path, ca: trustme.CA) -> None:
    with mail_server(ca, tls="starttls", wants_login=True) as server:
        target = mailbox(server, tmp_path, ca, username=USER, password="canary-but-wrong")
        result = await sent(tmp_path, target)

    assert result.category is ErrorCategory.PERMISSION
    assert "535" in result.message
    assert "canary" not in repr(result)


@pytest.mark.parametrize(
    ("answers", "category"),
    [
        ({"EHLO": "421 4.3.2 shutting down", "HELO": "421 4.3.2 shutting down"}, ErrorCategory.TRANSIENT),
        ({"MAIL": "451 4.7.1 greylisted, come back later"}, ErrorCategory.TRANSIENT),
        ({"RCPT": "550 5.1.1 no such user"}, ErrorCategory.CONFIGURATION),
        ({"MAIL": "530 5.7.0 authentication required"}, ErrorCategory.PERMISSION),
        ({"DATA": "452 4.3.1 out of storage"}, ErrorCategory.RESOURCE),
        ({"DATA": "554 5.6.0 no"}, ErrorCategory.CONFIGURATION),
    ],
)
async def test_a_refusal_is_sorted_by_its_code(
    tmp_path: Path, answers: Mapping[str, str], category: ErrorCategory
) -> None:
    with mail_server(answers=answers) as server:
        result = await sent(tmp_path, mailbox(server, tmp_path))

    assert result.category is category
    assert next(iter(answers.values())) in result.message
    assert not server.mails


async def test_when_one_recipient_is_refused_nobody_gets_it(tmp_path: Path) -> None:
    with mail_server(answers={"RCPT TO:<bob@example.org>": "550 5.1.1 no such user"}) as server:
        result = await sent(tmp_path, mailbox(server, tmp_path))

    assert result.category is ErrorCategory.CONFIGURATION
    assert "DATA" not in server.heard


async def test_what_is_delivered_stays_so_whatever_the_farewell_is_like(tmp_path: Path) -> None:
    with mail_server(answers={"QUIT": "421 too late"}) as rude, mail_server(silent_at="QUIT") as silent:
        assert (await sent(tmp_path, mailbox(rude, tmp_path))).category is None
        assert (await sent(tmp_path, mailbox(silent, tmp_path))).category is None


async def test_a_silent_server_is_given_up_at_the_timeout(tmp_path: Path) -> None:
    with mail_server(silent_at="DATA") as server:
        result = await sent(tmp_path, mailbox(server, tmp_path), context=context_in(tmp_path, timeout_seconds=0.5))

    assert result.category is ErrorCategory.TRANSIENT
    assert "within 0.5 s" in result.message


async def test_nobody_listening_is_transient(tmp_path: Path) -> None:
    with nobody_listening() as port:
        result = await sent(tmp_path, mailbox(MailServer(port=port), tmp_path))

    assert result.category is ErrorCategory.TRANSIENT
    assert "ada@example.org" in result.message
