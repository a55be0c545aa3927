"""The one-line `when`."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.alerts.condition import Count, Match
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
    ],
)
def test_every_form_is_read(when, condition):
    assert parse(when) == condition


@pytest.mark.parametrize(
    ("when", "key", "marked"),
    [
        ("", "alerts.when_form", ""),
        ("any", "alerts.when_form", "any"),
        ("level:ERROR", "alerts.when_form", "level:ERROR"),
        ("> 5 level:ERROR over 1h", "alerts.when_form", "> 5"),
        ("more than 5 level:ERROR", "alerts.when_form", "more"),
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
        parse("3 failures in a row")
    for language in ("en", "zh-CN"):
        assert all(word in caught.value.render(language) for word in ("any", "more than", "fewer than", "over"))


WORDS = st.sampled_from(
    ["level:ERROR", "event:node_failed", "error_group:gpu_oom*", '"over 1h"', "NOT user_id:bot", "duration_ms:>3000",
     "level:(ERROR OR CRITICAL)", "attributes.sampler.steps:30", "显存不足", "/cuda.*memory/", "*", "over"]
)  # fmt: skip
FILTERS = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
LENGTHS = st.timedeltas(timedelta(seconds=1), timedelta(days=300)).map(
    lambda length: length - timedelta(microseconds=length.microseconds % 1000)
)
CONDITIONS = st.one_of(
    st.builds(Match, FILTERS.map(filter_of)),
    st.builds(Count, LENGTHS, st.sampled_from("><"), st.integers(0, 10**9), FILTERS.map(filter_of)),
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
