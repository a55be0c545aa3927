"""AMD and Intel cards as the kernel shows them, in a folder made for the test."""

from __future__ import annotations

import pytest

from safelight.hardware.card import Absent
from safelight.hardware.drm import Drm


def put(root, **files):
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


@pytest.fixture
def root(tmp_path):
    put(
        tmp_path / "card1",
        device__vendor="0x1002",
        device__product_name="Radeon RX 7900 XTX",
        device__unique_id="59ecbd7a6e1fd8f6",
        device__mem_info_vram_total=24 << 30,
        device__mem_info_vram_used=9 << 30,
        device__gpu_busy_percent=64,
        device__hwmon__hwmon3__temp1_input=71000,
        device__hwmon__hwmon3__power1_average=287000000,
        device__hwmon__hwmon3__power1_cap=339000000,
        device__hwmon__hwmon3__freq1_input=2460000000,
    )
    put(tmp_path / "card0", device__vendor="0x8086", device__device="0x56a0", gt_cur_freq_mhz=2100)
    put(tmp_path / "card0-HDMI-A-1", status="connected")
    put(tmp_path / "renderD128", device__vendor="0x1002")
    return tmp_path


def test_an_amd_card_tells_memory_load_heat_power_and_clock(root):
    (card,) = Drm("amd", root).read().cards
    assert (card.name, card.uuid, card.vendor) == ("Radeon RX 7900 XTX", "59ecbd7a6e1fd8f6", "amd")
    assert (card.vram_total_mb, card.vram_used_mb, card.utilization_percent) == (24576.0, 9216.0, 64.0)
    assert (card.temperature_c, card.power_w, card.power_limit_w, card.clock_mhz) == (71.0, 287.0, 339.0, 2460.0)


def test_an_intel_card_tells_its_clock_and_makes_nothing_up(root):
    (card,) = Drm("intel", root).read().cards
    assert (card.name, card.clock_mhz, card.vram_used_mb, card.utilization_percent) == ("0x56a0", 2100.0, None, None)


def test_files_of_a_sleeping_card_are_nothing_to_stumble_over(root):
    (root / "card1/device/mem_info_vram_used").unlink()
    (root / "card1/device/gpu_busy_percent").write_text("")
    (card,) = Drm("amd", root).read().cards
    assert (card.vram_used_mb, card.utilization_percent, card.vram_total_mb) == (None, None, 24576.0)


@pytest.mark.parametrize("vendor", ["amd", "intel"])
def test_a_machine_without_such_a_card_says_so(tmp_path, vendor):
    with pytest.raises(Absent, match=r"no (AMD|Intel) card"):
        Drm(vendor, tmp_path / "absent").read()
