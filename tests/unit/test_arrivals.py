"""What our processes hand to each other, of any version and from anybody."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.arrivals import MOST_EVENTS, Consignment, Label
from safelight.batch import SCHEMA, Batch
from safelight.errors import InputError

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
UNDERSTOOD = Label(batch_id="gpu-7.1", understood=True, agent="gpu-7")


def events(count=3, **more):
    return Batch.of(
        {"id": f"e{n}", "timestamp": NOON, "received_at": NOON, "level": "INFO", "message": f"m{n}", **more}
        for n in range(count)
    )


def stream(table, label=UNDERSTOOD, **options):
    """As another version, or somebody else, writes it."""
    schema = table.schema.with_metadata({b"safelight": msgspec.json.encode(label)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table.cast(schema))
    return sink.getvalue().to_pybytes()


def parsed(table, label=UNDERSTOOD):
    return Consignment.parse(stream(table, label))


def test_lines_and_events_come_out_as_they_went_in():
    lines = Batch.of([{"id": "a", "raw": "line"}])
    raw = Consignment.parse(Consignment.of(lines, {"ingest:x": "5"}, "comfyui", "b1").dump())
    assert (raw.batch.table.equals(lines.table), raw.label.understood) == (True, False)
    assert raw.label == Label({"ingest:x": "5"}, "comfyui", "b1")
    sent = Consignment.parse(Consignment.understood(events(), "gpu-7", "gpu-7.1").dump())
    assert sent.batch.table.equals(events().table)
    assert sent.label == UNDERSTOOD


def test_an_older_sender_has_fewer_columns_in_any_order():
    table = events().table.select(["message", "id", "received_at"])
    found = parsed(table).batch
    assert found.table.schema.equals(SCHEMA)
    assert found["message"].to_pylist() == ["m0", "m1", "m2"]
    assert found["timestamp"].to_pylist() == [NOON] * 3
    assert found["attributes"].null_count == 3


def test_what_a_newer_sender_knows_more_becomes_attributes():
    table = events(attributes='{"steps":30,"mood":"own"}').table
    table = table.append_column("mood", pa.array(["calm", None, "bright"])).append_column("heat", pa.array([1.5, 2, 3]))
    found = [json.loads(text) for text in parsed(table).batch["attributes"].to_pylist()]
    assert found[0] == {"steps": 30, "mood": "own", "heat": 1.5}
    assert found[1] == {"steps": 30, "mood": "own", "heat": 2.0}
    plain = events().table.append_column("mood", pa.array(["calm", None, None]))
    assert parsed(plain).batch["attributes"].to_pylist() == ['{"mood":"calm"}', None, None]


def test_a_newer_label_is_read_too():
    schema = SCHEMA.with_metadata({b"safelight": b'{"understood":true,"agent":"a","since":"tomorrow"}'})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(events().table.cast(schema))
    assert Consignment.parse(sink.getvalue().to_pybytes()).label.agent == "a"


def test_every_event_has_an_id_and_its_times_and_a_level_of_ours_or_none():
    table = Batch.of([{"id": None, "level": "warn"}, {"id": "", "level": "loud"}, {"id": "c", "level": "ERROR"}]).table
    found = parsed(table).batch
    assert all(found["id"].to_pylist())
    assert len(set(found["id"].to_pylist())) == 3
    assert found["received_at"].null_count == found["timestamp"].null_count == 0
    assert found["level"].to_pylist() == ["WARNING", None, "ERROR"]


@pytest.mark.parametrize("wrong", ["[1]", "nonsense", '{"a":1}\n{"index":{}}', '{"a":' * 5_000, "", "1"])
def test_attributes_that_are_no_object_are_kept_beside_and_flagged(wrong):
    table = Batch.of([{"id": "a", "attributes": wrong}, {"id": "b", "attributes": '{"b":1}'}]).table
    found = parsed(table).batch
    assert found["attributes"].to_pylist() == [None, '{"b":1}']
    assert found["raw"].to_pylist() == [wrong, None]
    assert found["parse_error"].to_pylist() == ["the attributes are no JSON object", None]


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_compressed_columns_are_refused_before_they_are_taken_apart(codec):
    with pytest.raises(InputError, match="compression"):
        Consignment.parse(stream(events(message="x" * 100_000).table, compression=codec))
    with pytest.raises(InputError, match="compression"):
        Consignment.parse(stream(events(message="x" * 100_000).table, Label(), compression=codec))


HUGE = 2**40


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (events().table.drop_columns(["id"]), "schema"),
        (events().table.append_column("id", pa.array(["x"] * 3)), "schema"),
        (events().table.set_column(5, "message", pa.array([1, 2, 3])), "message: int64"),
        (events().table.set_column(5, "message", pa.array(["a"] * 3).dictionary_encode()), "dictionary"),
        (events().table.set_column(5, "message", pa.array(["a"] * 3, pa.string_view())), "string_view"),
        (events().table.append_column("more", pa.array([[1], [2], [3]])), "more: list"),
        (events().table.append_column("more", pa.nulls(3)), "more: null"),
        (pa.table({"more": pa.nulls(2_000_000)}), "schema"),
        (pa.table({"id": pa.array(["a"] * (MOST_EVENTS + 1))}), "schema"),
        (events().table.set_column(0, "id", pa.array([b"\xff", b"a", b"b"]).view(pa.string())), "UTF8"),
    ],
    ids=[
        "no id",
        "two ids",
        "a number for text",
        "a dictionary",
        "a view",
        "a list",
        "nothing but a length",
        "no columns of ours",
        "too many",
        "no UTF-8",
    ],
)
def test_what_could_grow_or_is_no_column_of_ours_is_refused(table, why):
    with pytest.raises(InputError, match=why):
        parsed(table)


def test_runs_that_are_said_to_be_long_are_refused():
    long = pa.RunEndEncodedArray.from_arrays(pa.array([50_000], pa.int32()), pa.array(["x" * 1_000]))
    table = pa.table({"id": pa.array(["a"] * 50_000), "more": long})
    with pytest.raises(InputError, match="more: run_end_encoded"):
        parsed(table)


@pytest.mark.parametrize(
    "label",
    [
        Label({"file:/etc/passwd": "0"}, understood=True),
        Label({"spool:x": None}),
        Label(understood=True, agent="x" * 201),
        Label(understood=True, batch_id="x" * 201),
        Label({f"ingest:{number}": "0" for number in range(101)}, understood=True),
        Label({f"ingest:{'x' * 200}": "0"}, understood=True),
        Label({"ingest:x": "0" * 65_537}, understood=True),
    ],
    ids=[
        "a position",
        "a position of lines",
        "a long name",
        "a long id",
        "many positions",
        "a long key",
        "a long position",
    ],
)
def test_a_sender_may_not_say_what_is_not_its_own(label):
    with pytest.raises(InputError, match="label"):
        parsed(events().table, label)


def test_lines_must_have_exactly_our_columns():
    with pytest.raises(InputError, match="schema"):
        parsed(events().table.select(["id", "raw"]), Label())


GOOD = Consignment.understood(events(20, attributes='{"a":1}'), "gpu-7", "1").dump()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255), st.integers(0, len(GOOD)))
def test_a_damaged_consignment_is_refused_or_still_well_formed(at, change, cut):
    damaged = bytearray(GOOD)
    damaged[at] ^= change
    for body in (bytes(damaged), GOOD[:cut]):
        try:
            found = Consignment.parse(body)
        except InputError:
            continue
        assert found.batch.table.schema.equals(SCHEMA)
        found.batch.table.drop_columns([] if found.label.understood else ["raw"]).validate(full=True)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused(body):
    with pytest.raises(InputError):
        Consignment.parse(body)
