"""The one-line `when`."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.alerts.condition import (
    Absence,
    Count,
    Daily,
    Emptied,
    Level,
    Match,
    NewError,
    Share,
    Slower,
    Stalled,
    Statistic,
    Streak,
    Takes,
    clears,
)
from safelight.alerts.when import parse
from safelight.errors import QueryError
from safelight.query.parse import parse as parse_query
from safelight.query.times import duration
from safelight.units import written


def filter_of(text: str):
    return parse_query(text).filter


@pytest.mark.parametrize(
    ("when", "condition"),
    [
        ("any level:ERROR", Match(filter_of("level:ERROR"))),
        ("any event:node_failed error_group:gpu_oom*", Match(filter_of("event:node_failed error_group:gpu_oom*"))),
        ("more than 5 level:ERROR over 1h", Count(timedelta(hours=1), ">", 5, filter_of("level:ERROR"))),
        (
            "fewer than 10 event:image_processed over 1d",
            Count(timedelta(days=1), "<", 10, filter_of("event:image_processed")),
        ),
        ("  ANY  *  ", Match(filter_of("*"))),
        (
            "More Than 0 level:ERROR or level:CRITICAL OVER 90s",
            Count(timedelta(seconds=90), ">", 0, filter_of("level:ERROR or level:CRITICAL")),
        ),
        ('more than 1 "left over 2h" over 3h', Count(timedelta(hours=3), ">", 1, filter_of('"left over 2h"'))),
        (
            "more than 5 level:ERROR by service, node over 1h, checked at 20:00 Asia/Shanghai",
            Count(
                timedelta(hours=1), ">", 5, filter_of("level:ERROR"), ("service", "node"), Daily(20, 0, "Asia/Shanghai")
            ),
        ),
        ("fewer than 3 * over 1d, checked at 8:30", Count(timedelta(days=1), "<", 3, filter_of("*"), (), Daily(8, 30))),
        ("failure rate > 15% over 15m, at least 20 runs", Share(timedelta(minutes=15), ">", 15, least=20)),
        (
            "Failure Rate of service:photo by instance >= 7.5% over 1h",
            Share(timedelta(hours=1), ">=", 7.5, filter_of("service:photo"), by=("instance",)),
        ),
        (
            "rate of level:ERROR among service:photo > 5% over 15m, at least 20",
            Share(timedelta(minutes=15), ">", 5, filter_of("service:photo"), filter_of("level:ERROR"), least=20),
        ),
        (
            "mean duration_ms of event:image_processed > 2s over 15m, at least 20",
            Statistic(
                "mean", "duration_ms", timedelta(minutes=15), ">", 2000, filter_of("event:image_processed"), least=20
            ),
        ),
        (
            "p95 duration_ms of duration_ms > 100 by node > 2000 over 15m",
            Statistic(
                "p95", "duration_ms", timedelta(minutes=15), ">", 2000, filter_of("duration_ms > 100"), ("node",)
            ),
        ),
        ("max vram_used_mb > 23GB over 5m", Statistic("max", "vram_used_mb", timedelta(minutes=5), ">", 23 * 1024)),
        ("3 failures in a row", Streak(3)),
        ("1 failure in a row of tag:x by host", Streak(1, filter_of("tag:x"), ("host",))),
        ("no events from comfyui for 5m", Absence(timedelta(minutes=5), name="comfyui")),
        ('no events from "my photo service" for 5m', Absence(timedelta(minutes=5), name="my photo service")),
        ("no event:image_processed for 1h", Absence(timedelta(hours=1), filter=filter_of("event:image_processed"))),
        ("run takes > 30s", Takes("run", ">", timedelta(seconds=30))),
        ("node takes>=2m of node:KSampler", Takes("node", ">=", timedelta(minutes=2), filter_of("node:KSampler"))),
        ("run shows no progress for 10m", Stalled(timedelta(minutes=10))),
        (
            "duration_ms by node 2x its usual over 1h, at least 10",
            Slower("duration_ms", 2, timedelta(hours=1), by=("node",), least=10),
        ),
        (
            "duration_ms of tag:x 1.5 × its usual over 1h",
            Slower("duration_ms", 1.5, timedelta(hours=1), filter_of("tag:x")),
        ),
        ("new error group", NewError()),
        ("new error group of service:photo within 7d", NewError(filter_of("service:photo"), timedelta(days=7))),
        ("gpu.temperature_c > 87 for 2m", Level("gpu.temperature_c", ">", 87, timedelta(minutes=2))),
        ("host_load.ram_available_mb by host < 4GB", Level("host_load.ram_available_mb", "<", 4096, by=("host",))),
        ("host_load.cpu_percent >= 95% for 5m", Level("host_load.cpu_percent", ">=", 95, timedelta(minutes=5))),
        ("queue empties after 30m", Emptied(timedelta(minutes=30))),
    ],
)
def test_every_form_is_read(when, condition):
    assert parse(when) == condition


@pytest.mark.parametrize(
    ("when", "key", "marked"),
    [
        ("", "alerts.when_form", ""),
        ("any", "alerts.when_any", "any"),
        ("level:ERROR", "alerts.when_form", "level:ERROR"),
        ("> 5 level:ERROR over 1h", "alerts.when_form", "> 5"),
        ("more than 5 level:ERROR", "alerts.when_count", "more"),
        ("less than 5 level:ERROR over 1h", "alerts.when_count", "less"),
        ("failure rate over 15m", "alerts.when_failure_rate", "failure"),
        ("failure rate > 15 over 15m", "alerts.when_percent", "15 over"),
        ("failure rate > 115% over 15m", "alerts.when_percent", "115%"),
        ("failure rate > 15% over 15", "alerts.when_unit", "15"),
        ("rate of level:ERROR > 5% over 1h", "alerts.when_rate", "rate"),
        ("mean duration_ms > 2s", "alerts.when_statistic", "mean"),
        ("mean duration_ms > 2GB over 1h", "alerts.when_quantity", "2GB"),
        ("mean duration_ms > nan over 1h", "alerts.when_quantity", "nan"),
        ("mean message > 2 over 1h", "alerts.when_field", "message"),
        ("mean duration_ms > 2s over 15m, at least some", "alerts.when_number", "some"),
        ("3 failures", "alerts.when_streak", "3"),
        ("0 failures in a row", "alerts.when_number", "0"),
        ("three failures in a row", "alerts.when_number", "three"),
        ("no events from comfyui", "alerts.when_silent", "no"),
        ("no level:ERROR", "alerts.when_absence", "no"),
        ("run takes > 30", "alerts.when_unit", "30"),
        ("run takes < 30s", "alerts.when_takes", "run"),
        ("run shows nothing", "alerts.when_stalled", "run"),
        ("duration_ms twice its usual over 1h", "alerts.when_slower", "duration_ms"),
        ("duration_ms 1x its usual over 1h", "alerts.when_factor", "1x"),
        ("new error", "alerts.when_new_error", "new"),
        ("queue empties", "alerts.when_emptied", "queue"),
        ("gpu.temperature_c > 87 for 2", "alerts.when_unit", "2"),
        ("gpu.temperature_c > hot", "alerts.when_quantity", "hot"),
        ("gpu.temperature_c > 87 since 2m", "alerts.when_level", "gpu"),
        ("service > 3", "alerts.when_field", "service"),
        ("more than 5 * by timestamp over 1h", "alerts.when_by", "timestamp"),
        ("more than 5 * by a, a over 1h", "alerts.when_by", "a, a"),
        ("more than 5 * over 1h, checked at 25:00", "alerts.when_time", "25:00"),
        ("more than 5 * over 1h, checked at 20:00 Mars/Base", "alerts.when_zone", "Mars/Base"),
        ("more than five level:ERROR over 1h", "alerts.when_number", "five"),
        ("more than -1 level:ERROR over 1h", "alerts.when_number", "-1"),
        ("more than 99999999999 level:ERROR over 1h", "alerts.when_number", "99999999999"),
        ("more than 5 level:ERROR over soon", "query.duration", "soon"),
        ("more than 5 level:ERROR over 0s", "alerts.when_over", "0s"),
        ("fewer than 5 level:ERROR over 9999d", "alerts.when_over", "9999d"),
        ("any level:ERROR | stats count()", "alerts.when_pipe", "| stats"),
        ("any level:ERROR | stats count() | limit 3", "alerts.when_pipe", "| stats"),
    ],
)
def test_anything_else_is_refused_with_its_place(when, key, marked):
    with pytest.raises(QueryError) as caught:
        parse(when)
    assert caught.value.key == key
    assert when[caught.value.position :].startswith(marked)


@pytest.mark.parametrize(
    ("when", "wrong"),
    [
        ("any level:", ""),
        ("any level:LOUD", "level:LOUD"),
        ("more than 5 (level:ERROR over 1h", "(level:ERROR over 1h"),
        ("any duration_ms:>fast", "duration_ms:>fast"),
    ],
)
def test_a_mistake_in_the_filter_points_into_the_rule(when, wrong):
    with pytest.raises(QueryError) as caught:
        parse(when)
    assert caught.value.query == when
    assert caught.value.position >= when.index(wrong) if wrong else caught.value.position > 4
    assert caught.value.caret().splitlines()[0] == when


def test_the_refusal_names_the_forms_in_both_languages():
    with pytest.raises(QueryError) as caught:
        parse("whenever something happens")
    for language in ("en", "zh-CN"):
        assert all(word in caught.value.render(language) for word in ("any", "more than", "fewer than", "over"))


def test_a_figure_without_its_unit_is_answered_with_the_figure_to_write():
    with pytest.raises(QueryError) as caught:
        parse("failure rate > 15 over 15m")
    assert "`15%`" in str(caught.value)
    with pytest.raises(QueryError) as caught:
        parse("run takes > 30")
    assert "`30s`" in str(caught.value)


@pytest.mark.parametrize(
    ("when", "clear", "fits"),
    [
        ("failure rate > 15% over 15m, at least 20 runs", "failure rate < 8% over 15m", True),
        ("failure rate > 15% over 15m", "failure rate <= 15% over 15m", True),
        ("failure rate >= 15% over 15m", "failure rate <= 15% over 15m", False),
        ("failure rate > 15% over 15m", "failure rate < 20% over 15m", False),
        ("failure rate > 15% over 15m", "failure rate > 8% over 15m", False),
        ("failure rate > 15% over 15m", "failure rate < 8% over 1h", False),
        ("failure rate > 15% over 15m", "failure rate by node < 8% over 15m", False),
        ("more than 5 * over 1h", "fewer than 3 * over 1h", True),
        ("fewer than 3 * over 1h", "more than 5 * over 1h", True),
        ("more than 5 * over 1h", "fewer than 3 level:ERROR over 1h", False),
        ("mean duration_ms > 2s over 1h", "mean duration_ms < 1s over 1h", True),
        ("gpu.temperature_c > 87 for 2m", "gpu.temperature_c < 80 for 5m", True),
        ("gpu.temperature_c > 87", "any level:ERROR", False),
        ("3 failures in a row", "2 failures in a row", False),
    ],
)
def test_clear_states_the_same_with_a_figure_that_excludes_the_other(when, clear, fits):
    assert clears(parse(clear), parse(when)) == fits


WORDS = st.sampled_from(
    ["level:ERROR", "event:node_failed", "error_group:gpu_oom*", '"over 1h"', "NOT user_id:bot", "duration_ms:>3000",
     "level:(ERROR OR CRITICAL)", "attributes.sampler.steps:30", "显存不足", "/cuda.*memory/", "*", "over", "of",
     "among", "duration_ms > 5", '"of x by y > 3 over 1h"', "(a or b)"]
)  # fmt: skip
FILTERS = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
LENGTHS = st.timedeltas(timedelta(seconds=1), timedelta(days=300)).map(
    lambda length: length - timedelta(microseconds=length.microseconds % 1000)
)
MAYBE = st.none() | FILTERS.map(filter_of)
FIELDS = st.sampled_from([(), ("service",), ("node", "sampler.name"), ("host", "user_id", "tag")])
OPS = st.sampled_from([">", ">=", "<", "<="])
LEAST = st.integers(1, 1000)
FIGURES = st.floats(-1e9, 1e9).map(lambda figure: round(figure, 3))
NUMBERS = st.sampled_from(["duration_ms", "vram_used_mb", "gpu.temperature_c", "cpu_percent"])
FUNCTIONS = st.sampled_from(["mean", "median", "p0", "p50", "p99", "max", "min", "sum"])
CHECKS = st.none() | st.builds(Daily, st.integers(0, 23), st.integers(0, 59), st.sampled_from([None, "Asia/Shanghai"]))
PERCENT = st.floats(0, 100).map(lambda percent: round(percent, 2))
CONDITIONS = st.one_of(
    st.builds(Match, FILTERS.map(filter_of)),
    st.builds(Count, LENGTHS, st.sampled_from("><"), st.integers(0, 10**9), FILTERS.map(filter_of), FIELDS, CHECKS),
    st.builds(Share, LENGTHS, OPS, PERCENT, MAYBE, st.none(), FIELDS, LEAST),
    st.builds(Share, LENGTHS, OPS, PERCENT, FILTERS.map(filter_of), FILTERS.map(filter_of), FIELDS, LEAST),
    st.builds(Statistic, FUNCTIONS, NUMBERS, LENGTHS, OPS, FIGURES, MAYBE, FIELDS, LEAST),
    st.builds(Streak, st.integers(1, 1000), MAYBE, FIELDS.filter(bool)),
    st.builds(Absence, LENGTHS, st.sampled_from(["comfyui", "my photo", 'a"b', "over", "显存"])),
    st.builds(lambda length, wanted: Absence(length, filter=wanted), LENGTHS, FILTERS.map(filter_of)),
    st.builds(Takes, st.sampled_from(["run", "node"]), st.sampled_from([">", ">="]), LENGTHS, MAYBE),
    st.builds(Stalled, LENGTHS, MAYBE),
    st.builds(Slower, NUMBERS, st.floats(1.01, 1000).map(lambda x: round(x, 2)), LENGTHS, MAYBE, FIELDS, LEAST),
    st.builds(NewError, MAYBE, LENGTHS),
    st.builds(Level, NUMBERS, OPS, FIGURES, st.just(timedelta()) | LENGTHS, MAYBE, FIELDS),
    st.builds(Emptied, LENGTHS),
)


@given(CONDITIONS)
def test_a_condition_prints_what_is_read_as_itself(condition):
    assert parse(str(condition)) == condition


@given(LENGTHS)
def test_a_length_is_written_as_it_is_read(length):
    assert duration(written(length)) == length


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused_with_a_place_inside_it(text):
    try:
        where = str(parse(text)) and 0
    except QueryError as error:
        where = error.position
    assert 0 <= where <= len(text)


def test_more_and_fewer_do_not_hold_at_the_threshold_itself():
    more, fewer = parse("more than 5 * over 1h"), parse("fewer than 5 * over 1h")
    assert isinstance(more, Count)
    assert isinstance(fewer, Count)
    assert [more.holds(n) for n in (4, 5, 6)] == [False, False, True]
    assert [fewer.holds(n) for n in (4, 5, 6)] == [True, False, False]


def test_a_line_that_is_too_long_is_refused_before_it_is_read():
    with pytest.raises(QueryError, match="at most 2,000 characters, this one 3,000,000"):
        parse("x" * 3_000_000)
