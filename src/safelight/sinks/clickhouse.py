"""ClickHouse, by its HTTP interface (https://clickhouse.com/docs/interfaces/http): Arrow in, one table, no client.

A batch is an Arrow stream already: 100,000 events take 0.07 CPU-s to hand over, as JSONEachRow 0.4. A batch that is
sent again is known by its `insert_deduplication_token` among the last 10,000 inserts and changes nothing: exactly once
at insert time, without `FINAL` in every query, which ReplacingMergeTree would need.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Final, Literal

import anyio.to_thread
import httpx
import pyarrow as pa
import pyarrow.compute as pc
import zstandard
from pydantic import AfterValidator, Field, SecretStr

from ..batch import SCHEMA, Batch
from ..errors import SinkError, SinkMisconfigured
from ..event import FIELDS, Kind
from ..processors import WrongSetting
from ..units import Duration
from . import Connection, Refusal
from .once import key_of
from .web import ANSWER_MAX, HttpUrl, WebSink, objection, unreachable

REMEMBERED_INSERTS: Final = 10_000
"""`non_replicated_deduplication_window` of the table that is created; a replicated one remembers as its server says."""
ROW_FAULTS: Final = frozenset({6, 26, 27, 33, 38, 41, 53, 69, 70, 72, 117, 131, 321, 349, 469})
"""Codes that are said of a value in a row: it cannot be parsed or converted, is out of range, or breaks a constraint
(https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp). Every other one may change: memory
(241), too many parts (252) or queries (202), time-outs (159, 209), a read-only table (242)."""
SETTINGS: Final = frozenset(
    {8, 10, 16, 36, 44, 47, 48, 50, 60, 62, 73, 80, 81, 115, 119, 164, 192, 193, 194, 195, 291, 392, 452, 497, 516}
)
"""Codes that change only when a person changes something: no such column, table, database, format or setting; no such
user, a wrong password, no rights, a user that may only read (same source)."""
SIGNS: Final = "x-clickhouse-"
"""How headers begin that ClickHouse puts on every answer (https://clickhouse.com/docs/interfaces/http)."""
MOST_HALVINGS: Final = 200
"""Of one batch, to find the rows at fault; beyond that the fault is not that of some rows."""
_FEW_VALUES: Final = frozenset(
    {"level", "event", "service", "instance", "environment", "host", "tag", "source", "node", "error_type"}
)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,126}")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise WrongSetting("sinks.clickhouse.bad_name", given=value[:50])
    return value


Name = Annotated[str, AfterValidator(_name)]


class Clickhouse(WebSink):
    """Sends events to a table of ClickHouse, which it creates. A batch that is sent twice is kept once."""

    type: Literal["clickhouse"] = "clickhouse"
    url: HttpUrl
    """Where its HTTP interface listens, such as http://clickhouse.internal:8123."""
    database: Name = "default"
    """Database of the table; it must exist."""
    table: Name = "safelight_events"
    """The table."""
    user: str = "default"
    """Who signs in."""
    password: SecretStr = SecretStr("")
    """Name it as env:NAME or file:PATH."""
    create: bool = True
    """Creates the table if there is none, and adds columns that it does not have."""
    engine: Literal["MergeTree", "ReplicatedMergeTree"] = "MergeTree"
    """What kind of table is created."""
    ttl: Annotated[Duration, Field(le=timedelta(days=3_650))] | None = None
    """How long a table that is created keeps an event after it arrived, in whole days such as `90d`, at most 3,650; by
    default for ever."""

    example: ClassVar[dict[str, Any]] = {"url": "http://clickhouse.internal:8123", "ttl": "90d"}

    def own_headers(self) -> dict[str, str]:
        """With the credentials."""
        signing_in = {"X-ClickHouse-User": self.user, "X-ClickHouse-Key": self.password.get_secret_value()}
        return super().own_headers() | signing_in

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """Makes sure of the table, unless told not to."""
        async with self.client(self.url) as client:
            writer = _Writer(self, client)
            if self.create:
                await writer.create()
            yield writer


class _Writer:
    def __init__(self, sink: Clickhouse, client: httpx.AsyncClient) -> None:
        self._sink = sink
        self._client = client
        self._table = f"`{sink.database}`.`{sink.table}`"
        self._insert = f"INSERT INTO {self._table} ({', '.join(FIELDS)}) FORMAT ArrowStream"

    async def create(self) -> None:
        """The table with all columns. Raises SinkError."""
        await self._ask(creation(self._sink))
        known = "SELECT name FROM system.columns WHERE database = '{}' AND table = '{}' FORMAT TSV"
        there = (await self._ask(known.format(self._sink.database, self._sink.table))).text.split()
        missing = [f"ADD COLUMN IF NOT EXISTS {name} {kind_of(name)}" for name in FIELDS if name not in there]
        if missing:
            await self._ask(f"ALTER TABLE {self._table} {', '.join(missing)}")

    async def send(self, batch: Batch, batch_id: str) -> Sequence[Refusal]:
        """One insert; where a row is at fault, the halves of it, until the row is known."""
        refusals: list[Refusal] = []
        halvings = 0
        waiting = [(0, len(batch))]
        while waiting:
            start, stop = waiting.pop()
            part = Batch(batch.table.slice(start, stop - start))
            fault = await self._put(part, key_of(part, batch_id))
            if fault is None:
                continue
            if stop - start == 1:
                refusals.append(Refusal(start, fault.render()))
            elif halvings == MOST_HALVINGS:
                raise fault
            else:
                halvings += 1
                middle = (start + stop) // 2
                waiting += [(middle, stop), (start, middle)]
        return refusals

    async def _put(self, batch: Batch, token: str) -> SinkError | None:
        """The fault, if it is one of a row or of the size. Raises SinkError for any other."""
        body = await anyio.to_thread.run_sync(packed, batch)
        settings = {
            "query": self._insert,
            "async_insert": "0",
            "wait_end_of_query": "1",
            "insert_deduplicate": "1",
            "insert_deduplication_token": token,
            "max_partitions_per_insert_block": "0",  # old events of many days are no mistake
        }
        try:
            answer = await self._client.post("/", params=settings, content=body, headers={"Content-Encoding": "zstd"})
        except httpx.HTTPError as error:
            raise unreachable(self._sink.url, error) from error
        if answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE or _code(answer) in ROW_FAULTS:
            return self._objection(answer)
        if not answer.is_success or _code(answer):
            raise self._objection(answer)
        if not any(name.startswith(SIGNS) for name in answer.headers):
            raise SinkMisconfigured("sinks.web.not_ours", url=self._sink.url, answer=answer.text[:ANSWER_MAX])
        return None

    async def _ask(self, query: str) -> httpx.Response:
        try:
            answer = await self._client.post("/", content=query.encode())
        except httpx.HTTPError as error:
            raise unreachable(self._sink.url, error) from error
        if not answer.is_success:
            raise self._objection(answer)
        return answer

    def _objection(self, answer: httpx.Response) -> SinkError:
        if code := _code(answer):
            told = " ".join(answer.text.split())[:ANSWER_MAX]
            what = SinkMisconfigured if code in SETTINGS else SinkError
            return what("sinks.clickhouse.said", url=self._sink.url, code=code, answer=told)
        return objection(answer.status_code, answer.headers, answer.text, self._sink.url)


def creation(sink: Clickhouse) -> str:
    """The statement that creates the table.

    Parts by day go as a whole when all of it is old; within a day events of one service lie together in time. Runs, ids
    and traces are found by Bloom filters: their order has nothing to do with time. Age counts from the arrival: by its
    own time an imported event would be gone at once, and one of a broken clock, too (DateTime ends in 2106 and wraps).
    """
    columns = ",\n  ".join(f"{name} {kind_of(name)}" for name in FIELDS)
    found_by = ("id", "workflow_id", "request_id", "trace_id")
    indices = ",\n  ".join(f"INDEX by_{name} {name} TYPE bloom_filter GRANULARITY 4" for name in found_by)
    settings = ["ttl_only_drop_parts = 1"]
    if sink.engine == "MergeTree":
        settings.append(f"non_replicated_deduplication_window = {REMEMBERED_INSERTS}")
    days = max(1, round(sink.ttl / timedelta(days=1))) if sink.ttl else 0
    ttl = f"\nTTL toDateTime(received_at) + INTERVAL {days} DAY DELETE" if days else ""
    return (
        f"CREATE TABLE IF NOT EXISTS `{sink.database}`.`{sink.table}` (\n  {columns},\n  {indices}\n)\n"
        f"ENGINE = {sink.engine}\nPARTITION BY toDate(timestamp)\nORDER BY (service, timestamp){ttl}\n"
        f"SETTINGS {', '.join(settings)}"
    )


def kind_of(column: str) -> str:
    """Of a column in ClickHouse. Absent text is empty; only numbers are nullable, since 0 is one."""
    match FIELDS[column]:
        case Kind.TIME:
            return "DateTime64(6, 'UTC')"
        case Kind.NUMBER:
            return "Nullable(Float64)"
    return "LowCardinality(String)" if column in _FEW_VALUES else "String"


def packed(batch: Batch) -> bytes:
    """An Arrow stream, compressed by zstd as a whole."""
    now = pa.scalar(datetime.now(UTC), SCHEMA.field("received_at").type)
    absent = {"received_at": now, "timestamp": pc.fill_null(batch["received_at"], now)}
    columns = [
        pc.coalesce(batch[field.name], absent.get(field.name, ""))
        if not pa.types.is_floating(field.type)
        else batch[field.name]
        for field in SCHEMA
    ]
    table = pa.Table.from_arrays(columns, schema=SCHEMA)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as writer:
        writer.write_table(table.combine_chunks())
    return zstandard.ZstdCompressor(level=1).compress(memoryview(sink.getvalue()))


def _code(answer: httpx.Response) -> int:
    code = answer.headers.get("x-clickhouse-exception-code", "")
    return int(code) if code.isascii() and code.isdigit() else 0
