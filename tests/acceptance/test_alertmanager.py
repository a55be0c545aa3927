"""Alerts handed over to a real Alertmanager, which dies in between; and a real Prometheus that watches ours."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta

import pytest

from safelight.alerts.notification import Notification
from safelight.channels.alertmanager import Alertmanager
from safelight.rows import iso
from support.alertmanager import Manager, Prometheus, Receiver, needs_alertmanager, needs_prometheus
from support.office import office
from support.running import running

pytestmark = needs_alertmanager


class Hasty(Alertmanager):
    """Hands over again every 5 s, not every minute; what is not handed over for four times that is over."""

    resend = timedelta(seconds=5)


@pytest.fixture
def receiver():
    with Receiver() as listening:
        yield listening


@pytest.fixture
def manager(tmp_path, receiver):
    folder = tmp_path / "alertmanager"
    folder.mkdir()
    with Manager(folder, receiver.url) as started:
        yield started


def channel(manager, kind=Alertmanager):
    return kind(name="am", url=manager.url, allow_private=True)


def alert(status="firing", minutes=20, rule="oom", **labels):
    began = datetime.now(UTC) - timedelta(minutes=minutes)
    return {
        "id": "a1",
        "rule": rule,
        "severity": 3,
        "status": status,
        "title": f"{rule}：显存不足",
        "labels": {"service": "comfyui", "node-id": "12", **labels},
        "count": 1,
        "started_at": iso(began),
        "ended_at": iso(datetime.now(UTC)) if status == "resolved" else None,
    }


def note(one, number):
    links = {"alert": "http://127.0.0.1:8678/alerts?id=a1"}
    return Notification(
        f"a1.{number}.am", "a1", one["rule"], 3, one["status"], one["title"], "文字\nline 2", alerts=[one], links=links
    )


def test_an_alert_fires_and_resolves_through_it(manager, receiver):
    with office(channel(manager)) as post:
        fired = alert()
        post.put(note(fired, 1))
        (told,) = receiver.hear(lambda told: len(told) == 1)
        post.put(note({**fired, "status": "resolved", "ended_at": iso(datetime.now(UTC))}, 2))
        _, over = receiver.hear(lambda told: len(told) == 2)
        post.wait("notification_sent", 2)
        assert post.status() == [("sent", "200 OK"), ("sent", "200 OK")]
    assert told.status == "firing"
    assert told.labels == {"alertname": "oom", "severity": "critical", "service": "comfyui", "node_id": "12"}
    assert told.annotations == {"title": "oom：显存不足", "text": "文字\nline 2", "count": "1"}
    assert told.url == "http://127.0.0.1:8678/alerts?id=a1"
    assert (over.status, over.labels) == ("resolved", told.labels)


def test_what_is_over_before_it_looks_is_told_all_the_same(manager, receiver):
    with office(channel(manager)) as post:
        post.put(note(alert("resolved", minutes=0), 1))
        (told,) = receiver.hear(lambda told: len(told) == 1)
    assert (told.status, told.labels["alertname"]) == ("firing", "oom")


def over(one):
    return {**one, "status": "resolved", "ended_at": iso(datetime.now(UTC))}


def test_killed_it_learns_again_what_fires(manager, receiver):
    standing = [alert()]
    with office(channel(manager, Hasty), current=lambda: list(standing)) as post:
        receiver.hear(lambda told: len(told) == 1)
        manager.kill()
        (failed, *_) = post.wait("notification_failed")
        manager.start()
        # Its log of what it told is gone too, written down every 15 minutes only: it tells once more.
        receiver.hear(lambda told: len(told) >= 2)
        standing[0] = over(standing[0])
        told = receiver.hear(lambda told: told[-1].status == "resolved")
    assert "cannot be reached" in failed["message"]
    assert {one.status for one in told[:-1]} == {"firing"}


def test_restarted_it_hears_of_what_ended_meanwhile(manager, receiver):
    standing = [alert(rule="disk"), alert(rule="oom")]
    with office(channel(manager, Hasty), current=lambda: list(standing)) as post:
        receiver.hear(lambda told: len(told) == 2)
        manager.kill(signal.SIGTERM)
        post.wait("notification_failed")
        standing[1] = over(standing[1])
        manager.start()
        # Whom it tells is its own affair: that depends on how far it had written its log when it was stopped.
        manager.until_received("resolved", 1)
        manager.until_received("firing", 1)
        assert [one["labels"]["alertname"] for one in manager.alerts()] == ["disk"]


def test_a_restart_of_ours_repeats_nothing(manager, receiver, tmp_path):
    standing = [alert()]
    for number in (1, 2):
        with office(channel(manager, Hasty), tmp_path / "state.sqlite", lambda: standing) as post:
            post.put(note(standing[0], number))
            post.wait("notification_sent")
            receiver.hear(lambda told: len(told) >= 1)
    post_marker = alert(rule="marker")
    with office(channel(manager)) as post:
        post.put(note(post_marker, 9))
        told = receiver.hear(lambda told: any(one.labels["alertname"] == "marker" for one in told))
    assert [one.labels["alertname"] for one in told] == ["oom", "marker"]


def test_a_refusal_is_told_in_its_words(manager):
    chosen = Alertmanager(name="am", url=f"{manager.url}/nowhere", allow_private=True)
    with office(chosen) as post:
        post.put(note(alert(), 1))
        post.wait("notification_failed")
    assert post.noted[0][1]["attributes"]["answer"].startswith("Refused: 404 Not Found")


@needs_prometheus
def test_prometheus_watches_our_figures_and_fires_its_own_rule(manager, receiver, tmp_path):
    folder = tmp_path / "prometheus"
    folder.mkdir()
    ours = tmp_path / "ours"
    ours.mkdir()
    with running(ours) as server:
        target = server.url.removeprefix("http://")
        with Prometheus(folder, target, manager, "safelight_store_events > 0"):
            (told,) = receiver.hear(lambda told: len(told) == 1)
    assert told.labels["alertname"] == "Scraped"
    assert told.labels["job"] == "safelight"
