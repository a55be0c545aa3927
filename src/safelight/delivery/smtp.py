"""Posting a mail: one connection to a checked address, one message, the server's own words.

What an answer means is RFC 5321 §4.2.1: 4yz may be yes later (greylisting is 450 or 451), 5yz will not be. No to the
login or to the sender is no to every message.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import anyio
import anyio.to_thread

from ..channels import ANSWER_MAX, Mail
from ..errors import ChannelBroken, DeliveryError, Retryable
from .exchange import authorities
from .guard import Address, check, resolved

CONNECT_S: Final = 5.0
READ_S: Final = 10.0
_TAKEN: Final = {250, 251}
_TOO_LARGE: Final = 552
"""The one refusal of MAIL FROM that is about the message, not about the sender."""


class Unanswered(TimeoutError):
    """The connection was lost after the message had gone out: it may have been taken."""


async def post(mail: Mail, *, allow_private: bool) -> str:
    """The server's words for yes, and whom it refused among several (they are not tried again).

    Raises DeliveryError (Retryable, ChannelBroken) by its answer, Retryable when it cannot be reached, Unanswered when
    the message went out and no answer came.
    """
    try:
        with anyio.fail_after(CONNECT_S):
            addresses = await resolved(mail.host, mail.port)
    except (OSError, UnicodeError) as error:  # TimeoutError among them
        raise _unreachable(mail, error) from error
    if not allow_private:
        check(mail.host, addresses)
    return await anyio.to_thread.run_sync(_post, mail, addresses, abandon_on_cancel=True)


def _post(mail: Mail, addresses: Iterable[Address]) -> str:
    try:
        with _connected(mail, addresses) as line:
            return line.tell()
    except ssl.SSLError as error:
        raise Retryable("channels.smtp.not_trusted", host=mail.host, reason=error.reason or str(error)) from error
    except smtplib.SMTPResponseException as error:  # 421 at any point, or no greeting
        raise _no(error.smtp_code, error.smtp_error) from error
    except Unanswered:
        raise
    except (smtplib.SMTPException, OSError) as error:
        raise _unreachable(mail, error) from error


def _connected(mail: Mail, addresses: Iterable[Address]) -> _Line:
    failure: OSError = ConnectionError()
    for address in addresses:
        try:
            return _Line(mail, address)
        except ssl.SSLError:
            raise
        except OSError as error:  # nothing was sent: the next address may do
            failure = error
    raise failure


class _Line(smtplib.SMTP):
    """A connection to `address`, which has greeted us and proven to be `mail.host`."""

    def __init__(self, mail: Mail, address: Address) -> None:
        super().__init__(timeout=CONNECT_S, local_hostname="localhost")
        self._mail = mail
        self._address = str(address)
        self._host = mail.host  # whom STARTTLS asks for a certificate
        try:
            code, said = self.connect(mail.host, mail.port)
            if code != 220:
                raise smtplib.SMTPConnectError(code, said)
            if self.sock is None:
                raise smtplib.SMTPServerDisconnected
            own = str(self.sock.getsockname()[0])
            # RFC 5321 §4.1.3: by number, because the name of this machine means nothing outside.
            self.local_hostname = f"[IPv6:{own}]" if ":" in own else f"[{own}]"
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        with suppress(smtplib.SMTPException, OSError):  # what becomes of the goodbye changes nothing any more
            self.docmd("QUIT")
        self.close()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = socket.create_connection((self._address, port), timeout)
        connection.settimeout(READ_S)
        if self._mail.security != "tls":
            return connection
        try:
            return self._tls().wrap_socket(connection, server_hostname=host)
        except BaseException:
            connection.close()
            raise

    def tell(self) -> str:
        """Everything after the greeting. Raises DeliveryError by the answers."""
        self._prove()
        self._name_sender()
        refused = self._name_recipients()
        code, said = self.docmd("DATA")
        if code != 354:
            raise _no(code, said)
        try:
            self.send(re.sub(rb"(?m)^\.", b"..", self._mail.message) + b".\r\n")
            code, said = self.getreply()
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            raise Unanswered(type(error).__name__) from error
        if code != 250:
            raise _no(code, said)
        exceptions = "".join(f" ✗ {who}: {words}" for who, words in refused.items())
        return f"{_words(code, said)}{exceptions}"[:ANSWER_MAX]

    def _prove(self) -> None:
        mail = self._mail
        try:
            self.ehlo_or_helo_if_needed()
            if mail.security == "starttls":
                self.starttls(context=self._tls())
                self.ehlo_or_helo_if_needed()
            if mail.user is not None:
                self.login(mail.user, mail.password or "")
        except smtplib.SMTPAuthenticationError as error:
            if error.smtp_code < 500:
                raise _no(error.smtp_code, error.smtp_error) from error
            raise ChannelBroken("channels.refused", answer=_words(error.smtp_code, error.smtp_error)) from error
        except smtplib.SMTPNotSupportedError as error:
            raise ChannelBroken("channels.smtp.not_supported", host=mail.host, reason=str(error)) from error

    def _name_sender(self) -> None:
        options = [f"SIZE={len(self._mail.message)}"] if self.has_extn("size") else []
        code, said = self.mail(self._mail.sender, options)
        if code in _TAKEN:
            return
        if code < 500 or code == _TOO_LARGE:
            raise _no(code, said)
        raise ChannelBroken("channels.refused", answer=_words(code, said))

    def _name_recipients(self) -> dict[str, str]:
        """Whom the server does not take, and why. Raises DeliveryError when it takes nobody."""
        refused: dict[str, tuple[int, bytes]] = {}
        for recipient in self._mail.recipients:
            code, said = self.rcpt(recipient)
            if code == 421:
                raise _no(code, said)
            if code not in _TAKEN:
                refused[recipient] = code, said
        if len(refused) == len(self._mail.recipients):
            raise _no(*min(refused.values(), key=lambda answer: answer[0]))  # one that may be taken later, if any
        return {recipient: _words(*answer) for recipient, answer in refused.items()}

    def _tls(self) -> ssl.SSLContext:
        return authorities() if self._mail.ca is None else ssl.create_default_context(cafile=str(self._mail.ca))


def _words(code: int, said: bytes | str) -> str:
    told = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return " ".join(f"{code} {told}".split())[:ANSWER_MAX]


def _no(code: int, said: bytes | str) -> DeliveryError:
    if 500 <= code < 600:
        return DeliveryError("channels.refused", answer=_words(code, said))
    return Retryable("channels.not_now", answer=_words(code, said))


def _unreachable(mail: Mail, error: BaseException) -> Retryable:
    return Retryable("channels.unreachable", host=mail.host, reason=type(error).__name__)
