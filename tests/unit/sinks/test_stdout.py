from __future__ import annotations

import json
import os

import anyio
import anyio.to_thread
import pytest

from safelight.errors import SinkError
from safelight.sinks.stdout import Stdout
from support.shipping import events

pytestmark = pytest.mark.anyio


@pytest.fixture
def pipe(monkeypatch):
    """What is read from standard output, and standard output."""
    ends = list(os.pipe())
    monkeypatch.setattr("safelight.sinks.stdout.DESCRIPTOR", ends[1])
    yield ends
    for end in ends:
        os.close(end)


async def printed(sink: Stdout, *batches) -> None:
    async with sink.connect() as connection:
        for number, batch in enumerate(batches):
            assert await connection.send(batch, str(number)) == []


async def test_events_are_printed_a_line_each(pipe):
    await printed(Stdout(), events(0, 2), events(2, 1))
    lines = os.read(pipe[0], 65_536).decode().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["e0", "e1", "e2"]


async def test_or_for_eyes(pipe):
    await printed(Stdout(format="line"), events(0, 1))
    assert os.read(pipe[0], 65_536).decode() == "2026-11-22T10:00:00.000000Z ERROR    comfyui 第 0 步 finished\n"


async def test_more_than_a_pipe_holds_waits_for_its_reader(pipe):
    received = []

    def read() -> None:
        while sum(map(len, received)) < 1 or not received[-1].endswith(b"the end"):
            received.append(os.read(pipe[0], 65_536))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, read)
        await printed(Stdout(), events(0, 3_000))
        os.write(pipe[1], b"the end")
    assert b"".join(received).count(b"\n") == 3_000


async def test_a_reader_who_stands_still_does_not_keep_us_from_stopping(pipe):
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(printed, Stdout(), events(0, 3_000))
            await anyio.to_thread.run_sync(os.read, pipe[0], 10)
            tasks.cancel_scope.cancel()


async def test_a_reader_who_went_away_is_an_error(pipe):
    os.close(pipe[0])
    try:
        with pytest.raises(SinkError, match="standard output"):
            await printed(Stdout(), events(0, 1))
    finally:
        pipe[0] = os.open(os.devnull, os.O_RDONLY)
