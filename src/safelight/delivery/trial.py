"""One test message to one channel, beside the outbox."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ..alerts.engine import utc_now
from ..alerts.notification import FIRING, Notification
from ..channels import Channel
from ..errors import DeliveryError
from ..locales import ENGLISH, text
from ..rows import iso
from .converse import InDoubt, converse, hidden, telling
from .exchange import client


async def send_test(channel: Channel, *, now: Callable[[], datetime] = utc_now, language: str = ENGLISH) -> str:
    """Send one test message, with a small chart. Returns the peer's answer; raises DeliveryError."""
    at = now()
    note = _note(channel, channel.language or language, at)
    async with client(channel) as connection:
        try:
            return await converse(channel, telling(channel, note, at), connection)
        except InDoubt as doubt:
            raise _masked(channel, doubt.cause) from None
        except DeliveryError as error:
            raise _masked(channel, error) from None


def _masked(channel: Channel, error: DeliveryError) -> DeliveryError:
    """The same without secrets: peers echo tokens."""
    error.values = {name: hidden(channel, one) if isinstance(one, str) else one for name, one in error.values.items()}
    return error


def _note(channel: Channel, spoken: str, at: datetime) -> Notification:
    title = text("channels.test.title", spoken)
    alert = {
        "id": "test",
        "rule": "test",
        "severity": channel.severity,
        "status": FIRING,
        "title": title,
        "labels": {},
        "count": 1,
        "started_at": iso(at),
        "ended_at": None,
    }
    return Notification(
        key=f"test.{int(at.timestamp() * 1000)}.{channel.name}",
        id="test",
        rule="test",
        severity=channel.severity,
        status=FIRING,
        title=title,
        text=text("channels.test.text", spoken, channel=channel.name),
        started_at=iso(at),
        alerts=(alert,),
        chart=_chart(at),
        language=spoken,
    )


def _chart(at: datetime) -> Mapping[str, Any]:
    """A hill of 30 minutes, in % of nothing in particular, that crosses its threshold."""
    minutes = range(30)
    hill = [round(8 + 10 * math.exp(-(((minute - 20) / 5) ** 2)), 1) for minute in minutes]
    return {
        "at": [int((at - timedelta(minutes=29 - minute)).timestamp() * 1000) for minute in minutes],
        "series": [{"name": "test", "values": hill}],
        "limit": 15.0,
        "unit": "%",
    }
