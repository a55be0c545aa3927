"""The forward protocol as bytes: every mode, every oddity that peers write, and anything hostile."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from datetime import UTC, datetime

import msgpack
import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.wire.forward import entries, frames, records
from safelight.wire.forward.frames import Framer, Malformed
from safelight.wire.forward.messages import Message, acknowledged, packed, read, write
from safelight.wire.forward.time import EventTime

AT = EventTime(1_790_000_000, 123_456_789)
AT_TEXT = "2026-09-21T14:13:20.123456Z"
EXT = msgpack.ExtType(0, AT.pack())


def pack(value):
    return msgpack.packb(value, use_bin_type=True)


def run(*pairs):
    return b"".join(pack(list(pair)) for pair in pairs)


def events(message, limit=entries.DECOMPRESSED_LIMIT):
    return [entry for some in entries.entries(message, limit) for entry in some]


def lines(message):
    return [
        json.loads(
            records.flagged(one) if isinstance(one, entries.Broken) else records.line(records.readable(one.record))
        )
        for one in events(message)
    ]


def message(run_bytes, **options):
    return Message("t", memoryview(run_bytes), options)


TWO = run((EXT, {"n": 1}), (EXT, {"n": 2}))
MODES = {
    "message": pack(["t", EXT, {"n": 1}]),
    "message with options": pack(["t", EXT, {"n": 1}, {"chunk": "c"}]),
    "forward": pack(["t", [[EXT, {"n": 1}], [EXT, {"n": 2}]]]),
    "forward with options": pack(["t", [[EXT, {"n": 1}], [EXT, {"n": 2}]], {"size": 2, "chunk": "c"}]),
    "packed": pack(["t", TWO, {"size": 2, "chunk": "c"}]),
    "packed as text": b"\x93\xa1t\xdb" + len(TWO).to_bytes(4, "big") + TWO + pack({"chunk": "c"}),
    "packed with options that are nil": pack(["t", TWO, None]),
    "gzip": pack(["t", gzip.compress(TWO), {"compressed": "gzip", "chunk": "c"}]),
    "gzip of two members": pack(["t", gzip.compress(TWO[:15]) + gzip.compress(TWO[15:]), {"compressed": "gzip"}]),
    "zstd": pack(["t", zstandard.compress(TWO), {"compressed": "zstd", "chunk": "c"}]),
    "zstd of two frames": pack(
        ["t", zstandard.compress(TWO[:9]) + zstandard.compress(TWO[9:]), {"compressed": "zstd"}]
    ),
    "text that says it is not compressed": pack(["t", TWO, {"compressed": "text"}]),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_read_as_the_same_entries(mode):
    found = read(MODES[mode])
    expected = [entries.Entry(AT, {"n": 1}), entries.Entry(AT, {"n": 2})]
    assert events(found) == expected[: 1 if mode.startswith("message") else 2]
    assert found.tag == "t"
    assert found.chunk == ("c" if b"\xa5chunk" in MODES[mode] else None)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_a_stream_is_cut_into_messages_wherever_it_is_broken(mode, step):
    stream = MODES[mode] * 3
    framer = Framer()
    found = [one for at in range(0, len(stream), step) for one in framer.feed(stream[at : at + step])]
    assert found == [MODES[mode]] * 3
    assert framer.pending == 0


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (EXT, AT_TEXT),
        (1_790_000_000, 1_790_000_000),
        (1_790_000_000.5, 1_790_000_000.5),
        (0, None),
        (None, None),
        (msgpack.ExtType(0, bytes(8)), None),
        ("soon", None),
        (True, None),
    ],
    ids=["event time", "integer", "float", "zero", "nil", "zero event time", "text", "boolean"],
)
def test_a_time_is_what_the_sender_says_or_nothing(time, expected):
    (entry,) = events(message(run((time, {"a": 1}))))
    assert records.timed(entry) == expected


@given(st.integers(0, 4_294_967_000), st.integers(0, 999_999_999))
def test_an_event_time_survives_its_eight_bytes(seconds, nanoseconds):
    at = EventTime(seconds, nanoseconds)
    assert EventTime.unpack(at.pack()) == at
    assert datetime.fromisoformat(at.text()) == datetime.fromtimestamp(seconds, UTC).replace(
        microsecond=nanoseconds // 1_000
    )


def test_fluent_bits_metadata_and_groups_stay_with_their_records():
    marker = [[msgpack.ExtType(0, b"\xff\xff\xff\xff" + bytes(4)), {"schema": "otlp"}], {"resource": {"k": "v"}}]
    end = [[msgpack.ExtType(0, b"\xff\xff\xff\xfe" + bytes(4)), {}], {}]
    inside = [[EXT, {"otlp": {"severity_number": 9}}], {"log": "in"}]
    after = [[EXT, {}], {"log": "out"}]
    first, second = events(message(b"".join(map(pack, (marker, inside, end, after)))))
    assert first.record == {
        "log": "in",
        "metadata": {"otlp": {"severity_number": 9}},
        "group": {"schema": "otlp", "resource": {"k": "v"}},
    }
    assert second == entries.Entry(AT, {"log": "out"})


def test_metadata_in_the_options_of_a_message_stays_with_its_record():
    (entry,) = events(read(pack(["t", EXT, {"a": 1}, {"metadata": {"from": "here"}}])))
    assert entry.record == {"a": 1, "metadata": {"from": "here"}}


@pytest.mark.parametrize(("signal", "name"), [(0, None), (1, "metrics"), (2, "traces"), (9, "unknown_signal")])
def test_what_is_no_log_says_so(signal, name):
    assert read(pack(["t", TWO, {"fluent_signal": signal}])).signal == name


def test_one_entry_that_is_none_does_not_cost_the_others():
    bad = [
        pack(5),
        pack([EXT]),
        pack([EXT, "no map"]),
        b"\x92\x00\x81\x90\x01",
        b"\x92\x00\x81\xd7\xff" + b"\xff" * 8 + b"\x01",
    ]
    found = lines(message(b"".join(TWO[:15] + one for one in bad) + TWO[15:]))
    good = [line["n"] for line in found if "n" in line]
    flagged = [line["parse_error"] for line in found if "parse_error" in line]
    assert good == [1, 1, 1, 1, 1, 2]
    assert len(flagged) == 5
    assert all(flagged)


def test_the_rest_of_a_run_that_is_no_messagepack_is_kept_as_one_flagged_line():
    found = lines(message(TWO + b"\xc1 lost " + TWO))
    assert [line.get("n") for line in found] == [1, 2, None]
    assert "not MessagePack" in found[2]["parse_error"]
    assert "lost" in found[2]["raw"]


def test_an_entry_that_is_cut_off_is_kept_as_one_flagged_line():
    found = lines(message(TWO[:-1]))
    assert found[0] == {"n": 1}
    assert "cut off" in found[1]["parse_error"]


def test_an_entry_over_the_limit_is_flagged_and_the_others_stay():
    huge = pack([EXT, {"blob": "x" * entries.RECORD_LIMIT}])
    found = lines(message(TWO + huge + TWO))
    assert [line.get("n") for line in found] == [1, 2, None, 1, 2]
    assert "over the limit" in found[2]["parse_error"]
    assert len(found[2]["raw"]) <= entries.KEPT


def test_keys_and_values_that_json_cannot_hold_become_text():
    record = {1: "int", b"key": b"value", None: [b"in", {"deep": b"er"}], "at": EXT, "x": msgpack.ExtType(5, b"\x01")}
    (line,) = lines(message(run((EXT, record))))
    assert line == {
        "1": "int",
        "key": "value",
        "None": ["in", {"deep": "er"}],
        "at": AT_TEXT,
        "x": {"extension": 5, "data": "01"},
    }


def test_text_that_is_not_utf8_reaches_the_pipeline_as_it_was():
    chinese = "显存不足".encode("gb18030")
    for kind in (b"\xc4\x08", b"\xa8"):  # binary, and text that is none
        (entry,) = events(message(b"\x92\x00\x81\xa3log" + kind + chinese))
        assert records.line(records.readable(entry.record)) == b'{"log":"' + chinese + b'"}'


def test_many_entries_come_in_pieces_and_in_order():
    many = b"".join(pack([EXT, {"n": number, "pad": "x" * 200}]) for number in range(5_000))
    pieces = list(entries.entries(message(gzip.compress(many))))
    assert [entry.record["n"] for piece in pieces for entry in piece] == list(range(5_000))
    assert len(pieces) > 1


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_bomb_is_refused_at_the_limit(compress):
    bomb = compress(b"\x92\x00\x80" * 2_000_000)
    with pytest.raises(Malformed) as refused:
        events(message(bomb), limit=1_000_000)
    assert refused.value.why == "too_large"
    assert "decompressed_limit" in str(refused.value)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_what_cannot_be_decompressed_is_refused(compress):
    good = compress(TWO * 100)
    for end in range(5, len(good)):
        with pytest.raises(Malformed):
            events(message(good[:end]))
    with pytest.raises(Malformed):
        events(message(good + good[:4] + b"\xff" * 40))


def test_a_message_over_the_limit_is_refused_before_it_is_whole():
    framer = Framer(limit=1_000)
    with pytest.raises(Malformed) as refused:
        framer.feed(b"\x93\xa1t\xc6\x7f\xff\xff\xff" + bytes(2_000))
    assert refused.value.why == "too_large"


def test_lengths_that_lie_cost_nothing():
    framer = Framer()
    assert framer.feed(b"\xdd\xff\xff\xff\xff" * 900) == []  # arrays of 4 billion, each in the other
    with pytest.raises(Malformed):
        framer.feed(b"\xdd\xff\xff\xff\xff" * 1_000)


def test_nil_keeps_a_connection_alive_and_means_nothing():
    assert read(b"\xc0") is None


@pytest.mark.parametrize(
    "bad",
    [
        b"\x01",
        b"\x80",
        pack([]),
        pack(["t"]),
        pack([5, TWO]),
        pack(["t", TWO, 5]),
        pack(["t", EXT]),
        pack(["t", 1, 2, 3, 4]),
    ],
    ids=["number", "map", "nothing", "tag alone", "tag a number", "options a number", "no record", "too long"],
)
def test_what_is_no_message_is_refused_in_one_way(bad):
    with pytest.raises(Malformed):
        read(bad)


def survive(data):
    """Read as a connection would be: everything is lines, or Malformed."""
    framer = Framer(limit=100_000)
    with suppress(Malformed):
        for one in framer.feed(data):
            found = read(one)
            if found is not None and found.signal is None:
                assert all(isinstance(line, dict) for line in map(_strict, events(found, 100_000)))
                found.ack()


def _strict(one):
    try:
        raw = records.flagged(one) if isinstance(one, entries.Broken) else records.line(records.readable(one.record))
    except (RecursionError, ValueError):
        return {}
    return json.loads(raw.decode("utf-8", "replace"))


@pytest.mark.parametrize(
    ("key", "said"), [(None, "None"), (True, "True"), (7, "7"), (b"k\xff", "k\udcff"), (1.5, "1.5")]
)
def test_a_key_of_any_kind_becomes_text(key, said):
    assert records.readable({key: 1}) == {said: 1}
    assert records.line(records.readable({key: {key: 1}})).count(b":") == 2


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_arbitrary_bytes_end_in_one_clean_error_or_in_lines(data):
    survive(data)
    survive(b"\x93\xa1t\xc4" + bytes([min(len(data), 255)]) + data[:255] + b"\x80")


@given(st.sampled_from(sorted(MODES)), st.data())
@settings(max_examples=200, deadline=None)
def test_valid_messages_with_bytes_changed_end_in_one_clean_error_or_in_lines(mode, data):
    changed = bytearray(MODES[mode])
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    survive(bytes(changed))


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(st.dictionaries(st.text(max_size=8), PLAIN, max_size=4), max_size=5),
    st.sampled_from(["gzip", "zstd", "none"]),
)
@settings(max_examples=60, deadline=None)
def test_what_we_write_is_what_is_read(given_records, compression):
    ext = msgspec.msgpack.Ext(0, AT.pack())
    data = write("a.tag", packed([ext, one] for one in given_records), len(given_records), compression, "chunk")
    found = read(data)
    assert (found.tag, found.chunk) == ("a.tag", "chunk")
    assert events(found) == [entries.Entry(AT, one) for one in given_records]


def test_an_acknowledgement_says_the_chunk_in_the_type_it_came():
    for chunk in ("dGVzdA==\n", b"\x00\xff"):
        ack = read(pack(["t", TWO, {"chunk": chunk}])).ack()
        assert msgpack.unpackb(ack) == {"ack": chunk}
        assert acknowledged(ack) == chunk
    with pytest.raises(Malformed):
        acknowledged(pack({"nack": 1}))
    with pytest.raises(Malformed):
        acknowledged(b"\xc1")


def test_limits_are_those_of_the_documentation():
    assert frames.MESSAGE_LIMIT == 64 * 1024 * 1024
    assert entries.DECOMPRESSED_LIMIT == 256 * 1024 * 1024
    assert entries.RECORD_LIMIT == 4 * 1024 * 1024


def test_what_stands_beside_the_entries_has_a_limit_of_its_own():
    options = b"\x81\xa1x\xdd" + (300_000).to_bytes(4, "big") + b"\xc0" * 300_000
    with pytest.raises(frames.Malformed) as refused:
        read(b"\x93\xa1t\x90" + options)
    assert refused.value.why == "too_large"


def test_a_message_as_large_as_allowed_may_come_together_with_the_next():
    one = msgpack.packb(["t", b"x" * 1_000_000, {}])
    framer = frames.Framer(limit=len(one))
    assert framer.feed(one[:-10]) == []
    assert framer.feed(one[-10:] + one[:500_000]) == [one]
    assert framer.pending == 500_000


@given(st.lists(st.integers(0, 3_000_000), min_size=1, max_size=4), st.integers(1, 2_000_000))
@settings(max_examples=20, deadline=None)
def test_a_stream_of_large_messages_is_cut_right_wherever_it_is_split(sizes, step):
    messages = [msgpack.packb(["t", b"x" * size, {}]) for size in sizes]
    stream, framer = b"".join(messages), frames.Framer()
    found = [
        one
        for at in range(0, len(stream), max(step, 100_000))
        for one in framer.feed(stream[at : at + max(step, 100_000)])
    ]
    assert found == messages
