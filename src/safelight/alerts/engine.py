"""One step of alerting: judge what was committed, advance every alert, queue the messages, in one transaction.

Synchronous, for a worker thread. The caller steps on every commit and at `next_due`, and wakes delivery when a step
says that there is something to send.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from threading import Lock
from typing import Any, Final, Protocol

from ..errors import QueryError
from ..event import Name
from ..locales import ENGLISH, text
from ..query.sql import Span
from ..store import Store
from .condition import Count
from .content import compose, describe
from .database import Database
from .evaluate import Matches, Measured, by_match, matches, measure
from .group import COLLECT, Message, ripe
from .notification import FIRING
from .outbox import Letter, Outbox
from .rule import Rule
from .state import Progress, State
from .views import Target, alert_view, channel_view, rule_view

WINDOW_EVERY: Final = timedelta(seconds=5)
WINDOW_EVERY_MAX: Final = timedelta(seconds=60)
"""A window is counted every 5 s; a long one every 1/720 of its length (an hour: 5 s), at least once a minute."""
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
        self._database = Database(path)
        self._state = State(self._database)
        self.outbox = Outbox(self._database, now, language=language)
        self.recovered = self.outbox.recover()
        """Messages that were in flight when the last process died: they go out again, marked."""
        self.problems: dict[str, QueryError] = {}
        """Rules that could not be judged the last time, and why."""
        self._stepping = Lock()
        started = now()
        saved = self._state.progress()
        self._progress = saved or Progress(store.figures().last_seq, started, started, 0)
        self._saved_at, self._saved_seq = started, self._progress.evaluated_seq
        self._counted: dict[str, int] = {}
        self._held = self._state.held_windows()
        self._window_due = {rule.id: started for rule in self._rules.values() if isinstance(rule.when, Count)}
        self._forget_at = started
        with self._database.transaction():
            self._state.save_progress(self._progress)
            self._state.drop_windows_except(self._rules, started)

    @property
    def evaluated_seq(self) -> int:
        """Every event up to here has been judged."""
        return self._progress.evaluated_seq

    @property
    def late(self) -> int:
        """Matches so far that came too late to fire."""
        return self._progress.late

    def step(self, committed_seq: int) -> bool:
        """Judge everything up to `committed_seq` and all that is due. True when there is something new to send.

        Raises StoreError or QueryError when the store cannot answer: nothing has changed, the next step tries again.
        """
        with self._stepping:
            now = self._now()
            upto = max(committed_seq, self._progress.evaluated_seq)
            found = self._match(upto, now)
            measured = self._measure(upto, now)
            progress = self._advanced(upto, now, found.late)
            change = self._state.next_change()
            stirred = found.hits or found.late or any(m.holds or m.rule.id in self._held for m in measured)
            due = change is not None and change <= now
            if not stirred and not due and not self._worth_saving(progress, now):
                self._progress = progress
                return False
            with self._database.transaction():
                messages, given_up = self._apply(found, measured, now)
                self._state.save_progress(progress)
            self._progress, self._saved_at, self._saved_seq = progress, now, upto
            self._held = self._state.held_windows()
        self._tell(messages, given_up)
        return bool(messages)

    def next_due(self) -> datetime:
        """When the next step is due even if nothing is committed."""
        change = self._state.next_change()
        return min((*self._window_due.values(), self._now() + IDLE, *([change] if change else [])))

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
        """Write down how far we came and release the file."""
        with self._stepping:
            self._state.save_progress(self._progress)
            self._database.close()

    def _match(self, upto: int, now: datetime) -> Matches:
        if upto == self._progress.evaluated_seq:
            return Matches()
        found = matches(self._store, self._matching, Span(after_seq=self._progress.evaluated_seq, upto_seq=upto), now)
        for rule in self._matching:
            self.problems.pop(rule.id, None)
        self.problems.update(found.failed)
        return found

    def _measure(self, upto: int, now: datetime) -> list[Measured]:
        measured = []
        for id_, due in self._window_due.items():
            rule = self._rules[id_]
            condition = rule.when
            if due > now or not isinstance(condition, Count):
                continue
            self._window_due[id_] = now + max(WINDOW_EVERY, min(condition.over / 720, WINDOW_EVERY_MAX))
            if condition.op == "<" and now - self._watched_since(now) < condition.over:
                continue  # what nobody watched cannot be called missing
            if condition.op == ">" and id_ not in self._held and self._counted.get(id_) == upto:
                continue  # without new events a count only falls
            try:
                measured.append(measure(self._store, rule, now, upto))
                self._counted[id_] = upto
                self.problems.pop(id_, None)
            except QueryError as error:
                self.problems[id_] = error
        return measured

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

    def _tell(self, messages: Sequence[Message], given_up: Sequence[Letter]) -> None:
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
