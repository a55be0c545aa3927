"""The clickhouse sink: what it asks of the HTTP interface, and what it makes of the answers."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import anyio
import pyarrow as pa
import pytest
import zstandard
from pydantic import ValidationError

from safelight.batch import SCHEMA, Batch
from safelight.errors import SinkError
from safelight.event import FIELDS
from safelight.sinks import clickhouse
from safelight.sinks.clickhouse import Clickhouse, creation, packed
from support.providers import Answer, Provider

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ALL_COLUMNS = "\n".join(FIELDS).encode()


class Server(Provider):
    """Answers as ClickHouse does; finds a fault in the rows that it is told of."""

    path = ""

    def __init__(self):
        super().__init__()
        self.columns = ALL_COLUMNS
        self.faulty = set()
        self.stored = {}

    def judge(self, request):
        if "query" not in request.query:
            return Answer(body=self.columns if b"system.columns" in request.body else b"")
        rows = unpacked(request.body).to_pylist()
        if self.faulty & {row["id"] for row in rows}:
            return said(117, "DB::Exception: INCORRECT_DATA")
        self.stored.setdefault(request.query["insert_deduplication_token"], rows)
        return Answer(headers={"X-ClickHouse-Summary": "{}"})

    @property
    def inserts(self):
        return [request for request in self.received if "query" in request.query]

    @property
    def statements(self):
        return [request.body.decode() for request in self.received if "query" not in request.query]


def said(code, text, status=400):
    return Answer(status, f"Code: {code}. {text}".encode(), {"X-ClickHouse-Exception-Code": str(code)})


def unpacked(body):
    return pa.ipc.open_stream(zstandard.ZstdDecompressor().decompressobj().decompress(body)).read_all()


@pytest.fixture
def server():
    with Server() as serving:
        yield serving


def events(count, first=0):
    return Batch.of(
        {"id": f"e{n}", "timestamp": NOON, "received_at": NOON, "message": f"说 {n}", "duration_ms": n / 2}
        for n in range(first, first + count)
    )


def send(sink, *batches):
    async def main():
        async with sink.connect() as connection:
            return [await connection.send(batch, str(number)) for number, batch in enumerate(batches)][-1]

    return anyio.run(main)


def test_a_batch_is_one_insert_of_an_arrow_stream(server):
    assert send(Clickhouse(url=server.url, create=False, database="obs", table="logs"), events(3)) == []
    (insert,) = server.inserts
    assert insert.query["query"].startswith("INSERT INTO `obs`.`logs` (id, timestamp,")
    assert insert.query["query"].endswith("FORMAT ArrowStream")
    assert (insert.query["async_insert"], insert.query["wait_end_of_query"]) == ("0", "1")
    assert insert.headers["content-encoding"] == "zstd"
    assert unpacked(insert.body)["message"].to_pylist() == ["说 0", "说 1", "说 2"]


def test_the_same_batch_has_the_same_token_and_another_one_has_another(server):
    for batch in (events(3), events(3), events(3, first=1)):
        send(Clickhouse(url=server.url, create=False), batch)
    tokens = [insert.query["insert_deduplication_token"] for insert in server.inserts]
    assert tokens[0] == tokens[1] != tokens[2]


def test_it_signs_in_by_headers_and_never_in_the_address(server):
    send(Clickhouse(url=server.url, create=False, user="writer", password="s3cret"), events(1))
    (insert,) = server.inserts
    assert (insert.headers["x-clickhouse-user"], insert.headers["x-clickhouse-key"]) == ("writer", "s3cret")
    assert "s3cret" not in insert.raw_query


def test_the_table_is_created_and_given_the_columns_that_it_lacks(server):
    server.columns = b"\n".join(name.encode() for name in FIELDS if name not in {"parse_error", "vram_peak_mb"})
    send(Clickhouse(url=server.url), events(1))
    created, _, altered = server.statements
    assert created.startswith("CREATE TABLE IF NOT EXISTS `default`.`safelight_events`")
    assert re.findall(r"ADD COLUMN IF NOT EXISTS (\w+)", altered) == ["vram_peak_mb", "parse_error"]


def test_the_table_has_every_column_and_forgets_only_when_told():
    made = creation(Clickhouse(url="http://a"))
    assert all(f"\n  {name} " in made for name in FIELDS)
    assert "TTL" not in made
    assert "non_replicated_deduplication_window = 10000" in made
    kept = creation(Clickhouse(url="http://a", ttl="90d", engine="ReplicatedMergeTree"))
    assert "TTL toDateTime(received_at) + INTERVAL 90 DAY DELETE" in kept
    assert "ENGINE = ReplicatedMergeTree" in kept
    assert "non_replicated" not in kept


def test_one_bad_row_does_not_sink_the_batch(server):
    server.faulty = {"e5", "e19"}
    refusals = send(Clickhouse(url=server.url, create=False), events(20))
    assert [refusal.row for refusal in refusals] == [5, 19]
    assert "code 117" in refusals[0].reason
    stored = [row["id"] for rows in server.stored.values() for row in rows]
    assert sorted(stored) == sorted(f"e{n}" for n in range(20) if n not in {5, 19})


def test_a_batch_whose_every_row_is_bad_is_not_asked_for_row_by_row(server, monkeypatch):
    monkeypatch.setattr(clickhouse, "MOST_HALVINGS", 10)
    server.faulty = {f"e{n}" for n in range(1_000)}
    with pytest.raises(SinkError, match="code 117"):
        send(Clickhouse(url=server.url, create=False), events(1_000))
    assert len(server.inserts) < 40


@pytest.mark.parametrize("code", [241, 252, 202, 209, 159, 242, 60, 16, 516, 497])
def test_a_busy_server_a_missing_table_or_right_keeps_the_batch_in_the_queue(server, code):
    server.answers(said(code, "DB::Exception: no", 500))
    with pytest.raises(SinkError, match=f"code {code}"):
        send(Clickhouse(url=server.url, create=False), events(2))
    assert len(server.inserts) == 1


def test_a_failure_behind_a_200_is_seen(server):
    server.answers(said(241, "DB::Exception: memory", 200))
    with pytest.raises(SinkError, match="code 241"):
        send(Clickhouse(url=server.url, create=False), events(1))


def test_a_proxy_in_between_that_says_no_is_understood(server):
    server.answers(Answer(503, b"later", {"Retry-After": "9"}))
    with pytest.raises(SinkError, match="does not take it now") as caught:
        send(Clickhouse(url=server.url, create=False), events(1))
    assert caught.value.after_s == 9


def test_a_body_that_is_too_large_is_sent_in_halves(server):
    server.answers(Answer(413), Answer(413))
    assert send(Clickhouse(url=server.url, create=False), events(8)) == []
    assert sorted(len(rows) for rows in server.stored.values()) == [2, 2, 4]


def test_what_is_absent_is_empty_and_times_are_never_the_year_1970():
    table = unpacked(packed(Batch.of([{"id": "a"}, {"id": "b", "received_at": NOON}])))
    assert table.schema.equals(SCHEMA)
    assert table["service"].to_pylist() == ["", ""]
    assert table["duration_ms"].to_pylist() == [None, None]
    assert table["timestamp"][1].as_py() == NOON
    assert table["received_at"][0].as_py().year >= 2025


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "http://a", "table": "a; DROP"}, "not a name"),
        ({"url": "http://a", "database": "`"}, "not a name"),
        ({"url": "http://a", "ttl": "4000d"}, "less than or equal"),
        ({"url": "http://a", "engine": "Log"}, "MergeTree"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(given, said):
    with pytest.raises(ValidationError, match=said):
        Clickhouse(**given)


def test_a_page_of_somebody_else_is_no_yes(server):
    server.answers(Answer(body=server.columns), Answer(body=b"<html>Please sign in</html>"))
    with pytest.raises(SinkError, match="not what was expected"):
        send(Clickhouse(url=server.url, create=False), events(1))
