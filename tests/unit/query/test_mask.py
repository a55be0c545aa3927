"""A filter over a batch in memory finds what the store's SQL finds, for every filter and every batch."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from safelight.batch import Batch
from safelight.errors import QueryError
from safelight.event import ALIASES, FIELDS, LEVELS
from safelight.query.ast import All, And, Compare, Exists, Filter, Match, Not, Or, Range, Regex, Text, Wild, Wildcard
from safelight.query.condition import condition
from safelight.query.mask import mask
from safelight.query.predicate import where
from safelight.query.sql import Sql

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
THOROUGH = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

LETTERS = 'a A ab aB % _ a_b * 中 中文 ſ K É ß \\ \\d " error DEBUG true false'.split()  # noqa: SIM905 - readable
FIGURES = "5 5.0 05 1e1 -1 3s nan 1e999 now-1h 2026-11-22".split()  # noqa: SIM905
words = st.sampled_from([*LETTERS, *FIGURES, "", "k\n", "a b"])
figures = st.sampled_from([0.0, -0.0, 1.0, 5.0, -3.5, 1e300, float("inf"), float("nan")])
attributes = st.fixed_dictionaries(
    {}, optional={"k": words | st.integers(-9, 9) | st.booleans() | st.none(), "o": st.just({"k": 5}), "o.k": words}
)
events = st.fixed_dictionaries(
    {
        "id": words,
        "timestamp": st.integers(-3, 3).map(lambda half_hours: NOW + timedelta(minutes=30 * half_hours)),
        "received_at": st.none() | st.just(NOW),
        "level": st.none() | st.sampled_from(LEVELS),
        "event": st.none() | words,
        "message": st.none() | words,
        "node": st.none() | words,
        "user_id": st.none() | words,
        "duration_ms": st.none() | figures,
        "error_message": st.none() | words,
        "traceback": st.none() | words,
        "parse_error": st.none() | words,
        "raw": st.none() | words,
        "attributes": st.none() | attributes.map(json.dumps) | st.sampled_from(["{", "k", "[]"]),
    }
)
OFTEN = ("id", "timestamp", "received_at", "level", "message", "node", "duration_ms", "parse_error", "attributes")
names = st.sampled_from([*OFTEN, "k", "o.k", "attributes.k", "0"]) | st.sampled_from([*FIELDS, *ALIASES])
patterns = st.one_of(
    st.tuples(words.filter(bool), st.just(Wild.MANY)),
    st.tuples(st.just(Wild.MANY), words.filter(bool)),
    st.tuples(words.filter(bool), st.just(Wild.ONE), words.filter(bool)),
    st.just((Wild.MANY,)),
    st.just((Wild.ONE,)),
)
operators = st.sampled_from(["=", ">", ">=", "<", "<="])
leaves = st.one_of(
    st.just(All()),
    st.builds(Text, words),
    st.builds(Match, names, words),
    st.builds(Wildcard, st.none() | names, patterns),
    st.builds(Regex, st.none() | names, st.sampled_from(["a", "^a.$", r"\d", "(?i)A", "[中文]"])),
    st.builds(Compare, names, operators, words),
    st.builds(Range, names, st.none() | words, st.none() | words, st.booleans(), st.booleans()),
    st.builds(Exists, names),
)
filters = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=2, max_size=4).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=4).map(tuple)),
    ),
    max_leaves=8,
)


def found_by_sql(over, rows: list[dict], asked: Filter) -> list[bool]:
    compiled = where(asked, NOW)
    answer = over(rows)(Sql(f"SELECT coalesce({compiled.text}, FALSE) AS found FROM events", compiled.parameters))
    return [row["found"] for row in answer]


def found_in_memory(rows: list[dict], asked: Filter) -> list[bool]:
    return mask(asked)(Batch.of(rows), NOW).to_pylist()


@given(st.lists(events, min_size=1, max_size=8), filters)
@THOROUGH
def test_every_filter_finds_in_memory_what_it_finds_in_the_store(over, rows, asked):
    try:
        expected = found_by_sql(over, rows, asked)
    except QueryError:
        return  # a value that does not fit its field is refused when the filter is read
    assert found_in_memory(rows, asked) == expected


ROWS = [
    {"id": "1", "timestamp": NOW, "level": "DEBUG", "message": "CUDA Out Of Memory", "node": "KSampler"},
    {"id": "2", "timestamp": NOW - timedelta(hours=2), "level": "ERROR", "message": "显存不足", "duration_ms": 3000.0},
    {"id": "3", "level": None, "message": "tile 12 of 30", "attributes": '{"sampler":{"steps":30},"seed":"x"}'},
    {"id": "4", "level": "WARNING", "parse_error": "no JSON", "raw": "50% of x_y", "node": "VAEDecode"},
]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("*", "1234"),
        ("level:DEBUG", "1"),
        ("level:debug", "1"),
        ("severity >= warn", "24"),
        ("NOT level:DEBUG", "234"),
        ("level:DEBUG OR level:ERROR", "12"),
        ("node:K*", "1"),
        ("node:*Decode", "4"),
        ("node:V?EDecode", "4"),
        ("NOT node:*", "23"),
        ('"out of memory"', "1"),
        ("显存", "2"),
        ("message:tile*30", "3"),
        (r"/tile \d+ of/", "3"),
        ("timestamp:>now-1h", "1"),
        ("timestamp:2026-11-22", "12"),
        ("duration_ms:[1s TO 5s]", "2"),
        ("duration_ms:3000", "2"),
        ("parse_error:true", "4"),
        ("parse_error:false", "123"),
        ("sampler.steps:>=30", "3"),
        ("attributes.sampler.steps:30 AND NOT seed:y", "3"),
        ("seed:x OR level:ERROR", "23"),
        ("NOT (seed:x OR level:ERROR)", "14"),
        ("id:>=3", "34"),
    ],
)
def test_what_people_write_is_found(asked, found):
    assert (
        "".join(row["id"] for row, hit in zip(ROWS, found_in_memory(ROWS, condition(asked)), strict=True) if hit)
        == found
    )


def test_a_word_is_found_in_any_case_wherever_both_engines_know_cases(over):
    """Two builds of RE2 must fold the same letters: all that Unicode has, against each other."""
    cased = [
        chr(code) for code in range(0x11000) if chr(code).lower() != chr(code).upper() and not 0xD800 <= code < 0xE000
    ]
    texts = pa.array(["".join(cased[at : at + 40]) for at in range(0, len(cased), 40)])
    batch = Batch.from_columns(len(texts), {"message": texts})
    answer = over(batch.table.to_pylist())
    for letter in cased[:: max(1, len(cased) // 150)]:
        compiled = where(Text(letter), NOW)
        expected = answer(Sql(f"SELECT coalesce({compiled.text}, FALSE) AS found FROM events", compiled.parameters))
        assert mask(Text(letter))(batch, NOW).to_pylist() == [row["found"] for row in expected], letter


def test_an_empty_batch_has_no_rows_to_find():
    for asked in ("*", "level:DEBUG", "seed:1 AND x", "/a/"):
        assert mask(condition(asked))(Batch.of([]), NOW).to_pylist() == []


def test_a_batch_of_several_pieces_is_one():
    pieces = Batch(pa.concat_tables([Batch.of(ROWS[:1]).table, Batch.of(ROWS[1:]).table]))
    for asked in ("level:DEBUG OR seed:x", "sampler.steps:30"):
        whole = mask(condition(asked))(Batch.of(ROWS), NOW)
        assert mask(condition(asked))(pieces, NOW).equals(whole)


def test_what_now_means_is_asked_each_time():
    recent = mask(condition("timestamp:>now-1h"))
    assert recent(Batch.of(ROWS), NOW).to_pylist()[0]
    assert not pc.any(recent(Batch.of(ROWS), NOW + timedelta(days=1))).as_py()


def test_the_engine_is_loaded_by_the_first_row_that_needs_it():
    code = """
import sys
from datetime import UTC, datetime
from safelight.batch import Batch
from safelight.query.condition import condition
from safelight.query.mask import mask
now = datetime.now(UTC)
batch = Batch.of([{"level": "DEBUG", "message": "a b", "attributes": '{"seed":1}'}])
for asked in ["level:DEBUG", '"a b" OR node:K*', "duration_ms:>3s AND NOT parse_error:true", "timestamp:>now-1h"]:
    mask(condition(asked))(batch, now)
for asked in ["steps:>3", "level:ERROR AND seed:1"]:  # for which no row is left
    mask(condition(asked))(batch, now)
assert "duckdb" not in sys.modules
mask(condition("seed:1"))(batch, now)
assert "duckdb" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("text", "key", "position"),
    [
        ("level:ERROR | stats count()", "query.no_pipe", 12),
        ("| where level:ERROR", "query.no_pipe", 0),
        ("  ", "query.no_condition", 0),
        ("level:LOUD", "query.level", 6),
        ("a AND (b", "query.parenthesis", 6),
    ],
)
def test_a_condition_is_a_filter_and_nothing_else(text, key, position):
    with pytest.raises(QueryError) as caught:
        condition(text)
    assert (caught.value.key, caught.value.position) == (key, position)


@pytest.mark.parametrize("text", ['"a | b"', r"/a|b/", "a || b"])
def test_a_bar_that_is_no_pipe_is_fine(text):
    assert isinstance(condition(text), Filter)
