"""The GPU source: a line a card, and quiet where there is none."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from safelight.hardware.card import Absent, Card, Sample
from safelight.sources import gpu
from safelight.sources.gpu import Cards, Gpu
from support.measuring import Report, measuring


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(gpu, "LOOK_AGAIN", timedelta(milliseconds=20))


def every_20_ms(**fields):
    return Gpu(**fields).model_copy(update={"every": timedelta(milliseconds=20)})


class Maker:
    """Cards of one maker: each reading is what comes next, an exception is raised."""

    def __init__(self, *readings):
        self._readings = list(readings)
        self.closed = False

    def read(self):
        reading = self._readings.pop(0) if len(self._readings) > 1 else self._readings[0]
        if isinstance(reading, Exception):
            raise reading
        return reading

    def close(self):
        self.closed = True


def sample(*used, **broken):
    return Sample(tuple(Card(index=index, vram_used_mb=mb) for index, mb in enumerate(used)), broken)


@pytest.mark.anyio
async def test_recorded_readings_come_as_events(tmp_path):
    file = tmp_path / "gpu.ndjson"
    file.write_text('{"index":0,"name":"RTX 4090","vram_used_mb":100}\n{"index":0,"vram_used_mb":200}\n')
    report = Report()
    async with measuring(every_20_ms(recorded=file), report) as readings:
        (first,) = await readings.next()
        (second,) = await readings.next()
    assert (first["event"], first["level"], first["service"]) == ("resources_sampled", "DEBUG", "safelight")
    assert (first["vram_used_mb"], first["gpu"]["name"], first["gpu"]["processes"]) == (100.0, "RTX 4090", [])
    assert second["vram_used_mb"] == 200.0
    assert report.of("reading") == [1, 1]
    assert not report.of("trouble")


@pytest.mark.anyio
async def test_a_machine_without_a_card_waits_and_finds_one_later(monkeypatch):
    maker = Maker(Absent("NVML", "no driver"), Absent("NVML", "no driver"), sample(5.0))
    monkeypatch.setattr(Gpu, "_providers", lambda self: [maker])
    report = Report()
    async with measuring(every_20_ms(), report) as readings:
        (found,) = await readings.next()
    assert found["vram_used_mb"] == 5.0
    assert len(report.of("waiting")) == 2
    assert "NVML: no driver" in report.of("waiting")[0]
    assert not report.of("trouble")
    assert maker.closed


@pytest.mark.anyio
async def test_a_card_that_stops_answering_is_told_of_and_when_it_is_back(monkeypatch):
    maker = Maker(sample(1.0), sample(1.0, **{"GPU 1": "GPU is lost"}), sample(1.0))
    monkeypatch.setattr(Gpu, "_providers", lambda self: [maker])
    report = Report()
    async with measuring(every_20_ms(), report) as readings:
        for _ in range(3):
            await readings.next()
    ((what, said),) = [(what, said) for what, said in report.said if what.startswith("trouble")]
    assert what == "trouble GPU 1"
    assert "GPU is lost" in said
    assert report.said.index(("recovered", "GPU 1")) > report.said.index((what, said))


@pytest.mark.anyio
async def test_a_recording_that_is_no_recording_is_trouble_not_the_end(tmp_path):
    file = tmp_path / "gpu.ndjson"
    file.write_text("nonsense\n")
    report = Report()
    async with measuring(every_20_ms(recorded=file), report) as readings, anyio.create_task_group() as tasks:

        async def mend():
            assert "line 1" in await report.until("trouble")
            file.write_text('{"index":0,"vram_used_mb":7}\n')

        tasks.start_soon(mend)
        (found,) = await readings.next()
    assert found["vram_used_mb"] == 7.0


def test_cards_of_several_makers_have_one_numbering():
    both = Cards([Maker(sample(1.0, 2.0)), Maker(Absent("no AMD card")), Maker(sample(3.0))])
    assert [(card.index, card.vram_used_mb) for card in both.read().cards] == [(0, 1.0), (1, 2.0), (2, 3.0)]


def test_a_vendor_is_looked_for_alone():
    assert [type(maker).__name__ for maker in Gpu(vendor="amd")._providers()] == ["Drm"]
    assert len(Gpu()._providers()) == 4
