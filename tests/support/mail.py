"""A mail server on loopback: aiosmtpd, with TLS by an authority of its own, and answers as scripted.

with MailServer(certificates, security="starttls", login=("ann", "hunter22")) as server:
    server.recipients["bob@example.com"] = "550 no such user"
    ...
    assert server.wait(1)[0].recipients == ["ann@example.com"]
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import threading
import warnings
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


def certify(folder: Path, name: str = "mail.test") -> Path:
    """An authority (`ca.pem`) and a certificate of `name` (`cert.pem`, `key.pem`) that it signed."""
    authority = "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
    commands = (
        f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem {authority}",
        f"req -newkey rsa:2048 -nodes -subj /CN={name} -keyout key.pem -out cert.csr",
        "x509 -req -in cert.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out cert.pem -extfile names.txt",
    )
    (folder / "names.txt").write_text(f"subjectAltName=DNS:{name}\n")
    for command in commands:
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    return folder


@dataclass(frozen=True)
class Delivered:
    """One mail, as it came."""

    sender: str
    recipients: list[str]
    content: bytes
    encrypted: bool
    user: str | None

    @property
    def mail(self) -> EmailMessage:
        parsed = message_from_bytes(self.content.replace(b"\r\n", b"\n"), policy=default)
        assert isinstance(parsed, EmailMessage)
        return parsed


class MailServer:
    """Takes everything, unless `sender`, `recipients` (by address) or `data` hold other answers."""

    def __init__(self, certificates: Path | None = None, *, security: str = "none", login=None) -> None:
        self.sender: list[str] = []
        self.recipients: dict[str, str] = {}
        self.data: list[str] = []
        """The next answers, in turn. `hang up`: take the message and close without a word."""
        self.goodbye = "221 Bye"
        self.delivered: list[Delivered] = []
        self.attempts = 0
        self._arrived = threading.Condition()
        self._security = security
        self._login = login
        self._tls = None
        if certificates is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def __enter__(self) -> MailServer:
        self._thread.start()
        listening = asyncio.run_coroutine_threadsafe(self._listen(), self._loop)
        self._server = listening.result(30)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        async def close() -> None:
            self._server.close()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def wait(self, count: int, timeout_s: float = 60) -> list[Delivered]:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.delivered) >= count, timeout_s), self.delivered
            return list(self.delivered)

    async def _listen(self) -> asyncio.Server:
        implicit = self._tls if self._security == "tls" else None
        return await self._loop.create_server(self._smtp, "127.0.0.1", 0, ssl=implicit)

    def _smtp(self) -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of logins without STARTTLS, also where TLS came first
            return SMTP(
                self,
                hostname="mail.test",
                loop=self._loop,
                tls_context=self._tls if self._security == "starttls" else None,
                require_starttls=self._security == "starttls",
                authenticator=self._authenticate if self._login else None,
                auth_required=bool(self._login),
                auth_require_tls=False,
            )

    def _authenticate(self, server, session, envelope, mechanism, data) -> AuthResult:
        offered = (data.login.decode(), data.password.decode())
        return AuthResult(success=offered == self._login, handled=False, auth_data=offered[0])

    async def handle_MAIL(self, server, session, envelope, address, options) -> str:  # noqa: N802 - aiosmtpd's names
        answer = self.sender.pop(0) if self.sender else "250 OK"
        if answer.startswith("250"):
            envelope.mail_from = address
        return answer

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:  # noqa: N802
        answer = self.recipients.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_QUIT(self, server, session, envelope) -> str:  # noqa: N802
        return self.goodbye

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = self.data.pop(0) if self.data else "250 2.0.0 queued as 4F2"
        if answer.startswith(("250", "hang")):
            taken = Delivered(
                envelope.mail_from or "",
                list(envelope.rcpt_tos),
                envelope.original_content or b"",
                session.ssl is not None or self._security == "tls",
                session.auth_data,
            )
            with self._arrived:
                self.delivered.append(taken)
                self._arrived.notify_all()
        if answer.startswith("hang"):
            server.transport.abort()
        return answer
