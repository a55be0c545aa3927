import json
import uuid

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight_emit.encode import MAX_LINE, new_id, stamp, to_bytes, to_json


def decoded(fields):
    """As a strict reader sees the line."""
    data = to_bytes([to_json(fields)])
    assert data.count(b"\n") == 1
    return msgspec.json.decode(data)


def test_a_plain_event_is_compact_json_in_its_own_letters():
    assert to_json({"message": "照片 ✓", "n": 1, "none": None}) == '{"message":"照片 ✓","n":1,"none":null}'


def test_secrets_are_masked_at_the_top_and_inside():
    fields = {"api_key": "sk-1", "password": 1234, "has_token": True, "request": {"headers": {"cookie": "c"}}}
    from safelight_emit.plain import snapshot

    assert decoded(snapshot(fields)) == {
        "api_key": "***",
        "password": "***",
        "has_token": True,
        "request": {"headers": {"cookie": "***"}},
    }


def test_what_json_cannot_say_is_said_as_text():
    assert decoded({"loss": float("nan"), "seen": {1}, 5: "five"}) == {"loss": "NaN", "seen": [1], "5": "five"}


def test_a_lone_surrogate_becomes_its_escape_as_text():
    assert decoded({"file": "caf\udce9.png"}) == {"file": "caf\\udce9.png"}


def test_line_ends_inside_values_stay_inside_the_line():
    assert decoded({"message": "a\nb\r\u2028\x00"}) == {"message": "a\nb\r\u2028\x00"}


@pytest.mark.parametrize("letter", ["x", "\x00", "照", "😀"])
def test_a_huge_event_keeps_the_line_limit_and_says_that_it_was_cut(letter):
    line = to_json({"event": "big", **{f"field_{number}": letter * 50_000 for number in range(300)}})
    assert len(line) <= MAX_LINE
    event = json.loads(line)
    assert event["event"] == "big"
    assert event["truncated"] is True


def test_a_huge_text_alone_is_cut_to_its_own_limit():
    event = decoded({"message": "x" * 1_000_000, "n": 1})
    assert 32_768 < len(event["message"]) < 33_000
    assert event["n"] == 1
    assert "truncated" not in event


def test_a_time_is_utc_with_microseconds():
    assert stamp(1_795_341_600_123_456_789) == "2026-11-22T10:00:00.123456Z"


def test_an_id_is_a_version_7_uuid_of_its_moment():
    moment = 1_795_341_600_123_456_789
    made = uuid.UUID(new_id(moment))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == moment // 1_000_000


def test_ids_sort_by_time_and_do_not_repeat():
    moments = range(1_795_341_600_000_000_000, 1_795_341_600_100_000_000, 10_000)
    made = [new_id(moment) for moment in moments]
    assert made == sorted(made)
    assert len({new_id(moments[0]) for _ in range(1000)}) == 1000


@settings(max_examples=200)
@given(st.dictionaries(st.text() | st.integers(), st.text() | st.floats() | st.integers() | st.binary(), max_size=8))
def test_every_line_is_read_by_a_strict_reader(fields):
    assert len(decoded(fields)) <= len(fields)
