"""Memory is read where it can be, and nowhere is a device touched that ComfyUI has not begun to use."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import psutil
import pytest

MB = 1_048_576


class Device:
    """A backend of torch (`torch.cuda`) that counts what it is asked."""

    def __init__(self, *, initialised=True):
        self.initialised = initialised
        self.asked = []
        self.peak = 900

    def is_initialized(self):
        return self.initialised

    def device_count(self):
        self.asked.append("device_count")
        return 1

    def current_device(self):
        self.asked.append("current_device")
        return 0

    def get_device_name(self, index):
        return "Lab 8000"

    def mem_get_info(self, index):
        self.asked.append("mem_get_info")
        return 2_000 * MB, 8_000 * MB

    def memory_stats_as_nested_dict(self, index):
        return {
            "allocated_bytes": {"all": {"current": 700 * MB, "peak": self.peak * MB}},
            "reserved_bytes": {"all": {"current": 1_000 * MB}},
        }

    def reset_peak_memory_stats(self, index):
        self.peak = 700


@pytest.fixture
def comfyui(monkeypatch):
    """A ComfyUI with this torch in this process."""

    def enter(*, state="GPU", models=(), **backends):
        manager = SimpleNamespace(
            cpu_state=SimpleNamespace(name=state),
            directml_enabled=False,
            current_loaded_models=list(models),
            get_torch_device=lambda: SimpleNamespace(index=0),
        )
        monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(**backends))
        monkeypatch.setitem(sys.modules, "comfy.model_management", manager)
        return manager

    return enter


@pytest.fixture
def memory(pack):
    return pack.memory.Memory()


def test_without_torch_only_the_process_is_known(memory, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    reading = memory.read()
    assert reading.ram_used_mb > 0
    assert (reading.device_used_mb, reading.torch_allocated_mb) == (None, None)
    assert memory.torch_peak_mb() is None
    memory.reset_peak()


def test_the_resident_set_is_what_the_system_says(memory):
    assert memory.ram_used_mb() == pytest.approx(psutil.Process().memory_info().rss / MB, rel=0.05)


def test_where_there_is_no_proc_psutil_is_asked_if_something_has_loaded_it(memory, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert memory.ram_used_mb() == pytest.approx(psutil.Process().memory_info().rss / MB, rel=0.05)
    monkeypatch.delitem(sys.modules, "psutil")
    assert memory.ram_used_mb() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_another_process_reads_its_own_resident_set(memory, monkeypatch):
    memory.ram_used_mb()
    opened = memory._statm
    monkeypatch.setattr(os, "getpid", lambda: -1)
    memory.ram_used_mb()
    assert memory._statm != opened
    os.close(opened)


def test_a_device_is_read_at_both_levels(memory, comfyui):
    comfyui(cuda=Device())
    reading = memory.read()
    assert (reading.device_used_mb, reading.device_total_mb) == (6_000, 8_000)
    assert (reading.torch_allocated_mb, reading.torch_reserved_mb) == (700, 1_000)


def test_the_peak_begins_anew_when_it_is_reset(memory, comfyui):
    comfyui(cuda=Device())
    assert memory.torch_peak_mb() == 900
    memory.reset_peak()
    assert memory.torch_peak_mb() == 700


def test_a_device_that_comfyui_has_not_begun_to_use_is_not_asked_anything(memory, comfyui):
    idle = Device(initialised=False)
    comfyui(cuda=idle)
    assert memory.read().device_used_mb is None
    memory.ledger()
    assert idle.asked == []


def test_a_device_is_found_as_soon_as_it_is_in_use(memory, comfyui):
    device = Device(initialised=False)
    comfyui(cuda=device)
    memory.read()
    device.initialised = True
    assert memory.read().device_used_mb == 6_000


def test_comfyui_on_the_cpu_uses_no_device_even_if_there_is_one(memory, comfyui):
    device = Device()
    comfyui(state="CPU", cuda=device)
    assert memory.read().device_used_mb is None
    assert memory.ledger()["device"] == "cpu"
    assert device.asked == []


def test_a_backend_without_device_level_figures_gives_torchs_own(memory, comfyui):
    class Xpu(Device):
        def mem_get_info(self, index):
            raise RuntimeError("not supported on this device")

        def get_device_properties(self, index):
            return SimpleNamespace(total_memory=16_000 * MB)

    comfyui(xpu=Xpu())
    reading = memory.read()
    assert (reading.device_used_mb, reading.device_total_mb) == (1_000, 16_000)


def test_the_flat_form_of_the_statistics_will_do(memory, comfyui):
    class Older(Device):
        memory_stats_as_nested_dict = property()

        def memory_stats(self, index):
            return {
                "allocated_bytes.all.current": 5 * MB,
                "reserved_bytes.all.current": 6 * MB,
                "allocated_bytes.all.peak": 7 * MB,
            }

    comfyui(cuda=Older())
    assert (memory.read().torch_allocated_mb, memory.torch_peak_mb()) == (5, 7)


def test_apples_memory_is_what_its_driver_says(memory, comfyui):
    mps = SimpleNamespace(
        current_allocated_memory=lambda: 300 * MB,
        driver_allocated_memory=lambda: 500 * MB,
        recommended_max_memory=lambda: 12_000 * MB,
    )
    comfyui(state="MPS", mps=mps)
    reading = memory.read()
    assert (reading.device_used_mb, reading.device_total_mb, reading.torch_allocated_mb) == (500, 12_000, 300)
    assert memory.torch_peak_mb() is None


def test_a_driver_that_fails_leaves_the_figures_unknown(memory, comfyui):
    class Lost(Device):
        def memory_stats_as_nested_dict(self, index):
            raise RuntimeError("CUDA error: unspecified launch failure")

    comfyui(cuda=Lost())
    reading = memory.read()
    assert (reading.device_used_mb, reading.ram_used_mb is not None) == (None, True)


class Loaded:
    """An entry of ComfyUI's `current_loaded_models`."""

    device = "cuda:0"
    currently_used = True

    def __init__(self, model):
        self.model = model

    def model_memory(self):
        return 4_000 * MB

    def model_loaded_memory(self):
        return 3_000 * MB


class SDXL:
    """A model as ComfyUI names it."""


def test_the_ledger_says_who_holds_the_memory(memory, comfyui):
    comfyui(cuda=Device(), models=[Loaded(SimpleNamespace(model=SDXL())), Loaded(None)])
    ledger = memory.ledger()
    assert ledger["device"] == "cuda:0 Lab 8000"
    assert ledger["models"] == [
        {"model": "SDXL", "model_mb": 4_000, "loaded_mb": 3_000, "device": "cuda:0", "in_use": True}
    ]
    assert (ledger["device_free_mb"], ledger["others_mb"], ledger["torch_peak_mb"]) == (2_000, 5_000, 900)
    assert ledger["ram_total_mb"] > ledger["ram_free_mb"] > 0


def test_other_processes_are_named_where_something_has_loaded_nvml(memory, comfyui, monkeypatch):
    processes = [SimpleNamespace(pid=os.getpid(), usedGpuMemory=1_500 * MB), SimpleNamespace(pid=7, usedGpuMemory=None)]
    nvml = SimpleNamespace(
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetComputeRunningProcesses=lambda handle: processes,
    )
    comfyui(cuda=Device())
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    assert memory.ledger()["processes"] == [
        {"pid": os.getpid(), "used_mb": 1_500, "own": True},
        {"pid": 7, "used_mb": None, "own": False},
    ]


def test_a_model_that_cannot_be_asked_hides_no_other(memory, comfyui):
    class Broken(Loaded):
        def model_memory(self):
            raise RuntimeError("gone")

    comfyui(cuda=Device(), models=[Broken(SimpleNamespace(model=SDXL())), Loaded(SimpleNamespace(model=SDXL()))])
    assert [model["model"] for model in memory.ledger()["models"]] == ["Broken", "SDXL"]


def test_the_systems_memory_is_known_without_psutil_too(pack, monkeypatch):
    with_psutil = pack.memory.system_ram_mb()
    monkeypatch.delitem(sys.modules, "psutil")
    assert pack.memory.system_ram_mb()[0] == pytest.approx(with_psutil[0], rel=0.01)
