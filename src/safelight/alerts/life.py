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
from .database import Database, micros
from .flaps import Flaps
from .group import COLLECT, ESCALATED, FLAPPING, OVERNIGHT, STABLE, USUAL, Message, ripe
from .judged import Hit, Holding, Judged, Standing
from .mutes import ACKNOWLEDGED, INHIBITED, SILENCE, Mutes
from .notification import FIRING, PENDING, RESOLVED
from .quiet import Quiet
from .rule import Rule
from .silences import Silence, Silences
from .state import State
from .when import parse

FIRING_MAX: Final = 1_000
"""Alerts of one rule that fire at once. Beyond it, further ones are counted on one alert for their service."""
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
    over: list[Alert] = field(default_factory=list)


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
        return bool(judged.hits or judged.late) or any(self._differs(standing, now) for standing in judged.standing)

    def next_change(self) -> datetime | None:
        """When something happens by itself, if nothing happens before."""
        coming = self.state.coming()
        if "held" in coming:
            coming["held"] = self._morning(coming["held"])
        return min(coming.values(), default=None)

    def advance(self, judged: Judged, now: datetime) -> Step:
        """Let `now` be: what was judged happens, what is due happens, and then it is decided what is told."""
        step = self._step = Step()
        coming = {what: at for what, at in self.state.coming().items() if at <= now}
        if "silences" in coming:
            self._turn_silences(now)
        for hit in judged.hits:
            self._observe(hit, now)
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
        if "held" in coming and self._morning(coming["held"]) <= now:
            step.messages.extend(self._overnight(now))
        step.messages.extend(ripe(self._db, self.state, now, self._collect))
        return step

    def retire(self, now: datetime) -> list[Alert]:
        """What stands by a condition that no rule has any more is over, without a word."""
        retired = []
        for alert in self.state.all_live():
            rule = self.rules.get(alert.rule)
            if (alert.standing or alert.status == PENDING) and not (rule and _same(rule, alert.why)):
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

    def silence(self, silence: Silence, now: datetime) -> int:
        """It is in force: what it is about is marked at once. Returns how many alerts that are."""
        count = 0
        for alert in self.state.all_live():
            if alert.status == FIRING and not alert.muted and silence.matches(alert):
                self._mark(alert, Mute(SILENCE, silence.id, silence.until))
                count += 1
        return count

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
            self.silence(silence, now)

    def _mark(self, alert: Alert, mute: Mute) -> None:
        """Muted by now, though nothing is to be told; what waited to be told is decided at its time."""
        self.state.save(replace(alert, muted=mute), alert)

    def _observe(self, hit: Hit, now: datetime) -> None:
        rule, labels = hit.rule, hit.labels
        known = self.state.live(rule.id, labels)
        if known is None and self.state.count_of(rule.id) >= FIRING_MAX:
            labels = _folded(labels)
            known = self.state.live(rule.id, labels)
        if known:
            self.state.save(known.seen_again(rule, hit.count, hit.last_at, now, hit.events, hit.value), known)
            return
        facts = {"count": hit.count, "started_at": hit.first_at, "last_at": hit.last_at, "value": hit.value}
        self._open(rule, labels, now, events=hit.events, ends_by_quiet=True, **facts)

    def _stand(self, standing: Standing, now: datetime) -> None:
        if standing.no_data:
            return  # nobody knows whether it is over
        rule, held = standing.rule, set()
        for holding in self._holding(standing):
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

    def _holding(self, standing: Standing) -> Iterable[Holding]:
        """All of them; beyond FIRING_MAX those of one service as one, with the sum of their counts."""
        if len(standing.holding) <= FIRING_MAX:
            return standing.holding
        kept = list(standing.holding[:FIRING_MAX])
        folded: dict[frozenset[tuple[str, str]], Holding] = {}
        for holding in standing.holding[FIRING_MAX:]:
            labels = _folded(holding.labels)
            known = folded.get(key := frozenset(labels.items()))
            folded[key] = replace(holding, labels=labels, count=holding.count + (known.count if known else 0))
        return [*kept, *folded.values()]

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
        if flaps:
            self._flap(over, now)
        if self.mutes.inhibition.inhibits(alert.rule):
            self._release(alert, now)

    def _release(self, cause: Alert, now: datetime) -> None:
        """What it inhibited is told if it still holds. A match that ends by quiet is told when it happens again: it is
        likely to be over in a moment too."""
        for alert in self.state.all_live():
            if alert.muted and (alert.muted.by, alert.muted.ref) == (INHIBITED, cause.id):
                free = alert.unmuted(now) if alert.standing else replace(alert, muted=None)
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

    def _morning(self, since: datetime) -> datetime:
        """When what is held since then is told."""
        return self.mutes.quiet_until(since) or since

    def _overnight(self, now: datetime) -> Iterator[Message]:
        """At the end of quiet hours, or as soon after it as we can: what they held back, in one message. What somebody
        acknowledged or silenced since is left out."""
        key = f"overnight.{micros(now)}"
        listed = []
        for _, alert in self.state.held_over():
            over = alert.status == RESOLVED
            why = self.mutes.reason_when_over if over else self.mutes.reason
            mute = why(alert, now, quiet=False)
            left_out = mute or (over and alert.acknowledged_at)
            self._db.change("close_held", alert=alert.id, message="" if left_out else key)
            if mute and not over:
                hushed = alert.hushed(mute)
                self.state.save(hushed, alert)
                self.state.record(hushed, now, mute=mute)
            elif not left_out:
                listed.append(alert if over else self._told_overnight(alert, key, now))
        if listed:
            status = FIRING if any(alert.status == FIRING for alert in listed) else RESOLVED
            yield Message(key, OVERNIGHT, status, tuple(listed), OVERNIGHT)

    def _told_overnight(self, alert: Alert, key: str, now: datetime) -> Alert:
        told = alert.told(now, self.rules.get(alert.rule))
        self.state.save(told, alert)
        self.state.record(told, now, kind=OVERNIGHT)
        self._db.change("close_message", message=key, alert=told.id, number=told.number)
        self._step.told.append(told)
        return told


def _folded(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name == "service"}


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
