"""Messages on their way: put in the transaction that changed the alert, taken out only by an answer.

    waiting ──claim (attempt written down first)──▶ sending ──▶ sent
       ▲                                              ├──▶ waiting (refused for now, or in doubt: `may_repeat`)
       └──────────── after a crash: `may_repeat` ─────┴──▶ failed (refused for good, expired, pushed out)

A failed message is kept and shown; nothing leaves the outbox silently.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from sqlite3 import Row
from typing import Final

from ..locales import text
from .database import Database, moment
from .notification import Notification

WAITING_MAX: Final = 1_000
"""Messages that wait for one channel. One more pushes out the oldest of the lowest severity, which then counts as
failed."""
EXPIRY: Final = {1: timedelta(hours=1), 2: timedelta(hours=24), 3: timedelta(hours=72)}
"""How long a message of each severity is worth sending."""
BACKOFF_MAX_S: Final = 3600.0
"""A message that fails waits a random time up to 2, 4, 8 ... s, never more than an hour, nor longer than an hour if a
peer asks."""
PAUSE_MAX_S: Final = 30.0
"""The same for its channel: other messages find out soon whether it works again."""
MINUTE: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message for one channel. `attempt` and `attempts` are of the claim it came from."""

    id: int
    channel: str
    notification: Notification
    attempts: int
    attempt: int | None = None


class Outbox:
    """The queue of every channel, in the `Database` of the alerts."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        *,
        language: str,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._db = database
        self._now = now
        self._language = language
        self._jitter = jitter

    def put(self, notification: Notification, message: str, channel: str, group: str) -> list[Letter]:
        """Queue it; inside the caller's transaction. Returns what had to make room.

        What waits before it in its group is due at once: the oldest finds out whether the channel works again.
        """
        now = self._now()
        pushed_out = []
        while self._db.value("waiting_count", channel=channel) >= WAITING_MAX:
            row = self._db.row("least_wanted", channel=channel)
            if row is None:
                break
            pushed_out.append(self._give_up(row, "alerts.outbox_full", limit=WAITING_MAX))
        self._db.change(
            "put",
            message=message,
            channel=channel,
            group_key=group,
            severity=notification.severity,
            notification=notification.to_json(),
            now=now,
            expires_at=now + EXPIRY[notification.severity],
        )
        self._db.change("hurry_group", channel=channel, group_key=group, now=now)
        return pushed_out

    def recover(self) -> int:
        """Once, at the start: what the last process was sending is in doubt and is sent again, marked."""
        with self._db.transaction():
            return self._db.change("recover", now=self._now())

    def expire(self) -> list[Letter]:
        """Messages that nobody took in time, also those of a channel that is no longer configured; inside the caller's
        transaction."""
        return [self._give_up(row, "alerts.expired") for row in self._db.rows("expired", now=self._now())]

    def claim(self, channel: str, per_minute: int | None = None) -> Letter | datetime | None:
        """The next message to send now, its attempt written down; else when to ask again, None without anything.

        Order: see `claimable` in `state.sql`. At most `per_minute` attempts begin in any 60 s.
        """
        with self._db.transaction():
            now = self._now()
            row = self._db.row("claimable", channel=channel, now=now)
            if row is None:
                return moment(self._db.value("next_letter", channel=channel, now=now))
            if not_before := self._held_until(channel, per_minute, now):
                return not_before
            self._db.change("claim", id=row["id"], now=now)
            attempt = self._db.value("begin_attempt", id=row["id"], channel=channel, now=now)
            return _letter(row, attempts=row["attempts"] + 1, attempt=attempt)

    def sent(self, letter: Letter, answer: str) -> None:
        """The peer said yes: the channel works, and what failed only since it last did is due at once."""
        with self._db.transaction():
            now = self._now()
            self._end(letter, "sent", answer)
            self._db.change("finish", id=letter.id, status="sent", answer=answer, now=now)
            self._db.change("hurry_channel", channel=letter.channel, now=now)
            self._db.change("channel_succeeded", name=letter.channel, answer=answer, now=now)

    def refused(self, letter: Letter, answer: str) -> None:
        """The peer said no, for good."""
        with self._db.transaction():
            now = self._now()
            self._end(letter, "refused", answer)
            self._db.change("finish", id=letter.id, status="failed", answer=answer, now=now)
            self._db.change(
                "channel_failed", name=letter.channel, answer=answer, failures=1, paused_until=None, now=now
            )

    def postponed(self, letter: Letter, answer: str, *, after_s: float | None, in_doubt: bool) -> datetime:
        """Not now. Returns when it is tried again. The channel rests too.

        With `after_s` both wait as long as the peer asked, and later pauses are no longer for it. Without, the message
        waits by how often it failed, the channel by how often it failed in a row.
        """
        with self._db.transaction():
            now = self._now()
            if after_s is not None:
                outcome, failures = "told to wait", 0
                rest = wait = min(max(after_s, 1.0), BACKOFF_MAX_S)  # "after 0 s" is no invitation to a storm
            else:
                outcome, failures = "in doubt" if in_doubt else "postponed", 1
                channel = self._db.row("channel", name=letter.channel)
                earlier = self._db.value("failed_attempts", id=letter.id)
                rest = self._pause((channel["failures"] if channel else 0) + 1, PAUSE_MAX_S)
                wait = max(rest, self._pause(earlier + 1, BACKOFF_MAX_S))
            next_at, paused_until = now + timedelta(seconds=wait), now + timedelta(seconds=rest)
            self._end(letter, outcome, answer)
            self._db.change("wait", id=letter.id, answer=answer, next_at=next_at, may_repeat=in_doubt, now=now)
            self._db.change(
                "channel_failed",
                name=letter.channel,
                answer=answer,
                failures=failures,
                paused_until=paused_until,
                now=now,
            )
            return next_at

    def channel(self, name: str) -> Row | None:
        """What is known of a channel: last success, failure and answer."""
        return self._db.row("channel", name=name)

    def _pause(self, failures: int, longest: float) -> float:
        return self._jitter(0, min(longest, 2.0 ** min(failures, 12)))

    def _held_until(self, channel: str, per_minute: int | None, now: datetime) -> datetime | None:
        known = self._db.row("channel", name=channel)
        paused = moment(known["paused_until"]) if known else None
        if paused and paused > now:
            return paused
        if per_minute is None:
            return None
        nth = moment(self._db.value("attempt_number", channel=channel, n=per_minute, since=now - MINUTE, now=now))
        return nth + MINUTE if nth else None

    def _end(self, letter: Letter, outcome: str, answer: str) -> None:
        self._db.change("end_attempt", attempt=letter.attempt, outcome=outcome, answer=answer, now=self._now())

    def _give_up(self, row: Row, reason: str, **values: object) -> Letter:
        answer = text(reason, self._language, **values)
        self._db.change("finish", id=row["id"], status="failed", answer=answer, now=self._now())
        return _letter(row, attempts=row["attempts"])


def _letter(row: Row, attempts: int, attempt: int | None = None) -> Letter:
    notification = Notification.from_json(row["notification"])
    if row["may_repeat"]:
        notification = notification.in_doubt()
    return Letter(row["id"], row["channel"], notification, attempts, attempt)
