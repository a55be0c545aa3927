import json
import threading
import time

import pytest

from safelight_emit.spool import Spool
from safelight_emit.writer import RESERVE, Writer


class FakeSpool:
    """The one door to the disk: it can be shut, and it can fail."""

    folder = None
    lost = 0

    def __init__(self):
        self.lines = []
        self.writes = 0
        self.errors = []
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.opened.set()

    def write(self, data, lines, moment):
        self.entered.set()
        assert self.opened.wait(60)
        self.writes += 1
        if self.errors:
            raise self.errors.pop(0)
        assert data.count(b"\n") == lines
        self.lines += [json.loads(line) for line in data.splitlines()]

    def close(self):
        pass

    def events(self, name="e"):
        return [line for line in self.lines if line.get("event") == name]


@pytest.fixture
def spool():
    return FakeSpool()


@pytest.fixture
def writer(spool):
    writer = Writer(spool, capacity=10)
    yield writer
    spool.opened.set()
    assert writer.close(60)


def push(writer, number=0, level="INFO", **fields):
    writer.push((time.time_ns(), level, "e", {"service": "test"}, {}, {"n": number, **fields}))


def fill(writer, spool):
    """The writer is stuck in a write of event 0, and events 1 to 10 fill the queue."""
    spool.opened.clear()
    push(writer)
    assert spool.entered.wait(60)
    for number in range(1, 11):
        push(writer, number)


def test_events_arrive_in_order_with_time_id_level_and_process_fields(writer, spool):
    for number in range(5):
        push(writer, number)
    assert writer.flush(60)
    assert [event["n"] for event in spool.lines] == list(range(5))
    assert list(spool.lines[0]) == ["timestamp", "id", "level", "event", "service", "n"]
    assert len({event["id"] for event in spool.lines}) == 5


@pytest.mark.parametrize(("level", "text"), [("error", "ERROR"), (30, "WARNING"), (7, "INFO"), (None, "INFO")])
def test_levels_are_words_in_capitals(writer, spool, level, text):
    push(writer, level=level)
    assert writer.flush(60)
    assert spool.lines[0]["level"] == text


def test_a_burst_becomes_few_writes(spool):
    writer = Writer(spool)
    for number in range(2000):
        push(writer, number)
    assert writer.close(60)
    assert len(spool.lines) == 2000
    assert spool.writes <= 200


def test_a_full_queue_drops_and_the_count_becomes_an_event(writer, spool):
    fill(writer, spool)
    for number in range(5):
        push(writer, 100 + number)
    assert writer.health()["dropped"] == 5
    spool.opened.set()
    assert writer.flush(60)
    assert [event["n"] for event in spool.events()] == list(range(11))
    (report,) = spool.events("events_dropped")
    assert (report["level"], report["reason"], report["count"]) == ("WARNING", "queue_full", 5)
    assert report["service"] == "test"


def test_errors_have_room_kept_for_them(writer, spool):
    fill(writer, spool)
    for number in range(RESERVE + 3):
        push(writer, number, level="ERROR")
    spool.opened.set()
    assert writer.flush(60)
    assert sum(event["level"] == "ERROR" for event in spool.events()) == RESERVE
    assert spool.events("events_dropped")[0]["count"] == 3


def test_a_disk_that_refuses_is_tried_again_and_the_drops_are_explained(writer, spool):
    spool.errors = [OSError(28, "No space left on device")] * 3
    fill(writer, spool)
    spool.opened.set()
    while not writer.health()["failing"]:
        time.sleep(0.001)
    for number in range(11, 16):
        push(writer, number)
    assert writer.flush(60)
    assert [event["n"] for event in spool.events()] == list(range(11))
    (report,) = spool.events("events_dropped")
    assert (report["reason"], report["count"]) == ("unwritable", 5)
    assert "No space left" in report["error_message"]
    health = writer.health()
    assert (health["written"], health["dropped"], health["waiting"], health["failing"]) == (11, 5, 0, False)
    assert "No space left" in health["last_error"]


def test_flush_gives_up_in_time_and_nothing_is_lost(writer, spool):
    fill(writer, spool)
    assert not writer.flush(0.01)
    spool.opened.set()
    assert writer.flush(60)
    assert len(spool.events()) == 11


@pytest.mark.parametrize("error", [SystemExit(), KeyboardInterrupt(), GeneratorExit()])
def test_the_thread_does_not_die_of_anything_and_counts_what_it_failed_on(writer, spool, error):
    spool.errors = [error]
    push(writer, 1)
    assert writer.flush(60)
    push(writer, 2)
    assert writer.flush(60)
    assert [event["n"] for event in spool.events()] == [2]
    (report,) = spool.events("events_dropped")
    assert (report["reason"], report["count"]) == ("failed", 1)
    assert type(error).__name__ in writer.health()["last_error"]


def test_lines_lost_at_the_cap_become_an_event(writer, spool):
    spool.lost = 7
    push(writer)
    assert writer.flush(60)
    (report,) = spool.events("events_dropped")
    assert (report["reason"], report["count"]) == ("spool_full", 7)
    assert writer.health()["dropped"] == 7


def test_another_spool_takes_over_what_the_first_refused(writer, spool):
    spool.errors = [OSError("gone")] * 1000
    push(writer)
    assert spool.entered.wait(60)
    writer.spool = better = FakeSpool()
    assert writer.flush(60)
    assert [event["n"] for event in better.lines] == [0]


def test_where_no_thread_can_start_the_caller_writes_and_a_later_event_tries_again(writer, spool, monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        push(writer, 1)
        assert [event["n"] for event in spool.lines] == [1]
        spool.errors = [OSError("gone")]
        push(writer, 2)
        assert writer.health()["dropped"] == 1
    push(writer, 3)
    assert writer.flush(60)
    assert [event["n"] for event in spool.lines] == [1, 3]
    assert writer.health()["written"] == 2


def test_a_closed_writer_begins_again_with_the_next_event(writer, spool):
    push(writer, 1)
    assert writer.close(60)
    push(writer, 2)
    assert writer.flush(60)
    assert [event["n"] for event in spool.lines] == [1, 2]


def test_flushing_an_idle_writer_starts_no_thread():
    before = threading.active_count()
    assert Writer(FakeSpool()).flush(0)
    assert threading.active_count() == before


def test_twenty_threads_write_every_event_exactly_once(tmp_path):
    writer = Writer(Spool(str(tmp_path), "s", "h"), capacity=50_000)

    def work(thread):
        for number in range(1000):
            push(writer, thread * 1000 + number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.close(30)
    (file,) = tmp_path.glob("*/*.ndjson")
    numbers = [json.loads(line)["n"] for line in file.read_text().splitlines()]
    assert len(numbers) == 20_000
    assert set(numbers) == set(range(20_000))


def test_in_an_overload_what_was_written_and_what_was_dropped_add_up(tmp_path):
    writer = Writer(Spool(str(tmp_path), "s", "h"), capacity=100)
    threads = [threading.Thread(target=lambda: [push(writer, n) for n in range(2000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.close(30)
    events = [json.loads(line) for file in tmp_path.glob("*/*.ndjson") for line in file.read_text().splitlines()]
    written = sum(event["event"] == "e" for event in events)
    dropped = sum(event["count"] for event in events if event["event"] == "events_dropped")
    assert dropped > 0
    assert written + dropped == 16_000
    assert (writer.health()["written"], writer.health()["dropped"]) == (written, dropped)
