"""Sums over a sliding stretch of time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.alerts.condition import Daily
from safelight.alerts.watch import DAY, HOUR, LABELS_MAX, MINUTE, SECOND, moment, sliding
from safelight.alerts.watch.bins import ZERO, middle, percentile
from safelight.alerts.watch.daily import last_check, next_check
from safelight.alerts.watch.sliding import GRAINS_MAX, Sliding, grain_of, period_of

KEYS = st.sampled_from([("a",), ("b",), (None,)])


@given(
    st.lists(st.tuples(st.integers(0, 200), KEYS, st.integers(1, 5), st.integers(-9, 9)), max_size=40),
    st.integers(1, 20),
)
def test_what_enters_and_leaves_adds_up_to_what_is_in_the_stretch(parts, step):
    stretch = Sliding(60 * SECOND, 5 * SECOND)
    waiting = sorted(parts, key=lambda part: part[0])
    for tick in range(5, 300, 5 * step):
        while waiting and waiting[0][0] < tick:
            at, key, n, y = waiting.pop(0)
            if stretch.add(at * SECOND, key, n, y, number=y) is not None:
                stretch.add_extreme(at * SECOND // (5 * SECOND) * 5 * SECOND, key, y)
        stretch.move(tick * SECOND)
        for key in (("a",), ("b",), (None,)):
            inside = [part for part in parts if part[1] == key and tick - 60 <= part[0] // 5 * 5 and part[0] < tick]
            found = stretch.sums.get(key)
            assert (found.n if found else 0) == sum(part[2] for part in inside)
            assert (found.y if found else 0) == sum(part[3] for part in inside)
            assert stretch.least(key) == min((part[3] for part in inside), default=None)
            if found:
                assert sum((found.bins or {}).values()) == found.n


def test_a_key_too_many_is_passed_by_and_said():
    stretch = Sliding(MINUTE, SECOND)
    for number in range(LABELS_MAX + 1):
        stretch.add(0, (str(number),), 1)
    assert stretch.crowded
    assert len(stretch.sums) == LABELS_MAX


def test_too_many_sums_are_kept_in_longer_grains(monkeypatch):
    monkeypatch.setattr(sliding, "CELLS_MAX", 10)
    stretch = Sliding(MINUTE, SECOND)
    for number in range(40):
        stretch.add(number * SECOND, ("a",), 1, number=number % 3)
    stretch.move(40 * SECOND)
    assert stretch.sums["a",].n == 40
    assert stretch.grain > SECOND
    stretch.move(200 * SECOND)
    assert not stretch.sums


def test_extremes_that_never_matter_are_not_kept_for_ever():
    stretch = Sliding(HOUR, 5 * SECOND)
    for number in range(10 * GRAINS_MAX):
        grain = stretch.add(number * SECOND, ("a",), 1)
        assert grain is not None
        stretch.add_extreme(grain, ("a",), float(number))
        stretch.move(number * SECOND)
    assert len(stretch.sums["a",].extremes or ()) <= 4 * GRAINS_MAX
    assert stretch.least(("a",)) == (10 * GRAINS_MAX - 1 - 3600) // 5 * 5


@pytest.mark.parametrize(
    ("over", "grain", "period"),
    [
        (30 * SECOND, SECOND, SECOND),
        (15 * MINUTE, 5 * SECOND, 5 * SECOND),
        (HOUR, 5 * SECOND, 5 * SECOND),
        (DAY, 120 * SECOND, MINUTE),
        (30 * DAY, HOUR, MINUTE),
        (366 * DAY, DAY, MINUTE),
    ],
)
def test_a_longer_stretch_is_cut_less_finely(over, grain, period):
    assert (grain_of(over), period_of(over)) == (grain, period)
    assert over / grain <= GRAINS_MAX


@given(st.lists(st.sampled_from([1, 5, 9]), min_size=1, max_size=50), st.sampled_from([1, 50, 95, 99]))
def test_a_percentile_is_that_of_the_nearest_rank(values, percent):
    bins = {ZERO + value: values.count(value) for value in set(values)}
    rank = -(-percent * len(values) // 100)
    assert percentile(bins, percent) == middle(ZERO + sorted(values)[rank - 1])


def test_a_check_is_made_at_the_same_time_of_the_day_in_summer_and_winter():
    daily = Daily(8, 30, "Europe/Berlin")
    for now, before, after in (
        ("2026-03-28T12:00", "2026-03-28T07:30", "2026-03-29T06:30"),
        ("2026-10-24T05:00", "2026-10-23T06:30", "2026-10-24T06:30"),
        ("2026-10-24T12:00", "2026-10-24T06:30", "2026-10-25T07:30"),
        ("2026-06-01T06:30", "2026-06-01T06:30", "2026-06-02T06:30"),
    ):
        at = [moment(datetime.fromisoformat(time).replace(tzinfo=UTC)) for time in (now, before, after)]
        assert [last_check(daily, at[0]), next_check(daily, at[0])] == at[1:]
