from __future__ import annotations

import time
from collections import Counter
from itertools import islice, pairwise
from statistics import mean

import pytest

from safelight.demo import day
from safelight.demo.happening import Happening, in_order
from safelight.demo.life import life
from safelight.demo.studio import GPU_2, INSTANCES, USERS
from safelight.event import RUN_ENDED, Name

DAY = 86_400.0
NOON = time.mktime((2026, 11, 22, 12, 0, 0, 0, 0, -1))  # local, as the studio's hours are
LOOKED_AT = 900.0


def a_day(now):
    told = []
    for happening in life(7, now - DAY, now):
        if happening.at > now + LOOKED_AT:
            return told
        told.append(happening)
    return told


@pytest.fixture(scope="module")
def happenings():
    return a_day(NOON)


def test_the_same_seed_gives_the_same_life():
    one, other, third = (list(islice(life(seed, NOON - 3600, NOON), 500)) for seed in (3, 3, 4))
    assert one == other != third


def test_everything_comes_in_the_order_of_time_and_from_the_beginning(happenings):
    moments = [happening.at for happening in happenings]
    assert moments == sorted(moments)
    assert moments[0] >= NOON - DAY


@pytest.mark.parametrize("later_h", [0, 9, 16])
def test_a_day_is_some_thirty_thousand_events(later_h):
    now = NOON + later_h * 3600
    assert 20_000 < sum(happening.at <= now for happening in a_day(now)) < 38_000


def test_every_name_means_something_to_safelight(happenings):
    assert {happening.name for happening in happenings} <= set(Name)


def test_every_run_that_starts_is_queued_before_and_ends_once(happenings):
    runs: dict[str, list[str]] = {}
    for happening in happenings:
        if "workflow_id" in happening.fields and happening.name != Name.RUN_DOCUMENT:
            runs.setdefault(happening.fields["workflow_id"], []).append(happening.name)
    # What began in the last minutes may still be under way.
    over = {h.fields["workflow_id"] for h in happenings if h.name == Name.RUN_QUEUED and h.at < NOON}
    assert len(over) > 400
    for run_id in over:
        told = runs[run_id]
        assert told[:2] == [Name.RUN_QUEUED, Name.RUN_STARTED]
        assert sum(name in RUN_ENDED for name in told) == 1


def test_an_instance_does_one_run_at_a_time(happenings):
    for instance in INSTANCES:
        told = [h for h in happenings if h.fields["instance"] == instance]
        running = 0
        for happening in told:
            running += happening.name == Name.RUN_STARTED
            running -= happening.name in RUN_ENDED
            assert running in {0, 1}


def test_everybody_and_everything_is_there(happenings):
    def seen(field):
        return {happening.fields.get(field) for happening in happenings} - {None}

    assert seen("user_id") == {user.id for user in USERS}
    assert seen("instance") == {*INSTANCES, "idphoto-1", "ddcolor-1"}
    assert seen("service") == {"comfyui", "idphoto", "ddcolor", "safelight"}
    assert seen("error_type") == {
        "torch.OutOfMemoryError",
        "RuntimeError",
        "TypeError",
        "prompt_outputs_failed_validation",
        "OOMKilled",
        "UnidentifiedImageError",
        "NoFaceError",
        "ValueError",
        "TimeoutError",
    }


def test_whoever_looks_first_sees_a_card_run_out_of_memory(happenings):
    ran_out = [h.at - NOON for h in happenings if "OutOfMemory" in h.fields.get("error_type", "") and h.at > NOON]
    assert min(ran_out) < 30


def test_something_happens_every_few_seconds_and_something_fails_every_few_minutes(happenings):
    live = [happening for happening in happenings if happening.at > NOON]
    assert max(later.at - earlier.at for earlier, later in pairwise(live)) < 10
    failed = [NOON, *(h.at for h in live if h.level == "ERROR")]
    assert max(later - earlier for earlier, later in pairwise(failed)) < 240


def test_most_goes_well(happenings):
    ended = Counter(happening.name for happening in happenings)
    assert 0.01 < ended[Name.RUN_FAILED] / ended[Name.RUN_STARTED] < 0.12
    assert 0.02 < ended[Name.PROCESSING_FAILED] / ended[Name.IMAGE_PROCESSED] < 0.12


def test_long_texts_are_the_slow_ones(happenings):
    encoded = [h.fields for h in happenings if h.name == Name.NODE_FINISHED and h.fields["node"] == "CLIPTextEncode"]
    long = mean(fields["duration_ms"] for fields in encoded if fields["text_length"] > 1000)
    short = mean(fields["duration_ms"] for fields in encoded if fields["text_length"] <= 1000)
    assert long / short > 5


def test_the_evening_is_slow_and_hot_on_one_card_only(happenings):
    def sampling(instance, *, evening):
        return mean(
            h.fields["duration_ms"]
            for h in happenings
            if h.name == Name.NODE_FINISHED
            and (h.fields["instance"], h.fields["node"]) == (instance, "KSampler")
            and h.fields["sampler"]["steps"] == 20
            and day.is_evening(h.at) is evening
            and h.fields["outputs"][0].startswith("LATENT 1×")  # several at once take longer by nature
            and h.fields["vram_used_mb"] < 12_000  # product shots; posters take longer by nature
        )

    assert sampling("gpu-2", evening=True) / sampling("gpu-2", evening=False) > 1.5
    assert sampling("gpu-1", evening=True) / sampling("gpu-1", evening=False) < 1.3
    readings = [h for h in happenings if "gpu" in h.fields]
    throttled = [h for h in readings if h.fields["gpu"]["throttled"]]
    assert throttled
    assert {h.fields["instance"] for h in throttled} == {GPU_2.name}
    assert all(h.fields["gpu"]["temperature_c"] > 80 for h in throttled)


def test_cards_are_read_every_ten_seconds_from_the_opening_on_and_seldom_before(happenings):
    readings = [h for h in happenings if "gpu" in h.fields and h.fields["instance"] == GPU_2.name]
    apart = [(later.at - earlier.at, later.at > NOON + 10) for earlier, later in pairwise(readings)]
    assert {round(seconds) for seconds, live in apart if live} == {10}
    assert {round(seconds) for seconds, live in apart if not live} == {300, 10}
    assert all(0 < h.fields["gpu"]["vram_used_mb"] <= h.fields["gpu"]["vram_total_mb"] for h in readings)
    assert all("workflow_id" not in h.fields for h in readings)


def test_one_run_a_night_is_lost_with_its_process_and_the_instance_starts_anew(happenings):
    (lost,) = (h for h in happenings if h.name == Name.RUN_LOST)
    (killed,) = (h for h in happenings if h.name == Name.OOM_KILLED)
    (started,) = (h for h in happenings if h.name == Name.INSTANCE_STARTED)
    assert killed.at < started.at < lost.at
    assert killed.fields["instance"] == started.fields["instance"] == lost.fields["instance"]
    assert (lost.level, lost.fields["was"], lost.fields["node"]) == ("ERROR", "running", "UltimateSDUpscale")
    assert day.night(lost.at) is not None
    told = [h.at for h in happenings if h.fields.get("workflow_id") == lost.fields["workflow_id"]]
    assert sorted(told)[-2] < killed.at  # a dead process tells nothing more


def test_every_run_carries_its_prompt_and_drawing_which_are_told_once_an_hour(happenings):
    told = {}
    for happening in happenings:
        where = happening.fields["instance"]
        if happening.name == Name.RUN_DOCUMENT:
            name = (where, happening.fields["sha256"])
            assert happening.at - told.get(name, 0) >= 3600
            told[name] = happening.at
        if happening.name in {Name.RUN_QUEUED, Name.RUN_REJECTED}:
            assert (where, happening.fields["prompt_sha256"]) in told
            assert (where, happening.fields["workflow_sha256"]) in told


def test_prompts_of_the_past_repeat_so_that_a_day_is_not_a_thousand_files(happenings):
    queued = [h for h in happenings if h.name == Name.RUN_QUEUED]
    past = [h.fields["prompt_sha256"] for h in queued if h.at < NOON - 1800]
    lately = [h.fields["prompt_sha256"] for h in queued if h.at >= NOON - 1800]
    assert len(set(past)) < 200 < len(past)
    assert len(set(lately)) == len(lately)


def test_runs_that_lie_back_are_told_in_few_readings_later_ones_every_second(happenings):
    curves = [h for h in happenings if "curve" in h.fields]
    lengths = {
        live: {len(h.fields["curve"]["at"]) for h in curves if (h.at > NOON + 300) is live} for live in (True, False)
    }
    assert max(lengths[True]) == 5
    assert max(lengths[False]) == 60


def test_stories_that_overlap_are_told_by_time_and_in_their_own_order():
    def story(*moments):
        return [Happening(at, name, "INFO", {}) for name, at in enumerate(moments)]

    told = list(in_order([story(1, 5, 9), [], story(2, 5, 6), story(7)]))
    assert [happening.at for happening in told] == [1, 2, 5, 5, 6, 7, 9]
    assert [happening.name for happening in told[2:4]] == [1, 1]
