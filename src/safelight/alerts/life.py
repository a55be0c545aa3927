"""The life of all alerts, one moment at a time: what was judged and what is due becomes messages to tell.

Needs a clock's time and a `Database`, and nothing else: it serves the running server, its rebuilt successor and a
back-test (`Life(Database(None), [rule])`) alike. `advance` belongs into `transaction`, as all that changes something.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from ..errors import QueryError, StoreError
from .alert import Alert, Mute, first_due, opened
from .condition import Emptied
from .database import Database
from .flaps import Flaps
from .folding import FIRING_MAX, fewer, folded
from .group import COLLECT, ESCALATED, FLAPPING, STABLE, USUAL, Message, ripe
from .inhibit import same_thing
from .judged import Cleared, Hit, Holding, Judged, Standing
from .mutes import ACKNOWLEDGED, INHIBITED, QUIET_HOURS, SILENCE, Mutes
from .notification import FIRING, PENDING, RESOLVED
from .overnight import morning, overnight
from .quiet import Quiet
from .rule import Rule
from .silences import Silence, Silences
from .state import State
from .when import parse

FIGURES_EVERY: Final = timedelta(seconds=15)
"""A condition that still holds has its new figures written down this often."""


@dataclass
class Step:
    """What one moment brought. Alerts as they were then."""

    messages: list[Message] = field(default_factory=list)
    told: list[Alert] = field(default_factory=list)
    """Told as firing: first, again, escalated."""
    hushed: list[Alert] = field(default_factory=list)
    """Kept without being told, for a reason that is new."""
    unheard: list[Alert] = field(default_factory=list)
    """Those of them that are kept only for the hour or because they flap: to be repaired all the same."""
    goes_on: list[Alert] = field(default_factory=list)
    """Happened again while they are kept for that."""
    over: list[Alert] = field(default_factory=list)
    ended: list[Alert] = field(default_factory=list)
    """Those of them of whose end nobody is told."""


class Life:
    """Alerts of a set of rules."""

    def __init__(
        self, database: Database, rules: Iterable[Rule], *, quiet: Quiet | None = None, collect: timedelta = COLLECT
    ) -> None:
        self._db = database
        self._quiet = quiet
        self._collect = collect
        self.state = State(database)
        self.silences = Silences(database)
        self._flaps = Flaps(database, self.state)
        self._step = Step()
        self._stale = False
        self.use(rules)

    def use(self, rules: Iterable[Rule]) -> None:
        """Judge by these from now on; `retire` what can never be judged again."""
        self.rules: Mapping[str, Rule] = {rule.id: rule for rule in rules if rule.enabled}
        self.mutes = Mutes(self.state, self.silences, self._flaps, self.rules, self._quiet)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing, in memory too."""
        try:
            with self._db.transaction():
                if self._stale:
                    self._reload()
                yield
        except BaseException:
            self._stale = True
            with suppress(StoreError):  # a file that cannot be read now is read by the next transaction
                self._reload()
            raise

    def stirs(self, judged: Judged, now: datetime) -> bool:
        """Whether what was judged changes anything."""
        if judged.hits or judged.late or any(self._ended(one, {}) for one in judged.cleared):
            return True
        return any(self._differs(standing, now) for standing in judged.standing)

    def next_change(self) -> datetime | None:
        """When something happens by itself, if nothing happens before."""
        coming = self.state.coming()
        if "held" in coming:
            coming["held"] = morning(self.mutes, coming["held"])
        return min(coming.values(), default=None)

    def advance(self, judged: Judged, now: datetime) -> Step:
        """Let `now` be: what was judged happens, what is due happens, and then it is decided what is told."""
        step = self._step = Step()
        coming = {what: at for what, at in self.state.coming().items() if at <= now}
        if "silences" in coming:
            self._turn_silences(now)
        for hit in judged.hits:
            self._observe(hit, now)
        self._clear(judged, now)
        for standing in judged.standing:
            self._stand(standing, now)
        for what, act in (("ready", self._fire), ("quiet", self._resolve), ("unanswered", self._escalate)):
            if what in coming:
                for alert in self.state.reached(what, now):
                    act(alert, now)
        if "stable" in coming:
            self._settle(now)
        for alert in self.state.reached("due", now):
            self._tell(alert, now, USUAL)
        if "held" in coming and morning(self.mutes, coming["held"]) <= now:
            for message in overnight(self._db, self.state, self.mutes, self.rules, now):
                step.messages.append(message)
                step.told.extend(alert for alert in message.alerts if alert.status == FIRING)
        step.messages.extend(ripe(self._db, self.state, now, self._collect))
        for message in step.messages:
            self._forget_what_is_done(message, now)
        return step

    def retire(self, now: datetime) -> list[Alert]:
        """What stands by a condition that no rule has any more is over, without a word."""
        retired = []
        for alert in self.state.all_live():
            rule = self.rules.get(alert.rule)
            if rule and _same(rule, alert.why):
                if alert.resolve_at is None and not alert.standing and not rule.clear:
                    self.state.save(replace(alert, resolve_at=now + rule.resolve_after), alert)
            elif alert.standing or alert.status == PENDING or alert.resolve_at is None:
                if alert.status == PENDING:
                    self.state.drop(alert)
                else:
                    retired.append(alert.resolved(now))
                    self.state.save(retired[-1], alert)
        return retired

    def rewind(self, by: timedelta, now: datetime) -> None:
        """The clock was set back by that much."""
        self.state.rewind(by, now)
        self._flaps.reload()

    def acknowledge(self, alert: Alert, by: str, now: datetime) -> Alert:
        """Somebody looks after it."""
        known = alert.acknowledged(by, now)
        self.state.save(known, alert)
        return known

    def unacknowledge(self, alert: Alert, now: datetime) -> Alert:
        """Nobody does after all; what was never told is due."""
        free = alert.unacknowledged(now, self.rules.get(alert.rule))
        if alert.muted and alert.muted.by == ACKNOWLEDGED:
            free = free.unmuted(now)
        self.state.save(free, alert)
        return free

    def silence(self, silence: Silence) -> None:
        """It is in force: what it is about is marked at once."""
        for alert in self.state.all_live():
            if alert.status == FIRING and not alert.muted and silence.matches(alert):
                self._mark(alert, Mute(SILENCE, silence.id, silence.until))

    def unsilence(self, silence: Silence, now: datetime) -> None:
        """It is over: what it kept quiet and still fires is told now if nobody ever heard of it."""
        for alert in self.state.all_live():
            if alert.muted and (alert.muted.by, alert.muted.ref) == (SILENCE, silence.id):
                self.state.save(alert.unmuted(now), alert)

    def told_channels(self, message: Message, alert: Alert, now: datetime) -> set[str]:
        """Channels that were told that it fires, or have that waiting."""
        since = now - timedelta(days=1) if message.kind == STABLE else now + timedelta(days=1)
        rows = self._db.rows("told_channels", identity=alert.identity, alert=alert.id, since=since)
        return {row["channel"] for row in rows}

    def _reload(self) -> None:
        self.state.reload()
        self.silences.reload()
        self._flaps.reload()
        self._stale = False

    def _turn_silences(self, now: datetime) -> None:
        begun, over = self.silences.turn(now)
        for silence in over:
            self.unsilence(silence, now)
        for silence in begun:
            self.silence(silence)

    def _mark(self, alert: Alert, mute: Mute) -> None:
        """Muted by now, though nothing is to be told; what waited to be told is decided at its time."""
        self.state.save(replace(alert, muted=mute), alert)

    def _observe(self, hit: Hit, now: datetime) -> None:
        rule, labels = hit.rule, hit.labels
        known = self.state.live(rule.id, labels)
        if known is None and self.state.count_of(rule.id) >= FIRING_MAX:
            labels = folded(labels)
            known = self.state.live(rule.id, labels)
        if known:
            seen = known.seen_again(rule, hit.count, hit.last_at, now, hit.events, hit.value)
            self.state.save(seen, known)
            if rule.then and seen.muted and _repaired_unheard(self.mutes.reason(seen, now)):
                self._step.goes_on.append(seen)
            return
        facts = {"count": hit.count, "started_at": hit.first_at, "last_at": hit.last_at, "value": hit.value}
        self._open(rule, labels, now, events=hit.events, ends_by_quiet=True, **facts)

    def _clear(self, judged: Judged, now: datetime) -> None:
        """What `clear` of a match ends is over at once; what nobody was told of yet is told first, for it happened."""
        newest: dict[str, int] = {}
        for hit in judged.hits if judged.cleared else ():
            if known := self.state.live(hit.rule.id, hit.labels):
                newest[known.identity] = max(hit.last_seq, newest.get(known.identity, 0))
        for cleared in judged.cleared:
            for alert in self._ended(cleared, newest):
                if alert.due_at is not None and alert.due_at <= now and not alert.heard:
                    self._tell(alert, now, USUAL)
                self._resolve(self.state.live_as(alert.identity) or alert, now)

    def _ended(self, cleared: Cleared, newest: Mapping[str, int]) -> list[Alert]:
        """What it ends. `newest`: the last event of those that happened in this step."""
        end = cleared.last_at, cleared.last_seq
        return [
            alert
            for alert in self.state.of_rule(cleared.rule.id)
            if (alert.last_at, newest.get(alert.identity, 0)) < end and same_thing(cleared.labels, alert.labels)
        ]

    def _forget_what_is_done(self, message: Message, now: datetime) -> None:
        """What happens once and is over, such as an emptied queue, fires no more once it is told, without a word."""
        for alert in message.alerts if message.status == FIRING else ():
            known = self.state.live_as(alert.identity)
            if known and known.status == FIRING and self._happens_once(known):
                self.state.save(known.resolved(now), known)

    def _happens_once(self, alert: Alert) -> bool:
        rule = self.rules.get(alert.rule)
        return rule is not None and isinstance(rule.when, Emptied)

    def _stand(self, standing: Standing, now: datetime) -> None:
        if standing.no_data:
            return  # nobody knows whether it is over
        rule, held = standing.rule, set()
        for holding in fewer(standing.holding):
            known = self.state.live(rule.id, holding.labels)
            if known is None:
                facts = {"count": holding.count, "started_at": now, "last_at": now, "value": holding.value}
                known = self._open(rule, holding.labels, now, events=holding.events, ends_by_quiet=False, **facts)
            elif _figures_differ(known, holding, now):
                self.state.save(known.still_holds(rule, holding.count, now, holding.events, holding.value), known)
            held.add(known.identity)
        for alert in self.state.of_rule(rule.id):
            if alert.standing and alert.identity not in held:
                self._resolve(alert, now)

    def _differs(self, standing: Standing, now: datetime) -> bool:
        if standing.no_data:
            return False
        known = [alert for alert in self.state.of_rule(standing.rule.id) if alert.standing]
        if len(known) != len(standing.holding):
            return True
        return any(
            (alert := self.state.live(standing.rule.id, holding.labels)) is None or _figures_differ(alert, holding, now)
            for holding in standing.holding
        )

    def _open(
        self, rule: Rule, labels: Mapping[str, str], now: datetime, *, events: Any, ends_by_quiet: bool, **facts: Any
    ) -> Alert:
        alert = opened(rule, labels, now=now, told_before=None, ends_by_quiet=ends_by_quiet, events=events, **facts)
        if alert.status == FIRING:
            alert = replace(alert, due_at=first_due(rule, now, self.state.told_before(alert.identity)))
        self.state.add(alert)
        return self._began(alert, now) if alert.status == FIRING else alert

    def _fire(self, alert: Alert, now: datetime) -> None:
        rule = self.rules.get(alert.rule)
        if rule is None or (alert.resolve_at and alert.resolve_at <= now):
            self.state.drop(alert)  # it paused for too long
            return
        fired = alert.fired(now, first_due(rule, now, self.state.told_before(alert.identity)), rule)
        self.state.save(fired, alert)
        self._began(fired, now)

    def _began(self, alert: Alert, now: datetime) -> Alert:
        if self._flaps.changed(alert.identity, now):
            return self._flap(alert, now)
        if self._flaps.stable_at(alert.identity):
            flapping = replace(alert, flapping=True)
            self.state.save(flapping, alert)
            return flapping
        return alert

    def _resolve(self, alert: Alert, now: datetime) -> None:
        if alert.status == PENDING:
            self.state.drop(alert)
            return
        over = alert.resolved(now)
        self.state.save(over, alert)
        self._step.over.append(over)
        flaps = self._flaps.changed(alert.identity, now)
        until = self._flaps.stable_at(alert.identity)
        mute = Mute(FLAPPING, until=until) if until else None
        if alert.heard:
            mute = mute or self.mutes.reason_when_over(over, now)
        elif alert.number:
            mute = mute or alert.muted or self.state.last_mute(alert)
        if alert.number or mute:
            over = replace(over, number=over.number + 1, muted=mute, flapping=until is not None)
            self.state.save(over, alert)
            self.state.record(over, now, mute=mute)
        if mute:
            self._step.ended.append(over)
        if flaps:
            self._flap(over, now)
        if self.mutes.inhibition.inhibits(alert.rule):
            self._release(alert, now)

    def _release(self, cause: Alert, now: datetime) -> None:
        """What it inhibited is told if it still holds. A match that ends by quiet is told when it happens again: it is
        likely to be over in a moment too."""
        for alert in self.state.all_live():
            if alert.muted and (alert.muted.by, alert.muted.ref) == (INHIBITED, cause.id):
                free = replace(alert, muted=None) if alert.resolve_at else alert.unmuted(now)
                self.state.save(free, alert)

    def _escalate(self, alert: Alert, now: datetime) -> None:
        rule = self.rules.get(alert.rule)
        severity = rule.escalate.severity if rule and rule.escalate else alert.severity
        self._tell(alert.raised(severity, now), now, ESCALATED)

    def _flap(self, alert: Alert, now: datetime) -> Alert:
        """Say so, once."""
        mute = self.mutes.reason(alert, now, flapping=False)
        number = alert.number + 1
        if mute:
            flapping = replace(alert, number=number, flapping=True, due_at=None, muted=mute)
            if _repaired_unheard(mute):
                self._step.unheard.append(flapping)
        else:
            flapping = replace(alert, number=number, flapping=True, due_at=None, heard=True, told_at=now)
            self._step.told.append(flapping)
        self.state.save(flapping, alert)
        self.state.record(flapping, now, status=FIRING, kind=FLAPPING, mute=mute)
        return flapping

    def _settle(self, now: datetime) -> None:
        for identity in self._flaps.settled(now):
            alert = self.state.live_as(identity)
            if alert and alert.status == FIRING:
                self._tell(replace(alert, flapping=False, muted=None), now, STABLE)
                continue
            last = self.state.last_episode(identity)
            if last and last.status == RESOLVED:
                mute = self.mutes.reason_when_over(last, now)
                over = replace(last, number=last.number + 1, muted=mute)
                self.state.save(over, last)
                self.state.record(over, now, kind=STABLE, mute=mute)

    def _tell(self, alert: Alert, now: datetime, kind: str) -> None:
        mute = self.mutes.reason(alert, now)
        if mute is None:
            told = alert.told(now, self.rules.get(alert.rule))
            self.state.save(told)
            self.state.record(told, now, kind=kind)
            self._step.told.append(told)
            return
        hushed = alert.hushed(mute)
        self.state.save(hushed)
        if hushed.number != alert.number:
            self.state.record(hushed, now, kind=kind, mute=mute)
            self._step.hushed.append(hushed)
            if _repaired_unheard(mute):
                self._step.unheard.append(hushed)


def _repaired_unheard(mute: Mute | None) -> bool:
    """Whether a machine is to help although no person is called: a card is as hot at night."""
    return mute is not None and mute.by in {QUIET_HOURS, FLAPPING}


def _figures_differ(alert: Alert, holding: Holding, now: datetime) -> bool:
    if now - alert.last_at < FIGURES_EVERY:
        return False
    return (alert.count, alert.value) != (holding.count, holding.value) or now - alert.last_at >= 4 * FIGURES_EVERY


def _same(rule: Rule, why: str) -> bool:
    if str(rule.when) == why:
        return True
    with suppress(QueryError):
        return bool(parse(why) == rule.when)  # an older Safelight may have written it otherwise
    return False
