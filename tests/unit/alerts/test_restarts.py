"""Live, rebuilt after kills, and back-tested: the same night tells the same."""

from __future__ import annotations

import json
import tempfile
from datetime import time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.alerts.database import Database
from safelight.alerts.judged import Hit, Holding, Judged, Standing
from safelight.alerts.life import Life
from safelight.alerts.quiet import Quiet
from support.timeline import DAY, Timeline, error, rule

RULES = (
    rule("cause", inhibit=("symptom",), resolve_after="1m", repeat="2m"),
    rule("symptom", resolve_after="3m", repeat="1m", escalate={"after": "4m", "severity": 3}),
    rule("window", "more than 0 level:ERROR over 10m", **{"for": "1m"}, repeat="1m"),
)
QUIET = Quiet(time(0, 30), time(1), ZoneInfo("UTC"))
NODES = ("a", "b")
NIGHT = st.lists(
    st.tuples(st.integers(1, 400), st.sampled_from(RULES), st.sets(st.sampled_from(NODES)), st.booleans()),
    min_size=1,
    max_size=25,
)
"""Every so many seconds: a rule judged, with the nodes it hits or holds for, and whether we are killed before."""


def lived(night, folder=None):
    """What is told, to the microsecond; killed where the night says so, if there is a folder to come back to."""
    path = Path(folder) / "state.sqlite" if folder else None
    life, told, now = Life(Database(path), RULES, quiet=QUIET), [], DAY
    moments = [*night, (3600, RULES[0], set(), False)]
    for seconds, judged_rule, nodes, killed in moments:
        now += timedelta(seconds=seconds)
        while (change := life.next_change()) is not None and change <= now:
            told += _advanced(life, Judged(), change)
        if killed and folder:
            life = Life(Database(path), RULES, quiet=QUIET)  # nothing was closed in order
        told += _advanced(life, _judged(judged_rule, sorted(nodes), now), now)
    return told


def _judged(judged_rule, nodes, now):
    if judged_rule.id == "window":
        return Judged(standing=(Standing(judged_rule, tuple(Holding({"node": node}, 1) for node in nodes)),))
    return Judged(tuple(Hit(judged_rule, {"node": node}, 1, now, now, 1, 1) for node in nodes))


def _advanced(life, judged, now):
    with life.transaction():
        step = life.advance(judged, now)
    return [
        (
            str(now - DAY),
            message.status,
            message.kind,
            sorted(
                (alert.rule, json.dumps(dict(alert.labels)), alert.count, alert.severity) for alert in message.alerts
            ),
        )
        for message in step.messages
    ]


@settings(max_examples=40, deadline=None)
@given(NIGHT)
def test_a_rebuilt_life_goes_on_as_the_one_that_was_killed(night):
    with tempfile.TemporaryDirectory() as folder:
        assert lived(night, folder) == lived(night)


@settings(max_examples=40, deadline=None)
@given(NIGHT)
def test_whatever_happens_messages_are_sound(night):
    """What is over was told as firing before, in the order of time, and nothing is left untold in the end."""
    life_told = lived(night)
    heard = set()
    for _, status, kind, alerts in life_told:
        for name, labels, _, _ in alerts:
            if status == "firing" or kind == "overnight":
                heard.add((name, labels))
            else:
                assert (name, labels) in heard
    assert [row[0] for row in life_told] == sorted((row[0] for row in life_told), key=_seconds)


def _seconds(text):
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def test_a_step_that_came_to_nothing_leaves_no_trace_in_memory():
    life = Life(Database(None), RULES)
    hits = _judged(RULES[0], ["a"], DAY)
    try:
        with life.transaction():
            life.advance(hits, DAY)
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert life.state.all_live() == []
    assert [row[1] for row in _advanced(life, hits, DAY)] == ["firing"]


LIVE = (
    rule(resolve_after="2m", repeat="1m", escalate={"after": "3m", "severity": 3}),
    rule("many", "more than 2 level:ERROR over 2m", inhibit=("any-error",)),
    rule("lasting", "more than 0 level:ERROR over 1m", **{"for": "90s"}),
)
MOVES = st.lists(st.tuples(st.integers(1, 200), st.integers(0, 3), st.booleans()), min_size=1, max_size=8)


def watched(moves, *, killed):
    """What a whole engine tells, over a real store."""
    with tempfile.TemporaryDirectory() as folder:
        night, seconds = Timeline(Path(folder), LIVE), 3600
        try:
            for gap, errors, kill in moves:
                seconds += gap
                night.at(f"{seconds // 3600}:{seconds // 60 % 60}:{seconds % 60}", *(error() for _ in range(errors)))
                if kill and killed:
                    night.restart()
            night.until(f"{seconds // 3600 + 1}:{seconds // 60 % 60}:00")
            return [(*told.row, told.note.rule, told.note.title) for told in night.told]
        finally:
            night.close()


@settings(max_examples=10, deadline=None)
@given(MOVES)
def test_an_engine_that_is_killed_tells_what_one_that_lives_on_tells(moves):
    assert watched(moves, killed=True) == watched(moves, killed=False)
