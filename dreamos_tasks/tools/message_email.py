"""Messages by e-mail: handed to a mail server, which takes them for all recipients or for none."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from smtplib import SMTPException, SMTPNotSupportedError, SMTPResponseException
from typing import Any

from dreamos_tasks.model.failure import Symptom, diagnose
from dreamos_tasks.tools.address_guard import AddressGuard
from dreamos_tasks.tools.extras import load
from dreamos_tasks.tools.message_targets import EmailTarget
from dreamos_tasks.tools.message_text import Level, Message, NotDelivered

SILENCE_SECONDS = 60.0  # that the server may take for one answer; greylisting servers think for half a minute
FAREWELL_SECONDS = 1.0
SHOWN_CHARACTERS = 500  # of what it says

_POLICY = SMTP_POLICY.clone(cte_type="7bit")  # no server need understand 8BITMIME


async def send(target: EmailTarget, message: Message, *, guard: AddressGuard, now: datetime) -> Mapping[str, object]:
    """Deliver it; gives what the server answered.

    Raises NotDelivered, ExtraMissing, CallRefused, and OSError when it cannot be reached or `ca_file` is not there.
    """
    library = load("aiosmtplib", extra="notify")
    server = library.SMTP(
        hostname=target.host,
        use_tls=target.tls == "tls",
        start_tls=target.tls == "starttls",
        tls_context=await asyncio.to_thread(_trusted, target),  # it reads hundreds of certificates
        timeout=SILENCE_SECONDS,
    )
    connection = await _connect(target, guard)
    try:
        await server.connect(sock=connection, local_hostname=_own_name(connection))
        answered = await _hand_over(server, target, written(target, message, now=now))
        with suppress(library.SMTPException, OSError):  # it is delivered, however the farewell goes
            await server.quit(timeout=FAREWELL_SECONDS)
    except library.SMTPResponseException as error:
        known: SMTPException = SMTPResponseException(error.code, error.message)
        raise _refused(target, f"{error.code} {_line(error.message)}", known) from error
    except (library.SMTPServerDisconnected, library.SMTPConnectError, library.SMTPTimeoutError) as error:
        raise _refused(target, _line(str(error)), error) from error
    except library.SMTPException as error:  # what is left is what the server cannot do: STARTTLS, AUTH
        raise _refused(target, _line(str(error)), SMTPNotSupportedError(str(error))) from error
    finally:
        if server.transport is not None:
            server.transport.abort()  # nobody waits for the farewell of an encrypted connection
        server.close()
    return {"code": answered.code, "text": _line(answered.message)}


def written(target: EmailTarget, message: Message, *, now: datetime) -> bytes:
    """The e-mail as it goes over the line."""
    mail = EmailMessage(_POLICY)
    mail["From"] = target.sender
    mail["To"] = ", ".join(target.recipients)
    mail["Subject"] = message.title
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{message.message_id}@{target.sender.rpartition('@')[2].strip('[]')}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence is to be answered to us
    if message.level is Level.ERROR:
        mail["Importance"] = "high"
    mail.set_content(
        f"{message.body.rstrip()}\n\n-- \n{message.level.value}, task {message.task_id}, step {message.step}\n"
    )
    return mail.as_bytes()


def _trusted(target: EmailTarget) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if target.ca_file:
        context.load_verify_locations(target.ca_file)
    return context


async def _connect(target: EmailTarget, guard: AddressGuard) -> socket.socket:
    """A connection to an address that may be called; the next one is tried where nobody answers."""
    loop = asyncio.get_running_loop()
    trouble: OSError | None = None
    for address in await guard.addresses_of(target.host, target.server_port):
        connection = socket.socket(socket.AF_INET6 if ":" in address.text else socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                await loop.sock_connect(connection, (address.text, target.server_port))
            return connection
        except OSError as error:  # TimeoutError is one
            connection.close()
            trouble = error
        except BaseException:
            connection.close()
            raise
    assert trouble is not None
    raise trouble


async def _hand_over(server: Any, target: EmailTarget, content: bytes) -> Any:
    if target.username is not None:
        await server.login(target.username, target.password)
    await server.mail(target.sender)
    for recipient in target.recipients:  # one that is refused ends it before anybody has got anything
        await server.rcpt(recipient)
    return await server.data(content)


def _own_name(connection: socket.socket) -> str:
    """How to greet the server: by the address, for nobody knows the name of a machine at home."""
    address = str(connection.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _refused(target: EmailTarget, said: str, error: BaseException) -> NotDelivered:
    whom = f"the mail server {target.host} did not take the message"
    return NotDelivered.because(f"{whom}: {said}", diagnose(Symptom(error=error)))


def _line(text: str) -> str:
    return " ".join(text.split())[:SHOWN_CHARACTERS]
