"""Whatever comes, through every step there is: nothing is raised, nothing is lost but what a step was told to drop."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.pipeline import chain
from safelight.processors.drop import Drop
from safelight.processors.enrich import Enrich
from safelight.processors.keep import Keep
from safelight.processors.limit import Limit
from safelight.processors.parse import Parse
from safelight.processors.redact import Redact
from safelight.processors.rename import Rename
from safelight.processors.route import Route
from safelight.processors.sample import Sample
from safelight.sources.received import received

SOME = "level:>=DEBUG OR message:/a+b/ OR attributes.a:>3 OR user_id:* OR duration_ms:>1"
NAMES = (
    *(
        "level",
        "message",
        "msg",
        "timestamp",
        "@timestamp",
        "event",
        "id",
        "a",
        "b",
        "f",
        "k",
        "attributes",
        "raw",
        "tag",
    ),
    *(
        "parse_error",
        "duration_ms",
        "user_id",
        "error_type",
        "error_message",
        "traceback",
        "node",
        "source",
        "severity",
    ),
    *("sample_rate", "trace_id", "a.b", "password", "", "é", "\ud800", "\x00", "host", "original", "workflow_name"),
)
TEXTS = (
    *("\ud800", "ERROR", "debug", "2026-01-01T00:00:00Z", "99999-01-01", "0000-00-00", "-1", "1e400", "²", "1" * 400),
    *(
        "token=abcdef123456",
        "Bearer abcdefghijkl",
        "/home/li/x",
        "a@b.cd",
        "13912345678",
        "ord-1",
        '{"a":{"b":1}}',
        "[1",
    ),
    *('a=1 b="x', 'Traceback (most recent call last):\n  File "x", line 1, in y\nE: z'),
)
NUMBERS = st.integers() | st.integers(10**18, 10**400) | st.floats()
KEYS = st.sampled_from(NAMES) | st.text(max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=12) | st.sampled_from(TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=6,
)


def as_json(record):
    return json.dumps(record, ensure_ascii=len(record) % 2 == 0).encode("utf-8", "surrogatepass")


LINES = (
    st.binary(max_size=60)
    | st.dictionaries(KEYS, VALUES, max_size=6).map(as_json)
    | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.integers(50, 3_000).map(lambda depth: b'{"a":' + b"[" * depth + b"]" * depth + b"}")
    | st.sampled_from([b"2026-01-01 10:00:00,123 ERROR x: boom", b"GET /x 12.5ms", b'a=1 level=error msg="x y"'])
)


def steps():
    pattern = r"^(?P<method>[A-Z]+) (?P<path>\S+) (?P<duration_ms>[\d.]+)"
    return [
        Parse(formats=["json", "logfmt", "regex", "python", "comfyui"], pattern=pattern),
        Parse(field="attributes.a", formats=["json", "logfmt"], keep_original=True),
        Parse(where=SOME, field="error_message", formats=["logfmt"]),
        Enrich(fields={"site": "x", "host": "${hostname}", "duration_ms": 3, "a.b": "${now}"}, only_missing=True),
        Enrich(fields={"a": 1, "message": "m"}, where="level:DEBUG"),
        Rename(
            fields={"attributes.a": "user_id", "b": "c", "duration_ms": "e", "f": "duration_ms"}, remove=["z", "y.q"]
        ),
        Keep(where="NOT (attributes.never:1 AND level:DEBUG)"),
        Drop(where="message:/never ever/ AND attributes.k:*"),
        Sample(rate=1, by="attributes.k", adaptive={"above": "100000/s"}),
        Limit(rate="100000/s", by=["source", "user_id", "attributes.a"], where=SOME),
        Route(where=SOME, to=["x"]),
        Redact(paths=True, addresses=True, emails=True, phones=True, patterns=["ord-[0-9]+"], leave=["workflow_name"]),
        Redact(where=SOME, emails=True, only=["message", "attributes.a"]),
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=6))
def test_nothing_that_comes_fails_in_any_step(lines):
    whole = chain(steps(), "comfyui", "UTC", host="gpu-1")
    events = whole(received(lines, "http", {"service": "photo", "instance": None, "tag": "t"}))
    events.table.validate(full=True)
    assert len(events) == len(lines)
    assert [step.name for step in whole.steps if step.failed] == []
