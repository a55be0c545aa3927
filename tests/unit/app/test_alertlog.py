"""`alerts.log`: what alerting did, as a file."""

from __future__ import annotations

import json
import stat

import pytest

from safelight.app.alertlog import FILE, KEPT, AlertLog
from support.timeline import DAY


@pytest.fixture
def noted():
    return []


@pytest.fixture
def log(tmp_path):
    return AlertLog(tmp_path, now=lambda: DAY)


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_what_is_about_alerting_is_written_too(log, tmp_path, noted):
    def note(event, message="", level="INFO", attributes=None, **columns):
        noted.append(event)

    both = log.wrapped(note)
    both("alert_fired", level="ERROR", message="两行\n字", attributes={"rule": "oom", "labels": {"node": "X"}})
    both("server_started", "Safelight is up")
    assert noted == ["alert_fired", "server_started"]
    assert lines(tmp_path / FILE) == [
        {
            "timestamp": "2026-11-22T00:00:00.000000Z",
            "event": "alert_fired",
            "level": "ERROR",
            "message": "两行\n字",
            "rule": "oom",
            "labels": {"node": "X"},
        }
    ]
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_keys_are_not_written(log, tmp_path):
    log.write(
        "notification_failed", "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX", "ERROR"
    )
    assert "XXXXXXXXXXXXXXXXXXXXXXXX" not in (tmp_path / FILE).read_text()
    assert len(lines(tmp_path / FILE)) == 1


def test_a_full_file_is_put_aside_and_five_are_kept(tmp_path):
    log = AlertLog(tmp_path, bytes_max=300)
    for number in range(60):
        log.write("alert_fired", f"number {number}", "INFO")
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == [FILE, *(f"{FILE}.{number}" for number in range(1, KEPT + 1))]
    assert all((tmp_path / name).stat().st_size <= 300 for name in files)
    assert lines(tmp_path / FILE)[-1]["message"] == "number 59"
    newest = [lines(tmp_path / name)[0]["message"] for name in files]
    assert len(set(newest)) == len(files)


def test_a_disk_that_takes_nothing_stops_nobody(tmp_path):
    (tmp_path / FILE).mkdir()
    AlertLog(tmp_path).write("alert_fired", "x", "INFO")
    AlertLog(tmp_path / "gone").write("alert_fired", "x", "INFO", {"odd": object()})


def test_text_that_is_no_unicode_is_written(log, tmp_path):
    log.write("alert_fired", "caf\udce9", "INFO")
    assert b"udce9" in (tmp_path / FILE).read_bytes()
