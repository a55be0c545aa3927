"""Links in a message that do something with one tap: whoever has the link may do that one thing, until it expires.

A token is base64url of `action|expiry|subject` and the first 16 bytes of its HMAC-SHA256. Following a link only shows
what it would do; doing it takes a second tap, because chats fetch links to preview them.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from ..errors import InputError, StoreError

GOOD_FOR: Final = timedelta(days=7)
TOGETHER_MAX: Final = 8
"""Alerts of one link: a link of 300 characters still fits everywhere."""
TOKEN_MAX: Final = 1_000
"""Characters of a token that is looked at."""
_KEY_BYTES: Final = 32
_MAC_BYTES: Final = 16
"""Half of the digest: RFC 2104 §5 wants no less, and links stay short."""

Sign = Callable[[str, str], str]
"""Makes the token for an action and a subject."""


class Do(StrEnum):
    """What a link does."""

    SILENCE = "silence"
    ACKNOWLEDGE = "acknowledge"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Action:
    """What a link stands for. `subject`: ids of alerts separated by commas, or the id of a run."""

    do: Do
    subject: str
    expires: datetime

    @property
    def alerts(self) -> tuple[str, ...]:
        """The alerts it is about."""
        return tuple(self.subject.split(","))


class LinkForged(InputError):
    """Nobody here has signed this: it was cut short by a program on its way, or made up."""


class LinkExpired(InputError):
    """It was good once."""


class Signer:
    """Signs and checks links with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def of(cls, path: Path) -> Signer:
        """With the key in this file, made now if there is none. Raises StoreError when that cannot be."""
        try:
            return cls(_key(path))
        except OSError as error:
            raise StoreError("alerts.links_key", path=path, reason=error.strerror or error) from error

    def sign(self, action: str, subject: str, expires: datetime) -> str:
        """The token, to the second."""
        told = f"{Do(action)}|{int(expires.timestamp())}|{subject}".encode()
        return base64.urlsafe_b64encode(self._mac(told) + told).decode().rstrip("=")

    def signing(self, now: Callable[[], datetime]) -> Sign:
        """Signs what is good for 7 days from then on."""
        return lambda action, subject: self.sign(action, subject, now() + GOOD_FOR)

    def verify(self, token: str, now: datetime) -> Action:
        """What the link stands for. Raises LinkForged, LinkExpired."""
        with suppress(ValueError, binascii.Error, UnicodeError, OverflowError):
            if len(token) <= TOKEN_MAX:
                whole = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
                mac, told = whole[:_MAC_BYTES], whole[_MAC_BYTES:]
                if hmac.compare_digest(mac, self._mac(told)):
                    do, seconds, subject = told.decode().split("|", 2)
                    action = Action(Do(do), subject, datetime.fromtimestamp(int(seconds), UTC))
                    if now >= action.expires:
                        raise LinkExpired("alerts.link_expired")
                    return action
        raise LinkForged("alerts.link_forged")

    def _mac(self, told: bytes) -> bytes:
        return hmac.digest(self._key, told, "sha256")[:_MAC_BYTES]


def _key(path: Path) -> bytes:
    """Written aside and linked into place, so that two that begin at once agree on one; only ours to read."""
    with suppress(FileNotFoundError):
        key = path.read_bytes()
        if len(key) >= _KEY_BYTES:
            return key
        path.unlink()  # a disk that was full when it was written
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return path.read_bytes()
