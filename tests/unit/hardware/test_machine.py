"""What psutil tells of this machine, and of one made up."""

from __future__ import annotations

from collections import namedtuple

from safelight.hardware import machine
from safelight.hardware.machine import Machine

Part = namedtuple("Part", "device mountpoint fstype")
Usage = namedtuple("Usage", "total used free percent")


def test_this_machine_has_memory_a_disk_and_a_processor():
    told = Machine().read()
    assert 0 < told["ram_available_mb"] <= told["ram_total_mb"]
    assert told["cpu_count"] >= 1
    assert len(told["load"]) == 3
    assert all(0 <= disk["free_mb"] <= disk["total_mb"] for disk in told["disks"])
    assert told["disks"]


def mounted(monkeypatch, *parts):
    monkeypatch.setattr(machine.psutil, "disk_partitions", lambda **_: [Part(*part) for part in parts])

    def usage(mount):
        if mount == "/gone":
            raise OSError("Input/output error")
        return Usage(100 << 20, 75 << 20, 25 << 20, 75.0)

    monkeypatch.setattr(machine.psutil, "disk_usage", usage)


def test_a_disk_counts_once_by_its_shortest_place_and_images_not_at_all(monkeypatch):
    mounted(
        monkeypatch,
        ("/dev/sda1", "/var/lib/docker/bind", "ext4"),
        ("/dev/sda1", "/", "ext4"),
        ("/dev/loop3", "/snap/core", "squashfs"),
        ("/dev/sdb", "/gone", "xfs"),
    )
    assert machine.disks() == [{"mount": "/", "type": "ext4", "total_mb": 100, "free_mb": 25, "used_percent": 75.0}]


def test_in_a_container_the_root_is_measured_all_the_same(monkeypatch):
    mounted(monkeypatch)
    assert [disk["mount"] for disk in machine.disks()] == ["/"]


def test_rates_are_differences_and_a_counter_that_went_back_is_none(monkeypatch):
    counted = iter(
        [
            {("network", "received_kb"): 0, ("network", "sent_kb"): 5000},
            {("network", "received_kb"): 20 * 1024, ("network", "sent_kb"): 0},
        ]
    )
    clock = iter([100.0, 110.0])
    monkeypatch.setattr(machine, "_counters", lambda: next(counted))
    monkeypatch.setattr(machine.time, "monotonic", lambda: next(clock))
    assert Machine().read()["network"] == {"received_kb": 2.0, "sent_kb": 0.0}


def disk(mount, total_mb, free_mb):
    used = round(100 * (1 - free_mb / total_mb), 1)
    return {"mount": mount, "type": "ext4", "total_mb": total_mb, "free_mb": free_mb, "used_percent": used}


def test_the_disk_with_the_least_room_is_told_apart():
    disks = [disk("/", 500_000, 200_000), disk("/boot", 900, 100), disk("/models", 2_000_000, 700)]
    assert machine.fullest(disks) == {
        "disk_fullest_mount": "/models",
        "disk_fullest_percent": 100.0,
        "disk_fullest_free_mb": 700,
    }


def test_where_all_disks_are_small_the_fullest_of_them_counts_and_without_any_nothing_is_told():
    assert machine.fullest([disk("/", 4_000, 300), disk("/data", 4_000, 200)])["disk_fullest_mount"] == "/data"
    assert machine.fullest([]) == {}
