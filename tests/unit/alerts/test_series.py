"""The curve of what a condition measured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from safelight.alerts.series import series
from safelight.alerts.when import parse
from safelight.batch import Batch
from safelight.store.segments import SegmentStore

T0 = datetime(2026, 11, 22, 10, tzinfo=UTC)
HOURS = [T0 + timedelta(hours=hour) for hour in range(1, 5)]


@pytest.fixture
def curve(tmp_path):
    store = SegmentStore.open(tmp_path)

    def draw(when, *events):
        rows = [
            {"id": f"e{number}", "timestamp": T0 + timedelta(minutes=minute), "received_at": T0, **fields}
            for number, (minute, fields) in enumerate(events)
        ]
        store.append(Batch.of(rows))
        return series(store, parse(when), HOURS, HOURS[-1])

    yield draw
    store.close()


def ran(event="run_finished", **fields):
    return {"event": event, "service": "comfyui", **fields}


def test_a_count_is_of_the_time_before_and_nought_without_events(curve):
    found = curve("more than 5 level:ERROR over 90m", (1, {"level": "ERROR"}), (59, {"level": "ERROR"}), (70, {}))
    assert (found.values, found.threshold, found.unit) == ((2.0, 1.0, 0.0, 0.0), 5, "")


def test_a_share_is_of_the_worst_label_set_and_silent_below_its_least_number(curve):
    events = [(10, ran()), (11, ran("run_failed")), (12, ran(service="photos")), (70, ran("run_failed"))]
    found = curve("failure rate by service > 15% over 1h, at least 2 runs", *events)
    assert (found.values, found.threshold, found.unit) == ((50.0, None, None, None), 15.0, "%")


def test_a_share_of_one_filter_among_another(curve):
    events = [
        (minute, {"event": "output_saved", "attributes": f'{{"check":"{check}"}}'})
        for minute, check in ((1, "ok"), (2, "black"), (3, "ok"), (4, "ok"))
    ]
    found = curve("rate of check:black among event:output_saved > 10% over 1h", *events)
    assert found.values[0] == 25.0


@pytest.mark.parametrize(
    ("function", "value"), [("mean", 2.5), ("median", 2.5), ("max", 4.0), ("min", 1.0), ("sum", 10.0), ("p99", 3.97)]
)
def test_a_statistic_is_that_of_the_window(curve, function, value):
    events = [(minute, ran(duration_ms=float(minute))) for minute in (1, 2, 3, 4)]
    found = curve(f"{function} duration_ms > 2s over 1h", *events)
    assert found.values[0] == pytest.approx(value)
    assert (found.values[1:], found.threshold, found.unit) == ((None, None, None), 2000.0, "ms")


def test_a_level_is_the_reading_nearest_to_an_alert(curve):
    readings = [(1, {"vram_used_mb": 4000.0}), (2, {"vram_used_mb": 9000.0}), (61, {"vram_used_mb": 3000.0})]
    assert curve("vram_used_mb > 8GB", *readings).values == (9000.0, 3000.0, None, None)
    found = curve("vram_used_mb < 1GB", (181, {"vram_used_mb": 2000.0}))
    assert (found.values[0], found.values[3], found.unit) == (4000.0, 2000.0, "MB")


@pytest.mark.parametrize("when", ["any level:ERROR", "3 failures in a row", "queue empties after 30m"])
def test_what_measures_nothing_has_no_curve(curve, when):
    assert curve(when) is None


def test_our_own_alerting_and_imported_events_are_not_measured(curve):
    ours = {"event": "alert_fired", "service": "safelight", "level": "ERROR"}
    found = curve("more than 5 level:ERROR over 1h", (1, ours), (2, {"id": "import-1", "level": "ERROR"}))
    assert found.values[0] == 0.0
