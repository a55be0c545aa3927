"""An outbox and the delivery that empties it, in a thread of its own, as in a server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio

from safelight.alerts.database import Database
from safelight.alerts.notification import Notification
from safelight.alerts.outbox import Outbox
from safelight.channels import Channel
from safelight.delivery.deliver import Delivery
from safelight.delivery.resend import Current


class Office:
    """One channel, and what was noted about it."""

    def __init__(self, channel: Channel, path: Path | None, current: Current | None) -> None:
        self.database = Database(path)
        self.outbox = Outbox(self.database, lambda: datetime.now(UTC), language="en", jitter=lambda *_: 0.0)
        self.outbox.recover()
        self.channel = channel
        self.noted: list[tuple[str, dict]] = []
        self._told = threading.Condition()
        self.delivery = Delivery(self.outbox, [channel], note=self._note, current=current)

    def put(self, notification: Notification) -> None:
        with self.database.transaction():
            self.outbox.put(notification, notification.key, self.channel.name, notification.key)
        self.delivery.wake()

    def wait(self, event: str, count: int = 1, timeout_s: float = 60) -> list[dict]:
        """What was noted as `event`, once there are `count` of it."""
        with self._told:
            assert self._told.wait_for(lambda: len(self._of(event)) >= count, timeout_s), self.noted
            return self._of(event)

    def status(self) -> list[tuple[str, str]]:
        rows = self.database._connection.execute("SELECT status, answer FROM outbox ORDER BY id")
        return [(row["status"], row["answer"]) for row in rows]

    def _of(self, event: str) -> list[dict]:
        return [fields for name, fields in self.noted if name == event]

    def _note(self, event: str, /, **fields: object) -> None:
        with self._told:
            self.noted.append((str(event), fields))
            self._told.notify_all()


@contextmanager
def office(channel: Channel, path: Path | None = None, current: Current | None = None) -> Iterator[Office]:
    """Running."""
    running = Office(channel, path, current)
    worker = threading.Thread(target=lambda: anyio.run(running.delivery.run))
    worker.start()
    try:
        yield running
    finally:
        running.delivery.stop()
        worker.join(60)
        running.database.close()
        assert not worker.is_alive()
