"""NVIDIA cards by NVML (`nvidia-ml-py`, which loads the driver's libnvidia-ml at the first call).

Everything that a card or an old driver does not tell is None. Only reading calls: nothing here makes a CUDA context or
takes memory on the card. Names of calls: NVML API reference; which of them old drivers lack: 535 and before have no
`...ClocksEventReasons`, 510 and before no `MemoryInfo_v2`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import pynvml

from .card import MB, Absent, Card, Holder, Sample, unnamed_mb
from .processes import holder

THROTTLED: Final = {
    0x04: "power_cap",
    0x08: "hw_slowdown",
    0x20: "thermal",
    0x40: "hw_thermal",
    0x80: "power_brake",
}
"""Bits of the clocks' event reasons that slow the card down; being idle or set so by the user is none of them."""
UNKNOWN: Final = 0xFFFFFFFFFFFFFFFF
T = TypeVar("T")


class Nvidia:
    """The cards of this machine's driver."""

    def __init__(self) -> None:
        self._open = False

    def read(self) -> Sample:
        """Every card now. Raises Absent without library, driver or card."""
        try:
            if not self._open:
                pynvml.nvmlInit()
                self._open = True
            count = int(pynvml.nvmlDeviceGetCount())
            driver = _told(pynvml.nvmlSystemGetDriverVersion)
        except pynvml.NVMLError as error:
            self.close()
            raise Absent("NVML", error) from error
        if not count:
            raise Absent("NVML", "no device")
        cards, broken = [], {}
        for index in range(count):
            try:
                cards.append(_card(index, driver))
            except pynvml.NVMLError as error:
                broken[f"GPU {index}"] = str(error)
        if not cards:  # the driver was changed or has lost its cards: begin anew next time
            self.close()
        return Sample(tuple(cards), broken)

    def close(self) -> None:
        """Let the driver go."""
        if self._open:
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()
        self._open = False


def _card(index: int, driver: str | None) -> Card:
    device = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = _memory(device)
    busy = _told(pynvml.nvmlDeviceGetUtilizationRates, device)
    used = None if memory is None else round(memory.used / MB, 1)
    holders = _holders(device)
    return Card(
        index=index,
        uuid=_told(pynvml.nvmlDeviceGetUUID, device),
        name=_told(pynvml.nvmlDeviceGetName, device),
        vendor="nvidia",
        driver=driver,
        vram_total_mb=None if memory is None else round(memory.total / MB, 1),
        vram_used_mb=used,
        utilization_percent=None if busy is None else float(busy.gpu),
        temperature_c=_told(pynvml.nvmlDeviceGetTemperature, device, pynvml.NVML_TEMPERATURE_GPU),
        power_w=_watts(_told(pynvml.nvmlDeviceGetPowerUsage, device)),
        power_limit_w=_watts(_told(pynvml.nvmlDeviceGetEnforcedPowerLimit, device)),
        clock_mhz=_told(pynvml.nvmlDeviceGetClockInfo, device, pynvml.NVML_CLOCK_SM),
        throttled=_throttled(device),
        processes=holders,
        others_mb=unnamed_mb(used, holders),
    )


def _memory(device: Any) -> Any:
    """Version 2 leaves out of `used` what the driver reserves for itself, as nvidia-smi does."""
    second = _told(pynvml.nvmlDeviceGetMemoryInfo, device, pynvml.nvmlMemory_v2)
    return second if second is not None else _told(pynvml.nvmlDeviceGetMemoryInfo, device)


def _holders(device: Any) -> tuple[Holder, ...]:
    """Compute and graphics; a process that does both is listed in both with the same memory."""
    found: dict[int, float | None] = {}
    for call in (pynvml.nvmlDeviceGetComputeRunningProcesses, pynvml.nvmlDeviceGetGraphicsRunningProcesses):
        for process in _told(call, device) or ():
            known = process.usedGpuMemory not in {None, UNKNOWN}
            found[int(process.pid)] = round(process.usedGpuMemory / MB, 1) if known else None
    return tuple(holder(pid, mb) for pid, mb in found.items())


def _throttled(device: Any) -> tuple[str, ...]:
    reasons = _told(pynvml.nvmlDeviceGetCurrentClocksEventReasons, device)
    if reasons is None:
        reasons = _told(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons, device)
    return tuple(name for bit, name in THROTTLED.items() if reasons and reasons & bit)


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000


def _told(call: Callable[..., T], *arguments: Any) -> T | None:
    """What the driver answers; None for what this card or this driver does not support. Raises NVMLError otherwise."""
    try:
        return call(*arguments)
    except (
        pynvml.NVMLError_NotSupported,
        pynvml.NVMLError_FunctionNotFound,
        pynvml.NVMLError_NoPermission,
        pynvml.NVMLLibraryMismatchError,  # the binding's word for a list of processes that this driver lacks
    ):
        return None
    except pynvml.NVMLError as error:
        if error.value == pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH:
            return None
        raise
