from __future__ import annotations

from safelight.demo.clock import ASLEEP_S, play
from safelight.demo.happening import Happening

NOW = 1_000_000.0


class World:
    """A clock that moves when somebody waits, and a record of what was told when."""

    def __init__(self, *, over_at=float("inf")):
        self.time = NOW
        self.over_at = over_at
        self.told = []

    def tell(self, happening, moment):
        self.told.append((happening.name, moment - NOW, self.time - NOW))

    def wait(self, seconds):
        self.time += seconds
        return self.time < self.over_at

    def play(self, *offsets, **how):
        happenings = [Happening(NOW + offset, str(offset), "INFO", {}) for offset in offsets]
        play(happenings, self.tell, self.wait, now=NOW, clock=lambda: self.time, **how)
        return self.told


def test_the_past_is_told_at_once_at_its_own_time():
    assert World().play(-86_400, -60, 0, speed=7) == [("-86400", -86_400, 0), ("-60", -60, 0), ("0", 0, 0)]


def test_the_present_is_told_when_it_comes():
    assert World().play(2, 5) == [("2", 2, 2), ("5", 5, 5)]


def test_a_faster_life_happens_in_less_time_and_never_in_the_future():
    assert World().play(20, 50, speed=10) == [("20", 2, 2), ("50", 5, 5)]


def test_it_is_over_when_waiting_says_so():
    assert World(over_at=NOW + 5).play(2, 5, 8) == [("2", 2, 2)]


def test_it_is_over_at_the_time_that_was_asked_for():
    assert World().play(-1, 2, 3, until=NOW + 2) == [("-1", -1, 0), ("2", 2, 2)]


def test_a_little_lateness_is_made_up_for():
    world = World()
    world.time += 10
    assert world.play(2, 11) == [("2", 2, 10), ("11", 11, 11)]


def test_a_machine_that_slept_goes_on_where_it_was():
    world = World()
    world.time += ASLEEP_S + 100
    told = world.play(1, 4)
    assert [moment for _, moment, _ in told] == [ASLEEP_S + 100, ASLEEP_S + 103]
