"""Handing over again what fires."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import anyio
import anyio.from_thread
import httpx
import pytest

from safelight.alerts.engine import utc_now
from safelight.channels import Channel, SecretUrl, accepted
from safelight.delivery.resend import resend
from safelight.errors import StoreError
from support.office import office
from support.providers import Answer, Provider


class Forgetful(Channel):
    """A peer that must be reminded."""

    type: Literal["forgetful"] = "forgetful"
    url: SecretUrl
    resend = timedelta(milliseconds=20)

    def request(self, note, now):
        return httpx.Request("POST", self.url.get_secret_value(), content=note.id)

    def reminder(self, alerts, now):
        words = ",".join(alert["id"] for alert in alerts)
        return accepted((yield httpx.Request("POST", self.url.get_secret_value(), content=words)))


@pytest.fixture
def peer():
    with Provider() as running:
        yield running


def channel(peer, **fields):
    return Forgetful(name="am", url=peer.url, allow_private=True, **fields)


def alerts(*severities):
    return [{"id": f"a{number}", "severity": number} for number in severities]


def test_what_fires_is_said_again_and_again_beside_the_outbox(peer):
    with office(channel(peer, severity=2), current=lambda: alerts(1, 2, 3)) as post:
        received = peer.wait(3)
        sent = post.status()
    assert {request.body for request in received} == {b"a2,a3"}
    assert not sent
    assert not post.noted


def test_with_nothing_to_say_nothing_is_sent(peer):
    asked = []

    def current():
        asked.append(1)
        return alerts(3) if len(asked) > 5 else []

    with office(channel(peer), current=current):
        peer.wait(1)
    assert len(asked) > 5


def test_a_failure_is_noted_once_until_it_works_again(peer):
    peer.answers(Answer(503), Answer(hang=True), Answer(403), Answer(), Answer(503))
    with office(channel(peer), current=lambda: alerts(3)) as post:
        peer.wait(6)
    assert [name for name, _ in post.noted] == ["notification_failed"] * 2
    assert "503" in post.noted[0][1]["message"]


def test_a_state_that_cannot_be_read_is_a_failure_too(peer):
    refused = iter([True, True])

    def current():
        if next(refused, False):
            raise StoreError("cli.no_data", path="x")
        return alerts(3)

    with office(channel(peer), current=current) as post:
        peer.wait(1)
    assert len(post.noted) == 1


def test_a_broken_channel_is_left_alone_until_it_is_on_again(peer):
    broken = iter([False, False, True])
    asked = []

    async def main():
        async with anyio.create_task_group() as tasks:

            def works():
                works_now = next(broken, True)
                asked.append(works_now)
                return works_now

            def current():
                assert asked == [False, False, True]
                anyio.from_thread.run_sync(tasks.cancel_scope.cancel)
                return []

            every = timedelta(milliseconds=1)
            await resend(channel(peer), every, current, now=utc_now, works=works, failed=pytest.fail)

    anyio.run(main)
    assert asked == [False, False, True]


def test_a_mistake_of_the_channel_itself_is_a_failure_like_any(peer):
    with office(channel(peer), current=lambda: [{"id": "a", "severity": "odd"}]) as post:
        post.wait("notification_failed")
        assert "ValueError" in post.noted[0][1]["message"]
