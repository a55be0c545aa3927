"""The forward sink: what it writes, what it waits for, and which server it turns to."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import anyio
import msgpack
import pytest
from anyio.abc import SocketAttribute
from pydantic import ValidationError

from safelight.batch import Batch
from safelight.errors import SinkError
from safelight.sinks import fluent
from safelight.sinks.fluent import Chosen, Standing
from safelight.sinks.forward import Delivery, Forward, chunk_id, record, tag_of
from safelight.sources.forward import Forward as Source
from safelight.wire.forward import entries
from safelight.wire.forward.frames import Framer
from safelight.wire.forward.handshake import Visitor
from safelight.wire.forward.messages import acknowledged, read
from support.forwarding import certificates
from support.listening import PATIENCE_S, listening

GOLDEN = Path(__file__).parents[2] / "golden" / "forward"
ANSWERS = sorted(path.stem for path in GOLDEN.glob("*.json") if "pong" in path.read_text())

pytestmark = pytest.mark.anyio


def batch(count=3, **fields):
    row = {
        "timestamp": datetime(2026, 9, 21, 14, 13, 20, 123_456, UTC),
        "level": "INFO",
        "service": "comfyui",
        "message": "节点",
        "attributes": '{"steps": 30}',
        **fields,
    }
    return Batch.of(row | {"id": f"00000000-0000-{number:04d}"} for number in range(count))


class Server:
    """A server that takes messages and acknowledges them, but hangs up on those of these numbers."""

    def __init__(self, hang_up_on=()):
        self.hang_up_on = hang_up_on
        self.messages = []
        self.news = asyncio.Event()
        self.connections = 0
        self.port = 0

    async def meet(self, stream):
        self.connections += 1
        framer = Framer()
        async with stream:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    for one in framer.feed(await stream.receive()):
                        await self.answer(read(one), stream)

    async def answer(self, message, stream):
        self.messages.append(message)
        self.news.set()
        if len(self.messages) - 1 in self.hang_up_on:
            raise anyio.EndOfStream
        await stream.send(message.ack())


class Silent(Server):
    async def answer(self, message, stream):
        self.messages.append(message)


@asynccontextmanager
async def serving(hang_up_on=(), kind=Server) -> AsyncIterator[Server]:
    server = kind(hang_up_on)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        server.port = listener.extra(SocketAttribute.local_port)
        tasks.start_soon(listener.serve, server.meet)
        yield server
        tasks.cancel_scope.cancel()


def sink(*ports, **fields):
    return Forward(servers=[f"127.0.0.1:{port}" for port in ports], **fields)


async def send(to, *batches):
    with anyio.fail_after(PATIENCE_S):
        async with to.connect() as connection:
            for number, one in enumerate(batches):
                assert not await connection.send(one, f"batch-{number}")


def events(message):
    return [entry for some in entries.entries(message) for entry in some]


@pytest.mark.parametrize("compress", ["gzip", "zstd", "none"])
async def test_a_batch_goes_out_as_one_acknowledged_message(compress):
    async with serving() as server:
        await send(sink(server.port, compress=compress), batch())
    (message,) = server.messages
    assert message.tag == "safelight.comfyui"
    assert message.options["size"] == 3
    assert message.options.get("compressed", "none") == compress
    assert message.chunk == chunk_id("batch-0", "safelight.comfyui", 0)
    assert len(base64.b64decode(message.chunk)) == 16
    first = events(message)[0]
    assert first.time == (1_790_000_000, 123_456_000)
    assert first.record == {
        "id": "00000000-0000-0000",
        "timestamp": "2026-09-21T14:13:20.123456Z",
        "level": "INFO",
        "service": "comfyui",
        "message": "节点",
        "steps": 30,
    }


async def test_one_connection_serves_many_batches():
    async with serving() as server:
        await send(sink(server.port), batch(), batch(), batch())
    assert server.connections == 1
    assert len(server.messages) == 3


async def test_without_acknowledgements_none_is_asked_for():
    async with serving() as server:
        await send(sink(server.port, require_ack=False), batch())
        with anyio.fail_after(PATIENCE_S):
            await server.news.wait()
    assert server.messages[0].chunk is None


async def test_a_batch_of_several_tags_is_a_message_each():
    rows = [{"id": f"{number:016d}", "tag": tag, "message": "m"} for number, tag in enumerate(["a", "b", "a", None])]
    async with serving() as server:
        await send(sink(server.port), Batch.of(rows))
    found = {message.tag: [entry.record["id"][-1] for entry in events(message)] for message in server.messages}
    assert found == {"a": ["0", "2"], "b": ["1"], "safelight": ["3"]}
    assert len({message.chunk for message in server.messages}) == 3


async def test_a_large_batch_is_several_messages_that_any_fluent_bit_takes():
    large = batch(100, message="x" * 100_000)
    messages = dict(Delivery(sink(1, compress="none"), None).messages(large, "b"))
    assert len(messages) > 3
    assert max(map(len, messages.values())) < 2_300_000
    assert sum(read(one).options["size"] for one in messages.values()) == 100


@pytest.mark.parametrize(
    ("event", "template", "expected"),
    [
        ({"tag": "own", "service": "s"}, "{tag}", "own"),
        ({"service": "s"}, "{tag}", "safelight.s"),
        ({}, "{tag}", "safelight"),
        ({"instance": "gpu-1"}, "comfyui.{instance}.{level}", "comfyui.gpu-1.none"),
        ({"tag": "own"}, "studio.{tag}", "studio.own"),
    ],
    ids=["own", "service", "nothing", "template", "prefix"],
)
async def test_a_tag_is_the_events_own_or_as_the_template_says(event, template, expected):
    assert tag_of(event, template) == expected


@pytest.mark.parametrize(
    "template", ["", "{nothing}", "{", "{duration_ms}"], ids=["empty", "unknown", "open", "number"]
)
async def test_a_tag_that_cannot_be_filled_is_refused(template):
    with pytest.raises(ValidationError, match="is no tag"):
        sink(1, tag=template)


async def test_attributes_stand_beside_the_fields_but_not_in_their_place():
    from msgspec import Raw

    event = {"level": "INFO", "attributes": Raw(b'{"steps": 3, "level": "odd", "nested": {"a": [1, null]}}')}
    assert record(event) == {"steps": 3, "nested": {"a": [1, None]}, "level": "INFO", "attributes": {"level": "odd"}}


async def test_an_event_without_any_time_has_one_all_the_same():
    async with serving() as server:
        await send(sink(server.port), Batch.of([{"id": "0" * 16, "message": "m"}]))
    assert events(server.messages[0])[0].time == (0, 0)


async def test_what_is_not_acknowledged_is_an_error_and_is_sent_again_with_the_same_chunk():
    async with serving(hang_up_on={0, 1}) as server:
        with pytest.raises(SinkError, match="closed the connection"):
            await send(sink(server.port), batch())
        await send(sink(server.port), batch())
    assert len(server.messages) == 3
    assert len({message.chunk for message in server.messages}) == 1


async def test_a_connection_that_was_idle_for_too_long_is_opened_again_without_an_error():
    async with serving(hang_up_on={1}) as server:
        await send(sink(server.port), batch(), batch())
    assert server.connections == 2
    assert [message.chunk for message in server.messages[1:]] == [server.messages[1].chunk] * 2


async def test_a_server_that_never_acknowledges_is_given_up_after_the_time_out():
    async with serving(kind=Silent) as server:
        with pytest.raises(SinkError, match=r"no answer within 0\.1 s"):
            await send(sink(server.port, ack_timeout="100ms"), batch())


async def test_another_server_takes_over_at_once():
    async with serving(hang_up_on=range(1, 100)) as first, serving() as second:
        given = Forward(servers=[f"127.0.0.1:{first.port}", {"address": f"127.0.0.1:{second.port}", "standby": True}])
        async with given.connect() as connection:
            await connection.send(batch(), "one")
            await connection.send(batch(), "two")
            await connection.send(batch(), "three")
    assert len(first.messages) == 3  # one, and two attempts with the second: over the old and over a new connection
    assert [message.chunk for message in second.messages] == [
        chunk_id(name, "safelight.comfyui", 0) for name in ("two", "three")
    ]


async def test_only_what_was_not_acknowledged_goes_to_the_next_server():
    rows = [{"id": f"{number:016d}", "tag": tag, "message": "m"} for number, tag in enumerate("abc")]
    async with serving(hang_up_on=range(1, 100)) as first, serving() as second:
        given = Forward(servers=[f"127.0.0.1:{first.port}", {"address": f"127.0.0.1:{second.port}", "standby": True}])
        await send(given, Batch.of(rows))
    assert {message.tag for message in second.messages} == {"b", "c"}


async def test_a_standby_gives_back_when_the_others_are_well_again(monkeypatch):
    now = [1_000.0]
    async with serving() as first, serving() as second:
        given = Forward(servers=[f"127.0.0.1:{first.port}", {"address": f"127.0.0.1:{second.port}", "standby": True}])
        given._standing.clock = lambda: now[0]
        given._standing.failed(Chosen("127.0.0.1", first.port, None, 60, False))
        async with given.connect() as connection:
            await connection.send(batch(), "one")
            assert (len(first.messages), len(second.messages)) == (0, 1)
            now[0] += fluent.FORGIVEN_S + 1
            await connection.send(batch(), "two")
            assert (len(first.messages), len(second.messages)) == (1, 1)


async def test_servers_are_chosen_by_weight_those_on_standby_and_those_that_failed_come_last():
    servers = [
        Chosen("often", 1, None, 900, False),
        Chosen("rare", 1, None, 100, False),
        Chosen("standby", 1, None, 60, True),
    ]
    standing = Standing()
    firsts = [standing.order(servers)[0].host for _ in range(400)]
    assert firsts.count("often") > firsts.count("rare") > 0
    assert {standing.order(servers)[-1].host for _ in range(20)} == {"standby"}
    standing.failed(servers[0])
    standing.failed(servers[1])
    assert standing.order(servers)[0].host == "standby"


async def test_when_no_server_answers_it_says_why():
    async with serving() as server:
        port = server.port
    with pytest.raises(SinkError, match=f"127.0.0.1:{port}"):
        await send(sink(port), batch())


async def test_a_wrong_key_is_said():
    async with listening(Source(listen="127.0.0.1:0", shared_key="key")) as got:
        with pytest.raises(SinkError, match="shared_key mismatch"):
            await send(sink(got.port, shared_key="wrong"), batch())


async def test_from_safelight_to_safelight_an_event_stays_what_it_is(tmp_path):
    cert, key = certificates(tmp_path)
    source = Source(listen="127.0.0.1:0", shared_key="key", users={"agent": "word"}, tls={"cert": cert, "key": key})
    sent = batch(duration_ms=12.5, node="KSampler", error_type="E", traceback="a\nb", tag="t")
    async with listening(source) as got:
        out = Forward(
            servers=[f"localhost:{got.port}"], tls={"ca": cert}, shared_key="key", user="agent", password="word"
        )
        await send(out, sent)
        events = list(got.events)
    assert [event["id"] for event in events] == sent["id"].to_pylist()
    assert {name: events[0][name] for name in ("duration_ms", "node", "tag", "service", "level", "message")} == {
        "duration_ms": 12.5,
        "node": "KSampler",
        "tag": "t",
        "service": "comfyui",
        "level": "INFO",
        "message": "节点",
    }
    assert events[0]["attributes"] == {"steps": 30}
    assert events[0]["timestamp"] == datetime(2026, 9, 21, 14, 13, 20, 123_456, UTC)


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tmp_path):
    cert, key = certificates(tmp_path)
    async with listening(Source(listen="127.0.0.1:0", tls={"cert": cert, "key": key})) as got:
        with pytest.raises(SinkError, match=r"(?i)certificate"):
            await send(Forward(servers=[f"localhost:{got.port}"], tls={}), batch())
        await send(Forward(servers=[f"localhost:{got.port}"], tls={"verify": False}), batch())
        named = {"ca": cert, "server_name": "localhost"}
        await send(Forward(servers=[f"127.0.0.1:{got.port}"], tls=named), batch())


@pytest.mark.parametrize("name", ANSWERS)
async def test_what_a_real_server_answered_is_understood(name):
    told = json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))
    helo, ping, pong, ack = (base64.b64decode(told[part]) for part in ("helo", "ping", "pong", "ack"))
    visitor = Visitor("key", "agent", told["password"], "safelight", "00112233445566778899aabbccddeeff")
    assert visitor.ping(helo) == ping
    assert visitor.refusal(pong) == ("" if ack else "username/password mismatch")
    assert not ack or acknowledged(ack) == "Y2h1bms="
    assert not ack or msgpack.unpackb(ack) == {"ack": "Y2h1bms="}


@pytest.mark.parametrize(
    "wrong",
    [{"servers": []}, {"servers": ["a"], "user": "u"}, {"servers": [{"weight": 1}]}, {"servers": ["a b"]}],
    ids=["none", "user alone", "no address", "blank"],
)
async def test_what_cannot_work_is_refused(wrong):
    with pytest.raises(ValidationError):
        Forward.model_validate(wrong)


async def test_a_server_without_a_port_has_the_usual_one():
    places = [server.place for server in Forward(servers=["logs", "logs:1", "[::1]:2", "[::1]"]).servers]
    assert places == [("logs", 24224), ("logs", 1), ("::1", 2), ("::1", 24224)]
