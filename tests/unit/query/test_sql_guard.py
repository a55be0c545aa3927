"""User SQL against the guard, and what passes the guard against DuckDB's own reading of it."""

import json
import random
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.errors import QueryError, QueryTooCostly
from safelight.query.sql_guard import guard

# ruff: noqa: E501
GOOD = [
    "SELECT node, AVG(duration_ms) AS avg_duration FROM comfyui_logs WHERE timestamp > now() - INTERVAL 1 DAY GROUP BY node ORDER BY avg_duration DESC",
    "SELECT node, AVG(duration_ms) AS avg_duration FROM comfyui_logs WHERE timestamp > now()-1d GROUP BY node ORDER BY avg_duration DESC",
    "select count(*) from events where timestamp > NOW() - 2h",
    "from events",
    "from events select node where node='A'",
    "select * exclude (raw, attributes) from events limit 3;",
    "with t as (select node, duration_ms from events), u as (select * from t where duration_ms > 3) select node, sum(duration_ms) from u group by all order by all",
    "with recursive r(n) as (select 1 union all select n+1 from r where n < 5) select * from r",
    "select json_extract_string(attributes, '$.sampler.steps') s, count(*) from events group by 1 order by 1",
    "select attributes->>'$.sampler.steps' as s from events where (attributes->>'$.sampler.steps') = '3'",
    "select quantile_cont(duration_ms, 0.95), median(duration_ms), approx_quantile(duration_ms, 0.5), stddev(duration_ms), mode(node) from events",
    "select time_bucket(interval '5 minutes', timestamp) b, count(*) filter (where level='ERROR') from events group by b order by b",
    "select date_trunc('hour', timestamp), strftime(timestamp, '%Y-%m-%d') from events",
    "select * from events qualify row_number() over (partition by node order by timestamp desc) = 1",
    "select node, lag(duration_ms) over (partition by node order by timestamp) from events",
    "select e.node from events e join comfyui_logs l on e.id = l.id",
    "select e.node from events e join comfyui_logs l using (node, timestamp) where e.node in (select node from events)",
    "select unnest([1,2,3])",
    "select i from range(10) t(i)",
    "select timestamp - i * interval 1 hour from events, generate_series(0, 3) g(i)",
    "select * from (values (1,'a'),(2,'b')) t(x,y)",
    "select 1 union all select 2 except select 3",
    "select case when duration_ms > 3 then 'slow' else 'fast' end k, count(*) from events group by k having count(*) > 1",
    "select list_sort(list(distinct node)), string_agg(node, ','), array_agg(node order by node)[1] from events",
    "select regexp_matches(message, 'm[0-9]'), regexp_extract(message, 'm([0-9]+)', 1), message ilike '%M1%', message similar to 'm.*' from events",
    "select try_cast(message as int), coalesce(level,'x'), duration_ms::int, cast(timestamp as date) from events",
    "select {'a': 1, 'b': node}.b, [x*2 for x in [1,2]], list_transform([1,2], x -> x+1), list_filter([1,2], lambda x: x>1) from events",
    "select columns('dur.*') from events",
    "select distinct on (node) node, timestamp from events order by node, timestamp desc",
    "select max_by(message, duration_ms) a, arg_max(message, duration_ms) b, first(message order by timestamp), histogram(node) from events",
    "select node, count(*) from events group by rollup(node) order by 1",
    "select 'it''s now()-1d' as s, \"node\" from events",
    "select $$a now()-1d b$$",
    "select * from events tablesample 10 rows",
    "select format('{:.2f}', duration_ms), printf('%d', 3), epoch_ms(timestamp), extract(hour from timestamp), hour(timestamp) from events",
    "select key, value from events, json_each(attributes) limit 3",
    "select \"timestamp\" at time zone 'Asia/Shanghai' from events",
    "select timestamp from events where timestamp between '2020-01-01' and now()",
    "select corr(duration_ms, duration_ms), regr_slope(duration_ms, duration_ms) from events",
    "with stats as (select node n from events) select * from stats",
    "select 显存 from (select 1 as 显存)",
    "select sum(duration_ms) / (select sum(duration_ms) from events) from events",
    "select a.node from (select node from events) a left join lateral (select count(*) c from events b where b.node = a.node) on true",
    "select repeat('=', 10), lpad(node, 3, ' ') from events",
    "select exists(select 1 from events), not true, 1 // 2, 2 ** 3, 5 % 2, 'a' || 'b', 1 <> 2, node is distinct from 'A' from events",
    "select any_value(node), bool_or(duration_ms>3), sum(duration_ms) filter (duration_ms > 3) from events",
    "select node from events order by timestamp desc nulls last limit 5 offset 2",
    "select round(avg(duration_ms), 2) avg, count(distinct node) from events",
    "select date_diff('minute', min(timestamp), max(timestamp)), age(max(timestamp), min(timestamp)), current_timestamp > min(timestamp), today() from events",
]
NO_DUCKDB = {text for text in GOOD if "now()-1d group" in text.lower() or "- 2h" in text or "x -> x" in text.lower()}
HOSTILE = [
    "select * from '/etc/passwd'",
    'select * from "/etc/passwd"',
    "select * from read_csv('/etc/passwd')",
    "select * from \"read_csv\"('/etc/passwd')",
    "select * from main.read_csv('/etc/passwd')",
    "select * from read_text('/etc/passwd')",
    "select * from READ_BLOB('/etc/*')",
    "from '/etc/passwd'",
    "select * from glob('/*')",
    "select content from events, read_text('/etc/passwd')",
    "select (select content from read_text('/etc/passwd'))",
    "select * from events where exists (from read_text('/etc/passwd'))",
    "with a as (from read_text('/etc/passwd')) from a",
    'with "/etc/passwd" as (select 1) select * from "/etc/passwd"',
    "select (with x as (select 1) select count(*) from x), (select count(*) from x)",
    "with a as (select * from b), b as (select 1) select * from a",
    "select * from information_schema.tables",
    "select * from duckdb_settings()",
    "select * from duckdb_settings",
    "select * from sqlite_master",
    "select * from pg_catalog.pg_settings",
    "select * from pg_settings",
    "select current_setting('memory_limit')",
    "select getenv('HOME')",
    "select 'HOME'.getenv()",
    "select \"getenv\"('HOME')",
    "select getvariable('x')",
    "select * from query('select 1')",
    "select * from query_table('events')",
    "select json_serialize_plan('select * from read_csv(''/etc/passwd'')')",
    "select * from json_execute_serialized_sql('{}')",
    "copy events to '/tmp/x'",
    "copy (select 1) to '/tmp/x'",
    "attach '/tmp/x.db'",
    "install httpfs",
    "load httpfs",
    "set memory_limit='1TB'",
    "pragma database_list",
    "call pragma_version()",
    "export database '/tmp/x'",
    "import database '/tmp/x'",
    "create table x as select 1",
    "insert into events select 1",
    "delete from events",
    "update events set node='x'",
    "drop table events",
    "select 1; drop table events",
    "select 1; select 2",
    "explain analyze select 1",
    "describe events",
    "show tables",
    "summarize events",
    "select * from (describe events)",
    "select * from (show tables)",
    "select * from (summarize events)",
    "select * into x from events",
    "with a as (insert into events values (1)) select 1",
    "prepare x as select 1",
    "execute x",
    "begin",
    "checkpoint",
    "vacuum",
    "select ?",
    "select $1",
    "select $x",
    "pivot events on node using count(*)",
    "select * from events pivot (count(*) for node in ('A'))",
    "select sleep_ms(100000)",
    "select write_log('x')",
    "select nextval('s')",
    "select * from range(100000000000)",
    "select unnest(range(1000000000))",
    "select repeat('x', 4000000000)",
    "select * from repeat('x', 4000000000)",
    "select * from generate_series(1, (select count(*) from events) * 1000000)",
    "select * from test_all_types()",
    "select * from parquet_metadata('/x')",
    "select * from events, 'x.csv'",
    "select * from events join 'x.csv' using (id)",
    "select * from ('x.csv')",
    "select * from x.events",
    "select /* */ * from /* */ \"read_text\" /* */ ('/etc/passwd')",
    "select * from read_text /**/ ('/etc/passwd')",
    "select * from events where node in (from read_text('/etc/passwd') select content)",
    "select columns(c -> c like 'a%') from read_text('/etc/passwd')",
    "select 1 from events order by (select content from read_text('/etc/passwd'))",
    "select 1 from events limit (select length(content) from read_text('/etc/passwd'))",
    "((from '/etc/passwd'))",
    "select * from unnest((select list(content) from read_text('/etc/passwd')))",
    "select $$a$$ || (from read_text($$/etc/passwd$$) select content)",
    "select 1 --\nfrom read_text('/etc/passwd')",
    "select e'\\'' , (select content from read_text('/etc/passwd')) , '",
    "select 'a\\' , (select content from read_text('/etc/passwd')) --'",
    "select * from events window w as (order by (select content from read_text('/etc/passwd')))",
    "select * from locals",
    "select * from c",
    "from events union all by name from '/etc/passwd'",
    "select * from events where node = any(select content from read_text('/etc/passwd'))",
    "select [content for content in (select list(content) from read_text('/etc/passwd'))]",
    "select * replace ((select content from read_text('/etc/passwd')) as node) from events",
    "select list_reduce([1], lambda x, y: (select content from read_text('/etc/passwd')))",
    "merge into events using events on true when matched then delete",
    "use memory",
    "reset all",
    "select * from st_read('x')",
    "select * from events semi join read_csv('/etc/passwd') on true",
    "select * from events asof join read_csv('/etc/passwd') r on r.a > 1",
    "select match from events.read_csv('x')",
    "select * from 'https://example.com/x.csv'",
    "select try(read_text('/etc/passwd'))",
    "",
    "-- nothing",
    "explain select 1",
    "(((",
    "select 'a",
    "select * from events where",
    "with a as (select 1), a2 as (select * from sqlite_master) select * from a2",
    "with duckdb_tables as (select 1) select * from duckdb_tables",
    "select * from events, lateral read_csv('/etc/passwd')",
    "select * from lateral (from read_csv('/etc/passwd'))",
    "select * from unnest(read_csv('/etc/passwd'))",
    "select read_csv.a from read_csv('/etc/passwd')",
    "select * from events natural join duckdb_settings()",
    "select current_query()",
    "select pg_sleep(10)",
    "select json_execute_serialized_sql('{}')",
    "select range(0, 10, (select 1))",
    "select setseed(0.5)",
    "select version()",
    "select repeat(message, 1000000) from events",
    "select 1\x00",
]

RELATIONS = {"events", "comfyui_logs"}
FROM_FUNCTIONS = {"range", "generate_series", "unnest", "json_each", "json_tree"}
REFERENCES = {"BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "COLUMN_DATA"}
NEVER = {"getenv", "current_setting", "getvariable", "write_log", "nextval", "currval", "setval", "sleep_ms", "pg_sleep"} | {
    *("json_serialize_plan", "json_serialize_sql", "json_deserialize_sql", "json_execute_serialized_sql", "index_key"),
    *("parse_duckdb_log_message", "get_block_size", "current_query", "in_search_path"),
}  # fmt: skip
EVENTS = [
    {
        "timestamp": "2026-11-22T10:00:00Z",
        "level": "INFO",
        "node": "ABC"[place % 3],
        "duration_ms": place * 1.0,
        "message": f"m{place}",
        "attributes": f'{{"sampler":{{"steps":{place % 7}}}}}',
    }
    for place in range(50)
]


def rows(engine, text):
    """The values, without the names that DuckDB gives to expressions by their text."""
    return sorted(str(list(row.values())) for row in engine.sql(text).to_arrow_table().to_pylist())


@pytest.fixture
def logs(over):
    over([{**event, "timestamp": datetime.fromisoformat(event["timestamp"])} for event in EVENTS])


@pytest.mark.parametrize("text", GOOD)
def test_a_select_passes_and_means_what_it_meant(engine, logs, text):
    printed = guard(text)
    if "tablesample" in text:
        assert len(rows(engine, printed)) == 10
    elif text in NO_DUCKDB:
        assert rows(engine, printed)
    else:
        assert rows(engine, printed) == rows(engine, text)


def test_a_day_ago_is_understood_as_people_write_it():
    expected = guard("SELECT 1 FROM events WHERE timestamp > now() - INTERVAL 1 DAY")
    for spelling in ("now()-1d", "now() - 1d", "NOW( )  -1D"):
        assert guard(f"SELECT 1 FROM events WHERE timestamp > {spelling}").replace("'1'", "1") == expected.replace(
            "'1'", "1"
        )


@pytest.mark.parametrize("text", HOSTILE)
def test_anything_else_is_refused(text):
    with pytest.raises(QueryError) as caught:
        guard(text)
    assert 0 <= caught.value.position <= len(caught.value.query)
    assert caught.value.render("zh-CN") != caught.value.render("en")
    assert "class '" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("select a from 'x.csv'", 14),
        ("select getenv('HOME')", 7),
        ("select 1;\nselect 2", 17),
        ("select node\nfrom nodes", 17),
    ],
)
def test_a_refusal_shows_the_place(text, position):
    with pytest.raises(QueryError) as caught:
        guard(text)
    assert caught.value.position == position


@pytest.mark.parametrize("text", ["select " + "1+" * 9000 + "1", "select " + "(" * 4000 + "1" + ")" * 4000])
def test_sql_beyond_a_limit_is_too_costly(text):
    with pytest.raises(QueryTooCostly):
        guard(text)


def test_no_table_function_of_the_installed_duckdb_passes_but_a_few(engine):
    listed = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN ('table', 'table_macro')"
    names = {name for (name,) in engine.execute(listed).fetchall()}
    assert len(names) > 50
    for name in sorted(names - FROM_FUNCTIONS):
        for call in (
            f"SELECT * FROM {name}('x')",
            f'SELECT * FROM events, "{name}"()',
            f"SELECT (FROM main.{name}(1))",
        ):
            with pytest.raises(QueryError):
                guard(call)


def test_no_function_that_looks_at_more_than_its_arguments_passes(engine):
    listed = """SELECT DISTINCT function_name FROM duckdb_functions()
        WHERE function_type IN ('scalar', 'macro', 'aggregate', 'pragma') AND regexp_matches(function_name,
        '(^pg_|(^|_)(read|write|file|scan|setting|secret|env|variable|logs?|query|sql|execute|serialize|sleep|nextval|currval|plan|inet)(_|$))')
        AND function_name NOT IN ('log', 'format_pg_type')"""
    names = {name for (name,) in engine.execute(listed).fetchall()} | NEVER
    for name in sorted(names):
        for call in (f"SELECT {name}('x')", f"SELECT 'x'.{name}()", f'SELECT "{name}"(1) FROM events'):
            with pytest.raises(QueryError):
                guard(call)


def seen_by_duckdb(engine, text):
    """Relations, functions in FROM, other functions and kinds of sources, as DuckDB itself reads `text`."""
    read = json.loads(engine.execute("SELECT json_serialize_sql(?)", [text]).fetchone()[0])
    if read["error"] and read["error_type"] != "not implemented":
        return None  # no SQL at all
    assert not read["error"], text
    assert len(read["statements"]) == 1
    relations, sources, functions, names = set(), set(), set(), set()

    def walk(node):
        if isinstance(node, list):
            for item in node:
                walk(item)
        if not isinstance(node, dict):
            return
        if "sample" in node and "type" in node:
            sources.add(node["type"])
        if node.get("type") == "BASE_TABLE":
            relations.add(".".join(node["qualified_name"]["path"]))
        if "cte_map" in node:
            names.update(entry["key"] for entry in node["cte_map"]["map"])
        if node.get("type") == "FUNCTION":
            functions.add(node["function_name"].lower())
        for item in node.values():
            walk(item)

    walk(read["statements"])
    return relations - names, sources - {"SELECT_NODE"}, functions


def check_with_duckdb(engine, printed):
    seen = seen_by_duckdb(engine, printed)
    if seen is None:
        return
    relations, sources, functions = seen
    assert {name.lower() for name in relations} <= RELATIONS, printed
    assert sources <= REFERENCES, printed
    table_functions = {
        name
        for (name,) in engine.execute(
            "SELECT function_name FROM duckdb_functions() WHERE function_type = 'table'"
        ).fetchall()
    }
    assert not functions & ((table_functions - FROM_FUNCTIONS - {"repeat"}) | NEVER), printed


@pytest.mark.parametrize("text", GOOD)
def test_duckdb_sees_in_what_passed_what_the_guard_saw(engine, text):
    check_with_duckdb(engine, guard(text))


def spliced(seed: int) -> str:
    """A query with pieces of others in it, some of them hostile."""
    choose = random.Random(seed)
    words = choose.choice(GOOD).split(" ")
    for _ in range(choose.randint(1, 3)):
        other = choose.choice(HOSTILE + GOOD).split(" ")
        start = choose.randrange(len(other))
        piece = other[start : start + choose.randint(1, 6)]
        at = choose.randrange(len(words) + 1)
        words[at : at + choose.randint(0, len(piece))] = piece
    return " ".join(words)


@given(st.integers(0, 2**63).map(spliced) | st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_what_passes_is_harmless_however_it_was_put_together(engine, text):
    try:
        printed = guard(text)
    except QueryError:
        return
    check_with_duckdb(engine, printed)


def test_a_name_out_of_its_scope_is_no_relation(engine, logs):
    assert guard("WITH a AS (SELECT 1 AS x) SELECT x FROM (SELECT * FROM a)")
    with pytest.raises(QueryError, match="no relation a"):
        guard("SELECT * FROM (WITH a AS (SELECT 1 AS x) SELECT * FROM a), a")
    assert rows(engine, guard("WITH EVENTS AS (SELECT 1 AS x) SELECT * FROM events")) == ["[1]"]
