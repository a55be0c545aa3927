"""What `ioreg` prints, as a card."""

from __future__ import annotations

import sys

import pytest

from safelight.hardware.apple import Apple, cards
from safelight.hardware.card import Absent


def test_the_gpu_shares_the_memory_of_the_machine():
    told = {
        "model": "Apple M2 Max",
        "PerformanceStatistics": {"Device Utilization %": 41, "In use system memory": 3 << 30},
    }
    (card,) = cards([told], 32768.0).cards
    assert (card.name, card.vendor, card.utilization_percent) == ("Apple M2 Max", "apple", 41)
    assert (card.vram_used_mb, card.vram_total_mb, card.temperature_c) == (3072.0, 32768.0, None)


def test_an_entry_without_statistics_tells_no_load():
    (card,) = cards([{}], 8192.0).cards
    assert (card.name, card.vram_used_mb, card.utilization_percent) == (None, None, None)


@pytest.mark.skipif(sys.platform == "darwin", reason="this is one")
def test_another_machine_is_none():
    with pytest.raises(Absent, match="not an Apple machine"):
        Apple().read()
