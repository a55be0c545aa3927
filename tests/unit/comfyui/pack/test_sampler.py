"""While a run is active the memory is read; while none is, nothing happens."""

from __future__ import annotations

import threading
from time import time_ns

import pytest


class Counting:
    """A Memory whose device has one MB more in use at each reading."""

    def __init__(self, reading, *, device=True):
        self.reading, self.device = reading, device
        self.count = 0
        self.read_so_far = threading.Condition()

    def read(self):
        with self.read_so_far:
            self.count += 1
            self.read_so_far.notify_all()
            used = {"device_used_mb": self.count, "device_total_mb": 99, "torch_allocated_mb": 1} if self.device else {}
            return self.reading(ram_used_mb=500, **used)

    def until(self, count):
        with self.read_so_far:
            assert self.read_so_far.wait_for(lambda: self.count >= count, 20)


@pytest.fixture
def memory(pack):
    return Counting(pack.memory.Reading)


@pytest.fixture
def sampler(pack, memory, told):
    return pack.sampler.Sampler(memory, told, interval=0.001)


def test_five_readings_become_one_event_and_the_end_tells_the_rest(sampler, memory, told):
    sampler.begin("w1")
    memory.until(12)
    sampler.end()
    events = told.of("resources_sampled")
    assert [len(event["curve"]["at"]) for event in events[:2]] == [5, 5]
    readings = [value for event in events for value in event["curve"]["vram_mb"]]
    assert readings == list(range(1, memory.count + 1))
    last = events[-1]
    assert (last["workflow_id"], last["vram_used_mb"], last["ram_used_mb"]) == ("w1", memory.count, 500)
    assert last["curve"]["vram_total_mb"] == 99
    assert {one.level for one in told} == {"DEBUG"}


def test_times_are_in_milliseconds_since_1970_and_in_order(sampler, memory, told):
    before = time_ns() // 1_000_000
    sampler.begin("w1")
    memory.until(6)
    sampler.end()
    at = [moment for event in told.of("resources_sampled") for moment in event["curve"]["at"]]
    assert at == sorted(at)
    assert before <= at[0] <= at[-1] <= time_ns() // 1_000_000


def test_a_run_too_short_for_the_clock_still_has_its_two_ends(pack, memory, told):
    sampler = pack.sampler.Sampler(memory, told, interval=60)
    sampler.begin("w1")
    sampler.end()
    (event,) = told.of("resources_sampled")
    assert event["curve"]["vram_mb"] == [1, 2]


def test_between_runs_nothing_is_read(pack, memory, told):
    sampler = pack.sampler.Sampler(memory, told, interval=0.001)
    sampler.begin("w1")
    memory.until(3)
    sampler.end()
    count = memory.count
    assert not threading.Event().wait(0.05)
    assert memory.count == count
    sampler.begin("w2")
    memory.until(count + 3)
    sampler.end()
    assert told.of("resources_sampled")[-1]["workflow_id"] == "w2"


def test_without_a_device_its_rows_are_null(pack, told):
    sampler = pack.sampler.Sampler(Counting(pack.memory.Reading, device=False), told, interval=60)
    sampler.begin("w1")
    sampler.end()
    (event,) = told.of("resources_sampled")
    assert (event["curve"]["vram_mb"], event["curve"]["torch_mb"]) == (None, None)
    assert event["curve"]["ram_mb"] == [500, 500]
    assert "vram_used_mb" not in event
    assert sampler.peak_mb_since(0) is None


def test_the_peak_is_that_of_the_readings_since(pack, memory, told):
    sampler = pack.sampler.Sampler(memory, told, interval=60)
    sampler.begin("w1")
    between = time_ns()
    assert sampler.peak_mb_since(between + 10**12) is None
    assert sampler.peak_mb_since(0) == 1
    sampler.end()
    assert sampler.peak_mb_since(between) == 2


def test_a_run_whose_end_nobody_told_loses_nothing_to_the_next(pack, memory, told):
    sampler = pack.sampler.Sampler(memory, told, interval=60)
    sampler.begin("w1")
    sampler.begin("w2")
    sampler.end()
    assert [event["workflow_id"] for event in told.of("resources_sampled")] == ["w1", "w2"]


def test_a_memory_that_cannot_be_read_hurts_nobody(pack, told):
    class Broken:
        def read(self):
            raise OSError("gone")

    sampler = pack.sampler.Sampler(Broken(), told, interval=0.001)
    sampler.begin("w1")
    sampler.end()
    assert told == []
