"""Events over HTTP: taken, understood or flagged, and answered once they are durable."""

from __future__ import annotations

import gzip
import json

import anyio
import anyio.lowlevel
import pytest
import zstandard

from safelight.sources import http as http_module
from safelight.sources import inbox as inbox_module
from safelight.sources.http import Http
from safelight.sources.received import MOST_RECORD_BYTES
from support.receiving import receiving

pytestmark = pytest.mark.anyio

EVENTS = "/api/v1/events"
LINES = b'{"message":"one","level":"warn","id":"0190f3b0-0000-7000-8000-000000000001"}\n{"message":"two"}\n'


@pytest.fixture
async def http():
    async with receiving(Http()) as made:
        yield made


async def test_lines_become_events_that_say_where_they_came_from(http):
    answer = await http.post(EVENTS, LINES, "application/x-ndjson")
    assert (answer.status_code, answer.json()) == (200, {"accepted": 2, "refused": [], "refused_count": 0})
    assert http.raw == LINES.splitlines()
    one, two = http.rows
    assert (one["message"], one["level"], one["source"]) == ("one", "WARNING", "http 127.0.0.1")
    assert one["id"] == "0190f3b0-0000-7000-8000-000000000001"
    assert two["id"] != one["id"]
    assert one["received_at"] == two["received_at"]
    assert http.told.bytes == len(LINES)


async def test_ids_that_are_given_here_sort_as_the_records_came(http):
    await http.post(EVENTS, b"\n".join(b"line %d" % n for n in range(300)))
    ids = [row["id"] for row in http.rows]
    assert ids == sorted(set(ids))
    assert len(ids) == 300


@pytest.mark.parametrize(
    ("coding", "compress"), [("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress)]
)
async def test_compressed_they_are_the_same(http, coding, compress):
    sent = compress(LINES)
    answer = await http.post(EVENTS, sent, "application/x-ndjson", content_encoding=coding)
    assert answer.json()["accepted"] == 2
    assert http.raw == LINES.splitlines()
    assert http.told.bytes == len(sent), "as on the wire"


async def test_a_large_body_is_taken_as_well_as_a_small_one(http):
    lines = [json.dumps({"message": f"line {n}", "n": n}).encode() for n in range(20_000)]
    answer = await http.post(EVENTS, b"\n".join(lines))
    assert answer.json()["accepted"] == len(lines)
    assert http.raw == lines


async def test_what_is_not_understood_is_kept_and_flagged_beside_the_good(http):
    sent = [
        b'{"message":"good"}',
        b'{"broken": ',
        b"\x00\x01\x02",
        b"caf\xe9",
        b"[1,2]",
        b'{"a":' * 200 + b"1" + b"}" * 200,
    ]
    answer = await http.post(EVENTS, b"\n".join(sent), "application/x-ndjson")
    assert answer.json() == {"accepted": len(sent), "refused": [], "refused_count": 0}
    assert http.raw == sent
    good, *bad = http.rows
    assert "parse_error" not in good
    assert all(row["parse_error"] and row["raw"] for row in bad)


async def test_a_record_over_the_limit_is_named_and_the_others_are_taken(http):
    huge = b'{"message":"' + b"x" * MOST_RECORD_BYTES + b'"}'
    answer = await http.post(EVENTS, b'{"n":1}\n' + huge + b'\n{"n":2}\n' + huge, "application/x-ndjson")
    told = answer.json()
    assert (answer.status_code, told["accepted"], told["refused_count"]) == (200, 2, 2)
    assert [one["index"] for one in told["refused"]] == [1, 3]
    assert "1 MB" in told["refused"][0]["reason"]
    assert http.raw == [b'{"n":1}', b'{"n":2}']
    assert http.told.turned_away == {"too_large": 2}


async def test_all_that_are_refused_are_counted_and_some_are_named(http, monkeypatch):
    monkeypatch.setattr(http_module, "MOST_RECORD_BYTES", 10)
    answer = await http.post(EVENTS, b"short\n" + b"much longer than that\n" * 150, "text/plain", accept_language="zh")
    told = answer.json()
    assert (told["accepted"], told["refused_count"], len(told["refused"])) == (1, 150, 100)
    assert "记录" in told["refused"][0]["reason"]


async def test_a_body_of_which_nothing_can_be_taken_is_no_success(http):
    answer = await http.post(EVENTS, b"x" * (MOST_RECORD_BYTES + 1), "text/plain")
    assert answer.status_code == 413
    assert http.told.turned_away == {"too_large": 1}


@pytest.mark.parametrize(
    ("body", "headers", "status", "why"),
    [
        (b'{"a":', {"content-type": "application/json"}, 400, "not_json"),
        (b"{}", {"content-type": "application/msgpack"}, 415, "content_type"),
        (b"{}", {"content-type": "text/plain; charset=rot13"}, 415, "charset"),
        (b"{}", {"content-encoding": "br"}, 415, "encoding"),
        (b"no gzip", {"content-encoding": "gzip"}, 400, "damaged"),
        (gzip.compress(LINES, mtime=0)[:-3], {"content-encoding": "gzip"}, 400, "damaged"),
        (b"{}", {"content-length": str(1 << 40)}, 413, "too_large"),
        (b"{}", {"x-safelight-service": "x" * 300}, 400, "name"),
        (b"{}", {"origin": "https://elsewhere.example"}, 403, "origin"),
        (b"{}", {"sec-fetch-site": "cross-site"}, 403, "origin"),
    ],
)
async def test_what_is_refused_says_why_and_is_counted(http, body, headers, status, why):
    answer = await http.client.post(EVENTS, content=body, headers=headers)
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, told["status"], set(told)) == (status, status, {"type", "title", "status", "detail"})
    assert told["title"]
    assert http.told.turned_away == {why: 1}
    assert http.raw == []


async def test_a_problem_is_told_in_the_readers_language(http):
    english = await http.post(EVENTS, b"{", "application/json")
    chinese = await http.post(EVENTS, b"{", "application/json", accept_language="zh-CN,zh;q=0.9")
    assert "not valid JSON" in english.json()["detail"]
    assert "不是合法的 JSON" in chinese.json()["detail"]


async def test_a_sender_may_say_whose_events_they_are(http):
    await http.post(f"{EVENTS}?service=ddcolor&instance=gpu-2", b"one", x_safelight_tag="studio")
    await http.client.post(EVENTS, content=b"two", headers={b"x-safelight-service": "修图".encode()})
    one, two = http.rows
    assert (one["service"], one["instance"], one["tag"]) == ("ddcolor", "gpu-2", "studio")
    assert two["service"] == "修图"


async def test_the_configuration_goes_before_what_a_sender_says_and_a_record_before_both():
    async with receiving(Http(service="ours", tag="ours")) as http:
        await http.post(f"{EVENTS}?service=theirs&tag=theirs", b'{"n":1}\n{"service":"its own"}\n')
        assert [(row["service"], row["tag"]) for row in http.rows] == [("ours", "ours"), ("its own", "ours")]


async def test_nothing_is_nothing(http):
    answer = await http.post(EVENTS)
    assert answer.json() == {"accepted": 0, "refused": [], "refused_count": 0}
    assert http.batches == []


async def test_success_is_not_told_before_it_is_durable(http):
    http.open = anyio.Event()
    answers = []

    async def send():
        answers.append((await http.post(EVENTS, b"a line")).status_code)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        with anyio.fail_after(30):
            while not http.source.inbox.waiting_bytes:
                await anyio.lowlevel.checkpoint()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert answers == []
        http.open.set()
    assert answers == [200]


async def test_a_store_that_refuses_makes_senders_come_again(http, monkeypatch):
    monkeypatch.setattr(inbox_module, "PATIENCE_S", 0.01)
    http.open = anyio.Event()
    answer = await http.post(EVENTS, b"a line")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert http.told.turned_away == {"busy": 1}


async def test_an_inbox_that_is_full_does_too(http, monkeypatch):
    monkeypatch.setattr(inbox_module, "MOST_BYTES", 300)
    http.open = anyio.Event()
    async with anyio.create_task_group() as tasks:
        for _ in range(2):  # one is with the store, one waits
            waiting = http.source.inbox.waiting_bytes
            tasks.start_soon(http.post, EVENTS, b"a line")
            with anyio.fail_after(30):
                while http.source.inbox.waiting_bytes == waiting:
                    await anyio.lowlevel.checkpoint()
            for _ in range(5):
                await anyio.lowlevel.checkpoint()
        answer = await http.post(EVENTS, b"a line")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        http.open.set()


async def test_only_posting_is_answered(http):
    assert (await http.client.get(EVENTS)).status_code == 405
