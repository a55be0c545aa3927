"""Memory as it is: the device's, torch's share of it, this process's.

Only looks: everything comes through modules that ComfyUI has loaded itself (`sys.modules`), a device is asked only once
ComfyUI has begun to use it (`is_initialized`), and no call here allocates on a device or waits for its work. Sizes are
in MB of 2**20 bytes; what nobody can tell is None. Never raises.

What is asked where:

    CUDA, ROCm  mem_get_info (the driver's own figure, all processes together), the allocator's statistics
    XPU, NPU, MLU  the same calls by the same names; without mem_get_info the device's total and torch's own share
    MPS         current_allocated_memory, driver_allocated_memory; memory is shared with the system
    DirectML    nothing: it tells no figures
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

MB = 1_048_576
MODELS = 50  # models in a ledger
PROCESSES = 20  # processes in a ledger
_BACKENDS = ("cuda", "xpu", "npu", "mlu")


class Reading:
    """One look at the memory."""

    __slots__ = ("device_total_mb", "device_used_mb", "ram_used_mb", "torch_allocated_mb", "torch_reserved_mb")

    def __init__(
        self,
        device_used_mb: float | None = None,
        device_total_mb: float | None = None,
        torch_allocated_mb: float | None = None,
        torch_reserved_mb: float | None = None,
        ram_used_mb: float | None = None,
    ) -> None:
        self.device_used_mb = device_used_mb
        self.device_total_mb = device_total_mb
        self.torch_allocated_mb = torch_allocated_mb
        self.torch_reserved_mb = torch_reserved_mb
        self.ram_used_mb = ram_used_mb


class Memory:
    """Reads the memory of the device that ComfyUI computes on. Any thread may ask."""

    def __init__(self) -> None:
        self._found: tuple[str, Any, int] | None = None
        self._page_mb = os.sysconf("SC_PAGE_SIZE") / MB if hasattr(os, "sysconf") else 0.0
        self._statm = -1
        self._statm_pid = 0

    def read(self) -> Reading:
        """What is in use now. Some microseconds without a device."""
        reading = Reading(ram_used_mb=self.ram_used_mb())
        device = self._device()
        if device is None:
            return reading
        kind, backend, index = device
        try:
            if kind == "mps":
                reading.torch_allocated_mb = _mb(backend.current_allocated_memory())
                reading.torch_reserved_mb = reading.device_used_mb = _mb(backend.driver_allocated_memory())
                reading.device_total_mb = _recommended(backend)
                return reading
            used, total = _device_level(backend, index)
            allocated, reserved, _ = _allocator(backend, index)
        except Exception:  # noqa: BLE001 - a driver that refuses leaves the figures unknown
            return reading
        reading.torch_allocated_mb, reading.torch_reserved_mb = _mb(allocated), _mb(reserved)
        reading.device_used_mb = _mb(reserved if used is None else used)
        reading.device_total_mb = _mb(total)
        return reading

    def ram_used_mb(self) -> float | None:
        """The resident set of this process."""
        try:
            if sys.platform == "linux":
                return round(self._resident_pages() * self._page_mb, 1)
            psutil = sys.modules.get("psutil")  # which ComfyUI requires and has loaded
            return None if psutil is None else _mb(psutil.Process().memory_info().rss)
        except Exception:  # noqa: BLE001 - a sandbox without /proc leaves it unknown
            return None

    def reset_peak(self) -> None:
        """Lets `torch_peak_mb` begin anew."""
        device = self._device()
        if device is not None and device[0] != "mps":
            try:
                device[1].reset_peak_memory_stats(device[2])
            except Exception:  # noqa: BLE001, S110 - the peak then spans more than it should; nothing else is to be done
                pass

    def torch_peak_mb(self) -> float | None:
        """The most that torch had allocated since the last `reset_peak`."""
        device = self._device()
        if device is None or device[0] == "mps":
            return None
        try:
            return _mb(_allocator(device[1], device[2])[2])
        except Exception:  # noqa: BLE001 - see read
            return None

    def ledger(self) -> dict[str, Any]:
        """Who holds the memory: what is known of the device, torch, the system, the loaded models, other processes."""
        reading = self.read()
        ledger: dict[str, Any] = {"device": self._device_name(), "models": loaded_models()}
        for name in Reading.__slots__:
            ledger[name] = getattr(reading, name)
        ledger["torch_peak_mb"] = self.torch_peak_mb()
        if reading.device_total_mb is not None and reading.device_used_mb is not None:
            ledger["device_free_mb"] = round(reading.device_total_mb - reading.device_used_mb, 1)
        if reading.device_used_mb is not None and reading.torch_reserved_mb is not None:
            ledger["others_mb"] = round(max(reading.device_used_mb - reading.torch_reserved_mb, 0.0), 1)
        ledger["ram_total_mb"], ledger["ram_free_mb"] = system_ram_mb()
        if (processes := self._processes()) is not None:
            ledger["processes"] = processes
        return {name: value for name, value in ledger.items() if value is not None}

    def _device(self) -> tuple[str, Any, int] | None:
        """(kind, torch's module of it, index) of the device in use; None while there is none."""
        if self._found is not None:
            return self._found
        torch = sys.modules.get("torch")
        if torch is None or (manager := _manager()) is None:
            return None
        try:
            self._found = _initialised(torch, manager)
        except Exception:  # noqa: BLE001 - half loaded, or a build of torch we do not know
            return None
        return self._found

    def _device_name(self) -> str | None:
        device = self._device()
        if device is None:
            return "cpu" if _cpu_only(_manager()) else None
        kind, backend, index = device
        if kind == "mps":
            return "mps"
        try:
            return f"{kind}:{index} {backend.get_device_name(index)}"
        except Exception:  # noqa: BLE001 - the number says enough
            return f"{kind}:{index}"

    def _resident_pages(self) -> int:
        if self._statm_pid != os.getpid():  # a forked child reads its own
            self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
            self._statm_pid = os.getpid()
        return int(os.pread(self._statm, 128, 0).split()[1])

    def _processes(self) -> list[dict[str, Any]] | None:
        """Who else is on the device; known only where something has loaded NVML already."""
        nvml, device = sys.modules.get("pynvml"), self._device()
        if nvml is None or device is None or device[0] != "cuda":
            return None
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(device[2])
            found = nvml.nvmlDeviceGetComputeRunningProcesses(handle)[:PROCESSES]
            return [{"pid": one.pid, "used_mb": _mb(one.usedGpuMemory), "own": one.pid == os.getpid()} for one in found]
        except Exception:  # noqa: BLE001 - not initialised, or not allowed in this container
            return None


def loaded_models() -> list[dict[str, Any]]:
    """The models that ComfyUI holds: name, size, how much of it is on the device, and whether it is in use."""
    models = []
    for entry in list(getattr(_manager(), "current_loaded_models", None) or ())[:MODELS]:
        try:
            patcher = entry.model
            if patcher is None:  # collected, its entry not yet
                continue
            models.append(
                {
                    "model": model_name(patcher),
                    "model_mb": _mb(_size(entry, patcher, "model_memory", "model_size")),
                    "loaded_mb": _mb(_size(entry, patcher, "model_loaded_memory", "loaded_size")),
                    "device": str(getattr(entry, "device", "")) or None,
                    "in_use": bool(getattr(entry, "currently_used", False)),
                }
            )
        except Exception:  # noqa: BLE001 - one that cannot be asked does not hide the others
            models.append({"model": type(entry).__name__})
    return models


def model_name(patcher: Any) -> str:
    """The class of the model inside a ComfyUI model patcher ("SDXL", "SD1ClipModel")."""
    inner = getattr(patcher, "model", None)
    return type(patcher if inner is None else inner).__name__


def system_ram_mb() -> tuple[float | None, float | None]:
    """(total, available) memory of the machine, in MB."""
    psutil = sys.modules.get("psutil")
    try:
        if psutil is not None:
            memory = psutil.virtual_memory()
            return _mb(memory.total), _mb(memory.available)
        with open("/proc/meminfo", encoding="ascii") as file:
            kb = {line.split(":")[0]: int(line.split()[1]) for line in file}
        return round(kb["MemTotal"] / 1024, 1), round(kb["MemAvailable"] / 1024, 1)
    except Exception:  # noqa: BLE001 - unknown then
        return None, None


def _manager() -> ModuleType | None:
    return sys.modules.get("comfy.model_management")


def _cpu_only(manager: Any) -> bool:
    return getattr(getattr(manager, "cpu_state", None), "name", None) == "CPU"


def _initialised(torch: Any, manager: Any) -> tuple[str, Any, int] | None:
    if _cpu_only(manager) or getattr(manager, "directml_enabled", False):
        return None
    if getattr(getattr(manager, "cpu_state", None), "name", None) == "MPS":
        return "mps", torch.mps, 0
    for kind in _BACKENDS:
        backend = getattr(torch, kind, None)
        # Asking an idle backend for its device would create a context: some 300 MB on a CUDA device.
        if backend is not None and getattr(backend, "is_initialized", bool)() and backend.device_count():
            index = getattr(manager.get_torch_device(), "index", None)
            return kind, backend, backend.current_device() if index is None else index
    return None


def _device_level(backend: Any, index: int) -> tuple[int | None, int | None]:
    """(used by all processes, total) in bytes."""
    if hasattr(backend, "mem_get_info"):
        try:
            free, total = backend.mem_get_info(index)
            return total - free, total
        except Exception:  # noqa: BLE001, S110 - some Intel drivers have the call and refuse it
            pass
    return None, backend.get_device_properties(index).total_memory


def _allocator(backend: Any, index: int) -> tuple[int, int, int]:
    """(allocated, reserved, peak allocated) in bytes. The flat form costs a walk over all statistics."""
    if hasattr(backend, "memory_stats_as_nested_dict"):
        stats = backend.memory_stats_as_nested_dict(index)
        allocated, reserved = stats["allocated_bytes"]["all"], stats["reserved_bytes"]["all"]
        return allocated["current"], reserved["current"], allocated["peak"]
    flat = backend.memory_stats(index)
    return (
        flat["allocated_bytes.all.current"],
        flat["reserved_bytes.all.current"],
        flat["allocated_bytes.all.peak"],
    )


def _recommended(mps: Any) -> float | None:
    return _mb(mps.recommended_max_memory()) if hasattr(mps, "recommended_max_memory") else None


def _size(entry: Any, patcher: Any, method: str, older: str) -> int | None:
    ask = getattr(entry, method, None) or getattr(patcher, older, None)
    return None if ask is None else ask()


def _mb(size: float | None) -> float | None:
    return None if size is None else round(size / MB, 1)
