"""The life of an alert against a simple model: told at most once per repeat, nothing lost from its count."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.alerts import flaps
from safelight.alerts.alert import EVENTS_KEPT
from safelight.alerts.database import Database
from safelight.alerts.judged import Hit, Judged
from safelight.alerts.life import Life
from support.timeline import DAY, rule

REPEAT, QUIET = 300, 600
MOVES = st.lists(st.tuples(st.integers(1, 900), st.integers(0, 3)), min_size=1, max_size=25)


class Model:
    """One alert, one second at a time, in the plainest words."""

    def __init__(self):
        self.told = []  # (second, status, count)
        self.firing, self.count, self.untold, self.last, self.last_told, self.heard = False, 0, False, 0, None, False

    def second(self, now, hits):
        if hits:
            if not self.firing:
                self.firing, self.count, self.heard = True, 0, False
            self.count, self.untold, self.last = self.count + hits, True, now
        if self.firing and now >= self.last + QUIET:
            self.firing = self.untold = False
            if self.heard:
                self.told.append((now, "resolved", self.count))
        if self.untold and (self.last_told is None or now >= self.last_told + REPEAT):
            self.told.append((now, "firing", self.count))
            self.untold, self.last_told, self.heard = False, now, True


@settings(max_examples=40, deadline=None)
@given(MOVES)
def test_an_alert_lives_as_the_model_says(moves):
    model, seconds = Model(), {}
    now = 0
    for gap, hits in moves:
        now += gap
        seconds[now] = hits
    for second in range(now + 2000):
        model.second(second, seconds.get(second, 0))
    assert _lived(seconds, until=now + 2000) == model.told


@settings(max_examples=40, deadline=None)
@given(MOVES, st.integers(1, 400), st.integers(1, 900))
def test_never_twice_within_a_repeat_and_resolved_only_after_firing(moves, repeat, quiet):
    now, seconds = 0, {}
    for gap, hits in moves:
        now += gap
        seconds[now] = hits
    told = _lived(seconds, until=now + 2000, repeat=f"{repeat}s", resolve_after=f"{quiet}s")
    firing = [at for at, status, _ in told if status == "firing"]
    assert all(later - earlier >= repeat for earlier, later in pairwise(firing))
    last = "resolved"
    for _, status, _ in told:
        assert (last, status) != ("resolved", "resolved")
        last = status
    assert last == "resolved"


def _lived(seconds, until, **fields):
    """What the real thing tells, stepping only when something happens or is due. It never flaps."""
    with mock.patch.object(flaps, "CHANGES", 1_000_000):
        return _told(seconds, until, **fields)


def _told(seconds, until, **fields):
    failures = rule(**{"repeat": f"{REPEAT}s", "resolve_after": f"{QUIET}s", **fields})
    life, told = Life(Database(None), [failures], collect=timedelta(0)), []
    pending, now = sorted(seconds), 0
    while True:
        change = life.next_change()
        nexts = [*pending[:1], *([int((change - DAY).total_seconds())] if change else [])]
        if not nexts or (now := min(nexts)) > until:
            return told
        at, hits = DAY + timedelta(seconds=now), []
        if pending[:1] == [now]:
            pending.pop(0)
            if count := seconds[now]:
                hits.append(Hit(failures, {"service": "s"}, count, at, at, 1, 1))
        with life.transaction():
            step = life.advance(Judged(tuple(hits)), at)
        told += [(now, message.status, message.alerts[0].count) for message in step.messages]


def test_an_alert_keeps_its_first_events_and_its_newest():
    life = Life(Database(None), [rule()])
    for number in range(1, 9):
        at = DAY + timedelta(seconds=number)
        hit = Hit(rule(), {"service": "s"}, 1, at, at, number, number, [{"id": f"e{number}"}])
        with life.transaction():
            life.advance(Judged((hit,)), at)
    (alert,) = life.state.newest(10)
    assert [event["id"] for event in alert.events] == ["e1", "e2", "e8"]
    assert len(alert.events) == EVENTS_KEPT
    assert alert.count == 8
