from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight import rows
from safelight.batch import SCHEMA, Batch
from safelight.event import FIELDS, Kind
from safelight.sinks import rendering
from safelight.sinks.rendering import joined, lines, ndjson, readable
from support.shipping import events

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES = (
    st.sampled_from(["level", "id", "@timestamp", "timestamp", "steps", "a b", "配置", '"', "\\", "attributes"]) | TEXTS
)
OBJECTS = st.dictionaries(NAMES, JSON, max_size=4)
VALUES = {
    Kind.TEXT: TEXTS,
    Kind.TIME: st.integers(-(10**15), 3 * 10**17).map(lambda us: EPOCH + timedelta(microseconds=us % (253 * 10**15))),
    Kind.NUMBER: st.floats(allow_nan=False, allow_infinity=False),
    Kind.JSON: OBJECTS.map(lambda one: json.dumps(one, ensure_ascii=False)),
}
ROWS = st.lists(st.fixed_dictionaries({}, optional={name: VALUES[kind] for name, kind in FIELDS.items()}), max_size=5)


def parsed(content: bytes) -> list[dict]:
    return [json.loads(line) for line in content.decode().split("\n")[:-1]]


@settings(max_examples=120, deadline=None)
@given(ROWS)
def test_lines_say_what_the_search_answers(made):
    batch = Batch.of(made)
    assert parsed(ndjson(batch)) == json.loads(rows.dump(rows.events(batch.table)))


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS, st.integers(0, 300))
def test_what_lacks_what_nearly_all_have_is_rendered_the_same(alike, odd, place):
    made = [*alike * 60, *alike[:1] * 60]
    made[place:place] = odd
    batch = Batch.of(made)
    assert parsed(ndjson(batch)) == json.loads(rows.dump(rows.events(batch.table)))
    together = lines(batch).to_pylist()
    for row in range(place, min(place + len(odd), len(made))):
        assert lines(Batch(batch.table.slice(row, 1))).to_pylist() == [together[row]]


@settings(max_examples=120, deadline=None)
@given(ROWS, st.booleans())
def test_every_line_is_json_in_the_order_of_the_schema_and_names_nothing_twice(made, merged):
    batch = Batch.of(made)
    content = ndjson(batch, {"timestamp": "@timestamp", "level": "log.level"}, merged=merged, without={"id"})
    assert content.count(b"\n") == len(batch)
    for line, row in zip(content.decode().split("\n"), batch.table.to_pylist(), strict=False):
        pairs: list = []
        json.loads(line, object_pairs_hook=lambda found, pairs=pairs: pairs.append(found) or dict(found))
        names = [name for name, _ in pairs[-1]]
        assert len(names) == len(set(names))
        assert "id" not in names or merged
        expected = [name for name in FIELDS if row[name] is not None and name not in {"id", "attributes"}]
        shown = {"timestamp": "@timestamp", "level": "log.level"}
        assert names[: len(expected)] == [shown.get(name, name) for name in expected]


@settings(max_examples=80, deadline=None)
@given(OBJECTS)
def test_merged_attributes_stand_beside_the_fields_and_a_field_wins(attributes):
    batch = Batch.of([{"id": "e1", "level": "INFO", "attributes": json.dumps(attributes, ensure_ascii=False)}])
    taken = set(FIELDS) - {"attributes"}
    expected = {name: value for name, value in attributes.items() if name not in taken} | {"id": "e1", "level": "INFO"}
    assert parsed(ndjson(batch, merged=True)) == [expected]


@pytest.mark.parametrize("attributes", ["", "[1]", "nonsense", '"text"', "{} trailing", "7"])
@pytest.mark.parametrize("merged", [False, True])
def test_attributes_that_are_no_object_become_text(attributes, merged):
    batch = Batch.of([{"id": "e1", "attributes": attributes}])
    assert parsed(ndjson(batch, merged=merged)) == [{"id": "e1", "attributes": attributes}]


def test_attributes_over_several_lines_stay_on_one():
    batch = Batch.of([{"id": "e1", "attributes": '{\n  "a": 1,\r\n  "b": "x\\ny"\n}'}])
    assert parsed(ndjson(batch)) == [{"id": "e1", "attributes": {"a": 1, "b": "x\ny"}}]


def test_what_json_does_not_have_is_left_out_and_whole_numbers_keep_their_point():
    batch = Batch.of([{"id": str(n), "duration_ms": n} for n in (nan, inf, -inf, 100.0, 0.1, 1e22, -0.0)])
    found = parsed(ndjson(batch))
    assert [one.get("duration_ms") for one in found] == [None, None, None, 100.0, 0.1, 1e22, 0.0]
    assert b'"duration_ms":100.0' in ndjson(batch)


def test_an_event_without_anything_is_an_empty_object_and_no_event_is_nothing():
    assert ndjson(Batch.of([{}, {"id": "a"}])) == b'{}\n{"id":"a"}\n'
    assert ndjson(Batch.of([{}])) == b"{}\n"
    assert ndjson(Batch(SCHEMA.empty_table())) == b""


def test_a_part_of_a_batch_is_rendered_as_that_part():
    batch = events(0, 10)
    part = Batch(batch.table.slice(3, 4))
    assert lines(part).to_pylist() == lines(batch).to_pylist()[3:7]


def test_blocks_make_the_same_text_as_one(monkeypatch):
    batch = events(0, 10)
    whole = ndjson(batch)
    monkeypatch.setattr(rendering, "BLOCK", 3)
    assert ndjson(batch) == whole
    assert whole.count(b"\n") == 10


def test_a_line_for_eyes_says_when_what_and_where_and_nothing_in_it_acts_or_imitates():
    batch = Batch.of(
        [
            {
                "timestamp": datetime(2026, 11, 22, 10, tzinfo=UTC),
                "level": "ERROR",
                "service": "comfyui",
                "node": "VAEDecode",
                "message": "out of memory\x1b[2J\n2026-11-22T10:00:01Z INFO forged\u202e\x9b",
                "traceback": 'Traceback:\n  File "x.py"',
            },
            {"event": "node_finished"},
        ]
    )
    text = joined(readable(batch)).decode()
    assert text.split("\n") == [
        "2026-11-22T10:00:00.000000Z ERROR    comfyui VAEDecode out of memory[2J",
        "\t2026-11-22T10:00:01Z INFO forged",
        "\tTraceback:",
        '\t  File "x.py"',
        "         node_finished",
        "",
    ]
