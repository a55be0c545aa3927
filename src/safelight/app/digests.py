"""Sending the daily digest: at its time, once, also when the server was down or the clock was set meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final, Protocol

import anyio
import anyio.to_thread

from ..alerts.engine import utc_now
from ..alerts.notification import Notification
from ..alerts.views import Target
from ..answers.digest import digest, message
from ..errors import SafelightError
from ..event import OURSELVES, Name
from ..locales import text
from ..note import Note
from ..query.sql import Span, Sql
from ..store import Store

LATE_MAX: Final = timedelta(hours=12)
"""A digest whose time passed while the server was down is still sent so long afterwards."""
LOOK_AGAIN_S: Final = 30.0
"""How often the clock is looked at: it may be set, and a machine may sleep."""
LOOK_BACK: Final = timedelta(days=40)

Build = Callable[[Target], Notification | None]


class Announcing(Protocol):
    """What of the engine a digest needs."""

    @property
    def late(self) -> int:
        """Matches that came too late to fire, ever."""
        ...

    def announce(self, key: str, build: Build) -> bool:
        """Queue a message of ours for every channel, once per key whatever crashes. False when it was before."""
        ...


class Digests:
    """Looks at the clock and announces. `at` is a time of day in `zone`; `wake` stirs delivery."""

    def __init__(
        self,
        store: Store,
        engine: Announcing,
        at: time,
        zone: tzinfo,
        *,
        note: Note,
        wake: Callable[[], None],
        language: str,
        base_url: str | None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._engine = engine
        self._at = at
        self._zone = zone
        self._note = note
        self._wake = wake
        self._language = language
        self._base_url = base_url
        self._now = now
        self._settled: datetime | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await anyio.to_thread.run_sync(self.tick)
            await anyio.sleep(LOOK_AGAIN_S)

    def tick(self) -> bool:
        """Announce the digest that is due; True when one was. Raises StoreError: the next tick tries again."""
        now = self._now()
        due = latest(now, self._at, self._zone)
        if due == self._settled:
            return False
        if now - due > LATE_MAX or not self._began_before(due):
            self._settled = due
            return False
        start = latest(due - timedelta(seconds=1), self._at, self._zone)
        day = f"{due.astimezone(self._zone):%Y-%m-%d}"
        told: list[Notification] = []

        # Before the announcement, which holds up alerting until it is done.
        facts = digest(self._store, start, due, late=self._late_since())

        def build(target: Target) -> Notification | None:
            if not target.digest:
                return None
            note = message(
                facts,
                key=f"digest.{day}.{target.name}",
                language=target.language,
                zone=self._zone,
                base_url=self._base_url,
            )
            told.append(note)
            return note

        sent = self._engine.announce(f"digest.{day}", build)
        self._settled = due
        if not (sent and told):
            return False
        self._say(told, day)
        self._wake()
        return True

    def _began_before(self, due: datetime) -> bool:
        """Whether there was anything to watch: a server that is new today has no yesterday to tell of."""
        oldest = self._store.figures().oldest
        return oldest is not None and oldest < due

    def _late_since(self) -> int:
        """Since the digest before, which wrote down how many there had been until then."""
        try:
            rows = self._store.newest(
                Sql("event = ? AND service = ?", (str(Name.DIGEST_SENT), OURSELVES)),
                Span(self._now() - LOOK_BACK),
                limit=1,
            ).to_pylist()
            before = int(json.loads(rows[0]["attributes"])["late"]) if rows else 0
        except (SafelightError, ValueError, TypeError, LookupError):
            before = 0
        return max(0, self._engine.late - before)

    def _say(self, told: Sequence[Notification], day: str) -> None:
        channels = ", ".join(note.key.removeprefix(f"digest.{day}.") for note in told)
        self._note(
            Name.DIGEST_SENT,
            message=text("digest.sent", self._language, title=told[0].title, channels=channels),
            attributes={"day": day, "channels": channels, "late": self._engine.late},
        )


def latest(now: datetime, at: time, zone: tzinfo) -> datetime:
    """The last time it was `at` in `zone`, in UTC. An hour that the summer skips is the one after it."""
    day = now.astimezone(zone).date()
    while (moment := datetime.combine(day, at, zone).astimezone(UTC)) > now:
        day -= timedelta(days=1)
    return moment
