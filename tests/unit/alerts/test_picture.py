"""The picture of a chart: small, of a fixed size, and never a reason to lose a message."""

from __future__ import annotations

import io
import math
import random
from datetime import UTC

import pytest
from PIL import Image

from safelight.alerts.picture import HEIGHT, WIDTH, png

START = 1_795_312_800_000
AT = [START + n * 3_000 for n in range(200)]
CHART = {
    "title": "VRAM / RAM",
    "unit": "GB",
    "at": AT,
    "series": [
        {"name": "VRAM", "values": [8 + 10 * n / 200 + 2 * math.sin(n / 6) for n in range(200)]},
        {"name": "RAM", "values": [15.5] * 200},
    ],
    "mark": AT[-1],
    "limit": 23.99,
}


def drawn(**changes):
    picture = png({**CHART, **changes}, "en", zone=UTC)
    return None if picture is None else Image.open(io.BytesIO(picture)).convert("RGB")


def near(image, wanted):
    """Whether enough of the picture has about this colour."""
    alike = sum(
        count
        for count, colour in image.getcolors(1 << 24)
        if all(abs(a - b) < 32 for a, b in zip(colour, wanted, strict=True))
    )
    return alike > 50


def test_it_is_small_and_opaque():
    picture = png(CHART, "zh-CN", zone=UTC)
    image = Image.open(io.BytesIO(picture))
    assert image.format == "PNG"
    assert image.size == (WIDTH, HEIGHT)
    assert len(picture) < 40_000
    assert "transparency" not in image.info


def test_series_limit_and_failure_are_there_in_their_colours():
    image = drawn()
    for colour in ((255, 157, 77), (90, 169, 255), (255, 176, 32), (255, 92, 92)):
        assert near(image, colour)


def test_the_wildest_curve_stays_small():
    wild = random.Random(1)
    series = [{"name": name, "values": [wild.random() * 24 for _ in AT]} for name in ("VRAM", "RAM")]
    assert len(png({**CHART, "series": series}, "en", zone=UTC)) < 40_000


def test_without_a_failure_or_limit_they_are_not_drawn():
    image = drawn(mark=None, limit=None, series=CHART["series"][1:])
    assert not near(image, (255, 92, 92))
    assert not near(image, (255, 176, 32))


def test_the_same_chart_makes_the_same_picture():
    assert png(CHART, "en", zone=UTC) == png(CHART, "zh-CN", zone=UTC)


@pytest.mark.parametrize(
    "chart",
    [None, {}, {"at": [], "series": []}, {"at": [1], "series": [{"name": "x", "values": [1]}]},
     {"at": [1, 2], "series": [{"name": "x", "values": [None, "a"]}]}, {"at": [1, 2], "series": [{"name": "x"}]}],
    ids=["none", "empty", "no points", "one point", "no numbers", "no values"],
)  # fmt: skip
def test_nothing_to_draw_is_no_picture(chart):
    assert png(chart, "en") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"at": [START] * 200},
        {"series": [{"name": "显存", "values": [0.0] * 200}], "limit": None},
        {"series": [{"name": "x", "values": [-5.0, 1e12] * 100}]},
        {"series": [{"name": "x", "values": [1e-9] * 200}], "limit": None},
        {"series": [{"name": "x", "values": [None, math.nan, math.inf, 3.0] * 50}]},
        {"mark": START - 10_000_000},
        {"mark": START + 10_000_000_000},
        {"unit": None, "limit": math.nan},
        {"series": [{"name": f"s{n}", "values": [n] * 200} for n in range(9)]},
    ],
    ids=["one time", "zeros", "huge", "tiny", "holes", "early mark", "late mark", "no unit", "many series"],
)
def test_strange_figures_are_drawn_too(changes):
    assert drawn(**changes).size == (WIDTH, HEIGHT)
