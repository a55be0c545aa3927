"""AMD and Intel cards by the files of the Linux kernel: /sys/class/drm/card*/device.

AMD (amdgpu) tells memory, utilization, and by hwmon temperature, power and clock: kernel documentation,
`gpu/amdgpu/thermal` and `gpu/amdgpu/driver-misc`. Intel (i915, xe) tells the clock, and by hwmon the power limit and
the temperature of newer kernels; the memory in use is in no file, so it is None. Files that are absent give None.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from .card import MB, Absent, Card, Sample

ROOT: Final = Path("/sys/class/drm")
AMD: Final = "0x1002"
INTEL: Final = "0x8086"
_CLOCKS: Final = ("gt_cur_freq_mhz", "device/tile0/gt0/freq0/cur_freq")
"""Below the card's folder: i915, then xe."""


class Drm:
    """The cards of one maker."""

    def __init__(self, vendor: str, root: Path = ROOT) -> None:
        self._id, self._name = {"amd": (AMD, "AMD"), "intel": (INTEL, "Intel")}[vendor]
        self._vendor = vendor
        self._root = root

    def read(self) -> Sample:
        """Every card now. Raises Absent when the kernel shows none of this maker."""
        folders = sorted(
            folder
            for folder in self._root.glob("card*")
            if folder.name.removeprefix("card").isdecimal() and _text(folder / "device/vendor") == self._id
        )
        if not folders:
            raise Absent(str(self._root), f"no {self._name} card")
        return Sample(tuple(self._card(index, folder) for index, folder in enumerate(folders)))

    def close(self) -> None:
        """Nothing is held."""

    def _card(self, index: int, folder: Path) -> Card:
        device = folder / "device"
        sensors = next(iter(sorted((device / "hwmon").glob("hwmon*"))), device / "hwmon")
        hertz = _number(sensors / "freq1_input")
        clock = hertz / 1e6 if hertz is not None else next(filter(None, map(_number, self._clocks(folder))), None)
        driver = device / "driver"
        return Card(
            index=index,
            uuid=_text(device / "unique_id") or _address(device),
            name=_text(device / "product_name") or _text(device / "device"),
            vendor=self._vendor,
            driver=driver.resolve().name if driver.exists() else None,
            vram_total_mb=_scaled(device / "mem_info_vram_total", MB),
            vram_used_mb=_scaled(device / "mem_info_vram_used", MB),
            utilization_percent=_number(device / "gpu_busy_percent"),
            temperature_c=_scaled(sensors / "temp1_input", 1000),
            power_w=_first(_scaled(sensors / "power1_average", 1e6), _scaled(sensors / "power1_input", 1e6)),
            power_limit_w=_first(_scaled(sensors / "power1_cap", 1e6), _scaled(sensors / "power1_max", 1e6)),
            clock_mhz=clock,
        )

    def _clocks(self, folder: Path) -> list[Path]:
        return [folder / name for name in _CLOCKS]


def _address(device: Path) -> str | None:
    """Where the card sits on the bus: not its own, but the same as long as nobody opens the case."""
    return device.resolve().name if device.is_symlink() else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:  # absent, or the card sleeps: amdgpu answers EBUSY or EPERM then
        return None


def _number(path: Path) -> float | None:
    try:
        return float(_text(path) or "")
    except ValueError:
        return None


def _scaled(path: Path, unit: float) -> float | None:
    number = _number(path)
    return None if number is None else round(number / unit, 1)


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
