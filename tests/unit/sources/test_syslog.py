"""The syslog source over real sockets: UDP, TCP and TLS."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime

import anyio
import pytest
from pydantic import ValidationError

from safelight.sources import syslog
from safelight.sources.syslog import Syslog
from support.forwarding import certificates
from support.listening import PATIENCE_S, listening

pytestmark = pytest.mark.anyio


def source(**fields):
    return Syslog(**{"listen": "127.0.0.1:0", "timezone": "UTC", **fields})


async def over_tcp(port, data, **more):
    async with await anyio.connect_tcp("localhost", port, **more) as stream:
        await stream.send(data)


async def over_udp(port, *datagrams):
    async with await anyio.create_connected_udp_socket("127.0.0.1", port) as sender:
        for datagram in datagrams:
            await sender.send(datagram)


FULL = b'<11>1 2026-01-02T03:04:05.678+08:00 gpu-1 comfyui 42 OOM [run@1 id="wf-1"] out of memory'


async def test_a_message_becomes_an_event_with_all_that_it_says():
    async with listening(source()) as got:
        await over_udp(got.port, FULL)
        (event,) = await got.got(1)
    assert event["timestamp"] == datetime(2026, 1, 1, 19, 4, 5, 678_000, UTC)
    assert (event["level"], event["host"], event["service"], event["message"]) == (
        "ERROR",
        "gpu-1",
        "comfyui",
        "out of memory",
    )
    assert event["attributes"] == {
        "program": "comfyui",
        "process_id": "42",
        "message_id": "OOM",
        "facility": "user",
        "severity_name": "err",
        "structured_data": {"run@1": {"id": "wf-1"}},
    }


async def test_the_program_is_the_service_only_where_the_source_names_none():
    async with listening(source(service="ddcolor", instance="gpu-1", tag="sys")) as got:
        await over_udp(got.port, FULL)
        (event,) = await got.got(1)
    assert (event["service"], event["instance"], event["tag"]) == ("ddcolor", "gpu-1", "sys")
    assert event["attributes"]["program"] == "comfyui"


async def test_a_time_without_a_zone_is_read_in_that_of_the_source():
    async with listening(source(timezone="Asia/Shanghai")) as got:
        await over_udp(got.port, b"<13>2026-05-13 14:22:31 host app: text")
        (event,) = await got.got(1)
    assert event["timestamp"] == datetime(2026, 5, 13, 6, 22, 31, tzinfo=UTC)


async def test_who_sent_it_is_the_host_of_a_message_that_names_none():
    async with listening(source()) as got:
        await over_udp(got.port, b"<13>app: text")
        (event,) = await got.got(1)
    assert event["host"] == "127.0.0.1"
    assert event["attributes"]["timestamp_from"] == "arrival"


INSIDE = {
    b'<14>Oct 11 22:14:15 host app: @cee: {"level":"ERROR","message":"no memory","steps":3}': ("ERROR", "no memory"),
    b'<14>Oct 11 22:14:15 host app: {"level":"debug","message":"fine"}': ("INFO", "fine"),
    b"<14>Oct 11 22:14:15 host app: [ERROR] broken": ("ERROR", "broken"),
    b"<11>Oct 11 22:14:15 host app: plain": ("ERROR", "plain"),
    b"plain text of nobody": ("INFO", "plain text of nobody"),
}


@pytest.mark.parametrize("number", range(len(INSIDE)))
async def test_the_text_is_understood_and_the_more_serious_level_counts(number):
    message, (level, text) = list(INSIDE.items())[number]
    async with listening(source()) as got:
        await over_udp(got.port, message)
        (event,) = await got.got(1)
    assert (event["level"], event["message"]) == (level, text)
    assert "parse_error" not in event


async def test_json_that_is_none_is_kept_and_flagged():
    async with listening(source()) as got:
        await over_udp(got.port, b'<14>Oct 11 22:14:15 host app: {"level":"ERR')
        (event,) = await got.got(1)
    assert event["raw"] == '{"level":"ERR'
    assert event["parse_error"]


async def test_text_that_is_not_utf8_is_read_and_flagged():
    async with listening(source()) as got:
        await over_udp(got.port, "<13>app: 显存不足，请减小分辨率".encode("gb18030"))
        (event,) = await got.got(1)
    assert event["message"] == "显存不足，请减小分辨率"
    assert "GB 18030" in event["parse_error"]


async def test_over_tcp_counted_messages_and_lines_arrive_in_their_order():
    async with listening(source()) as got:
        await over_tcp(got.port, b"7 <13>one<13>two\n<13>three")
        events = await got.got(3)
    assert [event["message"] for event in events] == ["one", "two", "three"]


async def test_over_tls_it_works_the_same(tmp_path):
    cert, key = certificates(tmp_path)
    trusting = ssl.create_default_context(cafile=cert)
    async with listening(source(tls={"cert": cert, "key": key})) as got:
        await over_tcp(got.port, b"8 <13>safe\n", ssl_context=trusting, tls_standard_compatible=False)
        (event,) = await got.got(1)
    assert event["message"] == "safe"


async def test_while_nothing_can_be_stored_tcp_waits_and_loses_nothing():
    async with listening(source()) as got:
        got.hold()
        await over_tcp(got.port, b"".join(b"<13>line %d\n" % number for number in range(500)))
        await got.until(lambda: got.bytes)
        assert got.events == []
        got.open.set()
        events = await got.got(500)
    assert [event["message"] for event in events] == [f"line {number}" for number in range(500)]


async def test_datagrams_beyond_the_queue_are_dropped_and_counted(monkeypatch):
    monkeypatch.setattr(syslog, "UDP_QUEUE", 6_000)
    mailbox = syslog._Mailbox(source(), got := Counting())
    for _ in range(10):
        mailbox.datagram_received(b"x" * 1_000, ("127.0.0.1", 1))
    assert got.turned_away == ["queue_full"] * 5
    assert len(await mailbox.take()) == 5
    mailbox.datagram_received(b"x", ("127.0.0.1", 1))
    assert len(await mailbox.take()) == 1


async def test_a_small_datagram_takes_more_of_the_queue_than_its_bytes(monkeypatch):
    monkeypatch.setattr(syslog, "UDP_QUEUE", 5_000)
    mailbox = syslog._Mailbox(source(), got := Counting())
    for _ in range(5_000):
        mailbox.datagram_received(b"x", ("127.0.0.1", 1))
    assert len(got.turned_away) > 4_900


class Counting:
    def __init__(self):
        self.turned_away = []

    def took(self, size): ...

    def refused(self, count, why):
        self.turned_away += [why] * count


async def test_what_is_too_long_is_cut_and_counted_and_what_is_empty_only_counted():
    async with listening(source(message_limit="2KB")) as got:
        await over_udp(got.port, b"<13>" + b"x" * 3_000, b"\n", b"<13>y")
        await over_tcp(got.port, b"<13>" + b"z" * 3_000 + b"\n")
        events = await got.got(3)
        await got.until(lambda: got.turned_away["cut"] == 2)
    assert sorted(len(event["message"]) for event in events) == [1, 2_044, 2_044]
    assert got.turned_away["empty"] == 1


async def test_who_is_not_in_a_named_network_is_not_heard():
    async with listening(source(allow_from=["10.0.0.0/8"])) as got:
        await over_udp(got.port, b"<13>stranger")
        with anyio.fail_after(PATIENCE_S):
            await over_tcp(got.port, b"")
        await got.until(lambda: got.turned_away["address"] == 2)
    assert got.events == []


async def test_a_port_that_is_free_for_tcp_only_is_not_taken(monkeypatch):
    real, taken = asyncio.get_running_loop().create_datagram_endpoint, []

    async def refuse_twice(*args, **more):
        if len(taken) < 2:
            taken.append(more["local_addr"])
            raise OSError(98, "Address already in use")
        return await real(*args, **more)

    monkeypatch.setattr(asyncio.get_running_loop(), "create_datagram_endpoint", refuse_twice)
    async with listening(source()) as got:
        await over_udp(got.port, b"<13>udp")
        await over_tcp(got.port, b"<13>tcp\n")
        await got.got(2)
    assert len(taken) == 2


LONE = '{"message": "é \\ud83d", "level": "INFO"}'


@pytest.mark.parametrize("send", [over_tcp, over_udp], ids=["tcp", "udp"])
async def test_no_text_ends_the_listening(send):
    deep = "".join(f'<13>{{"a":{"[" * depth}{"]" * depth}}}\n' for depth in (900, 985, 990, 995, 4_000)).encode()
    async with listening(source()) as got:
        for line in (f"<13>{LONE}\n".encode(), *deep.splitlines(keepends=True)):
            await send(got.port, line)
        await send(got.port, b"<13>after\n")
        events = await got.got(7)
    assert {event["message"] for event in events} >= {"é \ufffd", "after"}


async def test_while_nothing_can_be_stored_what_came_is_handed_on_once(monkeypatch):
    monkeypatch.setattr("safelight.sources.inbox.PATIENCE_S", 0.0)
    async with listening(source()) as got:
        got.hold()
        await over_tcp(got.port, b"<13>held\n")
        await got.until(lambda: got.bytes)
        await anyio.wait_all_tasks_blocked()
        got.open.set()
        await over_tcp(got.port, b"<13>next\n")
        await got.until(lambda: any(event["message"] == "next" for event in got.events))
    assert sorted(event["message"] for event in got.events) == ["held", "next"]


async def test_a_message_without_an_end_is_kept_when_its_sender_says_no_more(monkeypatch):
    monkeypatch.setattr(syslog, "STALL_S", 0.05)
    async with listening(source()) as got, await anyio.connect_tcp("127.0.0.1", got.port) as peer:
        await peer.send(b"<13>endless")
        (event,) = await got.got(1)
    assert event["message"] == "endless"


async def test_what_cannot_work_is_refused(tmp_path):
    with pytest.raises(ValidationError, match="allow_from"):
        source(listen="0.0.0.0:1514")
    with pytest.raises(ValidationError, match="tcp"):
        source(protocols=["udp"], tls={"cert": "a", "key": "b"})
    with pytest.raises(ValidationError):
        source(protocols=[])


@pytest.mark.parametrize("protocols", [["udp"], ["tcp"]], ids=["udp", "tcp"])
async def test_it_may_listen_over_one_only(protocols):
    async with listening(source(protocols=protocols)) as got:
        await (over_udp if protocols == ["udp"] else over_tcp)(got.port, b"<13>here\n")
        (event,) = await got.got(1)
    assert event["message"] == "here"
