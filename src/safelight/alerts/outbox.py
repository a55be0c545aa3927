"""Messages on their way: put in the transaction that changed the alert, taken out only by an answer.

    waiting ──claim (attempt written down first)──▶ sending ──▶ sent
       ▲                                              ├──▶ waiting (refused for now, or in doubt: `may_repeat`)
       └──────────── after a crash: `may_repeat` ─────┴──▶ failed (refused for good, expired, pushed out)

A failed message is kept and shown; nothing leaves the outbox silently. Three or more that waited because of the rate
limit or a pause, or stand in a line of 50, are told together, in one summary: it is `sent` for all of them, or they
wait on. A channel that is broken keeps its messages until somebody enables it, or they expire.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import isfinite
from sqlite3 import Row
from typing import Final

from ..locales import text
from .database import Database, micros, moment
from .notification import Notification

WAITING_MAX: Final = 10_000
"""Messages that wait for one channel, about 4 KB each. One more pushes out the oldest of the lowest severity, which
then counts as failed. A backlog of one step, or of a minute without a peer, must not come near it: at 1,000, a server
that was killed 200 times in a storm of 40 alerts a second lost 11 to 35 of 4,200."""
EXPIRY: Final = {1: timedelta(hours=1), 2: timedelta(hours=24), 3: timedelta(hours=72)}
"""How long a message of each severity is worth sending."""
BACKOFF_MAX_S: Final = 3600.0
"""A message that fails waits a random time up to 2, 4, 8 ... s, never more than an hour, nor longer than an hour if a
peer asks."""
PAUSE_MAX_S: Final = 30.0
"""The same for its channel: other messages find out soon whether it works again."""
MINUTE: Final = timedelta(seconds=60)
JOIN_MIN: Final = 3
JOIN_MAX: Final = 200
"""So many messages that could not be sent in time become one."""
CROWD: Final = 50
"""So many that wait at once cannot be sent in time, by whatever reason: a peer that takes 2 s for each, a busy host."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message for one channel. `attempt` and `attempts` are of the claim it came from."""

    id: int
    channel: str
    notification: Notification
    attempts: int
    attempt: int | None = None
    joined: tuple[int, ...] = ()
    """All the messages that this one tells together; none for one on its own."""

    @property
    def ids(self) -> tuple[int, ...]:
        """The messages that its answer is about."""
        return self.joined or (self.id,)


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

        Order: see `claimable` in `outbox.sql`. At most `per_minute` attempts begin in any 60 s.
        """
        with self._db.transaction():
            now = self._now()
            known = self._db.row("channel", name=channel)
            if known and known["broken_at"] is not None:
                return None
            row = self._db.row("claimable", channel=channel, now=now)
            if row is None:
                return moment(self._db.value("next_letter", channel=channel, now=now))
            if not_before := self._held_until(channel, known, per_minute, now):
                if not (known and known["held"]):
                    self._db.change("channel_held", name=channel, held=1)
                return not_before
            held = bool(known and known["held"]) or self._db.value("waiting_count", channel=channel) >= CROWD
            batch = row["batch"] or (self._joined(channel, now) if held else None)
            rows = self._db.rows("of_batch", channel=channel, batch=batch, now=now) if batch else [row]
            if held and not batch:
                self._db.change("channel_held", name=channel, held=0)
            return self._claimed(rows, batch, channel, now)

    def sent(self, letter: Letter, answer: str) -> None:
        """The peer said yes: the channel works, and what failed only since it last did is due at once."""
        with self._db.transaction():
            now = self._now()
            self._end(letter, "sent", answer)
            for id_ in letter.ids:
                self._db.change("finish", id=id_, status="sent", answer=answer, now=now)
            self._db.change("hurry_channel", channel=letter.channel, now=now)
            self._db.change("channel_succeeded", name=letter.channel, answer=answer, now=now)

    def refused(self, letter: Letter, answer: str) -> None:
        """The peer said no, for good. What was told together is tried one by one: it may be a single one's fault."""
        with self._db.transaction():
            now = self._now()
            self._end(letter, "refused", answer)
            for id_ in letter.ids:
                if letter.joined:
                    self._wait(id_, answer, now, now, apart=True)
                else:
                    self._db.change("finish", id=id_, status="failed", answer=answer, now=now)
            self._db.change(
                "channel_failed", name=letter.channel, answer=answer, failures=1, paused_until=None, now=now
            )

    def broken(self, letter: Letter, answer: str) -> bool:
        """The peer said no, and would to every other message: the channel is out of use, and its messages wait. False
        if it was known to be broken."""
        with self._db.transaction():
            now = self._now()
            self._end(letter, "broken", answer)
            for id_ in letter.ids:
                self._wait(id_, answer, now, now)
            self._db.change(
                "channel_failed", name=letter.channel, answer=answer, failures=1, paused_until=None, now=now
            )
            return bool(self._db.change("channel_broke", name=letter.channel, reason=answer, now=now))

    def enable(self, channel: str) -> bool:
        """A broken channel is in use again, and what waits for it due at once. False if it was not broken."""
        with self._db.transaction():
            enabled = bool(self._db.change("channel_enabled", name=channel))
            if enabled:
                self._db.change("hurry_all", channel=channel, now=self._now())
            return enabled

    def newly_broken(self) -> list[Row]:
        """Channels that broke and of which nobody was told."""
        return self._db.rows("newly_broken")

    def told_broken(self, channel: str, version: str) -> None:
        """Now somebody was; inside the caller's transaction. `version`: of its settings."""
        self._db.change("broken_told", name=channel, version=version)

    def next_change(self) -> datetime | None:
        """When something happens to a message by itself: it expires, its channel broke."""
        return moment(self._db.value("outbox_change"))

    def postponed(self, letter: Letter, answer: str, *, after_s: float | None, in_doubt: bool) -> datetime:
        """Not now. Returns when it is tried again. The channel rests too.

        With `after_s` both wait as long as the peer asked, and later pauses are no longer for it. Without, the message
        waits by how often it failed, the channel by how often it failed in a row; so too when `after_s` is no number.
        """
        with self._db.transaction():
            now = self._now()
            if after_s is not None and isfinite(after_s):
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
            for id_ in letter.ids:
                apart = not letter.joined and failures > 0
                self._wait(id_, answer, next_at, now, in_doubt=in_doubt, apart=apart)
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

    def _joined(self, channel: str, now: datetime) -> str | None:
        """The name of a new batch of what waits and never failed on its own; None for fewer than JOIN_MIN."""
        found, behind = [], set()
        for row in self._db.rows("in_line", channel=channel, now=now):
            if row["apart"] or row["batch"] or row["next_at"] > micros(now) or row["group_key"] in behind:
                behind.add(row["group_key"])  # nothing overtakes within a group
            else:
                found.append(row["id"])
        if len(found) < JOIN_MIN:
            return None
        batch = f"summary.{found[0]}"
        for id_ in found[:JOIN_MAX]:
            self._db.change("join", id=id_, batch=batch)
        return batch

    def _claimed(self, rows: list[Row], batch: str | None, channel: str, now: datetime) -> Letter:
        for row in rows:
            self._db.change("claim", id=row["id"], now=now)
        first = rows[0]
        attempt = self._db.value("begin_attempt", id=first["id"], channel=channel, now=now)
        letter = _letter(first, attempts=first["attempts"] + 1, attempt=attempt)
        if batch is None or len(rows) == 1:
            return letter
        from .content import summary  # noqa: PLC0415 - only when it is needed: it loads the templates

        notes = [_notification(row) for row in rows]
        note = replace(summary(notes, notes[-1].language), key=f"{batch}.{channel}")
        if any(one.may_repeat for one in notes):
            note = note.in_doubt()
        return replace(letter, notification=note, joined=tuple(row["id"] for row in rows))

    def _wait(
        self, id_: int, answer: str, next_at: datetime, now: datetime, *, in_doubt: bool = False, apart: bool = False
    ) -> None:
        values = {"may_repeat": int(in_doubt), "apart": int(apart)}
        self._db.change("wait", id=id_, answer=answer, next_at=next_at, now=now, **values)

    def _held_until(self, channel: str, known: Row | None, per_minute: int | None, now: datetime) -> datetime | None:
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
    return Letter(row["id"], row["channel"], _notification(row), attempts, attempt)


def _notification(row: Row) -> Notification:
    notification = Notification.from_json(row["notification"])
    return notification.in_doubt() if row["may_repeat"] else notification
