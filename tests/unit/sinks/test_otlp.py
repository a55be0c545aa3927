"""Events to an OTLP receiver: what it says, and what that means for them."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime

import anyio
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

from safelight.batch import Batch
from safelight.errors import SinkError, SinkRefused
from safelight.sinks.otlp import Otlp
from support.providers import Answer, Provider


class Collector(Provider):
    path = ""

    def judge(self, request):
        return Answer(body=b"")


@pytest.fixture
def collector():
    with Collector() as one:
        yield one


def batch(count=3):
    now = datetime(2026, 11, 22, tzinfo=UTC)
    return Batch.of({"id": f"event-{n}", "timestamp": now, "level": "INFO", "message": str(n)} for n in range(count))


def send(collector, events=None, **fields):
    async def work():
        async with Otlp(url=collector.url, **fields).connect() as connection:
            return await connection.send(events or batch(), "b1")

    return anyio.run(work)


def uids(request):
    body = gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body
    sent = ExportLogsServiceRequest.FromString(body)
    (resource,) = sent.resource_logs
    records = resource.scope_logs[0].log_records
    return [next(a.value.string_value for a in record.attributes if a.key == "log.record.uid") for record in records]


@pytest.mark.parametrize("compress", ["gzip", "none"])
def test_a_batch_is_one_request_with_the_ids_of_its_events(collector, compress):
    assert send(collector, compress=compress, token="t0ken", headers={"X-Scope-OrgID": "studio"}) == []
    (request,) = collector.received
    assert request.path == "/v1/logs"
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["authorization"] == "Bearer t0ken"
    assert request.headers["x-scope-orgid"] == "studio"
    assert uids(request) == ["event-0", "event-1", "event-2"]


def partly(count):
    answer = ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = count
    answer.partial_success.error_message = "too old"
    return Answer(body=answer.SerializeToString(), headers={"Content-Type": "application/x-protobuf"})


def test_what_is_rejected_is_told_also_where_nobody_says_which(collector):
    collector.answers(partly(3))
    assert [(refusal.row, refusal.reason) for refusal in send(collector)] == [(n, "too old") for n in range(3)]
    collector.answers(partly(1))
    assert [(refusal.row, refusal.reason) for refusal in send(collector)] == [(None, "too old")]
    collector.answers(partly(99))
    assert len(send(collector)) == 3


def test_an_answer_of_another_kind_is_still_a_yes(collector):
    collector.answers(Answer(body=b'{"partialSuccess":{}}', headers={"Content-Type": "application/json"}))
    assert send(collector) == []


def test_a_page_of_somebody_else_is_no_yes(collector):
    collector.answers(Answer(body=b"<html>Please sign in</html>", headers={"Content-Type": "text/html"}))
    with pytest.raises(SinkError, match="not what was expected"):
        send(collector)


def test_too_large_a_request_is_sent_in_halves(collector):
    collector.answers(Answer(status=413), partly(1), partly(2))
    assert [refusal.row for refusal in send(collector)] == [0, 1, 2]
    assert [uids(request) for request in collector.received[1:]] == [["event-0"], ["event-1", "event-2"]]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_of_a_batch_in_halves_only_what_is_refused_is_refused(collector, status):
    yes = collector.judge(None)
    collector.answers(Answer(status=413), yes, Answer(status=413), Answer(status=status), yes)
    (refusal,) = send(collector, batch(4))
    assert refusal.row == 2
    assert str(status) in refusal.reason


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_is_never_taken_is_refused(collector, status):
    collector.answers(Answer(status=status, body=b"\x08\x03\x12\x07bad day"))
    with pytest.raises(SinkRefused, match="bad day"):
        send(collector, batch(1))


@pytest.mark.parametrize("status", [401, 404, 429, 503])
def test_what_may_be_taken_later_is_tried_again(collector, status):
    collector.answers(Answer(status=status, headers={"Retry-After": "7"}))
    with pytest.raises(SinkError) as told:
        send(collector)
    assert not isinstance(told.value, SinkRefused)
    assert told.value.after_s == (7 if status in {429, 503} else None)


def test_nobody_there_is_an_error_with_the_address():
    with Collector() as gone:
        pass
    with pytest.raises(SinkError, match=f"127.0.0.1:{gone.port}"):
        send(gone)
