"""The elasticsearch sink against a server that answers as Elasticsearch, OpenSearch and VictoriaLogs do."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from safelight.batch import SCHEMA, Batch
from safelight.config import load
from safelight.errors import SinkError
from safelight.event import FIELDS
from safelight.locales import LANGUAGES
from safelight.sinks import Refusal
from safelight.sinks.elasticsearch import Elasticsearch
from safelight.sinks.elasticsearch.bulk import parts, verdict
from safelight.sinks.elasticsearch.documents import ECS, Shape
from safelight.sinks.elasticsearch.indices import Indices, usable
from safelight.sinks.elasticsearch.kibana import saved_objects
from safelight.sinks.elasticsearch.template import Product, template
from safelight.sinks.elasticsearch.writer import Writer
from support.elastic import GOLDEN, OPENSEARCH, VICTORIALOGS, Elastic, busy, whole
from support.forwarding import certificates

HERE = Path(__file__).parents[3] / "src" / "safelight" / "sinks" / "elasticsearch"
NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
EXAMPLE = """
[[sinks]]
type = "elasticsearch"
url = "https://elasticsearch.internal:9200"
prefix = "comfyui_logs"
where = "tag:comfyui.raw"
flush_interval = "5s"
retry = { max = 15, secondary = "dead-letter/" }
buffer = { chunk = "8MB", chunks = 64, when_full = "block" }
"""


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(Writer, "pauses_s", (0.0, 0.0, 0.0))


@pytest.fixture
def elastic():
    with Elastic() as serving:
        yield serving


def events(count, **more):
    times = {"timestamp": NOON, "received_at": NOON}
    return Batch.of({"id": f"e{n}", **times, "message": f"m{n}", **more} for n in range(count))


def send(sink, *batches):
    async def main():
        async with sink.connect() as connection:
            return [await connection.send(batch, str(number)) for number, batch in enumerate(batches)][-1]

    return anyio.run(main)


def sink(elastic, **more):
    return Elasticsearch(url=elastic.url, prefix="logs", **more)


def test_the_configuration_of_the_manual_works_as_written(tmp_path):
    path = tmp_path / "safelight.toml"
    path.write_text(EXAMPLE)
    (made,) = load(path).sinks
    assert isinstance(made, Elasticsearch)
    assert (made.flush_interval, made.retry.max, made.buffer.chunks) == (timedelta(seconds=5), 15, 64)
    assert made.indices.pattern == "comfyui_logs-*"


def test_events_go_to_the_index_of_their_own_day_in_utc(elastic):
    late = NOON.replace(hour=23, minute=59)
    batch = Batch.of(
        {"id": str(n), "timestamp": late + timedelta(hours=hours), "received_at": late + timedelta(hours=2)}
        for n, hours in enumerate((0, 1, -24))
    )
    assert send(sink(elastic), batch) == []
    found = {index: set(documents) for index, documents in elastic.indices.items()}
    assert found == {"logs-2026.11.22": {"0"}, "logs-2026.11.23": {"1"}, "logs-2026.11.21": {"2"}}


def test_the_time_of_a_broken_clock_makes_no_index_of_its_own(elastic):
    wrong = (datetime(1999, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC), NOON + timedelta(days=2), None)
    batch = Batch.of({"id": str(n), "timestamp": when, "received_at": NOON} for n, when in enumerate(wrong))
    send(sink(elastic), batch)
    assert {index: len(found) for index, found in elastic.indices.items()} == {"logs-2026.11.22": 4}


def test_what_is_sent_twice_is_there_once(elastic):
    send(sink(elastic), events(10), events(10))
    assert elastic.count("logs-2026.11.22") == 10


def test_a_data_stream_is_written_by_create_and_knows_what_it_has(elastic):
    streaming = sink(elastic, data_stream=True)
    assert send(streaming, events(10), events(12)) == []
    assert elastic.count("logs") == 12
    assert {operation for asked in elastic.bulks for operation, _, _ in asked.items} == {"create"}
    assert elastic.templates["safelight-logs"]["data_stream"] == {}
    assert elastic.templates["safelight-logs"]["index_patterns"] == ["logs"]


@pytest.mark.parametrize(("dates", "index"), [("day", "logs-2026.11.22"), ("month", "logs-2026.11"), ("none", "logs")])
def test_an_index_holds_a_day_a_month_or_everything(elastic, dates, index):
    send(sink(elastic, dates=dates), events(1))
    assert list(elastic.indices) == [index]


def test_an_event_that_cannot_be_mapped_is_refused_alone(elastic):
    elastic.refuses(lambda source: source["message"] in {"m3", "m7"})
    refusals = send(sink(elastic), events(10))
    assert [refusal.row for refusal in refusals] == [3, 7]
    assert "document_parsing_exception" in refusals[0].reason
    assert 'For input string: "soon"' in refusals[0].reason
    assert elastic.count("logs-2026.11.22") == 8


def test_only_what_a_busy_cluster_did_not_take_is_sent_again(elastic):
    elastic.answers(busy(4), busy(3))
    assert send(sink(elastic), events(10)) == []
    assert elastic.count("logs-2026.11.22") == 10
    assert [len(asked.items) for asked in elastic.bulks] == [10, 6, 3]
    assert elastic.writes == 10


def test_a_cluster_that_stays_busy_is_left_to_the_queue(elastic):
    elastic.answers(*[busy(0)] * 4)
    with pytest.raises(SinkError, match="10 events were not taken for now: 429 es_rejected_execution_exception"):
        send(sink(elastic), events(10))


def test_a_body_that_is_too_large_is_sent_in_halves(elastic):
    elastic.most_bytes = 1_000
    assert send(sink(elastic), events(40)) == []
    assert elastic.count("logs-2026.11.22") == 40


def test_one_event_that_is_too_large_is_refused_and_the_others_are_taken(elastic):
    elastic.most_bytes = 2_000
    batch = events(9).with_column("message", pa.array(["m"] * 4 + ["x" * 3_000] + ["m"] * 4))
    refusals = send(sink(elastic), batch)
    assert [refusal.row for refusal in refusals] == [4]
    assert "413" in refusals[0].reason
    assert elastic.count("logs-2026.11.22") == 8


def test_no_request_is_larger_than_it_may_be(elastic):
    assert send(sink(elastic, most_bytes="4KB"), events(200)) == []
    assert max(len(asked.body) for asked in elastic.bulks) <= 4096
    assert elastic.count("logs-2026.11.22") == 200


def test_a_request_that_is_refused_as_a_whole_is_taken_apart_until_the_event_is_known(elastic):
    def picky(server, asked):
        if any(source["message"] == "m5" for _, _, source in asked.items):
            return 400, b'{"error":{"type":"action_request_validation_exception"}}', {}
        return server.take(asked)

    elastic.answers(*[picky] * 50)
    refusals = send(sink(elastic), events(32))
    assert [refusal.row for refusal in refusals] == [5]
    assert len(elastic.bulks) == 11
    assert elastic.count("logs-2026.11.22") == 31


def test_an_empty_yes_is_no_yes(elastic):
    """VictoriaLogs answers so when it could not read an event."""

    def short(server, asked):
        if any(len(json.dumps(source)) > 500 for _, _, source in asked.items):
            return 200, b"", {}
        return server.take(asked)

    elastic.answers(*[short] * 50)
    refusals = send(sink(elastic), events(8).with_column("message", pa.array(["m"] * 7 + ["x" * 600])))
    assert [refusal.row for refusal in refusals] == [7]
    assert elastic.ids() == {f"e{n}" for n in range(7)}


def test_a_missing_pipeline_costs_no_event(elastic):
    error = {"type": "illegal_argument_exception", "reason": "pipeline with id [geo] does not exist"}
    items = [{"index": {"status": 400, "error": error}}]
    elastic.answers(*[whole(200, json.dumps({"errors": True, "items": items}).encode())] * 4)
    with pytest.raises(SinkError, match="pipeline with id"):
        send(sink(elastic, pipeline="geo & 地"), events(1))
    assert elastic.bulks[0].query["pipeline"] == ["geo & 地"]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b'{"errors":false,"items":[]}', "1 events were sent and 0 were answered for"),
        (200, b"<html>", "cannot be understood"),
        (401, b"{}", "does not let us in"),
        (403, b"{}", "does not let us in"),
        (404, b"{}", "Check the address"),
        (503, b"{}", "does not take it now"),
        (302, b"", "Check the address"),
    ],
)
def test_every_other_answer_keeps_the_batch_in_the_queue(elastic, status, body, said):
    elastic.answers(whole(status, body))
    with pytest.raises(SinkError, match=said):
        send(sink(elastic), events(1))
    assert not elastic.ids()


def test_the_pause_that_the_server_asks_for_is_passed_on(elastic):
    elastic.answers(whole(429, b"{}", **{"Retry-After": "17"}))
    with pytest.raises(SinkError) as caught:
        send(sink(elastic), events(1))
    assert caught.value.after_s == 17


def test_a_server_that_is_not_there_is_an_error_for_now():
    with Elastic() as gone:
        url = gone.url
    with pytest.raises(SinkError, match="does not answer"):
        send(Elasticsearch(url=url), events(1))


def test_the_transport_says_nothing_of_its_own(monkeypatch):
    class Log(logging.Handler):
        """As a server has one: not `caplog`, which also listens to loggers that tell nobody."""

        def emit(self, record):
            heard.append(record.name)

    heard = []
    monkeypatch.setattr(logging.getLogger(), "handlers", [Log(logging.WARNING)])
    with Elastic() as gone, Elastic() as gone_too:
        nodes = (gone.url, gone_too.url)
    with pytest.raises(SinkError, match="does not answer"):
        send(Elasticsearch(urls=nodes, template=False), events(1))
    assert heard == []


def test_another_node_is_asked_when_one_does_not_answer(elastic):
    with Elastic() as gone:
        away = gone.url
    several = Elasticsearch(urls=(away, elastic.url), prefix="logs")
    assert send(several, *(events(10) for _ in range(4))) == []
    assert elastic.count("logs-2026.11.22") == 10


def test_another_node_is_asked_when_one_is_shutting_down(elastic):
    with Elastic() as other:
        elastic.answers(*[whole(503)] * 4)
        send(Elasticsearch(urls=(elastic.url, other.url), prefix="logs"), *(events(5) for _ in range(4)))
        assert elastic.ids() | other.ids() == {f"e{n}" for n in range(5)}


@pytest.mark.parametrize(
    ("given", "header"),
    [
        ({"user": "elastic", "password": "密码"}, "Basic ZWxhc3RpYzrlr4bnoIE="),
        ({"api_key": "id:key"}, "ApiKey aWQ6a2V5"),
        ({"api_key": "aWQ6a2V5"}, "ApiKey aWQ6a2V5"),
        ({"bearer": "tok"}, "Bearer tok"),
    ],
)
def test_it_signs_in_by_name_key_or_token(elastic, given, header):
    elastic.authorization = header
    assert send(sink(elastic, **given), events(1)) == []
    assert elastic.count("logs-2026.11.22") == 1


def test_wrong_credentials_are_said_plainly(elastic):
    elastic.authorization = "Basic right"
    with pytest.raises(SinkError, match=r"does not let us in \(401 .*missing authentication credentials"):
        send(sink(elastic, user="u", password="p"), events(1))


def test_a_path_before_the_api_and_own_headers_are_kept():
    with Elastic(path="/insert/elasticsearch", version=VICTORIALOGS) as victoria:
        headers = {"VL-Time-Field": "@timestamp", "VL-Msg-Field": "message"}
        assert send(sink(victoria, headers=headers), events(3)) == []
        (asked,) = victoria.bulks
    assert asked.path == "/_bulk"
    assert asked.headers["vl-time-field"] == "@timestamp"
    assert asked.headers["content-type"] == "application/x-ndjson"


def test_bodies_are_compressed_unless_told_not_to(elastic):
    send(sink(elastic), events(1))
    send(sink(elastic, gzip=False), events(1))
    assert [asked.headers.get("content-encoding") for asked in elastic.bulks] == ["gzip", None]
    assert elastic.bulks[0].body == elastic.bulks[1].body


def test_nothing_is_asked_of_the_cluster_when_the_template_is_somebody_elses(elastic):
    send(sink(elastic, template=False), events(1))
    assert [asked.path for asked in elastic.asked] == ["/_bulk"]


def test_a_template_that_may_not_be_installed_says_what_is_missing(elastic, monkeypatch):
    plain = elastic._answer
    refused = (403, b'{"error":"manage_index_templates"}', {})
    monkeypatch.setattr(elastic, "_answer", lambda asked: refused if asked.method == "PUT" else plain(asked))
    with pytest.raises(SinkError, match="template = false"):
        send(sink(elastic), events(1))


def test_the_template_knows_every_field_and_grows_by_none():
    for shape in (Shape(), Shape(ecs=True)):
        made = template(Indices("logs"), shape)["template"]["mappings"]
        assert made["dynamic"] is False
        for name in shape.names.values():
            place = made
            for step in name.split("."):
                place = place["properties"][step]
            assert place["type"], name


def test_the_template_is_as_it_was_read_and_agreed():
    for name, shape in (("template.json", Shape()), ("template-ecs.json", Shape(ecs=True))):
        assert template(Indices("comfyui_logs"), shape) == json.loads((GOLDEN / name).read_text())


@pytest.mark.parametrize(
    ("about", "kept_as"),
    [
        ({"version": {"number": "8.19.3"}}, "flattened"),
        ({"version": {"number": "9.2.0", "build_flavor": "serverless"}}, "flattened"),
        ({"version": {"number": "7.10.2", "build_flavor": "oss"}}, "object"),
        ({"version": OPENSEARCH}, "flat_object"),
        ({"version": {"number": "2.5.0", "distribution": "opensearch"}}, "object"),
        ({"version": {"number": "soon"}}, "flattened"),
        ([], "flattened"),
    ],
)
def test_attributes_are_kept_as_the_product_can(about, kept_as):
    made = template(Indices("logs"), Shape(), Product.of(about))
    assert made["template"]["mappings"]["properties"]["attributes"]["type"] == kept_as


FULL = {
    "id": "run-1:3",
    "timestamp": NOON,
    "received_at": NOON + timedelta(milliseconds=5),
    "level": "ERROR",
    "event": "node_failed",
    "message": '显存不足 "VAEDecode"\nline 2',
    "service": "comfyui",
    "instance": "gpu-1",
    "environment": "production",
    "host": "render-01",
    "tag": "comfyui.raw",
    "source": "/var/log/comfyui/a.log",
    "workflow_id": "wf-8a2f1e9b",
    "node": "VAEDecode",
    "node_id": "8",
    "duration_ms": 12.5,
    "vram_used_mb": 10897.0,
    "error_type": "OutOfMemoryError",
    "error_message": "CUDA out of memory",
    "traceback": 'Traceback\n  File "nodes.py"',
    "error_group": "gpu_oom:VAEDecode",
    "attributes": '{"steps": 30,\n "loras": [{"name": "细节"}]}',
}


def test_what_is_sent_is_as_it_was_read_and_agreed(elastic):
    for ecs in (False, True):
        send(sink(elastic, ecs=ecs, gzip=False), Batch.of([FULL]))
    assert b"".join(asked.body for asked in elastic.bulks) == (GOLDEN / "bulk.ndjson").read_bytes()


def test_every_field_has_a_name_of_its_own_in_the_common_schema():
    assert set(ECS) == set(FIELDS)
    assert len(set(ECS.values())) == len(ECS)


def test_attributes_that_no_field_can_take_are_kept_as_text():
    deep = '{"a":' * 21 + "1" + "}" * 21
    many = json.dumps({f"k{n}": {"v": n} for n in range(50)})
    nul = '{"a\\u0000b": 1}'
    bomb = '{"a":' * 5_000 + "1" + "}" * 5_000
    batch = Batch.of({"id": str(n), "attributes": text} for n, text in enumerate((deep, many, nul, bomb, "{}")))
    found = [json.loads(line) for line in Shape().documents(batch)]
    assert [document.get("attributes_json") for document in found] == [deep, None, nul, bomb, None]
    assert found[1]["attributes"] == json.loads(many)


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"id": TEXT},
            optional={
                "message": TEXT,
                "service": TEXT,
                "traceback": TEXT,
                "duration_ms": st.floats(),
                "attributes": st.dictionaries(TEXT, TEXT | st.integers(-(2**53), 2**53), max_size=3).map(
                    lambda value: json.dumps(value, indent=1)
                ),
            },
        ),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
def test_whatever_stands_in_an_event_a_request_has_two_lines_for_each(rows, ecs):
    batch = Batch.of({**row, "timestamp": NOON, "received_at": NOON} for row in rows)
    documents, actions = Shape(ecs).documents(batch), Indices("logs").actions(batch)
    body = b"".join(b"%b\n%b\n" % pair for pair in zip(actions, documents, strict=True))
    lines = body.split(b"\n")
    assert len(lines) == 2 * len(rows) + 1
    names = Shape(ecs).names
    for row, action, line in zip(rows, lines[::2], lines[1::2], strict=False):
        document = msgspec.json.decode(line)
        assert msgspec.json.decode(action)["index"].get("_id", "") == usable(row["id"])
        for name in ("message", "service", "traceback"):
            assert document.get(names[name]) == row.get(name)


def test_an_id_that_is_too_long_is_replaced_by_one_as_stable():
    assert usable("x" * 512) == "x" * 512
    assert usable("文" * 200) == usable("文" * 200) != usable("文" * 201)
    assert len(usable("文" * 200)) == 64
    (action,) = Indices("logs").actions(Batch.of([{"id": None, "timestamp": NOON, "received_at": NOON}]))
    assert b"_id" not in action


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 100))
def test_parts_hold_every_row_once_and_no_more_than_they_may(sizes, most):
    lines = [b"x" * size for size in sizes]
    groups = list(parts(lines, range(len(lines)), most))
    assert [row for group in groups for row in group] == list(range(len(lines)))
    assert all(len(group) == 1 or sum(sizes[row] for row in group) <= most for group in groups)


def test_the_answer_of_victorialogs_is_understood():
    found = verdict((GOLDEN / "victorialogs-bulk.json").read_bytes(), 1)
    assert not found.refused
    assert not found.later


def test_what_may_change_is_told_from_what_never_will():
    def item(status, type_, reason="r"):
        return {"index": {"status": status, "error": {"type": type_, "reason": reason}}}

    items = [
        item(400, "mapper_parsing_exception"),
        item(429, "es_rejected_execution_exception"),
        item(503, "unavailable_shards_exception"),
        item(404, "index_not_found_exception"),
        item(403, "security_exception"),
        item(400, "validation_exception", "this cluster currently has [1000]/[1000] maximum normal shards open"),
        item(400, "strict_dynamic_mapping_exception"),
        {"create": {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "r"}}},
        {"index": {"status": 400, "error": "old servers said it as text"}},
        {"index": {"status": 201}},
    ]
    found = verdict(json.dumps({"errors": True, "items": items}).encode(), len(items))
    assert sorted(found.refused) == [0, 6, 8]
    assert sorted(found.later) == [1, 2, 3, 4, 5]
    assert found.by_hand == {3, 4, 5}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "either url or urls"),
        ({"url": "http://a", "urls": ("http://b",)}, "either url or urls"),
        ({"url": "ftp://a"}, "beginning with https"),
        ({"url": "http://u:p@a"}, "user and password"),
        ({"url": "http://a/?x=1"}, "end with its path"),
        ({"url": "http://a", "prefix": "Logs"}, "not the beginning of an index name"),
        ({"url": "http://a", "prefix": "-logs"}, "not the beginning of an index name"),
        ({"url": "http://a", "prefix": "a" * 201}, "not the beginning of an index name"),
        ({"url": "http://a", "user": "u"}, "belong together"),
        ({"url": "http://a", "user": "u", "password": "p", "api_key": "k"}, "one way only"),
        ({"url": "http://a", "headers": {"Content-Type": "x"}}, "not a header"),
        ({"url": "http://a", "dates": "hour"}, "day"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_with_a_sentence(given, said):
    with pytest.raises(ValidationError, match=said):
        Elasticsearch(**given)


def test_without_the_client_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setattr("safelight.sinks.elasticsearch.find_spec", lambda _: None)
    with pytest.raises(ValidationError, match=r"pip install 'safelight\[elasticsearch\]'"):
        Elasticsearch(url="http://a")


def test_no_secret_is_seen_when_it_is_shown():
    shown = repr(Elasticsearch(url="http://a", api_key="verysecret", headers={"X-Key": "alsosecret"}))
    assert "verysecret" not in shown
    assert "alsosecret" not in shown


def test_the_saved_objects_that_are_shipped_are_those_that_are_made():
    for name, shape in (("kibana.ndjson", Shape()), ("kibana-ecs.ndjson", Shape(ecs=True))):
        assert (HERE / name).read_bytes() == saved_objects(Indices("safelight"), shape)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("ecs", [False, True])
def test_saved_objects_refer_only_to_what_is_there(language, ecs):
    shape = Shape(ecs)
    found = [json.loads(line) for line in saved_objects(Indices("logs"), shape, language).splitlines()]
    seen = set()
    fields = set(shape.names.values())
    for one in found:
        assert {(reference["type"], reference["id"]) for reference in one["references"]} <= seen
        seen.add((one["type"], one["id"]))
        attributes = one["attributes"]
        assert set(attributes.get("columns", [])) <= fields
        for aggregation in json.loads(attributes.get("visState", '{"aggs":[]}'))["aggs"]:
            assert aggregation["params"].get("field", "@timestamp") in fields
        for panel in json.loads(attributes.get("panelsJSON", "[]")):
            assert panel["panelRefName"] in {reference["name"] for reference in one["references"]}
            assert panel["gridData"]["x"] + panel["gridData"]["w"] <= 48
    assert [kind for kind, _ in seen].count("visualization") == 4
    assert found[0]["attributes"]["title"] == "logs-*"


def test_tls_trusts_only_the_authorities_that_it_is_given(tmp_path):
    cert, key = certificates(tmp_path)
    with Elastic(tls=(cert, key)) as secure:
        assert send(sink(secure, ca=cert), events(1)) == []
        assert send(sink(secure, verify=False), events(2)) == []
        with pytest.raises(SinkError, match=r"does not answer: .*CERTIFICATE_VERIFY_FAILED"):
            send(sink(secure), events(3))
        assert secure.count("logs-2026.11.22") == 2
        with pytest.raises(SinkError, match=r"none\.pem cannot be used"):
            send(sink(secure, ca=tmp_path / "none.pem"), events(1))


def test_an_empty_batch_asks_for_nothing(elastic):
    assert send(sink(elastic), Batch(SCHEMA.empty_table())) == []
    assert not elastic.bulks


def test_a_refusal_names_the_row_in_the_whole_batch(elastic):
    elastic.refuses(lambda source: source["message"] == "m150")
    (refusal,) = send(sink(elastic, most_bytes="4KB"), events(200))
    assert isinstance(refusal, Refusal)
    assert refusal.row == 150
