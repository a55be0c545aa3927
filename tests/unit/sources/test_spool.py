"""The spool of this host is read by one consumer, and what is durable is deleted."""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path
from subprocess import PIPE, run

import anyio
import pytest

from safelight.sources import spool as module
from safelight.sources.spool import Spool, tidy

WRITER = """
import safelight_emit
safelight_emit.configure(service="idphoto", directory=r"{directory}")
for number in range({count}):
    safelight_emit.event("image_processed", processing_time_ms=number)
assert safelight_emit.flush(5)
"""


class Report:
    def __init__(self):
        self.troubles = []
        self.over = []

    def reading(self, what):
        self.files = what

    def trouble(self, what, reason):
        self.troubles.append(reason)

    def recovered(self, what):
        self.over.append(what)

    def took(self, size):
        self.bytes = size

    def progress(self, files):
        self.far = files


def write(directory: Path, count: int = 3) -> None:
    run([sys.executable, "-c", WRITER.format(directory=directory, count=count)], check=True, stderr=PIPE)


async def read(spool: Spool, durable: dict[str, str], wanted: int) -> list[str]:
    """Records until there are `wanted`, each step made durable as the store does."""
    found: list[str] = []
    with anyio.fail_after(30):
        async for arrival in spool.arrivals(dict(durable), Report()):
            found += arrival.batch["raw"].to_pylist()
            durable.update({key: value for key, value in arrival.checkpoint.items() if value})
            if len(found) >= wanted:
                return found
    return found


@pytest.mark.anyio
async def test_what_a_process_wrote_is_read_without_being_told(tmp_path):
    write(tmp_path)
    found = await read(Spool(directory=tmp_path), {}, 3)
    assert ["image_processed" in line for line in found] == [True] * 3


@pytest.mark.anyio
async def test_files_of_ended_processes_go_once_they_are_durable(tmp_path):
    write(tmp_path)
    durable = {}
    await read(Spool(directory=tmp_path), durable, 3)
    tidy(tmp_path, {})
    assert list(tmp_path.glob("*/*.ndjson")), "nothing is deleted before it is durable"
    tidy(tmp_path, durable)
    tidy(tmp_path, durable)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


@pytest.mark.anyio
async def test_the_file_of_a_living_process_stays(tmp_path):
    write(tmp_path)
    durable = {}
    await read(Spool(directory=tmp_path), durable, 3)
    (file,) = tmp_path.glob("*/*.ndjson")
    with file.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        tidy(tmp_path, durable)
        assert file.exists()


@pytest.mark.anyio
async def test_a_second_consumer_waits_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WAIT_FOR_LOCK_S", 0.01)
    write(tmp_path)
    with (tmp_path / ".consumer.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        report = Report()
        with anyio.fail_after(30), anyio.CancelScope() as waiting:

            def told(what, reason):
                report.troubles.append(what)
                if len(report.troubles) == 2:  # it waited once, and asked again
                    waiting.cancel()

            report.trouble = told
            async for _ in Spool(directory=tmp_path).arrivals({}, report):
                pytest.fail("it read a spool that another consumer holds")
    assert report.troubles == [str(tmp_path)] * 2
    assert report.over == []


@pytest.mark.anyio
async def test_a_consumer_that_waited_says_when_it_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WAIT_FOR_LOCK_S", 0.01)
    write(tmp_path)
    report = Report()
    with (tmp_path / ".consumer.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def told(what, reason):
            report.troubles.append(what)
            fcntl.flock(other, fcntl.LOCK_UN)

        report.trouble = told
        with anyio.fail_after(30):
            async for _ in Spool(directory=tmp_path).arrivals({}, report):
                break
    assert report.over == report.troubles == [str(tmp_path)]


@pytest.mark.anyio
async def test_a_last_line_of_a_process_that_ends_during_the_check_is_kept(tmp_path, monkeypatch):
    write(tmp_path)
    durable = {}
    await read(Spool(directory=tmp_path), durable, 3)
    (file,) = tmp_path.glob("*/*.ndjson")

    def held(path):
        with path.open("ab") as last:
            last.write(b'{"event":"last words"}\n')
        return False

    monkeypatch.setattr(module, "is_held", held)
    tidy(tmp_path, durable)
    assert file.exists()


def test_a_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Spool(directory=Path("~/spool")).root == tmp_path / "spool"
