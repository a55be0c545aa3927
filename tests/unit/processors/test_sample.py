import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from safelight.batch import Batch
from safelight.event import LEVELS
from safelight.processors.sample import Sample
from safelight.processors.severe import asks_for_severe

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def batch(rows):
    return Batch.of({"id": str(place), "level": "DEBUG", "received_at": NOW, **row} for place, row in enumerate(rows))


def weights(done):
    return [json.loads(text)["sample_rate"] if text else 1 for text in done["attributes"].to_pylist()]


@settings(max_examples=50)
@given(st.sampled_from([0.1, 0.3, 1 / 3, 0.5, 0.9, 0.001, 0.0, 1.0]), st.lists(st.integers(0, 60), max_size=20))
def test_so_much_is_kept_however_the_batches_are_cut(rate, sizes):
    step = Sample(rate=rate).step()
    kept = sum(len(step(batch([{}] * size))) for size in sizes)
    assert rate * sum(sizes) - 1e-6 <= kept < rate * sum(sizes) + 1


def test_a_tenth_of_a_thousand_is_a_hundred_and_each_of_them_says_for_how_many_it_stands():
    done = Sample(rate=0.1).step()(batch([{}] * 1000))
    assert [int(name) for name in done["id"].to_pylist()] == list(range(0, 1000, 10))
    assert sum(weights(done)) == 1000


def test_only_the_events_that_where_finds_are_sampled():
    levels = ["DEBUG", "INFO"] * 50
    done = Sample(where="level:DEBUG", rate=0.1).step()(batch([{"level": level} for level in levels]))
    assert done["level"].to_pylist().count("DEBUG") == 5
    assert done["level"].to_pylist().count("INFO") == 50
    assert [int(name) for name in done["id"].to_pylist()] == sorted(int(name) for name in done["id"].to_pylist())
    assert {(level, weight) for level, weight in zip(done["level"].to_pylist(), weights(done), strict=True)} == {
        ("DEBUG", 10),
        ("INFO", 1),
    }


def test_levels_have_their_own_rates_and_errors_stay_unless_they_are_named():
    rows = [{"level": level} for level in (*LEVELS, None)] * 20
    count = lambda step: [step(batch(rows))["level"].to_pylist().count(level) for level in (*LEVELS, None)]  # noqa: E731
    assert count(Sample(rate=0.5, levels={"debug": 0.1}).step()) == [2, 10, 10, 20, 20, 10]
    assert count(Sample(rate=0, levels={"ERROR": 0.5}).step()) == [0, 0, 0, 10, 20, 0]
    assert count(Sample(rate=0.5, where="level:ERROR").step()) == [20, 20, 20, 10, 20, 20]


@pytest.mark.parametrize(
    ("where", "asks"),
    [
        ("level:ERROR", True),
        ("node:a AND level:>=WARNING", True),
        ("level:(INFO OR CRITICAL)", True),
        ("level:E*", True),
        ("level:>=INFO", False),
        ("NOT level:ERROR", False),
        ("service:noisy", False),
        ("level:*", False),
    ],
)
def test_a_filter_asks_for_errors_when_it_names_a_level_that_only_they_have(where, asks):
    assert asks_for_severe(where) is asks


def test_whole_runs_stay_or_go_on_every_machine_alike():
    rows = [{"workflow_id": f"wf-{number % 200}"} for number in range(2000)]
    one, other = Sample(rate=0.2, by="run_id").step(), Sample(rate=0.2, by="workflow_id").step()
    kept = one(batch(rows))["workflow_id"].to_pylist()
    assert all(kept.count(run) == 10 for run in set(kept))
    assert 20 <= len(set(kept)) <= 60
    assert set(other(batch(rows[1000:]))["workflow_id"].to_pylist()) == set(kept)


def test_events_without_a_run_are_sampled_evenly_and_a_path_is_a_field_too():
    rows = [{"attributes": json.dumps({"job": {"id": number % 7}})} for number in range(70)] + [{}] * 100
    kept = Sample(rate=0.1, by="job.id").step()(batch(rows))
    assert [int(name) for name in kept["id"].to_pylist() if int(name) >= 70] == list(range(70, 170, 10))


def test_a_weight_multiplies_one_that_is_there():
    done = Sample(rate=0.5).step()(batch([{"attributes": '{"sample_rate":10,"a":1}'}, {}, {}]))
    assert [json.loads(text) for text in done["attributes"].to_pylist()] == [
        {"sample_rate": 20, "a": 1},
        {"sample_rate": 2},
    ]


def bursting(*seconds, **settings):
    """What is left of so many events a second, with three errors in each."""
    step = Sample(adaptive={"above": "100/s", "share": 0.1, "for": "3s", **settings}).step()
    left = []
    for second, count in enumerate(seconds):
        arrived = NOW + timedelta(seconds=second)
        rows = [{"received_at": arrived, "level": "INFO"}] * count + [{"received_at": arrived, "level": "ERROR"}] * 3
        done = step(batch(rows))["level"].to_pylist()
        left.append((done.count("INFO"), done.count("ERROR")))
    return left


def test_of_a_burst_only_errors_and_a_share_pass_until_it_has_been_over_for_a_while():
    assert bursting(50, 300, 50, 50, 50, 50) == [(50, 3), (120, 3), (5, 3), (5, 3), (5, 3), (50, 3)]


def test_without_a_burst_everything_passes_untouched():
    given_batch = batch([{}] * 50)
    assert Sample(adaptive={"above": "100/s"}).step()(given_batch) is given_batch


def test_a_burst_goes_on_as_long_as_there_are_so_many():
    assert [info for info, _ in bursting(200, 200, 200, 10, 10, 10, 10)] == [110, 20, 20, 1, 1, 1, 10]


def test_one_batch_may_hold_several_seconds():
    rows = [{"received_at": NOW + timedelta(seconds=place % 3)} for place in range(240)]
    assert len(Sample(adaptive={"above": "100/s"}).step()(batch(rows))) == 240
    assert len(Sample(adaptive={"above": "50/s", "share": 0}).step()(batch(rows))) == 50


def test_what_was_imported_is_no_burst():
    rows = [{"id": f"import-{place}"} for place in range(500)]
    assert len(Sample(adaptive={"above": "100/s"}).step()(batch(rows))) == 500


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"by": "workflow_id"},
        {"rate": 1.5},
        {"levels": {"LOUD": 0.1}},
        {"levels": {"DEBUG": 2}},
        {"adaptive": {"above": "many"}},
        {"adaptive": {"above": "0/s"}},
        {"adaptive": {"above": "10/s", "for": "10"}},
    ],
)
def test_a_mistake_is_refused(wrong):
    with pytest.raises(ValidationError):
        Sample(**wrong)
