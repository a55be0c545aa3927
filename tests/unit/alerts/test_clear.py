"""What an event ends: matches with a `clear`."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from safelight.alerts.backtest import backtest
from support.timeline import clock, event, rule

DOWN = "any event:instance_unreachable level:ERROR"
UP = "any event:instance_recovered"


def gone(**fields):
    return event(**{"event": "instance_unreachable", "level": "ERROR", "instance": "gpu-1", **fields})


def back(**fields):
    return event(**{"event": "instance_recovered", "instance": "gpu-1", **fields})


def down(**fields):
    return rule("gone", DOWN, clear=UP, **fields)


def test_it_lasts_until_an_event_ends_it(timeline):
    night = timeline([down()])
    night.at("02:00:00", gone())
    night.until("05:00:00")
    assert night.messages() == [("02:00:00", "team", "firing", 1)]
    assert [one["status"] for one in night.alerts()] == ["firing"]
    night.at("05:00:00", back())
    assert night.messages()[1:] == [("05:00:00", "team", "resolved", 1)]
    assert night.alerts()[0]["ended_at"] == "2026-11-22T05:00:00.000000Z"


@pytest.mark.parametrize("fields", [{"instance": "gpu-2"}, {"service": "other"}], ids=["instance", "service"])
def test_what_is_about_another_ends_nothing(timeline, fields):
    night = timeline([down()])
    night.at("02:00:00", gone())
    night.at("02:01:00", back(**fields))
    assert [one["status"] for one in night.alerts()] == ["firing"]


def test_a_label_that_only_one_of_them_has_does_not_matter(timeline):
    night = timeline([down()])
    night.at("02:00:00", gone(error_group="unreachable", node="KSampler"))
    night.at("02:01:00", back(instance=None))
    assert [one["status"] for one in night.alerts()] == ["resolved"]


def test_it_ends_only_what_was_before_it(timeline):
    night = timeline([down()])
    night.at("02:00:00", back(), gone())
    assert [one["status"] for one in night.alerts()] == ["firing"]
    night.at("02:05:00", back(timestamp=clock("01:59:00")))
    assert [one["status"] for one in night.alerts()] == ["firing"]


def test_what_begins_and_ends_between_two_looks_is_told_all_the_same(timeline):
    night = timeline([down()])
    night.at("02:00:00", gone(), back())
    night.until("02:30:00")
    assert [status for _, _, status, _ in night.messages()] == ["firing", "resolved"]
    assert [one["status"] for one in night.alerts()] == ["resolved"]


def test_it_is_told_again_only_when_it_happens_again_and_not_before_its_repeat(timeline):
    night = timeline([down(repeat="10m")])
    night.at("02:00:00", gone())
    night.at("02:01:00", gone())
    night.until("04:00:00")
    assert night.messages() == [("02:00:00", "team", "firing", 1), ("02:10:00", "team", "firing", 2)]


def test_it_goes_on_after_a_death_and_ends_by_what_was_committed_meanwhile(timeline):
    night = timeline([down()])
    night.at("02:00:00", gone())
    night.until("03:00:00")
    night.restart()
    night.until("03:10:00")
    assert [one["status"] for one in night.alerts()] == ["firing"]
    night.at("03:20:00", back())
    night.restart()
    assert [status for _, _, status, _ in night.messages()] == ["firing", "resolved"]


def test_one_that_must_last_is_pending_until_then_or_ends_without_a_word(timeline):
    night = timeline([down(**{"for": "5m"})])
    night.at("02:00:00", gone())
    night.at("02:04:00", back())
    night.until("02:20:00")
    assert night.told == []
    night.at("03:00:00", gone())
    night.until("03:20:00")
    assert night.messages() == [("03:05:00", "team", "firing", 1)]


def test_a_rule_that_loses_its_clear_ends_by_quiet_and_one_that_is_changed_without_a_word(timeline):
    night = timeline([down()])
    night.at("02:00:00", gone())
    night.until("03:00:00")
    night.engine.use([rule("gone", DOWN)])
    night.until("03:30:00")
    assert [row[2] for row in night.messages()] == ["firing", "resolved"]
    night.engine.use([down()])
    night.at("04:00:00", gone())
    night.engine.use([rule("gone", "any event:worker_dead", clear=UP)])
    night.until("05:00:00")
    assert [one["status"] for one in night.alerts()] == ["resolved", "resolved"]
    assert [row[2] for row in night.messages()] == ["firing", "resolved", "firing"]


def test_a_back_test_ends_it_at_the_same_time(timeline):
    night = timeline([down()])
    night.at("02:00:00", gone())
    night.at("03:30:00", back())
    night.at("04:00:00", back())
    night.at("05:00:00", gone())
    night.until("06:00:00")
    tried = backtest(night.store, down(), clock("01:00:00"), clock("06:00:00"))
    assert [alert.ended_at for alert in tried.firings] == [None, clock("03:30:05")]
    live = [one["ended_at"] for one in night.alerts()]
    assert live == [None, "2026-11-22T03:30:00.000000Z"]
    assert len(tried.told_at) == len(night.told) == 3
    assert all(abs(told.at - at) <= timedelta(seconds=5) for told, at in zip(night.told, tried.told_at, strict=True))


@pytest.mark.parametrize("clear", [DOWN, "more than 3 level:INFO over 1h"], ids=["itself", "count"])
def test_only_other_events_can_end_a_match(clear):
    with pytest.raises(ValidationError, match="clear"):
        rule("gone", DOWN, clear=clear)


def test_an_alert_that_stands_by_its_clear_holds_back_what_it_inhibits_until_then(timeline):
    night = timeline([down(inhibit=("other",)), rule("other", "any level:ERROR NOT event:instance_unreachable")])
    night.at("02:00:00", gone())
    night.at("03:00:00", event(level="ERROR", instance="gpu-1"))
    night.at("04:00:00", back())
    night.at("04:00:30", event(level="ERROR", instance="gpu-1"))
    assert [(one.note.rule, one.note.status) for one in night.told] == [
        ("gone", "firing"),
        ("gone", "resolved"),
        ("other", "firing"),
    ]


def test_what_comes_and_goes_is_not_told_more_often_than_its_repeat(timeline):
    night = timeline([down()])
    night.at("02:00:00", gone())
    night.at("02:00:30", back())
    night.at("02:01:00", gone(), back())
    night.until("02:10:00")
    assert [row[2] for row in night.messages()] == ["firing", "resolved", "firing"]
    assert "flap" in night.told[-1].note.title.lower()
