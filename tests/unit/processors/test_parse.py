import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from safelight.batch import SCHEMA, Batch
from safelight.event import FIELDS, LEVELS
from safelight.processors.parse import Parse
from safelight.processors.parse.line import DEPTH_LIMIT, LINE_LIMIT, read
from safelight.processors.parse.shape import MAX_KEYS, Shape
from safelight.services import GENERIC

ARRIVED = datetime(2026, 11, 22, 10, tzinfo=UTC)


def raw(lines, **constants) -> Batch:
    texts = [line if isinstance(line, bytes) else line.encode() for line in lines]
    text = pa.array(texts, pa.binary()).view(pa.string())
    given = {"received_at": ARRIVED, "id": [f"line-{at:016d}" for at in range(len(texts))], **constants}
    return Batch.from_columns(len(texts), {"raw": text, **given})


def parsed(*lines, timezone="UTC", profile=None, **constants) -> list[dict]:
    batch = Parse(profile=profile, timezone=timezone).build()(raw(lines, **constants))
    assert batch.table.schema == SCHEMA
    assert len(batch) == len(lines)
    return batch.table.to_pylist()


def one(line, **how) -> dict:
    event = parsed(line if isinstance(line, str | bytes) else json.dumps(line), **how)[0]
    attributes = event["attributes"]
    return {name: value for name, value in event.items() if value is not None} | {
        "attributes": json.loads(attributes) if attributes else {}
    }


def test_known_fields_become_columns_and_the_others_attributes():
    event = one(
        {"timestamp": "2025-04-05T10:00:00Z", "level": "info", "node": "KSampler", "steps": 30, "a": {"b": [1]}}
    )
    assert (event["level"], event["node"]) == ("INFO", "KSampler")
    assert event["attributes"] == {"steps": 30, "a": {"b": [1]}}


@pytest.mark.parametrize(
    ("given", "column", "value"),
    [
        ({"prompt_id": "p"}, "workflow_id", "p"),
        ({"service.name": "s"}, "service", "s"),
        ({"processing_time_ms": 842}, "duration_ms", 842.0),
        ({"levelname": "WARN"}, "level", "WARNING"),
        ({"exc_info": "x"}, "traceback", "x"),
        ({"host": {"name": "gpu-1"}}, "host", "gpu-1"),
        ({"log": {"level": "error"}}, "level", "ERROR"),
        ({"error": {"type": "OSError", "message": "m"}}, "error_message", "m"),
        ({"service": {"name": "s"}}, "service", "s"),
        ({"user": {"id": "u"}}, "user_id", "u"),
    ],
)
def test_other_names_and_nested_forms_are_the_same_field(given, column, value):
    event = one({**given, "time": 1743848625})
    assert event[column] == value
    assert event["attributes"] == {}


def test_a_field_under_two_names_keeps_both_values():
    event = one({"service_name": "alias", "service": "own", "ts": 1743848625})
    assert event["service"] == "own"
    assert event["attributes"] == {"service_name": "alias"}


def test_a_null_field_is_filled_by_its_alias():
    assert one({"node": None, "class_type": "VAEDecode"})["node"] == "VAEDecode"


def test_an_event_inside_the_message_wins_and_what_it_displaces_is_kept():
    event = one(
        {"level": "ERROR", "event": "process_photo", "node": "a", "func": "f",
         "message": {"event": "processing_failed", "node": "b", "error_type": "X"}}
    )  # fmt: skip
    assert (event["event"], event["node"], event["error_type"]) == ("processing_failed", "b", "X")
    assert {key: event["attributes"][key] for key in ("function", "func", "outer")} == {
        "function": "process_photo", "func": "f", "outer": {"node": "a"},
    }  # fmt: skip


def test_numbers_written_as_text_are_numbers_and_what_is_none_stays_an_attribute():
    assert one({"duration_ms": "12.5"})["duration_ms"] == 12.5
    for wrong in ("fast", True, [1], "NaN", "1e999"):
        event = one({"duration_ms": wrong})
        assert "duration_ms" not in event
        assert event["attributes"]["duration_ms"] == wrong


@pytest.mark.parametrize(
    ("given", "text"),
    [(5, "5"), (True, "true"), ({"a": 1}, '{"a":1}'), (["a", "b"], "a\nb"), (["a\n", "b\n"], "a\nb\n")],
)
def test_a_text_field_takes_any_value_as_text(given, text):
    assert one({"node": given})["node"] == text


@pytest.mark.parametrize(
    ("fields", "level"),
    [
        ({"level": "fatal"}, "CRITICAL"), ({"level": 30}, "WARNING"), ({"level": "40"}, "ERROR"), ({}, "INFO"),
        ({"event": "node_failed"}, "ERROR"), ({"event": "run_lost"}, "ERROR"), ({"error_type": "X"}, "ERROR"),
        ({"event": "node_failed", "level": "INFO"}, "INFO"),
    ],
)  # fmt: skip
def test_every_event_has_a_level(fields, level):
    assert one(fields)["level"] == level


@pytest.mark.parametrize("strange", ["LOUD", "²", "9" * 5000, 99, 2.5])
def test_a_level_that_is_none_stays_an_attribute(strange):
    event = one({"level": strange})
    assert event["level"] == "INFO"
    assert event["attributes"]["level"] == strange


def test_a_missing_time_is_the_arrival_and_says_so():
    event = one({"message": "m"})
    assert event["timestamp"] == ARRIVED
    assert event["attributes"] == {"timestamp_from": "arrival"}
    assert "parse_error" not in event


def test_a_time_that_is_none_is_kept_beside_the_arrival():
    event = one({"time": "yesterday", "x": 1})
    assert event["timestamp"] == ARRIVED
    assert event["attributes"] == {"x": 1, "timestamp": "yesterday", "timestamp_from": "arrival"}


TIMES = ["2025-04-05T10:23:45Z", "2025-04-05 18:23:45", "2025-04-05T18:23:45,000", "2025-04-05T10:23:45.000000000Z",
         "2025-04-05T12:23:45+02:00", 1743848625, 1743848625000, "1743848625"]  # fmt: skip


@pytest.mark.parametrize("times", [TIMES, *([time] * 3 for time in TIMES), [*TIMES[1:2] * 2, None, "x"]])
def test_times_of_any_form_are_read_in_the_zone_of_the_source(times):
    lines = [json.dumps({"timestamp": time} if time else {}) for time in times]
    for time, event in zip(times, parsed(*lines, timezone="Asia/Shanghai"), strict=True):
        expected = datetime(2025, 4, 5, 10, 23, 45, tzinfo=UTC) if time in TIMES else ARRIVED
        assert event["timestamp"] == expected


def test_a_time_zone_that_does_not_exist_is_refused():
    with pytest.raises(ValidationError, match="Mars"):
        Parse(timezone="Mars/Olympus")


def test_an_id_is_taken_when_it_can_be_unique():
    assert one({"id": "0192f0c1-7b1e-7000-8000-000000000001"})["id"] == "0192f0c1-7b1e-7000-8000-000000000001"
    event = one({"id": 42})
    assert event["id"] == "line-0000000000000000"
    assert event["attributes"]["id"] == "42"


def test_what_the_line_says_comes_before_what_the_source_says_except_where_it_came_in():
    given = {"service": "s", "instance": "i", "source": "f.log", "tag": "t"}
    event = one({"service": "own", "source": "upload", "tag": "x"}, **given)
    assert (event["service"], event["instance"], event["source"], event["tag"]) == ("own", "i", "f.log", "t")
    assert (event["attributes"]["source"], event["attributes"]["tag"]) == ("upload", "x")
    assert one({"tag": "x"})["tag"] == "x"


def test_given_attributes_are_merged():
    assert one({"attributes": {"a": {"b": 1}}, "c": 2, "ts": 1743848625})["attributes"] == {"a": {"b": 1}, "c": 2}


def test_a_traceback_names_its_exception():
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\nOSError: no'
    event = one({"level": "ERROR", "exc_info": trace})
    assert (event["error_type"], event["error_message"]) == ("OSError", "no")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"a":1', "not valid JSON"),
        (b"{nonsense}", "not valid JSON"),
        (b'{"a":1}{"b":2}', "not valid JSON"),
        (b"\xff\x00", "not UTF-8"),
        (b"a\x00b", "not text"),
        (b"[1,2]", "an array"),
        (b'{"a":' + b"[" * 101 + b"]" * 101 + b"}", "deeper"),
        (b'{"a":' + b"[" * 9000 + b"]" * 9000 + b"}", "deeper"),
        (b'{"a":"' + b"x" * LINE_LIMIT + b'"}', "cut after"),
        (b"x" * 3_000_000, "cut after"),
    ],
    ids=range(10),
)
def test_a_line_that_is_not_understood_is_kept_and_says_why(line, why):
    event = one(line)
    assert why in event["parse_error"]
    assert event["raw"] == event["message"] == line[:LINE_LIMIT].decode(errors="replace")
    assert event["level"] == "WARNING"
    assert event["timestamp"] == ARRIVED


def test_half_an_error_is_an_error():
    assert one('{"level":"ERROR","message":"CUDA out of mem')["level"] == "ERROR"


@pytest.mark.parametrize(
    ("line", "attributes"),
    [
        (b'\xef\xbb\xbf{"a":1}\r', {"a": 1}),
        (b' {"a":1} ', {"a": 1}),
        (b'{"a":NaN,"b":-Infinity}', {"a": "NaN", "b": "-Infinity"}),
        (b'{"a":1e999}', {"a": "1e999"}),
        (b'{"a":123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
        (b'{"a":' + b"9" * 5000 + b"}", {"a": "9" * 5000}),
        (b'{"a":"\\ud800x"}', {"a": "\ufffdx"}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"a":' + b"[" * 99 + b"]" * 99 + b"}", None),
        (b"{}", {}),
    ],
    ids=range(10),
)
def test_json_that_is_almost_right_is_understood(line, attributes):
    event = one(line)
    assert "parse_error" not in event
    assert attributes is None or event["attributes"] == {**attributes, "timestamp_from": "arrival"}


def test_a_batch_may_mix_everything():
    events = parsed('{"message":"a"}', "[ERROR] 2024-05-13 14:22:31 b", b"\xff", '{"bad"', '{"message":"c"}')
    assert [event["message"] for event in events] == ["a", "b", "ÿ", '{"bad"', "c"]
    assert [event["parse_error"] is None for event in events] == [True, True, False, False, True]


def test_text_is_read_by_the_grammar_of_the_service():
    assert one("Prompt executed in 1.50 seconds", profile="comfyui")["duration_ms"] == 1500
    assert "duration_ms" not in one("Prompt executed in 1.50 seconds")


def test_events_without_a_line_pass_as_they_are_in_their_place():
    ready = Batch.of([{"id": "r", "message": "ready", "level": "DEBUG", "timestamp": ARRIVED}])
    step = Parse().build()
    assert step(ready).table.equals(ready.table)
    mixed = Batch(pa.concat_tables([raw(['{"message":"a"}']).table, ready.table, raw(["b"]).table]))
    assert step(mixed)["message"].to_pylist() == ["a", "ready", "b"]
    assert step(mixed)["level"].to_pylist() == ["INFO", "DEBUG", "INFO"]


def test_the_batch_given_is_not_changed():
    batch = raw(['{"a":1}', "text", b"\xff"])
    before = batch["raw"].cast(pa.binary()).to_pylist()
    Parse().build()(batch)
    assert batch["raw"].cast(pa.binary()).to_pylist() == before


def test_an_empty_batch_stays_one():
    assert len(Parse().build()(raw([]))) == 0


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [*FIELDS, "prompt_id", "service_name", "ts", "time", "msg", "levelname", "error", "user", "log", "x", "y"]
) | st.text(max_size=5)
RECORDS = st.dictionaries(KEYS, VALUES | st.sampled_from(TIMES) | st.sampled_from([*LEVELS, "warn", 20]), max_size=6)


@settings(max_examples=150, deadline=None)
@given(st.lists(RECORDS.map(json.dumps) | st.text(max_size=20) | st.binary(max_size=20), min_size=1, max_size=12))
def test_no_line_can_fail_and_every_one_is_an_event(lines):
    for event in parsed(*lines):
        assert event["level"] in LEVELS
        assert event["timestamp"] is not None
        assert event["attributes"] is None or isinstance(json.loads(event["attributes"]), dict)


@settings(max_examples=150, deadline=None)
@given(st.lists(RECORDS.map(json.dumps), min_size=1, max_size=12), st.data())
def test_the_fast_lane_and_the_careful_one_give_the_same_event(lines, data):
    """Whatever keys a shape has learnt: a line that fits it is read as it would be without."""
    keys = data.draw(st.lists(KEYS, max_size=12))
    encoded = [line.encode() for line in lines]
    columns, odd = Shape([*keys, *(key for line in lines for key in json.loads(line))]).decode(encoded)
    for row, line in enumerate(encoded):
        if row not in odd:
            fast = {name: values[row] for name, values in columns.lists.items() if values[row] is not None}
            careful, _ = read(line, GENERIC.grammar)
            if "attributes" in fast:
                fast["attributes"] = json.loads(fast["attributes"])
            assert fast == careful


def test_what_a_stream_looks_like_is_learnt_and_forgotten_again():
    step = Parse().build()
    for era in range(3):
        lines = [json.dumps({f"era{era}_{at % 50}": at, "message": str(at)}) for at in range(600)]
        for _ in range(4):
            events = step(raw(lines)).table.to_pylist()
        assert [event["message"] for event in events] == [str(at) for at in range(600)]
        assert json.loads(events[7]["attributes"])[f"era{era}_7"] == 7


def test_lines_that_never_look_the_same_are_read_all_the_same():
    lines = [json.dumps({f"key{at}": at}) for at in range(MAX_KEYS * 4)]
    events = parsed(*lines)
    assert all(json.loads(event["attributes"])[f"key{at}"] == at for at, event in enumerate(events))


def test_the_limits_are_those_of_the_manual():
    assert (LINE_LIMIT, DEPTH_LIMIT) == (1024 * 1024, 100)


@pytest.mark.parametrize(
    ("line", "message", "encoding"),
    [
        ("[ERROR] 2024-05-13 14:22:31 模型加载失败：显存不足".encode("gbk"), "模型加载失败：显存不足", "GB 18030"),
        ("[ERROR] 2024-05-13 14:22:31 für alle".encode("latin-1"), "für alle", "Windows-1252"),
        ("[ERROR] 2024-05-13 14:22:31 加载失败".encode() + b"\xff", "加载失败\ufffd", "UTF-8 with"),
        ("[ERROR] 2024-05-13 14:22:31 café".encode() + b"\xff", "café\ufffd", "UTF-8 with"),
        ('{"level":"ERROR","timestamp":"2024-05-13T14:22:31","message":"失败了"}'.encode("gbk"), "失败了", "GB 18030"),
    ],
)
def test_a_line_that_is_not_utf8_is_still_understood(line, message, encoding):
    utf8 = parsed("[ERROR] 2024-05-13 14:22:31 x")[0]
    (event,) = parsed(line)
    assert (event["level"], event["timestamp"], event["message"]) == ("ERROR", utf8["timestamp"], message)
    assert event["parse_error"].startswith("not UTF-8: ")
    assert encoding in event["parse_error"]
    assert message in event["raw"]


def test_bytes_without_a_level_have_that_of_any_such_line():
    for line, message in ((b"\xff\xfe", "ÿþ"), (b'{"a":"\xff"}', None)):
        (event,) = parsed(line)
        assert (event["level"], event["timestamp"]) == ("INFO", ARRIVED)
        assert event["message"] == message
        assert event["parse_error"].startswith("not UTF-8: invalid start byte at byte ")


def test_binary_is_not_read_as_chinese():
    (event,) = parsed("失败".encode("gbk") + b"\x00\x01")
    assert event["level"] == "WARNING"
    assert "read as" not in event["parse_error"]
