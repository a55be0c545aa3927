"""NVML through its real binding and a library built for the test; and its absence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pynvml
import pytest

from safelight.hardware.card import Absent
from safelight.hardware.nvidia import Nvidia

SOURCE = Path(__file__).parents[2] / "golden" / "nvml" / "fake.c"
READ = """
import msgspec, pynvml
from safelight.hardware.nvidia import Nvidia
nvidia = Nvidia()
sample = nvidia.read()
nvidia.close()
print(msgspec.json.encode({"cards": sample.cards, "broken": dict(sample.broken)}).decode())
"""

compiled = pytest.mark.skipif(not shutil.which("gcc") or sys.platform != "linux", reason="no gcc, or not Linux")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nvml")
    target = folder / "libnvidia-ml.so.1"
    subprocess.run(["gcc", "-shared", "-fPIC", "-w", "-o", str(target), str(SOURCE)], check=True, timeout=60)
    return folder


def read(library, **environment):
    """In a process of its own: the loader looks at its path only when a process starts."""
    done = subprocess.run(
        [sys.executable, "-c", READ],
        env={**os.environ, "LD_LIBRARY_PATH": str(library), "FAKE_NVML_PID": str(os.getpid()), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


@compiled
def test_a_card_tells_memory_load_heat_power_clock_and_why_it_is_slow(library):
    card = read(library)["cards"][0]
    processes = card.pop("processes")
    assert card == {
        "index": 0,
        "uuid": "GPU-new",
        "name": "Fake 4090",
        "vendor": "nvidia",
        "driver": "570.00",
        "vram_total_mb": 24576.0,
        "vram_used_mb": 20480.0,
        "utilization_percent": 97.0,
        "temperature_c": 83,
        "power_w": 412.0,
        "power_limit_w": None,  # the library does not have the function at all
        "clock_mhz": 1410,
        "throttled": ["power_cap", "hw_thermal"],
        "others_mb": 5120.0,  # 20 GB less the 12 and 3 of the two processes
    }
    assert [(one["pid"], one["vram_mb"]) for one in processes] == [(os.getpid(), 12288.0), (4194305, 3072.0)]
    assert processes[0]["name"]
    assert processes[0]["user"]
    assert "name" not in processes[1]


@compiled
def test_a_card_that_supports_next_to_nothing_tells_its_name_and_memory(library):
    card = read(library)["cards"][1]
    told = {name: value for name, value in card.items() if value not in (None, [])}
    assert told == {
        "index": 1,
        "uuid": "GPU-old",
        "name": "Fake Old",
        "vendor": "nvidia",
        "driver": "570.00",
        "vram_total_mb": 8192.0,
        "vram_used_mb": 1024.0,
        "others_mb": 1024.0,
    }


@compiled
def test_memory_that_the_driver_hides_is_not_counted_as_nobodys(library):
    card = read(library, FAKE_NVML_HIDDEN="1")["cards"][0]
    assert "vram_mb" not in card["processes"][1]
    assert card["others_mb"] is None


@compiled
def test_a_card_that_fell_off_the_bus_does_not_hide_the_other(library):
    told = read(library, FAKE_NVML_LOST="1")
    assert [card["index"] for card in told["cards"]] == [0]
    assert told["broken"] == {"GPU 1": "GPU is lost"}


def test_a_machine_without_driver_has_no_card_and_says_why(monkeypatch):
    def no_library(flags=0):
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInitWithFlags", no_library)
    with pytest.raises(Absent, match=r"NVML: .*Not Found"):
        Nvidia().read()
