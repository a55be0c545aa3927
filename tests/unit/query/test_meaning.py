"""Every query that can be written runs on DuckDB; a sub-set of the language is compared with a second reading of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from safelight.errors import QueryError
from safelight.event import ALIASES, FIELDS, LEVELS
from safelight.query.ast import (
    Aggregate,
    All,
    And,
    Compare,
    Exists,
    Key,
    Match,
    Not,
    Or,
    Query,
    Range,
    Regex,
    Sort,
    Stats,
    Text,
    Wild,
    Wildcard,
)
from safelight.query.compile import select_stats, span, where
from safelight.query.parse import parse
from safelight.query.sql import Sql

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WRITTEN = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

# ---- what can be written -------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8) | st.sampled_from(
    [
        "ERROR",
        "a b",
        'a"b',
        "a\\",
        "50%",
        "x_y",
        "*",
        "?",
        "AND",
        "to",
        "by",
        "-1",
        "now-1h",
        "2026-11-22",
        "/",
        ":",
        "显存",
    ]
)
names = (
    st.sampled_from([*FIELDS, *ALIASES, "sampler.steps", "attributes.a.b", "a..b", ".", "images.0.name", "odd name"])
    | texts.filter(bool)
)  # fmt: skip
numbers = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.integers(-(10**20), 10**20).map(str)
values = texts | numbers
operators = st.sampled_from(["=", ">", ">=", "<", "<="])
pieces = texts.filter(bool)
patterns = (
    st.builds(lambda a: (a, Wild.MANY), pieces)
    | st.builds(lambda a, b: (a, Wild.ONE, b, Wild.MANY), pieces, pieces)
    | st.builds(lambda a: (Wild.MANY, a), pieces)
    | st.just((Wild.ONE,))
)
regexes = st.sampled_from(["a/b", "^K.*r$", r"\d+\.", r"(?i)out of memory", r"\\/", "[中文]+", r"a\|b"])
leaves = st.one_of(
    st.just(All()),
    st.builds(Text, texts),
    st.builds(Match, names, values),
    st.builds(Wildcard, st.none() | names, patterns),
    st.builds(Regex, st.none() | names, regexes),
    st.builds(Compare, names, operators, values),
    st.builds(Range, names, st.none() | values, st.none() | values, st.booleans(), st.booleans()),
    st.builds(Exists, names),
)
filters = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)
functions = st.sampled_from(
    ["count", "dc", "sum", "avg", "median", "min", "max", "first", "last", "p95", "p99.9", "p0"]
)
aliases = st.none() | texts.filter(bool)
aggregates = st.builds(Aggregate, functions, names, aliases) | st.builds(Aggregate, st.just("count"), alias=aliases)
keys = st.builds(Key, names, st.none() | st.sampled_from(["5m", "1d", "250ms", "0.5", "100"]), aliases)


@st.composite
def queries(draw: st.DrawFn) -> Query:
    condition = draw(filters)
    if draw(st.booleans()):
        return Query(condition, limit=draw(st.none() | st.integers(1, 10_000)))
    stats = Stats(
        draw(st.lists(aggregates, min_size=1, max_size=3).map(tuple)), draw(st.lists(keys, max_size=2).map(tuple))
    )
    columns = [*(key.name for key in stats.keys), *(function.name for function in stats.functions)]
    return Query(
        condition,
        stats,
        draw(st.none() | st.builds(Compare, st.sampled_from(columns), operators, values)),
        tuple(draw(st.lists(st.builds(Sort, st.sampled_from(columns), st.booleans()), max_size=2))),
        draw(st.none() | st.integers(1, 10_000)),
    )


EVENTS: list[dict[str, Any]] = [
    {
        "timestamp": NOW - timedelta(minutes=7 * place),
        "level": (*LEVELS, None)[place % 6],
        "event": ("node_finished", "node_failed", None)[place % 3],
        "message": ("CUDA out of memory", "显存不足", "50% of x_y", None, "plain")[place % 5],
        "node": ("KSampler", "VAEDecode", None)[place % 3],
        "node_id": str(place),
        "duration_ms": None if place % 4 == 0 else place * 100.0,
        "error_message": "Out Of Memory" if place % 7 == 0 else None,
        "parse_error": "no JSON" if place % 9 == 0 else None,
        "attributes": (
            None,
            '{"sampler":{"steps":30},"seed":12345678901234567890}',
            '{"sampler.steps":45,"images":[{"name":"a.png"}]}',
            '{"sampler":{"steps":"many"}}',
            "not JSON at all, steps",
        )[place % 5],
    }
    for place in range(30)
]


@given(queries())
@WRITTEN
def test_a_query_that_is_printed_and_parsed_is_the_same(query):
    try:
        parsed = parse(str(query))
    except QueryError:
        return  # a value that does not fit its field, or two columns of one name: refused wherever it is written
    assert parsed == query
    assert str(parsed) == str(query)


@given(queries())
@WRITTEN
def test_every_query_that_is_parsed_runs(over, query):
    try:
        query = parse(str(query))
    except QueryError:
        return
    run = over(EVENTS)
    if query.stats:
        assert len(run(select_stats(query, NOW))) <= (query.limit or 10_000)
        return
    condition = where(query.filter, NOW)
    found = run(Sql(f"SELECT timestamp FROM events WHERE {condition.text}", condition.parameters))
    looked_at = span(query.filter, NOW)
    for event in found:
        assert looked_at.start is None or looked_at.start <= event["timestamp"]
        assert looked_at.end is None or event["timestamp"] < looked_at.end


# ---- a second reading ----------------------------------------------------------------------------------------------

small_text = st.sampled_from(["a", "B", "ab", "%", "_", "a_b", "中文", "中", ""])
small_number = st.integers(-2, 2).map(float)
events = st.fixed_dictionaries(
    {
        "timestamp": st.integers(0, 3).map(lambda hours: NOW - timedelta(hours=hours)),
        "level": st.none() | st.sampled_from(LEVELS),
        "message": st.none() | small_text,
        "error_message": st.none() | small_text,
        "node": st.none() | small_text,
        "duration_ms": st.none() | small_number,
        "parse_error": st.none() | small_text,
        "attributes": st.none()
        | st.fixed_dictionaries({}, optional={"k": small_text | small_number | st.none(), "o": st.just({"k": 1})}).map(json.dumps),
    }
)  # fmt: skip
KEYWORDS = ("node", "k", "o.k")
simple = st.recursive(
    st.one_of(
        st.builds(Text, small_text),
        st.builds(Match, st.sampled_from([*KEYWORDS, "message"]), small_text),
        st.builds(Match, st.just("level"), st.sampled_from(["error", "Warn", "fatal", "INFO"])),
        st.builds(Match, st.just("parse_error"), st.sampled_from(["true", "false"])),
        st.builds(Compare, st.sampled_from(["duration_ms", "k", "o.k"]), operators, small_number.map(repr)),
        st.builds(Compare, st.just("level"), operators, st.sampled_from(LEVELS)),
        st.builds(Compare, st.just("timestamp"), st.sampled_from([">", ">=", "<", "<="]), st.just("now-1h")),
        st.builds(Exists, st.sampled_from([*KEYWORDS, "level", "message", "duration_ms", "parse_error"])),
        st.builds(Wildcard, st.sampled_from(["node", "k"]), st.sampled_from([("a", Wild.MANY), ("a", Wild.ONE, "b")])),
        st.builds(Range, st.just("duration_ms"), st.just("-1"), st.just("1"), st.booleans(), st.booleans()),
    ),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=5,
)
ORDER = {
    "=": lambda a, b: a == b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


def field_of(event: dict[str, Any], name: str) -> Any:
    if name in event:
        return event[name]
    value: Any = json.loads(event["attributes"] or "{}")
    for step in name.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def as_number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def holds(node: Any, event: dict[str, Any]) -> bool:  # noqa: C901, PLR0912  the table of the language
    match node:
        case And(items):
            return all(holds(item, event) for item in items)
        case Or(items):
            return any(holds(item, event) for item in items)
        case Not(item):
            return not holds(item, event)
        case Text(value):
            return any(
                value.lower() in event[text].lower() for text in ("message", "error_message") if event[text] is not None
            )
        case Match("message", value):
            return event["message"] is not None and value.lower() in event["message"].lower()
        case Match("level", value):
            return event["level"] == {"error": "ERROR", "Warn": "WARNING", "fatal": "CRITICAL", "INFO": "INFO"}[value]
        case Match("parse_error", value):
            return (event["parse_error"] is not None) == (value == "true")
        case Match(name, value):
            return field_of(event, name) == value
        case Compare("level", op, value):
            return event["level"] is not None and ORDER[op](LEVELS.index(event["level"]), LEVELS.index(value))
        case Compare("timestamp", op, _):
            return ORDER[op](event["timestamp"], NOW - timedelta(hours=1))
        case Compare(name, op, value):
            number = as_number(field_of(event, name))
            return number is not None and ORDER[op](number, float(value))
        case Exists(name):
            return field_of(event, name) is not None
        case Wildcard(name, pattern):
            value = field_of(event, name)
            if not isinstance(value, str):
                return False
            return value.startswith("a") if pattern[1] is Wild.MANY else len(value) == 3 and value[::2] == "ab"
        case Range(name, low, high, with_low, with_high):
            number = event[name]
            above = number is not None and ORDER[">=" if with_low else ">"](number, float(low))
            return above and ORDER["<=" if with_high else "<"](number, float(high))
    raise AssertionError(node)


@given(st.lists(events, min_size=1, max_size=8), simple)
@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_the_database_finds_what_a_second_reading_of_the_language_finds(over, rows, condition):
    numbered = [{**row, "id": str(place)} for place, row in enumerate(rows)]
    compiled = where(condition, NOW)
    found = over(numbered)(Sql(f"SELECT id FROM events WHERE {compiled.text}", compiled.parameters))
    assert {row["id"] for row in found} == {row["id"] for row in numbered if holds(condition, row)}


# ---- by hand -------------------------------------------------------------------------------------------------------

# ruff: noqa: E501
FOUND = [
    ("level:warn", [{"level": "WARNING"}], [{"level": "ERROR"}, {}]),
    ("NOT level:ERROR", [{"level": "INFO"}, {}], [{"level": "ERROR"}]),
    ("level:>=warning", [{"level": "ERROR"}, {"level": "WARNING"}], [{"level": "INFO"}, {}]),
    ("level:err*", [{"level": "ERROR"}], [{"level": "INFO"}]),
    ('"out of memory"', [{"message": "CUDA Out of Memory!"}, {"error_message": "out of memory"}, {"raw": "x out of memory"}], [{"message": "out memory of"}]),
    ("显存", [{"message": "错误：显存不足"}], [{"message": "内存不足"}]),
    ("x_y", [{"message": "ax_yb"}], [{"message": "xay"}]),
    ("50%", [{"message": "at 50% now"}], [{"message": "at 500 now"}]),
    ("(a.c)", [{"message": "A.C"}], [{"message": "abc"}]),
    ("lat?nt", [{"message": "the LATENT space"}], [{"message": "latnt"}]),
    ("latent*decode", [{"message": "latent\nwas decoded"}], [{"message": "decode latent"}]),
    ("message:memory", [{"message": "Memory low"}], [{"error_message": "memory"}]),
    ("message = memory", [{"message": "memory"}], [{"message": "memory low"}]),
    ("node:KSampler", [{"node": "KSampler"}], [{"node": "ksampler"}, {"node": "KSampler2"}, {}]),
    ("node:K?ampler*", [{"node": "KSamplerAdvanced"}], [{"node": "XKSampler"}]),
    (r"node:100%\*", [{"node": "100%*"}], [{"node": "100%x"}]),
    ("node:/^K/", [{"node": "KSampler"}], [{"node": "AK"}, {}]),
    ("/CUDA (error|fault)/", [{"traceback": "CUDA fault"}], [{"message": "cuda fault"}]),
    ("node_id:7", [{"node_id": "7"}], [{"node_id": "07"}, {"node_id": "70"}]),
    ("node_id:>9", [{"node_id": "10"}], [{"node_id": "8"}, {"node_id": "x"}]),
    ("run_id:wf-1", [{"workflow_id": "wf-1"}], [{"request_id": "wf-1"}]),
    ("duration_ms:>3s", [{"duration_ms": 3000.5}], [{"duration_ms": 3000.0}, {}]),
    ("processing_time_ms:[1 TO 5}", [{"duration_ms": 1.0}], [{"duration_ms": 5.0}, {}]),
    ("parse_error:true", [{"parse_error": "no JSON"}], [{}]),
    ("parse_error:false", [{}], [{"parse_error": "no JSON"}]),
    ("parse_error:json", [{"parse_error": "no JSON"}], [{}]),
    ("sampler.steps:30", [{"attributes": '{"sampler":{"steps":30}}'}, {"attributes": '{"sampler.steps":30.0}'}, {"attributes": '{"sampler.steps":"30"}'}], [{"attributes": '{"steps":30}'}, {}]),
    ("attributes.sampler.steps:>=45", [{"attributes": '{"sampler":{"steps":45}}'}], [{"attributes": '{"sampler":{"steps":5}}'}]),
    ("seed:12345678901234567890", [{"attributes": '{"seed":12345678901234567890}'}], [{"attributes": '{"seed":12345678901234567891}'}]),
    ("sku:007", [{"attributes": '{"sku":"007"}'}], [{"attributes": '{"sku":7}'}]),
    ("images.0.name:a.png", [{"attributes": '{"images":[{"name":"a.png"}]}'}], [{"attributes": '{"images":[]}'}]),
    ("模型:sdxl", [{"attributes": '{"模型":"sdxl"}'}, {"attributes": r'{"\u6a21\u578b":"sdxl"}'}], [{"attributes": "{}"}]),
    ("cached:true", [{"attributes": '{"cached":true}'}], [{"attributes": '{"cached":false}'}]),
    ("gone:*", [{"attributes": '{"gone":0}'}], [{"attributes": '{"gone":null}'}, {"attributes": "{}"}, {}]),
    ("steps:30", [{"attributes": '{"steps":30}'}], [{"attributes": '{"steps":30'}, {"attributes": "steps"}]),
    ("attributes:euler", [{"attributes": '{"a":"Euler"}'}], [{}]),
    ("timestamp:2026-11-22", [{"timestamp": NOW}], [{"timestamp": NOW + timedelta(days=1)}]),
    ("timestamp:>now()-1h", [{"timestamp": NOW}], [{"timestamp": NOW - timedelta(hours=1)}]),
    ("timestamp:[now-1h TO now]", [{"timestamp": NOW}, {"timestamp": NOW - timedelta(hours=1)}], [{"timestamp": NOW + timedelta(seconds=1)}]),
    ("error_group:gpu_oom* -node:A", [{"error_group": "gpu_oom:B"}], [{"error_group": "gpu_oom:A", "node": "A"}, {"node": "B"}]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "yes", "no"), FOUND, ids=[text for text, _, _ in FOUND])
def test_a_query_finds(over, text, yes, no):
    compiled = where(parse(text).filter, NOW)
    rows = [{**row, "id": f"{'yes' if row in yes else 'no'} {place}"} for place, row in enumerate([*yes, *no])]
    found = over(rows)(Sql(f"SELECT id FROM events WHERE {compiled.text} ORDER BY id", compiled.parameters))
    assert [row["id"] for row in found] == sorted(row["id"] for row in rows if row["id"].startswith("yes"))


def test_every_character_can_be_searched_for(over):
    everything = "".join(map(chr, range(1, 0x180))) + "中文"
    run = over([{"message": character} for character in everything])
    for character in everything:
        compiled = where(Text(character), NOW)
        found = run(Sql(f"SELECT message FROM events WHERE {compiled.text}", compiled.parameters))
        assert {"message": character} in found


def test_values_never_become_part_of_the_sql():
    hostile = "x'); DROP TABLE events; --"
    for condition in (Text(hostile), Match("node", hostile), Match(hostile, hostile), Compare(hostile, ">", hostile)):
        assert "DROP" not in where(condition, NOW).text
    query = Query(All(), Stats((Aggregate("max", hostile),), (Key(hostile),)))
    assert select_stats(query, NOW).text.count(hostile) == select_stats(query, NOW).text.count(f'"{hostile}"') + 1


def test_an_operator_that_is_none_is_never_written_into_sql():
    with pytest.raises(KeyError):
        where(Compare("duration_ms", "> 1 OR 1 >", "1"), NOW)


def test_a_thousand_terms_and_a_hundred_levels_run(over):
    run = over(EVENTS)
    for text in (
        " OR ".join(f"word{n}" for n in range(1000)),
        "(" * 100 + "memory" + " OR b)" * 100,
        "!" * 100 + "memory",
    ):
        compiled = where(parse(text).filter, NOW)
        run(Sql(f"SELECT count(*) FROM events WHERE {compiled.text}", compiled.parameters))
