from __future__ import annotations

from safelight.meter import Tally


class Hands:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_happened_more_than_an_hour_ago_is_in_the_total_alone():
    clock = Hands()
    tally = Tally(clock)
    tally.add("too_large", 3)
    clock.now = 1800.0
    tally.add("too_large")
    tally.add("slow")
    clock.now = 2400.0
    assert tally.lately() == {"too_large": {"count": 4, "ago_s": 600.0}, "slow": {"count": 1, "ago_s": 600.0}}
    clock.now = 3700.0
    assert tally.lately()["too_large"] == {"count": 1, "ago_s": 1900.0}
    clock.now = 9000.0
    assert tally.lately() == {}
    assert tally.total == {"too_large": 4, "slow": 1}


def test_what_goes_on_for_days_takes_no_more_room():
    clock = Hands()
    tally = Tally(clock)
    for second in range(0, 3 * 86_400, 20):
        clock.now = float(second)
        tally.add("events", 5)
    assert tally.lately()["events"]["count"] in range(900, 920)
    assert len(tally._stretches["events"]) <= 62


def test_nothing_happening_is_nothing_to_tell_of():
    tally = Tally()
    tally.add("events", 0)
    assert tally.lately() == {}
    assert not tally.total
