"""HELO, PING and PONG: two sides show each other that they have the same key, and a client who it is.

    server: ["HELO", {"nonce": N, "auth": S, "keepalive": true}]
    client: ["PING", hostname, salt, sha512(salt + hostname + nonce + key), user, sha512(auth + user + password)]
    server: ["PONG", true, "", hostname, sha512(salt + hostname + nonce + key)]

Without TLS the key and the password are not on the wire, but everything that follows is readable.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from hashlib import sha512
from typing import Any, Final, NamedTuple

import msgpack
import msgspec

from .frames import Malformed

NONCE: Final = 16
"""Bytes. Sent as binary, as Fluentd does: clients that know only one form know that one."""
PING_LIMIT: Final = 4096
"""Bytes of a message of the handshake."""

_encode: Final = msgspec.msgpack.Encoder().encode


def _bytes(value: Any) -> bytes:
    """Text or binary: Fluent Bit writes random bytes as text."""
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)


def _digest(*parts: Any) -> str:
    return sha512(b"".join(map(_bytes, parts))).hexdigest()


def _same(one: Any, other: str) -> bool:
    return isinstance(one, str | bytes) and hmac.compare_digest(_bytes(one), other.encode())


def _message(data: bytes, kind: str, parts: int) -> list[Any]:
    try:
        message = msgpack.unpackb(data, unicode_errors="surrogateescape", strict_map_key=False)
    except (ValueError, TypeError) as error:
        raise Malformed("forward.bad_handshake", expected=kind) from error
    if not isinstance(message, list) or len(message) != parts or message[0] not in (kind, kind.encode()):
        raise Malformed("forward.bad_handshake", expected=kind)
    return message


class Answer(NamedTuple):
    """What a server says to a PING, and why it let nobody in; "" when it did."""

    pong: bytes
    refused: str


class Doorkeeper:
    """The server's side of one connection."""

    def __init__(
        self,
        key: str,
        users: Mapping[str, str],
        hostname: str,
        nonce: bytes | None = None,
        salt: bytes | None = None,
    ) -> None:
        self._key = key
        self._users = users
        self._hostname = hostname
        self._nonce = nonce or os.urandom(NONCE)
        self._salt = (salt or os.urandom(NONCE)) if users else b""

    def helo(self) -> bytes:
        """What is said first."""
        return _encode(["HELO", {"nonce": self._nonce, "auth": self._salt, "keepalive": True}])

    def answer(self, data: bytes) -> Answer:
        """What to say to a PING. Raises Malformed when it is none."""
        _, hostname, salt, digest, user, password = _message(data, "PING", 6)
        if not all(isinstance(part, str | bytes) for part in (hostname, salt, digest, user, password)):
            raise Malformed("forward.bad_handshake", expected="PING")
        if not _same(digest, _digest(salt, hostname, self._nonce, self._key)):
            return self._no("shared_key mismatch")
        name = _bytes(user).decode("utf-8", "replace")
        known = self._users.get(name)
        right = _same(password, _digest(self._salt, user, known or ""))
        if self._users and (known is None or not right):
            return self._no("username/password mismatch")
        pong = ["PONG", True, "", self._hostname, _digest(salt, self._hostname, self._nonce, self._key)]
        return Answer(_encode(pong), "")

    @staticmethod
    def _no(reason: str) -> Answer:
        return Answer(_encode(["PONG", False, reason, "", ""]), reason)


class Visitor:
    """The client's side of one connection."""

    def __init__(self, key: str, user: str, password: str, hostname: str, salt: str | None = None) -> None:
        self._key = key
        self._user = user
        self._password = password
        self._hostname = hostname
        self._salt = salt or os.urandom(NONCE).hex()  # as text: Fluent Bit refuses binary
        self._nonce: Any = b""

    def ping(self, data: bytes) -> bytes:
        """What to say to a HELO. Raises Malformed when it is none."""
        options = _message(data, "HELO", 2)[1]
        if not isinstance(options, dict):
            raise Malformed("forward.bad_handshake", expected="HELO")
        named = {_bytes(key): value for key, value in options.items() if isinstance(key, str | bytes)}
        self._nonce, auth = named.get(b"nonce", b""), named.get(b"auth", b"")
        if not isinstance(self._nonce, str | bytes) or not isinstance(auth, str | bytes):
            raise Malformed("forward.bad_handshake", expected="HELO")
        digest = _digest(self._salt, self._hostname, self._nonce, self._key)
        user, password = (self._user, _digest(auth, self._user, self._password)) if auth else ("", "")
        return _encode(["PING", self._hostname, self._salt, digest, user, password])

    def refusal(self, data: bytes) -> str:
        """Why the server let us not in, or is not to be trusted; "" when all is well. Raises Malformed."""
        _, taken, reason, hostname, digest = _message(data, "PONG", 5)
        if taken is not True:
            shown = reason if isinstance(reason, str | bytes) else repr(reason)
            return _bytes(shown)[:200].decode("utf-8", "replace") or "refused"
        if not isinstance(hostname, str | bytes):
            raise Malformed("forward.bad_handshake", expected="PONG")
        right = _same(digest, _digest(self._salt, hostname, self._nonce, self._key))
        return "" if right else "the server does not have the same shared_key"
