"""Handing over again what fires, to peers that forget: Alertmanager keeps alerts in memory, and ends them unrepeated.

Apart from the outbox: nothing is lost when one of these fails, the next one says all of it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from ..channels import Channel
from ..errors import DeliveryError, SafelightError
from .converse import InDoubt, converse
from .exchange import client

Current = Callable[[], Sequence[Mapping[str, Any]]]
"""Alerts as in a Notification: those told and firing, and those that ended in the last 15 minutes. Called in a worker
thread."""


async def resend(
    channel: Channel,
    every: timedelta,
    current: Current,
    *,
    now: Callable[[], datetime],
    works: Callable[[], bool],
    failed: Callable[[SafelightError], None],
) -> None:
    """At once and then at every `every`, until cancelled. `failed` is told the first failure of several in a row;
    nothing is sent while the channel does not work."""
    well = True
    async with client(channel) as connection:
        while True:
            try:
                if await anyio.to_thread.run_sync(works):
                    alerts = await anyio.to_thread.run_sync(partial(_taken, channel, current))
                    if alerts:
                        await converse(channel, channel.reminder(alerts, now()), connection)
                    well = True
            except Exception as error:  # noqa: BLE001 - one channel's mistake must not stop the others
                if well:
                    failed(_said(error))
                well = False
            await anyio.sleep(every.total_seconds())


def _said(error: Exception) -> SafelightError:
    if isinstance(error, InDoubt):
        return error.cause
    return error if isinstance(error, SafelightError) else DeliveryError("channels.broken", reason=type(error).__name__)


def _taken(channel: Channel, current: Current) -> list[Mapping[str, Any]]:
    return [alert for alert in current() if int(alert.get("severity", 2)) >= channel.severity]
