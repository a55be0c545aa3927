"""Handing a message to the Apprise library, which knows services that Safelight has no channel for.

Its connections are its own: neither the address check nor a channel's proxy applies to them, it follows redirects, and
its yes is unverified: it looks at the HTTP status, where some services say no in the body.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio.to_thread

from ..channels import Foreign
from ..errors import ChannelBroken, Retryable

YES: Final = "accepted by the library; unverified"


async def hand_over(message: Foreign) -> str:
    """What is known of a message that the library took. Raises Retryable when it says no: it does not say why, nor
    whether that is for good. ChannelBroken when it is missing or does not understand the address."""
    return await anyio.to_thread.run_sync(_notify, message, abandon_on_cancel=True)


def _notify(message: Foreign) -> str:
    try:
        service = _library().Apprise()
    except ImportError as error:
        raise ChannelBroken("channels.apprise.missing") from error
    if not service.add(message.url):
        raise ChannelBroken("channels.apprise.unknown_address")
    with _attached(message.picture) as pictures:
        if service.notify(title=message.title, body=message.text, attach=pictures, body_format="text"):
            return YES
    raise Retryable("channels.apprise.refused")


@cache
def _library() -> Any:
    """The library with all its services, and without its log: at DEBUG it prints tokens, at WARNING addresses."""
    logging.getLogger("apprise").disabled = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of modules that it imports
        import apprise  # noqa: PLC0415 - an extra, and 40 MB of memory

        apprise.Apprise().add("json://localhost")  # the first address loads every service
    return apprise


@contextmanager
def _attached(picture: bytes | None) -> Iterator[list[str] | None]:
    if picture is None:
        yield None
        return
    with TemporaryDirectory(prefix="safelight-") as folder:
        path = Path(folder) / "chart.png"
        path.write_bytes(picture)
        yield [str(path)]
