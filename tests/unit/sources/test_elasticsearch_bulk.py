"""Clients of Elasticsearch find what they expect, and what they send becomes events."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import anyio
import h11
import pytest

from safelight.sources import inbox as inbox_module
from safelight.sources.elastic import filtered
from safelight.sources.elasticsearch_bulk import ElasticsearchBulk
from support.receiving import receiving

pytestmark = pytest.mark.anyio

NDJSON = "application/x-ndjson"
UNIQUE = "0190f3b0-0000-7000-8000-000000000001"


@pytest.fixture
async def elastic():
    async with receiving(ElasticsearchBulk()) as made:
        yield made


def body(*lines):
    return "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines).encode()


async def test_documents_become_events_and_the_answer_is_elasticsearchs(elastic):
    sent = body(
        {"index": {"_index": "logs-2026.11.22", "_id": UNIQUE}},
        {"@timestamp": "2026-11-22T10:00:00Z", "log.level": "error", "message": "one", "service": {"name": "ddcolor"}},
        {"create": {"_index": "other"}},
        {"message": "two"},
    )
    answer = await elastic.post("/api/v1/_bulk", sent, NDJSON)
    told = answer.json()
    assert (answer.status_code, told["errors"]) == (200, False)
    assert isinstance(told["took"], int)
    one, two = elastic.rows
    assert (one["id"], one["level"], one["message"], one["service"]) == (UNIQUE, "ERROR", "one", "ddcolor")
    assert (one["source"], one["attributes"]) == ("elasticsearch_bulk 127.0.0.1", {"_index": "logs-2026.11.22"})
    assert two["attributes"]["_index"] == "other"
    good = {"_version": 1, "result": "created", "_shards": {"total": 1, "successful": 1, "failed": 0}}
    good |= {"_seq_no": 0, "_primary_term": 1, "status": 201}
    assert told["items"] == [
        {"index": {"_index": "logs-2026.11.22", "_id": UNIQUE, **good}},
        {"create": {"_index": "other", "_id": two["id"], **good}},
    ]


async def test_the_path_may_name_the_index_and_the_type(elastic):
    for path, method in {
        "/api/v1/_bulk/": "PUT",
        "/api/v1/logs/_bulk": "POST",
        "/api/v1/logs/_doc/_bulk": "PUT",
    }.items():
        answer = await elastic.client.request(method, path, content=body({"index": {}}, {"a": 1}))
        assert answer.status_code == 200
    assert [row["attributes"].get("_index") for row in elastic.rows] == [None, "logs", "logs"]
    assert answer.json()["items"][0]["index"]["_type"] == "_doc"


async def test_an_id_that_is_none_of_ours_is_kept_beside(elastic):
    answer = await elastic.post("/api/v1/_bulk", body({"index": {"_id": "17"}}, {}, {"index": {"_id": 18}}, {"a": 1}))
    assert [row["attributes"]["_id"] for row in elastic.rows] == ["17", "18"]
    assert all(len(row["id"]) == 36 for row in elastic.rows)
    assert [item["index"]["_id"] for item in answer.json()["items"]] == ["17", "18"]


async def test_a_document_sent_again_has_the_same_id(elastic):
    for _ in range(2):
        await elastic.post("/api/v1/_bulk", body({"create": {"_id": UNIQUE}}, {"message": "once"}))
    assert [row["id"] for row in elastic.rows] == [UNIQUE, UNIQUE]


async def test_what_a_document_says_of_itself_counts(elastic):
    await elastic.post("/api/v1/_bulk", body({"index": {"_index": "a"}}, {"_index": "its own"}))
    assert elastic.rows[0]["attributes"]["_index"] == "its own"


async def test_a_document_that_is_no_json_is_kept_flagged_and_answered_as_stored(elastic):
    answer = await elastic.post("/api/v1/_bulk", body({"index": {"_index": "a"}}, '{"broken": ', {"index": {}}, "text"))
    assert [item["index"]["status"] for item in answer.json()["items"]] == [201, 201]
    broken, text = elastic.rows
    assert broken["parse_error"]
    assert '"broken": ' in broken["raw"]
    assert text["message"] == "text"


async def test_what_cannot_be_done_is_told_item_by_item(elastic):
    sent = body({"delete": {"_index": "a", "_id": "1"}}, {"index": {}}, {"a": 1}, {"update": {"_id": "2"}}, {"doc": {}})
    told = (await elastic.post("/api/v1/_bulk", sent)).json()
    assert told["errors"] is True
    delete, index, update = told["items"]
    assert delete["delete"]["status"] == update["update"]["status"] == 400
    assert delete["delete"]["error"]["type"] == "illegal_argument_exception"
    assert delete["delete"]["_id"] == "1"
    assert index["index"]["status"] == 201
    assert len(elastic.raw) == 1
    assert elastic.told.turned_away == {"delete": 1, "update": 1}


async def test_a_malformed_request_is_refused_whole_in_their_shape(elastic):
    answer = await elastic.post("/api/v1/_bulk", body({"index": {}}, {"a": 1}, {"nonsense": {}}, {"b": 1}))
    told = answer.json()
    assert (answer.status_code, told["status"]) == (400, 400)
    cause = told["error"]["root_cause"][0]
    assert cause["type"] == told["error"]["type"] == "illegal_argument_exception"
    assert "line [3]" in told["error"]["reason"]
    assert elastic.batches == []
    assert elastic.told.turned_away == {"not_json": 1}


async def test_a_store_that_refuses_is_told_so_that_clients_come_again(elastic, monkeypatch):
    monkeypatch.setattr(inbox_module, "PATIENCE_S", 0.01)
    elastic.open = anyio.Event()
    answer = await elastic.post("/api/v1/_bulk", body({"index": {}}, {}))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["error"]["type"] == "es_rejected_execution_exception"
    assert answer.headers["x-elastic-product"] == "Elasticsearch"


async def test_compressed_and_large_is_as_good(elastic):
    sent = body(*[line for n in range(5_000) for line in ({"create": {"_index": "a"}}, {"message": f"line {n}"})])
    told = (await elastic.post("/api/v1/_bulk", gzip.compress(sent), NDJSON, content_encoding="gzip")).json()
    assert len(told["items"]) == 5_000
    assert [row["id"] for row in elastic.rows] == [item["create"]["_id"] for item in told["items"]]


QUESTIONS = {
    ("GET", "/"): {"tagline": "You Know, for Search", "cluster_name": "safelight"},
    ("GET", "/_cluster/health"): {"status": "green"},
    ("GET", "/_license"): {},
    ("GET", "/_xpack"): {"tagline": "You know, for X"},
    ("GET", "/_nodes/http"): {},
    ("GET", "/_index_template/filebeat-8.17.0"): {},
    ("PUT", "/_index_template/filebeat-8.17.0"): {"acknowledged": True},
    ("GET", "/_template/logstash"): {},
    ("PUT", "/_template/logstash"): {"acknowledged": True},
    ("PUT", "/_component_template/logs"): {"acknowledged": True},
    ("GET", "/_ilm/policy/filebeat"): {},
    ("PUT", "/_ilm/policy/filebeat"): {"acknowledged": True},
    ("PUT", "/_ingest/pipeline/geoip"): {"acknowledged": True},
    ("PUT", "/_data_stream/logs-app-default"): {"acknowledged": True},
    ("GET", "/_alias/logs"): {},
}


@pytest.mark.parametrize(("method", "path"), QUESTIONS)
async def test_what_clients_ask_before_they_send_is_answered(elastic, method, path):
    answer = await elastic.client.request(method, f"/api/v1{path}", content=b"{}" if method == "PUT" else None)
    assert answer.status_code == 200
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().items() >= QUESTIONS[method, path].items()
    assert elastic.batches == []


@pytest.mark.parametrize("path", [path for method, path in QUESTIONS if method == "GET"])
async def test_whether_it_is_there_is_answered_without_a_body(elastic, path):
    answer = await elastic.client.head(f"/api/v1{path}")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["x-elastic-product"] == "Elasticsearch"


async def test_rsyslog_finds_its_health(elastic):
    assert "green" in (await elastic.client.get("/api/v1/_cat/health")).text


async def test_a_data_stream_is_there(elastic):
    answer = await elastic.client.get("/api/v1/_data_stream/logs-app-default")
    assert [stream["name"] for stream in answer.json()["data_streams"]] == ["logs-app-default"]


async def test_clients_are_told_the_version_that_is_configured():
    async with receiving(ElasticsearchBulk(version="7.17.13")) as elastic:
        version = (await elastic.client.get("/api/v1/")).json()["version"]
        assert (version["number"], version["build_flavor"]) == ("7.17.13", "default")


@pytest.mark.parametrize("number", [7, 8, 9])
@pytest.mark.parametrize("kind", ["json", "x-ndjson"])
async def test_an_answer_is_compatible_with_what_was_asked_for(elastic, number, kind):
    media = f"application/vnd.elasticsearch+{kind}; compatible-with={number}"
    answer = await elastic.post(
        "/api/v1/_bulk", body({"index": {}}, {}), media, accept=media.replace("x-ndjson", "json")
    )
    assert answer.headers["content-type"] == f"application/vnd.elasticsearch+json;compatible-with={number}"
    assert answer.json()["errors"] is False


@pytest.mark.parametrize(
    "asked",
    ["*" * 60 + "x", "*a" * 30 + "x", ".".join(["**"] * 5_000), ".".join(["**", "x"] * 200)],
    ids=["stars", "pieces", "any depth", "any depth between"],
)
def test_no_filter_path_takes_long_or_fails(asked):
    content = {"minimum_index_compatibility_version" + "a" * 30: {"number": 1}}
    assert filtered(content, asked) == (content if asked.endswith("**") else {})


async def test_an_answer_may_be_filtered(elastic):
    sent = body({"index": {}}, {"a": 1}, {"delete": {"_id": "1"}})
    for asked, expected in {
        "errors,items.*.status": {"errors": True, "items": [{"index": {"status": 201}}, {"delete": {"status": 400}}]},
        "errors,items.*.error.type": {
            "errors": True,
            "items": [{"delete": {"error": {"type": "illegal_argument_exception"}}}],
        },
        "errors": {"errors": True},
        "-took,-items": {"errors": True},
    }.items():
        answer = await elastic.post(f"/api/v1/_bulk?refresh=wait_for&filter_path={asked}", sent)
        assert answer.json() == expected


FOUND = {"a": {"b": 1, "c": [{"b": 2}, {"d": 3}]}, "bc": 4}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("a.b", {"a": {"b": 1}}),
        ("a", {"a": FOUND["a"]}),
        ("**.b", {"a": {"b": 1, "c": [{"b": 2}]}}),
        ("a.c.*", {"a": {"c": [{"b": 2}, {"d": 3}]}}),
        ("b*", {"bc": 4}),
        ("*.c.d", {"a": {"c": [{"d": 3}]}}),
        ("**", FOUND),
        ("-a.c", {"a": {"b": 1}, "bc": 4}),
        ("a,-**.b", {"a": {"c": [{}, {"d": 3}]}}),
        ("nothing", {}),
    ],
)
def test_filter_paths_mean_what_they_mean_there(asked, expected):
    assert filtered(FOUND, asked) == expected


RECORDED = sorted((Path(__file__).parents[2] / "golden" / "bulk").glob("*.http"))
"""What real clients sent, request after request, byte for byte."""


def requests(path):
    """Each with its head and its body."""
    left = path.read_bytes()
    while left:
        head, _, rest = left.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        size = len(head) + 4 + (int(length[1]) if length else 0)
        assert len(left) >= size, rest
        yield left[:size]
        left = left[size:]


async def exchange(bound, request):
    """The answer to the bytes of one request."""
    talk = h11.Connection(h11.CLIENT)
    head = request.partition(b"\r\n\r\n")[0].split(b"\r\n")
    method, target, _ = head[0].split(b" ")
    talk.send(h11.Request(method=method, target=target, headers=[tuple(line.split(b": ", 1)) for line in head[1:]]))
    async with await anyio.connect_tcp(bound.host, bound.port) as stream:
        await stream.send(request)
        answer, body = None, b""
        with anyio.fail_after(30):
            while not isinstance(event := talk.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    talk.receive_data(await stream.receive())
                elif isinstance(event, h11.Response):
                    answer = event
                elif isinstance(event, h11.Data):
                    body += event.data
    return answer, body


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_what_real_clients_sent_is_answered_and_stored(path):
    async with receiving(ElasticsearchBulk(listen="127.0.0.1:0")) as elastic:
        refused, told = 0, []
        for request in requests(path):
            answer, body = await exchange(elastic.source.bound, request)
            assert (b"x-elastic-product", b"Elasticsearch") in answer.headers
            if b"nonsense" in request or b"nonsense" in body:
                assert answer.status_code == 400
                refused += 1
                continue
            assert answer.status_code == 200
            accepted = re.search(rb"(?i)\r\naccept: *(application/vnd\.elasticsearch[^\r]*)", request)
            if accepted and accepted[1].count(b",") == 0:
                media = dict(answer.headers)[b"content-type"]
                assert media.replace(b" ", b"") == accepted[1].replace(b" ", b"")
            if b"_bulk" in request.partition(b"\r\n")[0]:
                told += [next(iter(item.values()))["status"] for item in json.loads(body).get("items", ())]
        is_python = "-py-" in path.stem
        assert refused == is_python
        assert told.count(201) == len(elastic.rows) == (10 if is_python else 3)
        assert told.count(400) == (2 if is_python else 0)
        assert not [row for row in elastic.rows if "parse_error" in row]


def test_every_kind_of_client_was_recorded():
    assert {path.stem.rpartition("-")[0] for path in RECORDED} >= {
        "elasticsearch-py",
        "opensearch-py",
        "rsyslog",
        "fluent-bit",
        "fluent-plugin-elasticsearch",
    }
