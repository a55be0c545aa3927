import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from safelight.errors import QueryError, QueryTooCostly
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
from safelight.query.parse import MAX_BYTES, parse

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

MEANINGS = {
    "": All(),
    "  \n ": All(),
    "*": All(),
    "*:*": All(),
    "oom": Text("oom"),
    "显存不足": Text("显存不足"),
    '"out of memory"': Text("out of memory"),
    r'"say \"hi\" in C:\temp"': Text(r'say "hi" in C:\temp'),
    "“显存 不足”": Text("显存 不足"),
    r"a\ b\:c\*": Text("a b:c*"),
    r"\and": Text("and"),
    '"NOT"': Text("NOT"),
    "pre*": Wildcard(None, ("pre", Wild.MANY)),
    "a**?b": Wildcard(None, ("a", Wild.MANY, Wild.ONE, "b")),
    "level:ERROR": Match("level", "ERROR"),
    "level : ERROR": Match("level", "ERROR"),
    "level：ERROR": Match("level", "ERROR"),
    "错误：显存": Text("错误：显存"),
    'node:"K Sampler"': Match("node", "K Sampler"),
    '"odd name":x': Match("odd name", "x"),
    "node:*": Exists("node"),
    "node:K*": Wildcard("node", ("K", Wild.MANY)),
    "node:/^K.*r$/": Regex("node", "^K.*r$"),
    r"/a\/b c/": Regex(None, "a/b c"),
    "/var/log/x.log": Text("/var/log/x.log"),
    "source:/var/log/x.log": Match("source", "/var/log/x.log"),
    "/healthz": Text("/healthz"),
    "a AND b": And((Text("a"), Text("b"))),
    "a and b": And((Text("a"), Text("b"))),
    "a && b": And((Text("a"), Text("b"))),
    "a b": And((Text("a"), Text("b"))),
    "a || b c": Or((Text("a"), And((Text("b"), Text("c"))))),
    "a b OR c": Or((And((Text("a"), Text("b"))), Text("c"))),
    "(a OR b) c": And((Or((Text("a"), Text("b"))), Text("c"))),
    "NOT a b": And((Not(Text("a")), Text("b"))),
    "-a": Not(Text("a")),
    "!level:ERROR": Not(Match("level", "ERROR")),
    "a-b": Text("a-b"),
    "a - b": And((Text("a"), Text("-"), Text("b"))),
    "done!": Text("done!"),
    "[ERROR]": Text("[ERROR]"),
    "level:(ERROR OR warn)": Or((Match("level", "ERROR"), Match("level", "warn"))),
    "node:(A* -AB)": And((Wildcard("node", ("A", Wild.MANY)), Not(Match("node", "AB")))),
    "duration_ms:(>1 <9)": And((Compare("duration_ms", ">", "1"), Compare("duration_ms", "<", "9"))),
    "duration_ms:>3000": Compare("duration_ms", ">", "3000"),
    "duration_ms >= 3000": Compare("duration_ms", ">=", "3000"),
    "duration_ms<3s": Compare("duration_ms", "<", "3s"),
    "x > -5": Compare("x", ">", "-5"),
    "x:-5": Match("x", "-5"),
    "node = K": Compare("node", "=", "K"),
    "node == K": Compare("node", "=", "K"),
    "node!=K": Not(Compare("node", "=", "K")),
    "x:[1 TO 5]": Range("x", "1", "5"),
    "x:{1 TO 5]": Range("x", "1", "5", with_low=False),
    "x:[* to 5}": Range("x", None, "5", with_high=False),
    'x:["a b" TO "TO"]': Range("x", "a b", "TO"),
    "timestamp:[now-1h TO now]": Range("timestamp", "now-1h", "now"),
    "timestamp:>now - 1h": Compare("timestamp", ">", "now - 1h"),
    "timestamp > now()-1d": Compare("timestamp", ">", "now()-1d"),
    "timestamp:2026-11-22": Match("timestamp", "2026-11-22"),
    "timestamp:>=2026-11-22T10:00:00Z a": And((Compare("timestamp", ">=", "2026-11-22T10:00:00Z"), Text("a"))),
    "timestamp:<2026-11-22 10:00": Compare("timestamp", "<", "2026-11-22 10:00"),
    "attributes.sampler.steps:30": Match("attributes.sampler.steps", "30"),
    "sampler.steps:>=45": Compare("sampler.steps", ">=", "45"),
    "error_group:gpu_oom*": Wildcard("error_group", ("gpu_oom", Wild.MANY)),
}


@pytest.mark.parametrize("text", MEANINGS)
def test_a_filter_means(text):
    assert parse(text) == Query(MEANINGS[text])


PIPES = {
    "| stats count": Query(All(), Stats((Aggregate("count"),))),
    "a | limit 10": Query(Text("a"), limit=10),
    "a | where b | filter c": Query(And((And((Text("a"), Text("b"))), Text("c")))),
    "| stats avg(duration_ms), p95(duration_ms), count() by node | sort -avg | limit 10": Query(
        All(),
        Stats((Aggregate("avg", "duration_ms"), Aggregate("p95", "duration_ms"), Aggregate("count")), (Key("node"),)),
        sort=(Sort("avg", descending=True),),
        limit=10,
    ),
    "| stats Mean(x) as m by bin(timestamp, 5m) as t, level | where m > 3 | sort by m desc, t asc": Query(
        All(),
        Stats((Aggregate("mean", "x", "m"),), (Key("timestamp", "5m", "t"), Key("level"))),
        Compare("m", ">", "3"),
        (Sort("m", descending=True), Sort("t")),
    ),
    "| stats percentile(duration_ms, 99.9), dc(node) | sort -dc(node)": Query(
        All(),
        Stats((Aggregate("p99.9", "duration_ms"), Aggregate("dc", "node"))),
        sort=(Sort("dc_node", descending=True),),
    ),
}


@pytest.mark.parametrize("text", PIPES)
def test_pipes_mean(text):
    assert parse(text) == PIPES[text]


MISTAKES = [
    ("message:a:b", 9, 'try message:"a:b"'),
    ("a (b", 2, "never closed"),
    ("a )", 2, "Did not expect )"),
    ('say "hi', 4, "never closed"),
    ("a AND", 5, "ends too early"),
    ("OR a", 0, "Did not expect OR"),
    (":x", 0, "Did not expect :"),
    ("x:", 2, "ends too early"),
    ("x:[1 TO 5", 2, "never closed"),
    ("x:[1 5]", 5, "Did not expect 5"),
    ("no*de:x", 0, "may not contain wildcards"),
    ("duration_ms:fast", 12, "is a number; fast is not"),
    ("duration_ms:1*", 12, "holds no text"),
    ("a timestamp:soon", 12, "is not a time"),
    ("level:EROR", 6, "there are DEBUG, INFO"),
    ("node:/(/", 5, "missing )"),
    ("node:/(?=a)/", 5, "invalid perl operator"),
    ("a | lmit 3", 4, "no pipe called lmit"),
    ("a | limit 0", 10, "from 1 to 10000"),
    ("| limit ten", 8, "from 1 to 10000"),
    ("| sort -x", 2, "newest first"),
    ("| limit 3 | stats count", 12, "the order is"),
    ("| stats count | stats count", 16, "the order is"),
    ("| stats", 7, "ends too early"),
    ("| stats mode(x)", 8, "no function mode"),
    ("| stats avg()", 8, "avg(duration_ms)"),
    ("| stats avg(timestamp)", 8, "needs numbers"),
    ("| stats count by bin(timestamp, 5)", 17, "is not a duration"),
    ("| stats count by bin(duration_ms, x)", 17, "is not a width"),
    ("| stats count, count", 8, "Two columns"),
    ("| stats avg(a), avg(b) | sort -avg", 31, "more than one column: avg_a, avg_b"),
    ("| stats count | sort node", 21, "no column node; there are count"),
    ("| stats count | where big", 22, "needs a column"),
    ("a\n| limit x", 10, "from 1 to"),
    ("a\x00b", 1, "U+0000"),
    ("a\ud800", 1, "U+D800"),
]


@pytest.mark.parametrize(("text", "position", "says"), MISTAKES)
def test_a_mistake_is_shown_at_its_place(text, position, says):
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert caught.value.position == position
    assert says in str(caught.value)
    assert caught.value.caret().split("\n")[1] == " " * (position - (text.rfind("\n", 0, position) + 1)) + "^"
    assert caught.value.render("zh-CN") != caught.value.render("en")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("显" * (MAX_BYTES // 3 + 1), "16384"),
        ("(" * 101 + "a" + ")" * 101, "100"),
        ("!" * 101 + "a", "100"),
        (" ".join(["a"] * 1001), "1000"),
        ("| limit 10001", "10000"),
        ("| limit " + "9" * 5000, "10000"),
        ("| stats " + ", ".join(f"avg(f{n})" for n in range(101)), "100"),
    ],
)
def test_over_a_limit_the_error_says_the_number(text, number):
    with pytest.raises(QueryTooCostly, match=number):
        parse(text)


@pytest.mark.parametrize("text", ["(" * 100 + "a" + ")" * 100, "!" * 99 + "a", " ".join(["a"] * 1000), "| limit 10000"])
def test_at_a_limit_a_query_is_taken(text):
    assert parse(text)


words = st.sampled_from(
    [
        *(
            *MEANINGS,
            *PIPES,
            "AND",
            "OR",
            "NOT",
            "TO",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            ":",
            ">",
            "|",
            '"',
            "/",
            "\\",
            "-",
        ),
        *(
            "!",
            "*",
            "?",
            ",",
            "now",
            "by",
            "as",
            "stats",
            "level",
            "duration_ms",
            "timestamp",
            "5m",
            "3",
            "：",
            "“",
            "中",
        ),
    ]
)


@given(st.text(max_size=60) | st.lists(words, max_size=12).map(" ".join) | st.lists(words, max_size=12).map("".join))
@example("level:\\")
@example("a:now()")
@example('"\\"')
@settings(max_examples=400, deadline=None)
def test_any_text_is_a_query_that_compiles_or_a_query_error(text):
    try:
        query = parse(text)
    except QueryError as error:
        wrong = error
    else:
        wrong = None
    if wrong is not None:
        assert 0 <= wrong.position <= len(wrong.query)
        assert wrong.render("zh-CN")
        assert wrong.caret()
        return
    assert parse(str(query)) == query
    where(query.filter, NOW)
    span(query.filter, NOW)
    if query.stats:
        select_stats(query, NOW)


@pytest.mark.parametrize("piece", ["/", "a:", '"', "(", "-", "now-", "\\", "/\\/", "a：", "x:[", "“", "a*", "now() "])
def test_reading_takes_time_in_proportion_to_the_length(piece):
    """Counted in calls of the lexer's inner step by the interpreter, not in seconds."""

    def steps(length: int) -> int:
        count = 0

        def counted(_frame: object, event: str, _argument: object) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        text = piece * (length // len(piece))
        sys.setprofile(counted)
        try:
            parse(text)
        except QueryError:
            pass
        finally:
            sys.setprofile(None)
        return count

    assert steps(8_000) <= 3 * steps(4_000) + 1_000


def test_importing_the_parser_loads_no_engine():
    heavy = "import safelight.query.parse, sys; print({'duckdb', 'pyarrow', 'sqlglot'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
