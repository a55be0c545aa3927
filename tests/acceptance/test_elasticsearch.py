"""Our bulk output in a real VictoriaLogs, also through an outage of ten minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from safelight.batch import Batch
from safelight.event import Name
from safelight.shipping.outlet import Outlet
from safelight.sinks.elasticsearch import Elasticsearch
from support.victorialogs import HEADERS, Victoria, needs_victorialogs

pytestmark = [needs_victorialogs, pytest.mark.anyio]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
OUTAGE_S = 600
HAND = 250
ROUNDS = 40


class OutageClock:
    """The clock of the shipper. Its seconds pass only while it goes, each in five milliseconds of ours or longer."""

    def __init__(self) -> None:
        self.going = True
        self._seconds = 0
        self._tick = anyio.Event()

    def monotonic(self) -> float:
        return self._seconds

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self._seconds)

    async def wait(self, event: anyio.Event, seconds: float) -> None:
        until = self._seconds + seconds
        async with anyio.create_task_group() as tasks:

            async def rung() -> None:
                await event.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(rung)
            while self._seconds < until:
                await self._tick.wait()
            tasks.cancel_scope.cancel()

    async def run(self) -> None:
        while True:
            await anyio.sleep(0.005)
            if self.going:
                self._seconds += 1
                self._tick.set()
                self._tick = anyio.Event()

    async def reaches(self, seconds: float) -> None:
        while self._seconds < seconds:
            await self._tick.wait()


@pytest.fixture
def victoria(tmp_path):
    folder = tmp_path / "victorialogs"
    folder.mkdir()
    with Victoria(folder) as started:
        yield started


def events(first, count):
    return Batch.of(
        {
            "id": f"e{number}",
            "timestamp": NOON + timedelta(milliseconds=number),
            "received_at": NOON + timedelta(milliseconds=number),
            "level": "ERROR" if number % 10 == 0 else "INFO",
            "service": "comfyui",
            "host": "render-01",
            "message": f'说 "{number}"\n第二行',
            "node": "VAEDecode",
            "duration_ms": number / 2,
            "attributes": '{"sampler": {"steps": 30}}',
        }
        for number in range(first, first + count)
    )


def sink(victoria, **more):
    return Elasticsearch(url=victoria.url, prefix="comfyui_logs", headers=HEADERS, **more)


async def test_every_event_and_every_field_arrives(victoria):
    async with sink(victoria).connect() as connection:
        for first in range(0, 1_000, HAND):
            assert await connection.send(events(first, HAND), str(first)) == []
    assert victoria.until("*", 1_000) == (1_000, 1_000)
    assert victoria.count("level:ERROR")[0] == 100
    (row,) = victoria.rows("id:=e20")
    assert row["_time"] == "2026-11-22T12:00:00.02Z"
    assert row["_msg"] == '说 "20"\n第二行'
    assert (row["node"], row["duration_ms"], row["attributes.sampler.steps"]) == ("VAEDecode", "10", "30")


async def test_the_count_is_exact_after_an_outage_of_ten_minutes(victoria, tmp_path):
    target = sink(victoria, flush_interval="3s", most_events=500)
    noted = []

    def note(event, *_, **__):
        noted.append(event)

    clock = OutageClock()
    async with Outlet(target, tmp_path / "sink", note, "en", clock=clock) as outlet:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(clock.run)
            tasks.start_soon(outlet.run)

            async def until(holds):
                with anyio.fail_after(60):
                    while not holds(outlet.status()):  # noqa: ASYNC110 - it has no event for this
                        await anyio.sleep(0.01)

            for number in range(ROUNDS):
                if number == ROUNDS // 4:
                    await until(lambda status: status["sent"] > 0)
                    await anyio.to_thread.run_sync(victoria.stop)
                    down_at = clock.monotonic()
                if number == ROUNDS // 2:
                    await clock.reaches(down_at + OUTAGE_S)
                    clock.going = False
                    await until(lambda status: status["state"] == "retrying")
                    assert outlet.status()["queue"]["events"] >= HAND * (ROUNDS // 4)
                    await anyio.to_thread.run_sync(victoria.start)
                    clock.going = True
                await outlet.offer(events(number * HAND, HAND), {"seq": str(number)})
            await until(lambda status: status["queue"]["events"] == 0)
            tasks.cancel_scope.cancel()
        status = outlet.status()
    assert (status["sent"], status["dropped"], status["refused"], status["dead_letters"]) == (ROUNDS * HAND, {}, 0, 0)
    assert status["retries"] > 0
    assert Name.SINK_FAILED in noted
    assert victoria.until("*", ROUNDS * HAND) == (ROUNDS * HAND, ROUNDS * HAND)
