"""A mail server on this machine that takes what it is sent, or answers as a test wants it to."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import trustme

from tests.tools.listening import listening

USER, PASSWORD = "ada", "canary-of-the-mail-server"


@dataclass
class Mail:
    """What was handed over, and whether the line was encrypted by then."""

    sender: str
    recipients: list[str]
    content: bytes
    encrypted: bool
    signed_in: bool


@dataclass
class MailServer:
    """`answers` replace the server's own: by verb (`RCPT`), or verb and what follows (`RCPT TO:<eve@example.org>`)."""

    tls: str = "none"
    answers: Mapping[str, str] = field(default_factory=dict)
    silent_at: str = ""  # the verb that is never answered
    wants_login: bool = False
    mails: list[Mail] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    port: int = 0
    context: ssl.SSLContext | None = None


@contextmanager
def mail_server(ca: trustme.CA | None = None, /, **settings: Any) -> Iterator[MailServer]:
    """One that listens while the block runs; its certificate, for 127.0.0.1, is of this authority."""
    server = MailServer(**settings)
    if ca is not None:
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("127.0.0.1").configure_cert(server.context)
    with listening(_Listener(server)) as server.port:
        yield server


class _Listener(ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, server: MailServer) -> None:
        self.mail_server = server
        super().__init__(("127.0.0.1", 0), _Conversation)


class _Conversation(StreamRequestHandler):
    server: _Listener
    timeout = 60

    def handle(self) -> None:
        with suppress(OSError):  # the client hangs up when it likes
            self._talk(self.server.mail_server)

    def _talk(self, server: MailServer) -> None:
        if server.tls == "tls":
            self._encrypt(server)
        mail = Mail("", [], b"", encrypted=server.tls == "tls", signed_in=False)
        self._say("220 mail.test ready")
        while line := self.rfile.readline():
            text = line.decode().strip()
            verb = text.split()[0].upper()
            server.heard.append(text)
            if verb == server.silent_at:
                self.rfile.read()
                return
            answer = server.answers.get(text, server.answers.get(verb))
            if answer is not None:
                self._say(answer)
            elif verb == "EHLO":
                offers = ["mail.test"]
                if server.tls == "starttls" and not mail.encrypted:
                    offers.append("STARTTLS")
                if server.wants_login:
                    offers.append("AUTH PLAIN")
                self._say("\r\n".join([*(f"250-{one}" for one in offers), "250 8BITMIME"]))
            elif verb == "STARTTLS":
                self._say("220 go on")
                self._encrypt(server)
                mail.encrypted = True
            elif verb == "AUTH":
                given = base64.b64decode(text.split()[2]).split(b"\0")
                mail.signed_in = given[1:] == [USER.encode(), PASSWORD.encode()]
                self._say("235 welcome" if mail.signed_in else f"535 5.7.8 wrong password {given[2].decode()}")
            elif verb == "MAIL":
                mail.sender = text.partition("<")[2].partition(">")[0]
                self._say("250 ok")
            elif verb == "RCPT":
                mail.recipients.append(text.partition("<")[2].partition(">")[0])
                self._say("250 ok")
            elif verb == "DATA":
                self._say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                mail.content = b"".join(line.removeprefix(b".") for line in lines)
                server.mails.append(mail)
                self._say("250 2.0.0 taken as 42")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("500 what?")

    def finish(self) -> None:
        self.rfile.close()
        with suppress(OSError):
            self.wfile.close()
        self.connection.close()

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")
        self.wfile.flush()

    def _encrypt(self, server: MailServer) -> None:
        assert server.context is not None
        self.connection = server.context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")
