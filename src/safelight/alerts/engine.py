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
from threading import RLock
from typing import Any, Final

from ..errors import InputError, NoSuchEvent, QueryError, StoreError
from ..locales import ENGLISH, text
from ..note import Note, silent
from ..store import Store
from .condition import Match
from .content import compose as usual
from .database import Database
from .debts import Debt
from .group import COLLECT
from .handover import ALERTS_MAX, handed_over
from .judge import Judge
from .judged import Judged
from .life import Life, Step
from .links import Sign
from .noted import Noted, utc_now
from .notification import FIRING, RESOLVED, Notification
from .outbox import Letter, Outbox
from .overview import Overview, Wanted
from .posting import Compose, Posting
from .quiet import Quiet
from .repairs import Repairs
from .rule import Rule
from .silences import Silence
from .state import Progress
from .views import Target

__all__ = ["Engine", "Wanted", "utc_now"]

STEP_MAX: Final = 50_000
"""Events whose matches are judged in one step; what is left is due at once."""
GAP: Final = timedelta(minutes=10)
"""Not having looked for longer than this is a gap: "fewer than" starts to wait for a full window again."""
SET_BACK: Final = timedelta(seconds=5)
"""A clock that was set back by less is waited for; by more, everything that is due moves with it."""
SAVE_EVERY: Final = timedelta(seconds=5)
"""Progress without any consequence is written down this often; after a crash it is made again, without consequence."""
IDLE: Final = timedelta(seconds=60)
FORGET_EVERY: Final = timedelta(hours=1)


class Engine:
    """Alerting of one server. A new state file starts at the end of the store: history fires nothing."""

    def __init__(
        self,
        store: Store,
        rules: Iterable[Rule],
        targets: Sequence[Target],
        path: Path | Database,
        *,
        now: Callable[[], datetime] = utc_now,
        note: Note = silent,
        language: str = ENGLISH,
        base_url: str | None = None,
        zone: tzinfo = UTC,
        collect: timedelta = COLLECT,
        quiet: Quiet | None = None,
        compose: Compose = usual,
        sign: Sign | None = None,
        dry_run: bool = True,
    ) -> None:
        """`dry_run`: what holds for repairs that do not say. `path`: of the state, or the state itself."""
        self._store = store
        self._rules = list(rules)
        self._targets = tuple(targets)
        self._now = now
        self._noted = Noted(note, language, zone)
        self._language, self._base_url, self._zone = language, base_url, zone
        self._stepping = RLock()
        self.on_change: Callable[[], None] = lambda: None
        """Called from any thread when somebody acted on an alert or a channel: a step is due, or something to send."""
        self._problems: Mapping[str, QueryError] = {}
        self._states: Mapping[str, str] = {}
        self._silent: set[str] = set()
        self.database = path if isinstance(path, Database) else Database(path)
        try:
            self.outbox = Outbox(self.database, now, language=language)
            self.repairs = Repairs(self.database, now)
            self._life = Life(self.database, self._rules, quiet=quiet, collect=collect)
            self._posting = Posting(
                self.outbox, self._life, self._targets, store, compose, base_url=base_url, zone=zone, sign=sign
            )
            self._overview = Overview(self.database, store, self._life, self.outbox, self.repairs, dry_run=dry_run)
            self._begin(now())
        except BaseException:
            self.database.close()
            raise

    def _begin(self, started: datetime) -> None:
        self._recovered = self.outbox.recover()
        self._posting.revive()
        last_seq = self._store.figures().last_seq
        saved = self._life.state.progress() or Progress(last_seq, started, started, 0)
        # A store that was emptied, or put back to an older copy, numbers its events anew: they are not judged yet.
        self._progress = replace(saved, evaluated_seq=min(saved.evaluated_seq, last_seq))
        self._debts: Mapping[str, Debt] = self._life.state.debts()
        self._saved_at, self._saved_seq = started, self._progress.evaluated_seq
        self._forget_at = started
        looked_at = self._progress.observed_at
        now = self._at(started)
        with self._life.transaction():
            self._retire(now)
            self._life.state.save_progress(self._progress)
        self._judge = self._new_judge(now, min(looked_at, now))
        self._next_due = min(now, self._due(now, self._change()))

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
            now = self._at(self._now())
            committed = max(committed_seq, self._progress.evaluated_seq)
            matching = any(isinstance(rule.when, Match) for rule in self._life.rules.values())
            upto = min(committed, self._progress.evaluated_seq + STEP_MAX) if matching else committed
            since = self._watched_since(now)
            after, held = self._progress.evaluated_seq, self._life.state.held()
            judged = self._judge.step(after, upto, now, since, held, committed_seq=committed)
            progress = self._advanced(upto, now, judged.late)
            change = self._change()
            due = change is not None and change <= now
            step, given_up, news = Step(), list[Letter](), False
            debts = self._judge.debts
            if due or self._life.stirs(judged, now) or self._worth_saving(progress, now) or debts != self._debts:
                with self._life.transaction():
                    step, given_up, news = self._apply(judged, now)
                    self._life.state.save_progress(progress)
                    if debts != self._debts:
                        self._life.state.save_debts(debts)
                self._saved_at, self._saved_seq, self._debts = now, upto, debts
                change = self._change()
            self._judge.accept()
            self._progress = progress
            failed, no_data = self._learn()
            self._next_due = now if upto < committed else self._due(now, change)
        self._noted.failed(failed)
        self._noted.skipped(judged.skipped)
        self._noted.no_data(no_data)
        for message in step.messages:
            self._noted.told(message, self._life.rules)
        self._noted.kept(step.hushed, self._life.rules)
        self._noted.ended(step.ended, self._life.rules)
        self._noted.given_up(given_up)
        return news

    def next_due(self) -> datetime:
        """When the next step is due even if nothing is committed, as the last one left it. Waits for nobody."""
        return self._next_due

    def status(self) -> dict[str, int]:
        """For the API: messages in doubt at the start, and matches that came too late to fire. Waits for nobody."""
        return {"recovered": self.recovered, "late": self.late}

    def use(self, rules: Iterable[Rule]) -> None:
        """Judge by these rules from now on. What stands by a condition that is gone is over, without a word.

        Raises StoreError; the old rules are then still in force.
        """
        with self._stepping:
            now, before = self._at(self._now()), self._rules
            self._rules = list(rules)
            try:
                self._life.use(self._rules)
                with self._life.transaction():
                    self._retire(now)
                self._judge = self._new_judge(now, now, self._judge)
            except BaseException:
                self._rules = before
                self._life.use(before)
                raise
            self._problems, self._states = {}, {}
            self._next_due = now

    def alerts(self, wanted: Wanted = Wanted(), language: str | None = None) -> dict[str, Any]:  # noqa: B008 - frozen
        """A page of alerts, those that fire first, and how many there are. Raises InputError for a foreign cursor."""
        return self._overview.alerts(wanted, language or self._language, self._zone)

    def alert(self, id_: str, language: str | None = None) -> dict[str, Any] | None:
        """One alert with its whole story; None for an unknown one."""
        return self._overview.alert(id_, language or self._language, self._zone, self._base_url)

    def acknowledge(self, id_: str, by: str) -> None:
        """Somebody looks after it: no repeats and no escalation until it is over. Raises NoSuchEvent, InputError."""
        with self._stepping, self._life.transaction():
            alert = self._life.state.alert(id_)
            if alert is None:
                raise NoSuchEvent("alerts.unknown", id=id_)
            if alert.status == RESOLVED:
                raise InputError("alerts.over_already", id=id_)
            known = self._life.acknowledge(alert, by or text("alerts.somebody", self._language), self._clock())
            self._next_due = self._clock()
        self._noted.acknowledged(known, self._life.rules)
        self.on_change()

    def unacknowledge(self, id_: str) -> None:
        """Nobody looks after it after all. Raises NoSuchEvent."""
        with self._stepping, self._life.transaction():
            alert = self._life.state.alert(id_)
            if alert is None:
                raise NoSuchEvent("alerts.unknown", id=id_)
            if alert.status == RESOLVED or not alert.acknowledged_at:
                return
            known = self._life.unacknowledge(alert, self._clock())
            self._next_due = self._clock()
        self._noted.acknowledged(known, self._life.rules)
        self.on_change()

    def silence(
        self, match: Mapping[str, str], until: datetime, by: str, comment: str = "", starts: datetime | None = None
    ) -> str:
        """Tell nobody of the alerts whose rule, severity or labels match, `*` for any text. Returns its id.

        Raises InputError for one that matches nothing in particular, or would never be in force.
        """
        with self._stepping, self._life.transaction():
            now = self._clock()
            who = by or text("alerts.somebody", self._language)
            silence = self._life.silences.add(match, starts or now, until, who, comment, now)
            if silence.state == "active":
                self._life.silence(silence)
            self._next_due = min(self._next_due, max(now, silence.starts_at), silence.until)
        self._noted.silenced(silence)
        self.on_change()
        return silence.id

    def unsilence(self, id_: str) -> None:
        """Take a silence back: what it kept quiet and still fires is told. Raises NoSuchEvent."""
        with self._stepping, self._life.transaction():
            now = self._clock()
            silence = self._life.silences.end(id_, now)
            if silence is None:
                raise NoSuchEvent("alerts.silence_unknown", id=id_)
            self._life.unsilence(silence, now)
            self._next_due = now
        if silence.state != "over":
            self._noted.silenced(silence, removed=True)
            self.on_change()

    def silences(self) -> list[Silence]:
        """All that are kept, those in force first."""
        return self._life.silences.list()

    def announce(self, key: str, build: Callable[[Target], Notification | None]) -> bool:
        """A message of ours, such as a digest, for every channel for which `build` makes one. Once per key, whatever
        crashes; False if it was announced before."""
        with self._stepping, self._life.transaction():
            if not self.database.change("announce", key=key, now=self._clock()):
                return False
            given_up = self._posting.announce(key, build)
        self._noted.given_up(given_up)
        return True

    def enable(self, channel: str) -> bool:
        """Use a broken channel again; False if it was not broken. Raises NoSuchEvent for an unknown one."""
        known = [target.name for target in self._targets]
        if channel not in known:
            raise NoSuchEvent("alerts.channel_unknown", channel=channel, known=", ".join(known))
        enabled = self.outbox.enable(channel)
        if enabled:
            self._noted.enabled(channel)
            self.on_change()
        return enabled

    def channels(self) -> list[dict[str, Any]]:
        """Channels for the API: how they stand, when they last worked and what they last answered."""
        return self._overview.channels(self._targets, self._now())

    def rules(self, language: str | None = None) -> list[dict[str, Any]]:
        """Rules for the API: as they are configured, and how they stand."""
        costs = self._judge.costs()
        return self._overview.rules(self._rules, self._states, self._problems, costs, language or self._language)

    def handed_over(self) -> list[dict[str, Any]]:
        """What a peer that keeps alerts itself is to know now: see `handover`."""
        with self._stepping:
            return handed_over(
                self._life.state.newest(ALERTS_MAX),
                self._life.mutes,
                self._life.rules,
                now=self._clock(),
                language=self._language,
                base_url=self._base_url,
                zone=self._zone,
            )

    def close(self) -> None:
        """Write down how far we came, if the disk takes it, and release the file."""
        with self._stepping:
            try:
                with suppress(StoreError):  # what is judged twice has no second consequence
                    self._life.state.save_progress(self._progress)
            finally:
                self.database.close()

    def _clock(self) -> datetime:
        """Our time: the clock's, which waits where it was set back."""
        return max(self._now(), self._progress.observed_at)

    def _at(self, now: datetime) -> datetime:
        """The same; a clock that was set back by much takes everything that is due with it."""
        by = self._progress.observed_at - now
        if by <= SET_BACK:
            return max(now, self._progress.observed_at)
        since = self._progress.observed_since - by
        progress = replace(self._progress, observed_at=now, observed_since=since)
        with self._life.transaction():
            self._life.rewind(by, now)
            self._life.state.save_progress(progress)
        self._progress = progress
        self._saved_at = self._forget_at = now
        self._judge = self._new_judge(now, now)
        return now

    def _new_judge(self, now: datetime, looked_at: datetime, before: Judge | None = None) -> Judge:
        return Judge(
            self._store,
            self._rules,
            now=now,
            upto_seq=self._progress.evaluated_seq,
            held=self._life.state.held(),
            looked_at=looked_at,
            before=before,
            debts=self._debts,
        )

    def _retire(self, now: datetime) -> None:
        for alert in self._life.retire(now):
            self.repairs.over(alert)

    def _change(self) -> datetime | None:
        times = (self._life.next_change(), self.outbox.next_change())
        return min((time for time in times if time), default=None)

    def _due(self, now: datetime, change: datetime | None) -> datetime:
        return min((self._judge.next_due(now), now + IDLE, *([change] if change else [])))

    def _learn(self) -> tuple[dict[str, QueryError], list[str]]:
        """How the rules stand after a step; those that cannot be judged since now, and those without data."""
        problems, states = dict(self._judge.problems), dict(self._judge.states())
        failed = {id_: error for id_, error in problems.items() if id_ not in self._problems}
        fallen_silent = self._judge.fallen_silent
        silent = sorted(fallen_silent - self._silent)
        self._problems, self._states, self._silent = problems, states, fallen_silent
        return failed, silent

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

    def _apply(self, judged: Judged, now: datetime) -> tuple[Step, list[Letter], bool]:
        step = self._life.advance(judged, now)
        given_up = self.outbox.expire()
        for message in step.messages:
            given_up += self._posting.post(message, now)
        broke, pushed_out = self._posting.broken()
        for begin, alerts in ((self.repairs.begin, step.told + step.unheard), (self.repairs.go_on, step.goes_on)):
            for alert in alerts:
                rule = self._life.rules.get(alert.rule)
                if rule and alert.status == FIRING:
                    begin(alert, rule)
        for alert in step.over:
            self.repairs.over(alert)
        if now >= self._forget_at:
            self._life.state.forget(now)
            self._forget_at = now + FORGET_EVERY
        return step, given_up + pushed_out, bool(step.messages) or broke
