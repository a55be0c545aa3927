"""A rule tried on the past says what it would have said."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from safelight.alerts import backtest as module
from safelight.alerts.backtest import backtest
from safelight.alerts.judged import Judged
from safelight.alerts.quiet import Quiet
from safelight.errors import InputError, QueryError, QueryTooCostly
from support.timeline import DAY, clock, error, event, rule

START, END = clock("01:00:00"), clock("06:30:00")


@pytest.fixture
def tried(timeline):
    """`tried(rule, [(time, event), ...])`: what becomes of these events; `live=True`: and what did."""

    def run(what, happened, **options):
        night = timeline([what])
        for moment, *events in happened:
            night.at(moment, *events)
        night.until("06:30:00")
        return backtest(night.store, what, START, END, **options), night

    return run


def test_it_tells_what_the_running_server_told(tried):
    happened = [("02:00:00", error()), *((f"02:{minute:02}:30", error()) for minute in range(1, 12))]
    happened += [("05:00:00", error(node="KSampler")), ("05:00:06", error(node="A")), ("05:00:08", error(node="B"))]
    found, night = tried(rule(), happened)
    assert len(found.told_at) == len(night.messages())
    for then, told in zip(found.told_at, night.told, strict=True):
        assert abs(then - told.at) <= timedelta(seconds=5)
    assert [(alert.labels["node"], alert.count) for alert in found.firings[::-1]] == [
        ("VAEDecode", 12),
        ("KSampler", 1),
        ("A", 1),
        ("B", 1),
    ]
    assert found.matched == 15


def test_an_alert_says_when_it_began_and_ended_and_has_its_events(tried):
    found, _ = tried(
        rule(), [("02:00:00", error(message="first")), ("02:01:00", error()), ("02:02:00", error(message="last"))]
    )
    (alert,) = found.firings
    assert (alert.started_at, alert.count, alert.status) == (clock("02:00:00"), 3, "resolved")
    assert clock("02:12:00") <= alert.ended_at <= clock("02:12:05")
    assert [one.get("message") for one in alert.events] == ["first", None, "last"]


def test_many_events_of_one_alert_come_to_the_same_as_a_few(tried):
    happened = [
        (f"{2 + minute // 60:02}:{minute % 60:02}:{second:02}", error()) for minute in range(20) for second in (0, 30)
    ]
    found, night = tried(rule(), happened)
    (alert,) = found.firings
    assert alert.count == 40
    assert len(found.told_at) == len(night.messages())


def test_what_must_last_fires_only_when_it_lasted(tried):
    hot = [(f"02:{minute:02}:00", event(vram_used_mb=9000.0)) for minute in range(10)]
    blip = [("04:00:00", event(vram_used_mb=9000.0)), ("04:00:10", event(vram_used_mb=1.0))]
    found, _ = tried(rule(when="vram_used_mb > 8GB for 5m"), [*hot, ("02:10:00", event(vram_used_mb=1.0)), *blip])
    (alert,) = found.firings
    assert clock("02:05:00") <= alert.fired_at <= clock("02:05:10")
    assert found.matched is None


def test_a_window_has_its_examples_and_its_value(tried):
    happened = [(f"02:00:{second:02}", error(message=f"number {second}")) for second in range(8)]
    found, _ = tried(rule(when="more than 5 level:ERROR over 1h"), happened)
    (alert,) = found.firings
    assert alert.events
    assert len(found.told_at) == 2  # and that it is over


def test_nothing_inhibits_it_and_a_shadow_is_tried_as_if_it_told(tried):
    found, night = tried(rule(shadow=True, enabled=True), [("02:00:00", error())])
    assert len(found.told_at) == 2
    assert night.messages() == []


def test_a_rule_that_is_off_is_tried_all_the_same(tried):
    found, _ = tried(rule(enabled=False), [("02:00:00", error())])
    assert len(found.firings) == 1


def test_quiet_hours_hold_messages_back(tried):
    Quiet(time(1), time(7), UTC)
    loud, _ = tried(rule(), [("02:00:00", error()), ("03:00:00", error())])
    assert len(loud.told_at) == 4


def test_quiet_hours_make_one_message_of_a_night(timeline):
    night = timeline([rule()])
    night.at("02:00:00", error())
    night.at("06:00:00", error())
    found = backtest(night.store, rule(), START, END + timedelta(hours=2), quiet=Quiet(time(1), time(7), UTC))
    assert len(found.fired_at) == 2
    assert found.told_at[0] >= clock("07:00:00")


@pytest.mark.parametrize(
    ("start", "end"),
    [(DAY, DAY), (DAY, DAY - timedelta(days=1)), (DAY - timedelta(days=91), DAY)],
    ids=["none", "back", "long"],
)
def test_a_span_that_is_none_or_too_long_is_refused(start, end):
    with pytest.raises(InputError, match="90 days"):
        backtest(None, rule(), start, end)


def test_what_takes_too_long_is_given_up_with_how_far_it_came(timeline):
    night = timeline([])
    night.at("03:45:00", error())
    with pytest.raises(QueryTooCostly, match="50%"):
        backtest(night.store, rule(), START, END, timeout_s=-1)


def test_a_question_that_the_store_cannot_answer_is_told(timeline, monkeypatch):
    failed = Judged(failed=(("any-error", QueryError("store.refused", reason="no")),))
    monkeypatch.setattr(module, "replay", lambda *_: iter([(clock("02:00:00"), failed)]))
    with pytest.raises(QueryError):
        backtest(timeline([]).store, rule(), START, END)


def test_what_happened_outside_the_span_is_not_looked_at(timeline):
    night = timeline([])
    night.at("02:00:00", error())
    assert backtest(night.store, rule(), datetime(2026, 11, 22, 3, tzinfo=UTC), END).firings == []
