"""Texts within events, read once more as `[[processors]]` asks for it."""

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from safelight.batch import SCHEMA, Batch, compose
from safelight.processors.parse import Parse

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ACCESS = (
    r"^(?P<client>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] "
    r"\"(?P<method>[A-Z]+) (?P<path>\S+)[^\"]*\" (?P<status>\d{3}) (?P<size>\d+)"
)


def arrived(*lines):
    rows = [
        {"id": f"line-number-{place}", "raw": line, "received_at": NOW, "source": "app.log"}
        for place, line in enumerate(lines)
    ]
    return Parse(timezone="UTC").build()(Batch.of(rows))


def read(*lines, **how):
    how = {"timezone": "UTC", **how}
    return events(Parse(**how).step()(arrived(*lines)))


def events(batch):
    assert batch.table.schema.equals(SCHEMA)
    rows = []
    for row in batch.table.to_pylist():
        row["attributes"] = json.loads(row["attributes"]) if row["attributes"] else {}
        rows.append({name: value for name, value in row.items() if value is not None})
    return rows


def test_pairs_are_fields_and_numbers_stay_numbers():
    (event,) = read(
        'ts=2026-11-22T10:00:00.5Z level=warn msg="photo \\"a\\" done" took_ms=842 share=0.5 ok=true zip=00501 id=7',
        formats=["logfmt"],
    )
    assert event["timestamp"] == datetime(2026, 11, 22, 10, 0, 0, 500_000, UTC)
    assert (event["level"], event["message"], event["id"]) == ("WARNING", 'photo "a" done', "line-number-0")
    assert event["attributes"] == {"took_ms": 842, "share": 0.5, "ok": True, "zip": "00501", "id": "7"}


@pytest.mark.parametrize("text", ["hello a=1", "a=1 hello", "just words", "", "a = 1", 'a="1'])
def test_what_is_not_all_pairs_is_no_logfmt(text):
    assert read(text, formats=["logfmt"]) == events(arrived(text))


def test_named_groups_are_fields():
    line = '10.0.0.1 - - [10/Oct/2026:13:55:36 +0200] "GET /view?x=1 HTTP/1.1" 200 2326'
    (event,) = read(line, pattern=ACCESS, time_format="%d/%b/%Y:%H:%M:%S %z")
    assert event["timestamp"] == datetime(2026, 10, 10, 11, 55, 36, tzinfo=UTC)
    assert event["message"] == line
    assert event["attributes"] == {
        "client": "10.0.0.1",
        "method": "GET",
        "path": "/view?x=1",
        "status": 200,
        "size": 2326,
    }


def test_patterns_and_formats_are_tried_in_turn():
    how = {
        "formats": ["json", "regex", "logfmt"],
        "pattern": [r"^user (?<user>\w+) (?<event>\w+)$", "^took (?P<duration_ms>[0-9.]+)$"],
    }
    a, b, c, d, e = read("user li left", "took 12.5", "a=1 b=x", '[x] {"a":1}', "plain", **how)
    assert (a["user_id"], a["event"], a["message"]) == ("li", "left", "user li left")
    assert b["duration_ms"] == 12.5
    assert c["attributes"] == {"a": 1, "b": "x", "timestamp_from": "arrival"}
    assert [d, e] == events(arrived("_", "_", "_", '[x] {"a":1}', "plain"))[3:]


def test_an_event_inside_a_message_takes_its_place():
    (event,) = read(
        '2026-11-22 10:00:00 INFO {"event":"photo_done","message":"ok","took":3}', formats=["json"], keep_original=True
    )
    assert (event["event"], event["message"], event["timestamp"].hour) == ("photo_done", "ok", 10)
    assert event["attributes"] == {"took": 3, "original": '{"event":"photo_done","message":"ok","took":3}'}


def test_events_that_were_understood_are_left_alone_unless_where_finds_them():
    line = '{"level":"INFO","message":"a=1 b=2"}'
    assert read(line, formats=["logfmt"]) == events(arrived(line))
    (event,) = read(line, formats=["logfmt"], where="level:INFO")
    assert event["attributes"] == {"a": 1, "b": 2, "timestamp_from": "arrival"}
    assert event["message"] == "a=1 b=2"


def test_a_field_that_is_named_is_read_in_all_events_that_have_it():
    lines = ['{"message":"m","log":{"text":"a=1 level=error"}}', '{"message":"a=1"}', "plain"]
    first, *rest = read(*lines, formats=["logfmt"], field="log.text")
    assert first["attributes"] == {"a": 1, "log": {}, "timestamp_from": "arrival"}
    assert (first["level"], first["message"]) == ("ERROR", "m")
    assert rest == events(arrived(*lines))[1:]


def test_a_line_that_was_not_understood_loses_its_flag():
    broken = '{"a": 1, "level": "error"'
    (before,) = events(arrived(broken))
    assert before["parse_error"]
    (event,) = read(broken, pattern=r'"a": (?P<a>\d+)')
    assert "parse_error" not in event
    assert "raw" not in event
    assert (event["level"], event["message"], event["attributes"]["a"]) == ("INFO", broken, 1)
    (other,) = read(broken, formats=["logfmt"])
    assert other == before


def test_what_was_lost_of_a_line_stays_told():
    rows = [{"id": "an-id-of-16-bytes", "received_at": NOW, "raw": "x"}]
    lines = pa.array([b"caf\xe9 a=1"]).view(pa.string())
    batch = Parse(timezone="UTC").build()(Batch.of(rows).with_column("raw", lines))
    (event,) = events(Parse(pattern=r"a=(?P<a>\d)").step()(batch))
    assert event["parse_error"].startswith("not UTF-8")
    assert event["attributes"]["a"] == 1


def test_a_time_that_is_none_is_kept_as_it_was_written():
    (event,) = read("time=later a=1", formats=["logfmt"])
    assert event["timestamp"] == NOW
    assert event["attributes"] == {"a": 1, "timestamp": "later", "timestamp_from": "arrival"}


def test_a_time_without_a_year_is_the_last_of_them():
    tomorrow = datetime.now(UTC) + timedelta(days=2)
    (event,) = read(f"at {tomorrow:%m-%d %H:%M:%S}", pattern=r"at (?P<time>.*)", time_format="%m-%d %H:%M:%S")
    assert event["timestamp"] < datetime.now(UTC)


def test_the_source_says_where_it_came_from():
    (event,) = read("source=elsewhere service=photo", formats=["logfmt"])
    assert (event["source"], event["service"]) == ("app.log", "photo")
    assert event["attributes"]["source"] == "elsewhere"


def test_a_grammar_reads_what_it_knows_and_leaves_the_rest_to_the_next():
    wrapped = '{"log":"2026-11-22 10:00:00,120 ERROR photo: no face"}'
    (event,) = read(wrapped, formats=["python"], field="log")
    assert (event["level"], event["message"], event["attributes"]["logger"]) == ("ERROR", "no face", "photo")
    (event,) = read('{"log":"a=1"}', formats=["python", "logfmt"], field="log")
    assert event["attributes"]["a"] == 1
    (event,) = read('{"log":"!!! Exception during processing !!! boom"}', formats=["comfyui"], field="log")
    assert event["level"] == "ERROR"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text(max_size=30) | st.sampled_from(['{"a":1}', "a=1", '{"a":', "[1]", "user li", "\x00"]), max_size=6)
)
def test_no_text_can_make_it_fail_and_none_is_lost(lines):
    how = {"formats": ["json", "logfmt", "regex", "comfyui", "python"], "pattern": r"(?P<user>user \w+)"}
    before = arrived(*lines)
    for step in (Parse(**how).step(), Parse(**how, where="*").step(), Parse().step()):
        after = step(before)
        assert after["id"].to_pylist() == before["id"].to_pylist()
        assert step(Batch(before.table.slice(0, 0))).table.num_rows == 0


def test_an_event_that_an_agent_did_not_understand_is_not_read_as_a_line():
    head = Parse(timezone="UTC").build()
    flagged = arrived('{"broken": ', "fine")
    assert head(flagged).table.equals(flagged.table)
    fresh = Batch.of([{"id": "a-fresh-line-of-16", "raw": '{"a":1}', "received_at": NOW}])
    both = Batch(pa.concat_tables([flagged.table.slice(0, 1), fresh.table, flagged.table.slice(1)]))
    first, second, third = events(compose([head])(both))
    assert [first, third] == events(flagged)
    assert second["attributes"]["a"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"formats": ["xml"]},
        {"formats": ["regex"]},
        {"pattern": r"(\d+)"},
        {"pattern": r"\d+"},
        {"pattern": r"(?P<a>(?=x))"},
        {"pattern": "("},
        {"formats": ["json"], "pattern": "(?P<a>x)"},
        {"field": "timestamp"},
        {"field": "raw"},
        {"time_format": "%Q"},
        {"timezone": "Mars"},
        {"where": "a ("},
    ],
)
def test_a_mistake_is_refused(wrong):
    with pytest.raises(ValidationError):
        Parse(**wrong)
