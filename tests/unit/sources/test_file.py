"""A file source turns what is written into arrivals, soon."""

from __future__ import annotations

import os
import time

import anyio
import pytest
from pydantic import ValidationError

from safelight.processors import WrongSetting
from safelight.sources.file import File
from safelight.tail.watch import LOOK_AGAIN_S


class Report:
    def __init__(self):
        self.troubles = {}
        self.over = []

    def reading(self, what):
        self.files = what

    def trouble(self, what, reason):
        self.troubles[what] = reason

    def recovered(self, what):
        self.over.append(what)


@pytest.mark.anyio
async def test_a_line_arrives_with_its_place_and_labels(tmp_path):
    log = tmp_path / "a.log"
    log.write_text('{"n":1}\n')
    source = File(paths=(str(log),), service="comfyui", instance="gpu-1", tag="comfyui.raw")
    with anyio.fail_after(10):
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
async def test_a_line_wakes_the_source(tmp_path):
    log = tmp_path / "a.log"
    log.write_text('{"n":0}\n')
    written = []

    async def write_when_all_wait(number):
        await anyio.wait_all_tasks_blocked()
        written.append(time.perf_counter())
        with log.open("a") as file:
            file.write(f'{{"n":{number}}}\n')

    took = []
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            async for _ in File(paths=(str(log),)).arrivals({}, Report()):
                if written:
                    took.append(time.perf_counter() - written[-1])
                if len(took) == 3:
                    break
                tasks.start_soon(write_when_all_wait, len(took))
    assert min(took) < LOOK_AGAIN_S / 2, "nobody waits for the next look at the folder"


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
    with anyio.fail_after(10):
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
