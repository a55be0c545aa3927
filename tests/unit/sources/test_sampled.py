"""What sources that measure share."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest
from pydantic import ValidationError

from safelight.pipeline import chain
from safelight.sources import sampled
from safelight.sources.gpu import Gpu
from safelight.sources.sampled import Beat, arrival


@pytest.mark.parametrize(("given", "seconds"), [("1s", 1), ("1.5s", 1.5), ("60m", 3600)])
def test_how_often_is_a_duration(given, seconds):
    assert Gpu(every=given).every == timedelta(seconds=seconds)


@pytest.mark.parametrize("given", ["0s", "often", "", 10, None])
def test_no_duration_is_refused(given):
    with pytest.raises(ValidationError, match="not a duration"):
        Gpu.model_validate({"every": given})


@pytest.mark.parametrize("given", ["999ms", "61m"])
def test_less_than_a_second_or_more_than_an_hour_is_refused_with_the_bounds(given):
    with pytest.raises(ValidationError, match="1s to 1h"):
        Gpu(every=given)


def test_what_was_written_can_be_read_again():
    gpu = Gpu(every="90s")
    assert Gpu.model_validate(gpu.model_dump()) == gpu


def test_a_reading_becomes_an_event_of_safelight_itself():
    event = sampled.sampled(vram_used_mb=3.5, gpu={"index": 0, "power_w": None})
    source = Gpu(instance="gpu-1", tag="hardware")
    batch = chain((), source.service, None)(arrival(source, [event]).batch)
    (row,) = batch.table.to_pylist()
    assert (row["event"], row["level"], row["service"]) == ("resources_sampled", "DEBUG", "safelight")
    assert (row["instance"], row["tag"], row["vram_used_mb"]) == ("gpu-1", "hardware", 3.5)
    assert row["attributes"] == '{"gpu":{"index":0,"power_w":null}}'
    assert row["host"]
    assert row["parse_error"] is None


@pytest.mark.anyio
async def test_what_took_too_long_is_left_out_not_made_up_for():
    beat = Beat(timedelta(seconds=0.02))
    await anyio.sleep(0.1)
    with anyio.fail_after(30):
        began = anyio.current_time()
        for _ in range(4):
            await beat.rest()
    assert anyio.current_time() - began >= 0.055
