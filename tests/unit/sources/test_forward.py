"""The forward source over real sockets: recorded peers, handshakes, acknowledgements, back-pressure, misbehaviour."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import anyio
import msgpack
import pytest
from pydantic import ValidationError

from safelight.sources import forward, in_hand, peers
from safelight.sources.forward import Forward
from safelight.wire.forward import frames
from safelight.wire.forward.handshake import Doorkeeper, Visitor
from safelight.wire.forward.time import EventTime
from support.forwarding import certificates
from support.listening import PATIENCE_S, listening

GOLDEN = Path(__file__).parents[2] / "golden" / "forward"
SENT = sorted(path.stem for path in GOLDEN.glob("*.json") if "received" in path.read_text())
AT = msgpack.ExtType(0, EventTime(1_790_000_000, 123_456_789).pack())

pytestmark = pytest.mark.anyio


def source(**fields):
    return Forward(listen="127.0.0.1:0", **fields)


def pack(value):
    return msgpack.packb(value, use_bin_type=True)


def chunk(records, name="Y2h1bms=", tag="app.log"):
    run = b"".join(pack([AT, record]) for record in records)
    return pack([tag, run, {"size": len(records), **({"chunk": name} if name else {})}])


async def answer(stream, count=1):
    """So many answers."""
    unpacker, found = msgpack.Unpacker(unicode_errors="surrogateescape"), []
    with anyio.fail_after(PATIENCE_S):
        while len(found) < count:
            unpacker.feed(await stream.receive())
            found += list(unpacker)
    return found


async def safely(port, context):
    """A TLS connection of a client that does not insist on a farewell."""
    return await anyio.connect_tcp("localhost", port, ssl_context=context, tls_standard_compatible=False)


async def closed(stream):
    """Return when the other side has hung up."""
    with anyio.fail_after(PATIENCE_S):
        try:
            while True:
                await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return


@pytest.mark.parametrize("name", SENT)
async def test_what_a_real_peer_sent_becomes_events(name, monkeypatch):
    told = json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))
    nonce, salt, received = (base64.b64decode(told[part]) for part in ("nonce", "salt", "received"))
    keeper = Doorkeeper(told["key"], told["users"], "safelight", nonce, salt) if told["secured"] else None
    monkeypatch.setattr(Forward, "doorkeeper", lambda _: keeper)
    async with listening(source()) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
        await peer.send(received)
        if name.endswith("metrics"):
            await got.until(lambda: got.turned_away)
            assert got.turned_away == {"metrics": 1}
            assert (await answer(peer))[0]["ack"]
            return
        events = await got.got(told["entries"])
    messages = {event["message"]: event for event in events}
    assert not [event for event in events if "parse_error" in event]
    assert len(events) == told["entries"]
    oom = messages["CUDA out of memory"]
    assert (oom["level"], oom["node"]) == ("ERROR", "VAEDecode")
    first = messages["first line 你好"]
    assert first["level"] == "INFO"
    assert {event["attributes"].get("timestamp_from") for event in events} == {None}
    assert {event["timestamp"].year for event in events} == {2026}


async def test_an_acknowledgement_comes_when_the_events_are_durable_and_not_before():
    async with listening(source()) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
        got.hold()
        await peer.send(chunk([{"message": "one", "level": "INFO"}]))
        await got.until(lambda: got.bytes)
        with anyio.move_on_after(0.2) as waited:
            await peer.receive()
        assert waited.cancelled_caught
        assert got.events == []
        got.open.set()
        assert await answer(peer) == [{"ack": "Y2h1bms="}]
        assert [event["message"] for event in got.events] == ["one"]


async def test_messages_of_a_connection_keep_their_order_and_are_acknowledged_in_it():
    async with listening(source()) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
        await peer.send(b"".join(chunk([{"message": f"m{n}", "level": "INFO"}], f"chunk-{n}") for n in range(200)))
        acks = await answer(peer, 200)
        assert [ack["ack"] for ack in acks] == [f"chunk-{n}" for n in range(200)]
        assert [event["message"] for event in got.events] == [f"m{n}" for n in range(200)]


async def test_a_chunk_that_is_sent_again_gives_the_same_ids_and_another_gives_others():
    async with listening(source()) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
        first = chunk([{"message": "a", "level": "INFO"}, {"message": "a", "level": "INFO"}])
        await peer.send(
            first + first + chunk([{"message": "b", "level": "INFO"}]) + chunk([{"message": "a"}], None) * 2
        )
        events = await got.got(7)
    ids = [event["id"] for event in events]
    assert ids[0:2] == ids[2:4]
    assert len(set(ids)) == 5


async def test_tag_time_service_and_instance_are_columns():
    given = source(service="ddcolor", instance="gpu-1")
    async with listening(given) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
        await peer.send(
            chunk(
                [{"message": "m", "level": "warn"}, {"message": "m", "level": "info", "time": "2026-01-02T03:04:05Z"}]
            )
        )
        first, second = await got.got(2)
    assert (first["tag"], first["service"], first["instance"], first["level"]) == (
        "app.log",
        "ddcolor",
        "gpu-1",
        "WARNING",
    )
    assert first["timestamp"] == datetime(2026, 9, 21, 14, 13, 20, 123_456, UTC)
    assert second["timestamp"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


async def test_a_time_of_the_record_that_is_none_does_not_hide_that_of_the_sender():
    async with listening(source()) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
        await peer.send(chunk([{"message": "m", "level": "info", "time": "noon"}]))
        (event,) = await got.got(1)
    assert event["timestamp"] == datetime(2026, 9, 21, 14, 13, 20, 123_456, UTC)
    assert event["attributes"]["time"] == "noon"


WRAPPED = {
    "docker": (
        {
            "log": "[ERROR] 2024-05-13 14:22:31 Failed to decode image: invalid file header\n",
            "container_name": "/dd",
            "source": "stdout",
        },
        {
            "level": "ERROR",
            "message": "Failed to decode image: invalid file header",
            "timestamp": datetime(2024, 5, 13, 14, 22, 31, tzinfo=UTC),
        },
        {"container_name": "/dd", "source": "stdout"},
    ),
    "kubernetes with JSON inside": (
        {
            "log": '{"level":"ERROR","message":"no memory","node":"VAEDecode","steps":3}',
            "stream": "stderr",
            "kubernetes": {"pod_name": "p"},
        },
        {"level": "ERROR", "message": "no memory", "node": "VAEDecode"},
        {"stream": "stderr", "kubernetes": {"pod_name": "p"}, "steps": 3},
    ),
    "message alone": ({"message": "WARNING: disk is nearly full"}, {"level": "WARNING"}, {}),
    "journald": (
        {"MESSAGE": "it broke", "PRIORITY": "3", "_HOSTNAME": "gpu-1", "SYSLOG_IDENTIFIER": "sshd"},
        {"level": "ERROR", "message": "it broke", "host": "gpu-1"},
        {"program": "sshd"},
    ),
    "a level beside the line": ({"log": "[DEBUG] text", "level": "error"}, {"level": "ERROR", "message": "text"}, {}),
    "an event by itself": (
        {"message": "[ERROR] text", "level": "info"},
        {"level": "INFO", "message": "[ERROR] text"},
        {},
    ),
    "both say it": (
        {"log": '{"message":"inner","level":"INFO","stream":"own"}', "stream": "stderr"},
        {"message": "inner"},
        {"stream": "own", "outer": {"stream": "stderr"}},
    ),
    "JSON that is none": (
        {"log": '{"level": "ERROR", "message', "pod": "p"},
        {"level": "WARNING", "raw": '{"level": "ERROR", "message'},
        {"pod": "p"},
    ),
}


@pytest.mark.parametrize("what", WRAPPED)
async def test_a_line_inside_a_record_is_understood_beside_the_facts_around_it(what):
    record, fields, attributes = WRAPPED[what]
    async with listening(source()) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
        await peer.send(chunk([record]))
        (event,) = await got.got(1)
    assert {name: event.get(name) for name in fields} == fields
    assert {name: event["attributes"].get(name) for name in attributes} == attributes
    assert ("parse_error" in event) == ("raw" in fields)


async def test_chinese_that_is_not_utf8_is_read_and_flagged():
    text = "[ERROR] 显存不足，请减小分辨率".encode("gb18030")
    async with listening(source()) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
        await peer.send(chunk([{"message": text, "level": "ERROR"}]))
        (event,) = await got.got(1)
    assert event["message"] == "[ERROR] 显存不足，请减小分辨率"
    assert "GB 18030" in event["parse_error"]


async def test_bad_records_are_kept_and_flagged_and_their_chunk_is_acknowledged():
    run = pack([AT, {"message": "good", "level": "INFO"}])
    async with listening(source()) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
        await peer.send(pack(["t", run + pack("bad") + run, {"chunk": "c"}]))
        assert await answer(peer) == [{"ack": "c"}]
    assert [event.get("message") for event in got.events] == ["good", "'bad'", "good"]
    assert [("parse_error" in event) for event in got.events] == [False, True, False]


async def test_a_record_nested_too_deep_is_kept_and_flagged():
    deep = b"\x81\xa1a" * 900 + b"\x01"
    async with listening(source()) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
        await peer.send(
            pack(["t", b"\x92\x00" + deep + pack([AT, {"message": "good", "level": "INFO"}]), {"chunk": "c"}])
        )
        await answer(peer)
    assert [("parse_error" in event) for event in got.events] == [True, False]


async def test_a_large_chunk_is_made_durable_in_parts_and_acknowledged_once():
    records = [{"message": f"m{n}", "level": "INFO", "pad": "x" * 900} for n in range(10_000)]
    run = b"".join(pack([AT, record]) for record in records)
    async with listening(source()) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
        await peer.send(pack(["t", gzip.compress(run), {"compressed": "gzip", "chunk": "c"}]))
        assert await answer(peer) == [{"ack": "c"}]
    assert [event["message"] for event in got.events] == [f"m{n}" for n in range(10_000)]
    assert len(got.batches) > 1


async def test_while_nothing_can_be_stored_a_sender_waits_and_its_events_come_once(monkeypatch):
    monkeypatch.setattr("safelight.sources.inbox.PATIENCE_S", 0.0)
    async with listening(source()) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
        got.hold()
        await peer.send(chunk([{"message": "held", "level": "INFO"}]))
        await got.until(lambda: got.bytes)
        await anyio.wait_all_tasks_blocked()
        got.open.set()
        assert await answer(peer) == [{"ack": "Y2h1bms="}]
        await peer.send(chunk([{"message": "next", "level": "INFO"}]))
        await answer(peer)
    assert [event["message"] for event in got.events] == ["held", "next"]


async def test_a_record_on_which_the_reader_fails_spoils_neither_its_chunk_nor_other_connections():
    run = pack([AT, {"message": "good", "level": "INFO"}])
    nested = {depth: b"\x92\x01\x81\xa1a" + b"\x91" * depth + b"\xc0" for depth in range(960, 1_020, 4)}
    async with listening(source()) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
        for depth, deep in nested.items():
            await peer.send(pack(["t", run + deep + run, {"chunk": str(depth)}]))
            assert await answer(peer) == [{"ack": str(depth)}]
    assert [("parse_error" in event) for event in got.events] == [False, True, False] * len(nested)


async def test_a_mistake_of_ours_ends_one_connection_and_is_told(monkeypatch):
    def fail(*_):
        raise RuntimeError("ours")

    async with listening(source()) as got, await anyio.connect_tcp("127.0.0.1", got.port) as good:
        with monkeypatch.context() as broken:
            broken.setattr(forward, "read", fail)
            async with await anyio.connect_tcp("127.0.0.1", got.port) as bad:
                await bad.send(chunk([{"message": "x"}]))
                await closed(bad)
        await good.send(chunk([{"message": "well", "level": "INFO"}]))
        assert await answer(good) == [{"ack": "Y2h1bms="}]
    assert got.turned_away == {"failed": 1}
    assert "RuntimeError: ours" in next(iter(got.troubles.values()))


async def test_what_came_whole_before_a_mistake_is_kept():
    good = chunk([{"message": "good", "level": "INFO"}], name=None)
    damaged = pack(["t", gzip.compress(b"x")[:-9], {"compressed": "gzip"}])
    for bad in (b"\xc1", damaged):
        async with listening(source()) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
            await peer.send(good + bad)
            await closed(peer)
            await got.got(1)
        assert [event["message"] for event in got.events] == ["good"]
        assert got.turned_away == {"malformed": 1}


async def test_messages_that_wait_to_be_stored_count_and_make_others_wait(monkeypatch):
    monkeypatch.setattr(in_hand, "IN_HAND_BYTES", 1_000)
    everybody = in_hand.InHand()
    with everybody.share() as first, everybody.share() as second:
        first.holds(0, whole=2_000)
        second.holds(10)
        with anyio.move_on_after(0) as waiting:
            await second.room()
        assert waiting.cancelled_caught
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(second.room)
                await anyio.wait_all_tasks_blocked()
                first.holds(0)
        with pytest.raises(frames.Malformed):
            second.holds(2_000)
    assert everybody.total == 0


async def shaken(peer, visitor):
    """The client's side of the handshake; what it has against the server."""
    helo = await peer.receive()
    await peer.send(visitor.ping(helo))
    return visitor.refusal(await peer.receive())


async def test_who_has_the_key_is_let_in_and_what_came_with_the_ping_is_read():
    given = source(shared_key="key", users={"agent": "word"})
    async with listening(given) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
        ping = Visitor("key", "agent", "word", "them").ping(await peer.receive())
        await peer.send(ping + chunk([{"message": "early", "level": "INFO"}]))
        found = await answer(peer, 2)
    assert found[0][:2] == ["PONG", True]
    assert found[1] == {"ack": "Y2h1bms="}


@pytest.mark.parametrize(
    "visitor",
    [("wrong", "agent", "word"), ("key", "agent", "wrong"), ("key", "", "")],
    ids=["key", "password", "nobody"],
)
async def test_who_has_not_is_told_so_and_nothing_of_it_is_read(visitor):
    async with listening(source(shared_key="key", users={"agent": "word"})) as got:
        async with await anyio.connect_tcp("127.0.0.1", got.port) as peer:
            assert await shaken(peer, Visitor(*visitor, "them"))
            await closed(peer)
        assert got.turned_away == {"handshake": 1}
        assert "shared_key" in str(got.troubles)
    assert got.events == []


async def test_events_without_a_handshake_are_not_taken_where_a_key_is_asked_for():
    async with listening(source(shared_key="key")) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
        await peer.send(chunk([{"message": "stranger"}]))
        await closed(peer)
    assert got.events == []
    assert got.turned_away == {"malformed": 1}


async def test_over_tls_it_works_the_same_and_without_it_nothing_is_taken(tmp_path):
    cert, key = certificates(tmp_path)
    trusting = ssl.create_default_context(cafile=cert)
    async with listening(source(tls={"cert": cert, "key": key})) as got:
        async with await safely(got.port, trusting) as peer:
            await peer.send(chunk([{"message": "safe", "level": "INFO"}]))
            assert await answer(peer) == [{"ack": "Y2h1bms="}]
        async with await anyio.connect_tcp("127.0.0.1", got.port) as peer:
            await peer.send(chunk([{"message": "open"}]))
            await closed(peer)
        await got.until(lambda: got.turned_away)
    assert [event["message"] for event in got.events] == ["safe"]
    assert got.turned_away == {"tls": 1}
    assert "TLS" in str(got.troubles)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "malformed"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "malformed"),
        (b"\xc1", "malformed"),
        (b"\x93\xa1t\xc6\x7f\xff\xff\xff" + bytes(3_000_000), "too_large"),
    ],
    ids=["http", "tls", "nonsense", "huge"],
)
async def test_what_is_not_the_protocol_closes_its_connection_and_no_other(sent, why):
    async with (
        listening(source(message_limit="1MB")) as got,
        await anyio.connect_tcp("127.0.0.1", got.port) as good,
        await anyio.connect_tcp("127.0.0.1", got.port) as bad,
    ):
        with anyio.move_on_after(PATIENCE_S):
            with suppress(anyio.BrokenResourceError):  # it may be closed while we are still sending
                await bad.send(sent)
        await closed(bad)
        await good.send(chunk([{"message": "well", "level": "INFO"}]))
        assert await answer(good) == [{"ack": "Y2h1bms="}]
    assert got.turned_away == {why: 1}
    assert len(got.troubles) == 1


async def test_a_bomb_closes_its_connection_and_is_not_acknowledged():
    bomb = gzip.compress(b"\x92\x00\x80" * 1_000_000)
    async with (
        listening(source(decompressed_limit="100KB")) as got,
        await anyio.connect_tcp("127.0.0.1", got.port) as peer,
    ):
        await peer.send(pack(["t", bomb, {"compressed": "gzip", "chunk": "c"}]))
        await closed(peer)
    assert got.turned_away == {"too_large": 1}


async def test_unfinished_messages_of_all_together_are_bounded(monkeypatch):
    monkeypatch.setattr(in_hand, "IN_HAND_BYTES", 1_000)
    half = b"\x93\xa1t\xc5\x10\x00" + bytes(600)
    async with (
        listening(source()) as got,
        await anyio.connect_tcp("127.0.0.1", got.port) as first,
        await anyio.connect_tcp("127.0.0.1", got.port) as second,
    ):
        await first.send(half)
        await got.until(lambda: got.bytes == len(half))
        await second.send(half)
        await closed(second)
        await first.send(bytes(0x1000 - 600) + pack({"chunk": "c"}))
        assert await answer(first) == [{"ack": "c"}]
    assert got.turned_away == {"too_large": 1}


async def test_a_message_that_is_never_finished_is_given_up(monkeypatch):
    monkeypatch.setattr(forward, "STALL_S", 0.05)
    async with listening(source()) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
        await peer.send(chunk([{"message": "half"}])[:-3])
        await closed(peer)
    assert got.turned_away == {"slow": 1}


async def test_a_handshake_that_does_not_go_on_is_given_up(monkeypatch):
    monkeypatch.setattr(forward, "HANDSHAKE_S", 0.05)
    async with listening(source(shared_key="key")) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
        await closed(peer)
    assert got.turned_away == {"slow": 1}


async def test_no_more_connections_are_taken_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(peers, "CONNECTIONS", 1)
    async with listening(source()) as got, await anyio.connect_tcp("127.0.0.1", got.port) as first:
        await got.until(lambda: got.connected == 1)
        async with await anyio.connect_tcp("127.0.0.1", got.port) as second:
            await closed(second)
        await first.send(chunk([{"message": "still here", "level": "INFO"}]))
        await answer(first)
    assert got.turned_away == {"connections": 1}


async def test_who_is_not_in_a_named_network_is_sent_away():
    async with (
        listening(source(allow_from=["10.0.0.0/8"])) as got,
        await anyio.connect_tcp("127.0.0.1", got.port) as peer,
    ):
        await closed(peer)
    assert got.turned_away == {"address": 1}


async def test_heartbeats_are_answered_where_they_are_asked_for():
    async with (
        listening(source(heartbeat=True)) as got,
        await anyio.create_connected_udp_socket("127.0.0.1", got.port) as pulse,
    ):
        await pulse.send(b"\0")
        with anyio.fail_after(PATIENCE_S):
            assert await pulse.receive() == b"\0"


async def test_a_port_that_is_taken_is_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Exception, match=f"listen on 127.0.0.1:{taken.getsockname()[1]}"):
            async with listening(Forward(listen=f"127.0.0.1:{taken.getsockname()[1]}")):
                pass


async def test_beyond_this_machine_it_listens_only_with_something_that_keeps_strangers_out():
    with pytest.raises(ValidationError, match="shared_key"):
        Forward(listen="0.0.0.0:24224")
    assert Forward(listen="0.0.0.0:24224", shared_key="key")
    assert Forward(listen="0.0.0.0:24224", allow_from=["10.0.0.0/8"])


async def test_users_need_the_key():
    with pytest.raises(ValidationError, match="shared_key"):
        source(users={"a": "b"})


async def test_secrets_do_not_show():
    assert "hidden" not in repr(source(shared_key="hidden", users={"a": "hidden"}))
