"""The zone of this machine knows its summer."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from safelight.hostzone import HostZone


@pytest.fixture
def berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_winter_and_summer_have_their_own_offsets(berlin):
    assert datetime(2026, 1, 15, tzinfo=HostZone()).astimezone(UTC).hour == 23
    assert datetime(2026, 7, 15, tzinfo=HostZone()).astimezone(UTC).hour == 22
    assert datetime(2026, 7, 15, 10, tzinfo=UTC).astimezone(HostZone()).hour == 12
    assert datetime(2026, 1, 15, 10, tzinfo=UTC).astimezone(HostZone()).tzname() == "CET"
