"""Messages for channels, and telling them over real sockets the way delivery does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import anyio

from safelight.alerts.notification import Notification
from safelight.channels import Channel
from safelight.delivery.converse import converse
from safelight.delivery.exchange import client

CHART = {
    "title": "VRAM",
    "unit": "GB",
    "at": [1_795_341_600_000 + 60_000 * minute for minute in range(10)],
    "series": [{"name": "VRAM", "values": [8.0, 9.0, 10.0, 12.0, 15.0, 19.0, 22.0, 23.0, 23.5, 24.0]}],
    "mark": 1_795_342_140_000,
    "limit": 24.0,
}
LINKS = {"run": "https://s.example/runs/1", "silence": "https://s.example/do?token=a(b)"}
CHINESE = "显存不足，请降低分辨率\n" * 8000


def note(title: str = "oom: VAEDecode", text: str = "CUDA out of memory", **fields: Any) -> Notification:
    """One that fires, of severity 2, unless told otherwise."""
    return Notification(
        **{
            "key": "a1.1.team",
            "id": "a1",
            "rule": "oom",
            "severity": 2,
            "status": "firing",
            "title": title,
            "text": text,
            "labels": {"service": "photo", "node": "VAEDecode"},
            **fields,
        }
    )


def tell(channel: Channel, notification: Notification) -> str:
    """What the peer answered. Raises what delivery would be told."""

    async def telling() -> str:
        async with client(channel) as connection:
            conversation = channel.conversation(notification, datetime.now(UTC))
            return await converse(channel, conversation, connection)

    return anyio.run(telling)
