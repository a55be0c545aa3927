"""What is handed over to an Alertmanager."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.alerts.notification import Notification
from safelight.channels.alertmanager import Alertmanager, labels
from safelight.errors import ChannelBroken
from safelight.rows import iso

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CHANNEL = Alertmanager(name="am", url="http://127.0.0.1:9093/")


def ago(minutes):
    return NOW - timedelta(minutes=minutes)


def alert(began, ended=None, **fields):
    return {
        "id": "a1",
        "rule": "oom",
        "severity": 3,
        "status": "resolved" if ended is not None else "firing",
        "title": "oom: VAEDecode",
        "labels": {"node": "VAEDecode"},
        "count": 2,
        "started_at": iso(ago(began)),
        "ended_at": iso(ago(ended)) if ended is not None else None,
    } | fields


def note(*alerts, **fields):
    return Notification("k", "a1", "oom", 3, "firing", "title", "text", alerts=alerts, **fields)


def posted(*alerts, channel=CHANNEL, **fields):
    request = channel.request(note(*alerts, **fields), NOW)
    assert str(request.url) == "http://127.0.0.1:9093/api/v2/alerts"
    return json.loads(request.content)


def test_every_alert_of_the_message_is_handed_over_with_its_times():
    links = {"silence": "http://h/s", "alert": "http://h/a", "logs": "http://h/l"}
    one, two = posted(alert(20), alert(10, labels={}), advice="less", links=links)
    assert one == {
        "labels": {"alertname": "oom", "severity": "critical", "node": "VAEDecode"},
        "annotations": {"title": "oom: VAEDecode", "text": "text", "advice": "less", "count": "2"},
        "startsAt": iso(ago(20)),
        "endsAt": iso(NOW + timedelta(minutes=4)),
        "generatorURL": "http://h/a",
    }
    assert two["labels"] == {"alertname": "oom", "severity": "critical"}


@pytest.mark.parametrize(
    ("began", "ended", "until"),
    [(20, 3, 3), (20, 0, 0), (20, -2, 0), (3, 1, -5), (0, 0, -5), (60, 57, -5)],
    ids=["long", "just over", "ended in the future", "short", "at once", "short and late"],
)
def test_what_is_over_ends_when_it_ended_unless_it_was_too_short_to_be_noticed(began, ended, until):
    (handed,) = posted(alert(began, ended))
    assert handed["endsAt"] == iso(ago(until))


def test_a_start_in_the_future_is_now():
    (handed,) = posted(alert(-5))
    assert handed["startsAt"] == iso(NOW)


def test_a_message_without_alerts_is_one_itself():
    (handed,) = posted(started_at=iso(ago(20)), labels={"service": "comfyui"})
    assert handed["labels"] == {"alertname": "oom", "severity": "critical", "service": "comfyui"}
    assert handed["annotations"]["title"] == "title"


def reminded(*alerts):
    talk = CHANNEL.reminder(alerts, NOW)
    try:
        return json.loads(next(talk).content)
    except StopIteration:
        return None


def test_a_reminder_says_what_fires_and_what_ended():
    assert [one["endsAt"] for one in reminded(alert(20), alert(20, 3))] == [
        iso(NOW + timedelta(minutes=4)),
        iso(ago(3)),
    ]


def test_a_reminder_never_shortens_what_was_short():
    assert [one["endsAt"] for one in reminded(alert(3, 1))] == [iso(ago(-4))]
    assert reminded(alert(9, 8)) is None
    assert reminded() is None


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=5))
@settings(max_examples=50, deadline=None)
def test_label_names_are_ones_it_takes(found):
    made = labels({"rule": "r", "severity": 1, "labels": found})
    assert (made["alertname"], made["severity"]) == ("r", "info")
    for name, value in made.items():
        assert name.isascii()
        assert name.isidentifier()
        assert value


def test_a_label_of_ours_is_not_overwritten():
    made = labels({"rule": "r", "severity": 2, "labels": {"alertname": "x", "severity": "y", "a-b": "1", "a.b": "2"}})
    assert made == {"alertname": "r", "severity": "warning", "a_b": "1"}


@pytest.mark.parametrize(
    ("fields", "header"),
    [
        ({"user": "ann", "password": "hunter22"}, "Basic YW5uOmh1bnRlcjIy"),
        ({"token": "t0ken"}, "Bearer t0ken"),
        ({}, None),
    ],
)
def test_it_proves_who_it_is(fields, header):
    channel = Alertmanager(name="am", url="http://127.0.0.1:9093", **fields)
    assert channel.request(note(alert(1)), NOW).headers.get("Authorization") == header
    assert "hunter22" not in repr(channel)


def test_no_to_the_password_is_no_to_everything():
    import httpx

    with pytest.raises(ChannelBroken):
        CHANNEL.verdict(httpx.Response(401))
