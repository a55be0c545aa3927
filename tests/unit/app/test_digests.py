"""When the digest goes out: at its time, once, also after a restart, a late start and a change of the clock."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from safelight.alerts.views import Target
from safelight.app.digests import LATE_MAX, Digests, latest
from safelight.batch import Batch
from safelight.errors import StoreError
from safelight.event import Name
from safelight.store.segments import SegmentStore
from support.timeline import Timeline, event, rule

SHANGHAI = ZoneInfo("Asia/Shanghai")
EIGHT = time(8)
MORNING = datetime(2026, 11, 22, 0, 0, tzinfo=UTC)
"""08:00 in Shanghai."""


class Engine:
    """Remembers keys as the real one does in its file."""

    def __init__(self, targets):
        self.targets = targets
        self.late = 0
        self.keys = []
        self.sent = []
        self.fails = False

    def announce(self, key, build):
        if self.fails:
            raise StoreError("alerts.state_unwritable", path="p", reason="full")
        if key in self.keys:
            return False
        self.keys.append(key)
        self.sent += [note for target in self.targets if (note := build(target)) is not None]
        return True


@pytest.fixture
def store(tmp_path):
    with SegmentStore.open(tmp_path / "data") as opened:
        yield opened


class Morning:
    """A server whose clock is set by hand."""

    def __init__(self, store):
        self.store, self.now = store, MORNING
        self.engine = Engine(
            [
                Target("team", "webhook", 2, "en"),
                Target("group", "webhook", 2, "zh-CN"),
                Target("phone", "sms", 3, "en", digest=False),
            ]
        )
        self.notes, self.woken = [], 0
        self.digests = self.restart()

    def restart(self):
        self.digests = Digests(
            self.store,
            self.engine,
            EIGHT,
            SHANGHAI,
            note=lambda name, **fields: self.notes.append((name, fields)),
            wake=self.wake,
            language="en",
            base_url="http://127.0.0.1:1",
            now=lambda: self.now,
        )
        return self.digests

    def wake(self):
        self.woken += 1

    def tick(self, **later):
        self.now = MORNING + timedelta(**later)
        return self.digests.tick()

    def keep(self, hours, **fields):
        at = MORNING + timedelta(hours=hours)
        self.store.append(Batch.of([event(timestamp=at, received_at=at, **fields)]))


@pytest.fixture
def morning(store):
    made = Morning(store)
    made.keep(-20, event="run_finished", workflow_id="wf-1")
    return made


def test_it_goes_out_at_its_time_to_every_channel_that_takes_it(morning):
    morning.engine.keys.append("digest.2026-11-21")
    assert not morning.tick(seconds=-1)
    assert morning.tick(seconds=1)
    assert [note.key for note in morning.engine.sent] == ["digest.2026-11-22.team", "digest.2026-11-22.group"]
    assert [note.language for note in morning.engine.sent] == ["en", "zh-CN"]
    assert morning.engine.sent[0].title == "All is well 2026-11-22: 1 done, none failed"
    assert morning.woken == 1
    ((name, fields),) = morning.notes
    assert name == Name.DIGEST_SENT
    assert fields["attributes"]["channels"] == "team, group"


def test_it_goes_out_once_also_across_restarts(morning):
    assert morning.tick(seconds=1)
    assert not morning.tick(seconds=2)
    morning.restart()
    assert not morning.tick(minutes=5)
    assert len(morning.engine.sent) == 2


def test_a_server_that_was_down_at_the_time_sends_it_when_it_is_up(morning):
    assert morning.tick(minutes=20)


def test_after_half_a_day_it_is_not_sent_any_more(morning):
    assert not morning.tick(seconds=LATE_MAX.total_seconds() + 1)
    assert morning.engine.keys == []


def test_a_server_that_is_new_today_tells_nothing_of_yesterday(store):
    new = Morning(store)
    assert not new.tick(minutes=10)
    new.keep(0.3, event="run_finished")
    new.restart()
    assert not new.tick(minutes=30)


def test_what_cannot_be_queued_is_tried_again(morning):
    morning.engine.fails = True
    with pytest.raises(StoreError):
        morning.tick(seconds=1)
    morning.engine.fails = False
    assert morning.tick(seconds=30)


def test_a_clock_that_is_set_back_sends_nothing_twice(morning):
    assert morning.tick(hours=24)
    morning.tick(hours=23)
    morning.tick(hours=24, minutes=1)
    keys = [note.key for note in morning.engine.sent]
    assert len(set(keys)) == len(keys)
    assert keys.count("digest.2026-11-23.team") == 1


def test_late_events_are_those_since_the_digest_before(morning):
    morning.engine.late = 12
    morning.keep(-23, event="digest_sent", service="safelight", attributes=json.dumps({"late": 9}))
    assert morning.tick(seconds=1)
    assert "too late to alert anybody: 3" in morning.engine.sent[0].text
    assert morning.notes[0][1]["attributes"]["late"] == 12


@pytest.mark.parametrize(
    ("now", "zone", "expected"),
    [
        ("2026-11-22T00:00:00+00:00", "Asia/Shanghai", "2026-11-22T00:00:00+00:00"),
        ("2026-11-21T23:59:59+00:00", "Asia/Shanghai", "2026-11-21T00:00:00+00:00"),
        ("2026-03-29T12:00:00+00:00", "Europe/Berlin", "2026-03-29T06:00:00+00:00"),
        ("2026-10-25T12:00:00+00:00", "Europe/Berlin", "2026-10-25T07:00:00+00:00"),
    ],
    ids=["just now", "yesterday", "summer begins", "summer ends"],
)
def test_the_time_is_that_of_the_zone(now, zone, expected):
    assert latest(datetime.fromisoformat(now), EIGHT, ZoneInfo(zone)) == datetime.fromisoformat(expected)


def test_with_the_real_engine_it_arrives_once_also_after_a_crash(tmp_path):
    night = Timeline(tmp_path, [rule("any", "any level:CRITICAL")], start="01:00:00")

    def digests():
        return Digests(
            night.store,
            night.engine,
            time(2),
            UTC,
            note=night._note,
            wake=lambda: None,
            language="en",
            base_url=None,
            now=lambda: night.now,
        )

    try:
        night.at("01:30:00", event(event="run_finished", workflow_id="wf-1"))
        night.until("02:00:01")
        assert digests().tick()
        night.restart()
        assert not digests().tick()
        night.until("02:01:00")
        (told,) = [told.note for told in night.told]
        assert told.key == "digest.2026-11-22.team"
        assert "Runs: 1 done" in told.text
    finally:
        night.close()
