"""Forms with a picture."""

from __future__ import annotations

from safelight.channels.multipart import form
from safelight.channels.picture import picture
from support.telling import CHART, note


def test_the_same_content_makes_the_same_bytes():
    requests = [form("https://x/", {"chat": "1"}, "photo", b"\x89PNG\r\n\x1a\n", {"A": "b"}) for _ in range(2)]
    assert requests[0].read() == requests[1].read()
    assert requests[0].headers == requests[1].headers
    assert requests[0].headers["A"] == "b"
    assert b'name="photo"; filename="chart.png"' in requests[0].content


def test_a_chart_becomes_a_picture():
    assert picture(note(chart=CHART)).startswith(b"\x89PNG")


def test_without_a_chart_or_with_one_that_cannot_be_drawn_there_is_none(monkeypatch):
    assert picture(note()) is None
    monkeypatch.setattr("safelight.channels.picture.png", lambda *_: 1 / 0)
    assert picture(note(chart=CHART)) is None
