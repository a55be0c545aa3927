"""Stack traces of Java and Go, and patterns of a configuration."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.services.multiline import GO, JAVA, LANGUAGES, Pattern, PatternJoiner, Single, TraceJoiner

JAVA_PLAIN = """\
Exception in thread "main" java.lang.IllegalStateException: A book has a null property
\tat com.example.myproject.Author.getBookIds(Author.java:38)
\tat com.example.myproject.Bootstrap.main(Bootstrap.java:14)
Caused by: java.lang.NullPointerException
\tat com.example.myproject.Book.getId(Book.java:22)
\t... 1 more
\tSuppressed: java.io.IOException: closed
\t\tat com.example.myproject.Book.close(Book.java:30)"""
JAVA_LOGGED = """\
2026-11-22 10:00:00.123 ERROR 1 --- [main] c.e.Service : failed
a message of two lines

java.net.ConnectException: Connection refused
\tat java.base/sun.nio.ch.Net.pollConnect(Native Method)
\t... 23 common frames omitted"""
DOT_NET = """\
System.InvalidOperationException: outer
 ---> System.Exception: inner
   at Foo.Bar() in c:\\foo.cs:line 1
   --- End of inner exception stack trace ---
   at Foo.Main()"""
GO_PANIC = """\
panic: my panic [recovered]
\tpanic: again

goroutine 4 [running]:
panic(0x45cb40, 0x47ad70)
\t/usr/local/go/src/runtime/panic.go:542 +0x46c fp=0xc42003f7b8 sp=0xc42003f710 pc=0x422f7c
main.main.func1(0xc420024120)
\tfoo.go:6 +0x39 fp=0xc42003f7d8 sp=0xc42003f7b8 pc=0x451339
created by main.main in goroutine 1
\tfoo.go:5 +0x58

goroutine 1 [chan receive, 5 minutes]:
runtime.gopark(0x4739b8, 0xc420024178, 0x46fcd7, 0xc, 0xc420028e17, 0x3)
\t/usr/local/go/src/runtime/proc.go:280 +0x12c"""
GO_SIGNAL = """\
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x7fd34f]

goroutine 5378 [running]:
panic(0x10c7c40, 0xc000114010)
\t/usr/local/go/src/runtime/panic.go:884 +0x212"""
GO_HTTP = """\
2019/01/15 07:48:05 http: panic serving [::1]:54143: test panic
goroutine 24 [running]:
net/http.(*conn).serve.func1(0xc00007eaa0)
\t/usr/local/go/src/net/http/server.go:1746 +0xd0"""
GO_DEADLOCK = """\
fatal error: all goroutines are asleep - deadlock!

goroutine 1 [chan receive]:
main.main()
\t/tmp/x.go:5 +0x2d"""


def joined(joiner, text):
    records = joiner.feed(text.encode().split(b"\n")) + joiner.flush()
    return [record.text.decode() for record in records]


@pytest.mark.parametrize(
    ("trace", "text"),
    [(JAVA, JAVA_PLAIN), (JAVA, JAVA_LOGGED), (GO, GO_PANIC), (GO, GO_SIGNAL), (GO, GO_HTTP), (GO, GO_DEADLOCK)],
    ids=["java", "logged java", "go", "go signal", "go http", "go deadlock"],
)
def test_a_stack_trace_is_one_record_between_its_neighbours(trace, text):
    around = f"before\n{text}\nafter\nand after"
    assert joined(TraceJoiner(trace), around) in (
        ["before", text, "after", "and after"],
        ["before", f"{text}\nafter\nand after"],  # what follows a line with a time belongs to it
    )
    stamped = f"2026-11-22 10:00:00 before\n2026-11-22 10:00:00 ERROR {text}\n2026-11-22 10:00:01 after"
    assert joined(TraceJoiner(trace), stamped) == stamped.replace("\n2026-", "\0" + "2026-").split("\0")


def test_a_trace_without_a_time_ends_where_other_lines_begin():
    assert joined(TraceJoiner(JAVA), f"{JAVA_PLAIN}\nafter") == [JAVA_PLAIN, "after"]
    assert joined(TraceJoiner(GO), f"{GO_PANIC}\nafter\n{GO_SIGNAL}") == [GO_PANIC, "after", GO_SIGNAL]


def test_frames_of_dot_net_go_on():
    found = joined(TraceJoiner(JAVA), DOT_NET)
    assert found[-1].endswith("at Foo.Main()")
    assert "End of inner exception" in found[-1]


def test_json_is_a_record_of_its_own_but_for_patterns():
    text = 'panic: x\n{"a":1}\n{"b":2}'
    assert joined(TraceJoiner(GO), text) == ["panic: x", '{"a":1}', '{"b":2}']
    assert joined(PatternJoiner(Pattern(starts=re.compile("^panic"))), text) == [text]


def test_without_joining_every_line_is_a_record():
    assert joined(Single(), "a\n  b\n\nc") == ["a", "  b", "c"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (Pattern(starts=re.compile(r"^\d{4}-")), ["lost", "2026-1 a\n\n  b", "2026-2 c\\\nd;", "e"]),
        (Pattern(continues=re.compile(r"^\s")), ["lost", "2026-1 a\n\n  b", "2026-2 c\\", "d;", "e"]),
        (Pattern(ends=re.compile(r";$")), ["lost\n2026-1 a\n\n  b\n2026-2 c\\\nd;", "e"]),
        (
            Pattern(starts=re.compile(r"^\d{4}-"), ends=re.compile(r"a$|;$")),
            ["lost", "2026-1 a", "  b", "2026-2 c\\\nd;", "e"],
        ),
    ],
    ids=["starts", "continues", "ends", "both"],
)
def test_records_by_pattern(pattern, expected):
    found = joined(PatternJoiner(pattern), "lost\n2026-1 a\n\n  b\n2026-2 c\\\nd;")
    found += joined(PatternJoiner(pattern), "e")
    assert found == expected


def test_a_pattern_may_be_written_in_any_script():
    assert joined(PatternJoiner(Pattern(starts=re.compile("^[一-龥]"))), "开始\nx\n结束") == ["开始\nx", "结束"]


def test_a_record_is_bounded():
    pattern = Pattern(starts=re.compile("^start"), max_lines=3)
    assert joined(PatternJoiner(pattern), "start\na\nb\nc\nd") == ["start\na\nb", "c\nd"]
    pattern = Pattern(starts=re.compile("^start"), max_bytes=10)
    assert joined(PatternJoiner(pattern), "start\naaa\nbbb") == ["start\naaa", "bbb"]


LINES = st.lists(
    st.sampled_from([b"", b"a", b" b", b"\tat x", b"panic: x", b"goroutine 1 [x]:", b"{}", b"2026-11-22 x"])
)


@given(LINES, st.sampled_from([*LANGUAGES, "pattern"]))
def test_no_line_is_lost_or_counted_twice(lines, language):
    joiner = PatternJoiner(Pattern(re.compile("^a"))) if language == "pattern" else LANGUAGES[language]()
    records = []
    for fed, line in enumerate(lines, 1):
        records += joiner.feed([line])
        assert sum(record.lines for record in records) + joiner.held == fed
    records += joiner.flush()
    assert b"".join(b"".join(r.text.split()) for r in records) == b"".join(b"".join(one.split()) for one in lines)
