"""One step of alerting: judge what was committed, advance every alert, queue the messages, in one transaction.

Synchronous, for a worker thread. The caller steps on every commit and at `next_due`, and wakes delivery when a step
says that there is something to send.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from threading import Lock
from typing import Any, Final, Protocol

from ..errors import QueryError, StoreError
from ..event import Name
from ..locales import ENGLISH, text
from ..query.sql import Span
from ..store import Store
from .condition import Count
from .content import compose, describe
from .database import Database
from .evaluate import Matches, Measured, by_match, matches
from .group import COLLECT, Message, ripe
from .notification import FIRING
from .outbox import Letter, Outbox
from .rule import Rule
from .state import Progress, State
from .views import Target, alert_view, channel_view, rule_view
from .windows import Windows

STEP_MAX: Final = 50_000
"""Events whose matches are judged in one step; what is left is due at once."""
GAP: Final = timedelta(minutes=10)
"""Not having looked for longer than this is a gap: "fewer than" starts to wait for a full window again."""
SAVE_EVERY: Final = timedelta(seconds=5)
"""Progress without any consequence is written down this often; after a crash it is made again, without consequence."""
IDLE: Final = timedelta(seconds=60)
FORGET_EVERY: Final = timedelta(hours=1)
NOTIFICATIONS_SHOWN: Final = 20

_LEVELS: Final = {1: "INFO", 2: "WARNING", 3: "ERROR"}


class Note(Protocol):
    """Writes an event about ourselves into the store. Called from worker threads, after the fact is durable."""

    def __call__(self, event: str, /, **fields: Any) -> None:
        """`fields` are columns of an event; `attributes` is an object."""
        ...


def utc_now() -> datetime:
    """The clock, unless another is injected."""
    return datetime.now(UTC)


def silent(event: str, /, **fields: Any) -> None:
    """A `Note` for those who keep no events."""


class Engine:
    """Alerting of one server. A new state file starts at the end of the store: history fires nothing."""

    def __init__(
        self,
        store: Store,
        rules: Iterable[Rule],
        targets: Sequence[Target],
        path: Path,
        *,
        now: Callable[[], datetime] = utc_now,
        note: Note = silent,
        language: str = ENGLISH,
        base_url: str | None = None,
        zone: tzinfo = UTC,
        collect: timedelta = COLLECT,
    ) -> None:
        self._store = store
        self._rules = {rule.id: rule for rule in rules if rule.enabled}
        self._matching = by_match(self._rules.values())
        self._targets = tuple(targets)
        self._now = now
        self._note = note
        self._language = language
        self._base_url = base_url
        self._zone = zone
        self._collect = collect
        self._stepping = Lock()
        self._problems: dict[str, QueryError] = {}
        self._database = Database(path)
        self._state = State(self._database)
        self.outbox = Outbox(self._database, now, language=language)
        try:
            self._begin(now())
        except BaseException:
            self._database.close()
            raise

    def _begin(self, started: datetime) -> None:
        self._recovered = self.outbox.recover()
        saved = self._state.progress()
        self._progress = saved or Progress(self._store.figures().last_seq, started, started, 0)
        self._saved_at, self._saved_seq = started, self._progress.evaluated_seq
        self._forget_at = started
        with self._database.transaction():
            self._state.save_progress(self._progress)
            self._state.drop_windows_except(self._rules, started)
            held, change = self._state.held_windows(), self._state.next_change()
        counted = [id_ for id_, rule in self._rules.items() if isinstance(rule.when, Count)]
        self._windows = Windows(dict.fromkeys(counted, started), held)
        self._next_due = self._due(started, change)

    @property
    def evaluated_seq(self) -> int:
        """Every event up to here has been judged."""
        return self._progress.evaluated_seq

    @property
    def late(self) -> int:
        """Matches so far that came too late to fire."""
        return self._progress.late

    @property
    def recovered(self) -> int:
        """Messages that were in flight when the last process died: they go out again, marked."""
        return self._recovered

    @property
    def problems(self) -> Mapping[str, QueryError]:
        """Rules that could not be judged the last time, and why. Each step makes a new one."""
        return self._problems

    def step(self, committed_seq: int) -> bool:
        """Judge what was committed up to `committed_seq` and all that is due. True when there is something new to send.

        Raises StoreError or QueryError when the store cannot answer, StoreError when our state cannot be written:
        nothing has changed, the next step tries again.
        """
        with self._stepping:
            now = self._now()
            committed = max(committed_seq, self._progress.evaluated_seq)
            upto = min(committed, self._progress.evaluated_seq + STEP_MAX) if self._matching else committed
            windows, problems = self._windows.copy(), dict(self._problems)
            found = self._match(upto, now, problems)
            watched_since = self._watched_since(now)
            measured = windows.measure(self._store, self._rules, now, committed, watched_since, problems)
            progress = self._advanced(upto, now, found.late)
            change = self._state.next_change()
            stirred = found.hits or found.late or windows.stirred(measured)
            due = change is not None and change <= now
            messages: list[Message] = []
            given_up: list[Letter] = []
            if stirred or due or self._worth_saving(progress, now):
                with self._database.transaction():
                    messages, given_up = self._apply(found, measured, now)
                    self._state.save_progress(progress)
                    windows.held, change = self._state.held_windows(), self._state.next_change()
                self._saved_at, self._saved_seq = now, upto
            failed = {id_: error for id_, error in problems.items() if id_ not in self._problems}
            self._progress, self._windows, self._problems = progress, windows, problems
            self._next_due = now if upto < committed else self._due(now, change)
        self._tell(messages, given_up, failed)
        return bool(messages)

    def next_due(self) -> datetime:
        """When the next step is due even if nothing is committed, as the last one left it. Waits for nobody."""
        return self._next_due

    def status(self) -> dict[str, int]:
        """For the API: messages in doubt at the start, and matches that came too late to fire. Waits for nobody."""
        return {"recovered": self.recovered, "late": self.late}

    def alerts(self, limit: int = 50) -> list[dict[str, Any]]:
        """Alerts for the API: those that fire first, each part newest first."""
        return [
            alert_view(
                alert,
                self._rules.get(alert.rule),
                self._database.rows("notifications_of", alert=alert.id, limit=NOTIFICATIONS_SHOWN),
                language=self._language,
                zone=self._zone,
            )
            for alert in self._state.newest(limit)
        ]

    def channels(self) -> list[dict[str, Any]]:
        """Channels for the API: when they last worked and what they last answered."""
        return [channel_view(target, self.outbox.channel(target.name)) for target in self._targets]

    def rules(self) -> list[dict[str, Any]]:
        """Rules for the API."""
        return [rule_view(rule) for rule in self._rules.values()]

    def close(self) -> None:
        """Write down how far we came, if the disk takes it, and release the file."""
        with self._stepping:
            try:
                with suppress(StoreError):  # what is judged twice has no second consequence
                    self._state.save_progress(self._progress)
            finally:
                self._database.close()

    def _due(self, now: datetime, change: datetime | None) -> datetime:
        return min((*self._windows.due.values(), now + IDLE, *([change] if change else [])))

    def _match(self, upto: int, now: datetime, problems: dict[str, QueryError]) -> Matches:
        if upto == self._progress.evaluated_seq:
            return Matches()
        span = Span(after_seq=self._progress.evaluated_seq, upto_seq=upto)
        found = matches(self._store, self._matching, span, now, failing=problems.keys())
        for rule in self._matching:
            problems.pop(rule.id, None)
        problems.update(found.failed)
        return found

    def _worth_saving(self, progress: Progress, now: datetime) -> bool:
        moved = progress.evaluated_seq != self._saved_seq
        return now - self._saved_at >= (SAVE_EVERY if moved else IDLE)

    def _watched_since(self, now: datetime) -> datetime:
        return now if now - self._progress.observed_at > GAP else self._progress.observed_since

    def _advanced(self, upto: int, now: datetime, late: int) -> Progress:
        return replace(
            self._progress,
            evaluated_seq=upto,
            observed_since=self._watched_since(now),
            observed_at=now,
            late=self._progress.late + late,
        )

    def _apply(self, found: Matches, measured: Sequence[Measured], now: datetime) -> tuple[list[Message], list[Letter]]:
        for hit in found.hits:
            self._state.observe(hit, now)
        for window in measured:
            self._state.measure(window, now)
        self._state.resolve_quiet(now)
        self._state.tell_due(now)
        messages = list(ripe(self._database, self._state, now, self._collect))
        given_up = self.outbox.expire()
        for message in messages:
            for target in self._targets:
                if message.severity >= target.severity:
                    given_up += self._queue(message, target)
        if now >= self._forget_at:
            self._state.forget(now)
            self._forget_at = now + FORGET_EVERY
        return messages, given_up

    def _queue(self, message: Message, target: Target) -> list[Letter]:
        notification = compose(
            message,
            self._rules,
            language=target.language,
            base_url=self._base_url,
            zone=self._zone,
            channel=target.name,
        )
        return self.outbox.put(notification, message.key, target.name, message.group)

    def _tell(self, messages: Sequence[Message], given_up: Sequence[Letter], failed: Mapping[str, QueryError]) -> None:
        for id_, error in failed.items():
            reason = error.render(self._language)
            self._note(
                Name.RULE_FAILED,
                level="ERROR",
                message=text("alerts.rule_failed", self._language, rule=id_, reason=reason),
                attributes={"rule": id_},
            )
        for message in messages:
            for alert in message.alerts:
                title, _ = describe(alert, self._rules.get(alert.rule), language=self._language, zone=self._zone)
                fired = message.status == FIRING
                self._note(
                    Name.ALERT_FIRED if fired else Name.ALERT_RESOLVED,
                    level=_LEVELS[alert.severity] if fired else "INFO",
                    message=title,
                    attributes={
                        "alert": alert.id,
                        "rule": alert.rule,
                        "count": alert.count,
                        "labels": dict(alert.labels),
                    },
                )
        for letter in given_up:
            self._note(
                Name.NOTIFICATION_FAILED,
                level="ERROR",
                message=text(
                    "alerts.given_up", self._language, channel=letter.channel, title=letter.notification.title
                ),
                attributes={"channel": letter.channel, "key": letter.notification.key},
            )
