"""A file source turns what is written into arrivals, soon."""

from __future__ import annotations

import os

import anyio
import pytest
from pydantic import ValidationError

from safelight.processors import WrongSetting
from safelight.sources.file import File
from safelight.tail import watch


class Report:
    def __init__(self):
        self.troubles = {}
        self.over = []
        self.bytes = 0
        self.files = 0
        self.far = []
        self.left_out = {}

    def reading(self, what):
        self.files = what

    def trouble(self, what, reason):
        self.troubles[what] = reason

    def recovered(self, what):
        self.over.append(what)

    def took(self, size):
        self.bytes += size

    def progress(self, files):
        self.far = files

    def refused(self, count, why):
        self.left_out[why] = self.left_out.get(why, 0) + count


@pytest.mark.anyio
async def test_a_line_arrives_with_its_place_and_labels(tmp_path):
    log = tmp_path / "a.log"
    log.write_text('{"n":1}\n')
    source = File(paths=(str(log),), service="comfyui", instance="gpu-1", tag="comfyui.raw")
    with anyio.fail_after(30):
        async for arrival in source.arrivals({}, Report()):
            (row,) = arrival.batch.table.to_pylist()
            break
    kept = {name: row[name] for name in ("raw", "source", "service", "instance", "tag")}
    assert kept == {
        "raw": '{"n":1}',
        "source": str(log),
        "service": "comfyui",
        "instance": "gpu-1",
        "tag": "comfyui.raw",
    }
    assert len(arrival.checkpoint) == 1


@pytest.mark.anyio
async def test_a_line_wakes_the_source(tmp_path, monkeypatch):
    log = tmp_path / "a.log"
    log.write_text('{"n":0}\n')
    written = 0

    async def write_when_all_wait():
        await anyio.wait_all_tasks_blocked()
        with log.open("a") as file:
            file.write(f'{{"n":{written}}}\n')

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            async for _ in File(paths=(str(log),)).arrivals({}, Report()):
                if written == 1:  # the folder is watched by now; nobody looks without being told from here on
                    monkeypatch.setattr(watch, "LOOK_AGAIN_S", 3600.0)
                if written == 4:
                    break
                written += 1
                tasks.start_soon(write_when_all_wait)


@pytest.mark.anyio
async def test_bytes_that_are_no_text_arrive_as_they_are(tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(b'{"n":"\xff\xfe"}\n')
    async for arrival in File(paths=(str(log),)).arrivals({}, Report()):
        assert arrival.batch["raw"].combine_chunks().view("binary").to_pylist() == [b'{"n":"\xff\xfe"}']
        break


@pytest.mark.anyio
async def test_trouble_with_a_file_is_told_and_so_is_its_end(tmp_path, monkeypatch):
    log = tmp_path / "a.log"
    log.write_text('{"n":1}\n')
    report, real_open = Report(), os.open

    def guarded(path, *args, **kwargs):
        if str(path) == str(log) and not report.troubles:
            raise PermissionError(13, "Permission denied")
        return real_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", guarded)
    with anyio.fail_after(30):
        async for _ in File(paths=(str(log),)).arrivals({}, report):
            break
    assert list(report.troubles) == report.over == [str(log)]


def test_a_zone_that_does_not_exist_is_a_mistake_of_the_configuration():
    with pytest.raises(ValidationError) as caught:
        File(paths=("a.log",), timezone="Mars/Olympus")
    (mistake,) = caught.value.errors()
    assert mistake["loc"] == ("timezone",)
    assert isinstance(mistake["ctx"]["error"], WrongSetting)
    assert File(paths=("a.log",), timezone="Asia/Shanghai").timezone == "Asia/Shanghai"


async def read(source, report, wanted):
    """Records until there are `wanted`."""
    found = []
    with anyio.fail_after(30):
        async for arrival in source.arrivals({}, report):
            found += arrival.batch["raw"].to_pylist()
            if len(found) >= wanted:
                return found
    return found


@pytest.mark.anyio
async def test_lines_belong_together_as_the_configuration_says(tmp_path):
    log = tmp_path / "a.log"
    log.write_text('2026-1 a\n  b\n{"c": 1}\n2026-2 d\n2026-3')
    source = File(paths=(str(log),), multiline={"starts": r"^\d{4}-", "timeout": "1ms"})
    assert await read(source, Report(), 2) == ['2026-1 a\n  b\n{"c": 1}', "2026-2 d"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("none", ["panic: x", "\tpanic: y", "", "Traceback (most recent call last):", "  File x", "!!! Exception"]),
        ("go", ["panic: x\n\tpanic: y", "Traceback (most recent call last):", "  File x", "!!! Exception"]),
        ("python", ["panic: x\n\tpanic: y", "Traceback (most recent call last):\n  File x", "!!! Exception"]),
        ("comfyui", ["panic: x\n\tpanic: y", "Traceback (most recent call last):\n  File x", "!!! Exception"]),
    ],
)
async def test_a_language_joins_its_tracebacks(tmp_path, chosen, expected):
    log = tmp_path / "a.log"
    log.write_text("panic: x\n\tpanic: y\n\nTraceback (most recent call last):\n  File x\n\n!!! Exception\n{}\n")
    found = await read(File(paths=(str(log),), multiline=chosen), Report(), len([e for e in expected if e]) + 1)
    assert found == [*(text for text in expected if text), "{}"]


@pytest.mark.anyio
async def test_how_far_it_is_and_what_it_left_out_is_told(tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(b'{"n":1}\n' + b"x" * 5000 + b"\n" + b"\0" * 100 + '{"灯":2}\n'.encode("gb18030"))
    report = Report()
    source = File(paths=(str(log),), encoding="gbk", max_line="1KB", long_lines="skip")
    with anyio.fail_after(30):
        found = []
        async for arrival in source.arrivals({}, report):
            found += arrival.batch["raw"].to_pylist()
            with log.open("a") as file:  # so that it looks again
                file.write("{}\n")
            if report.left_out:
                break
    assert found[:2] == ['{"n":1}', '{"灯":2}']
    assert report.left_out == {"too_long": 1, "nul_bytes": 1}
    assert report.bytes >= 5000
    (far,) = report.far
    assert (far.path, far.cut) == (str(log), 1)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"encoding": "klingon"}, "tail.unknown_encoding"),
        ({"encoding": "utf-7"}, "tail.encoding_not_followed"),
        ({"max_line": "10B"}, "sources.max_line"),
        ({"max_line": "1GB"}, "sources.max_line"),
        ({"multiline": {"starts": "("}}, "sources.bad_pattern"),
        ({"multiline": {"timeout": "1s"}}, "sources.no_pattern"),
    ],
)
def test_a_setting_that_cannot_be_is_a_mistake_of_the_configuration(settings, key):
    with pytest.raises(ValidationError) as caught:
        File(paths=("a.log",), **settings)
    kept = [mistake["ctx"]["error"].key for mistake in caught.value.errors() if "error" in mistake.get("ctx", {})]
    assert key in kept


def test_every_setting_can_be_written_as_the_reference_shows_it():
    source = File.model_validate(
        {
            "paths": ["~/logs/app-%Y-%m-%d.log*"],
            "exclude": ["*.zst"],
            "ignore_older": "7d",
            "encoding": "utf-16-le",
            "multiline": {"continues": r"^\s", "ends": "^end$", "timeout": "2s", "max_lines": 50, "max_bytes": "1MB"},
            "max_line": "16MB",
            "long_lines": "skip",
        }
    )
    assert source.max_line == 16 * 1024 * 1024
