"""To anything that speaks OpenTelemetry's protocol over HTTP: a collector, or a backend."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar, Final, Literal

import anyio.to_thread
import httpx
from pydantic import SecretStr

from ..batch import Batch
from ..errors import SinkMisconfigured, SinkRefused
from ..wire.otlp import JSON, PROTOBUF
from ..wire.otlp.export import request
from . import Connection, Refusal
from .web import ANSWER_MAX, HttpUrl, WebSink, objection, unreachable

PATH: Final = "/v1/logs"


class Otlp(WebSink):
    """Events as OpenTelemetry logs, by OTLP over HTTP in protobuf. Each carries its id as `log.record.uid`."""

    type: Literal["otlp"] = "otlp"
    url: HttpUrl
    """Where it listens, without `/v1/logs`, such as `http://127.0.0.1:4318`."""
    token: SecretStr | None = None
    """Sent as `Authorization: Bearer`."""
    compress: Literal["gzip", "none"] = "gzip"
    """How requests are compressed."""

    example: ClassVar[dict[str, Any]] = {"url": "http://127.0.0.1:4318"}

    def own_headers(self) -> dict[str, str]:
        """With the token."""
        bearer = {"Authorization": f"Bearer {self.token.get_secret_value()}"} if self.token else {}
        return {**super().own_headers(), **bearer}

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """Connections are kept open between batches."""
        async with self.client(self.url) as client:
            yield _Exporter(client, f"{self.url}{PATH}", zipped=self.compress == "gzip")


class _Exporter:
    def __init__(self, client: httpx.AsyncClient, url: str, *, zipped: bool) -> None:
        self._client = client
        self._url = url
        self._zipped = zipped

    async def send(self, batch: Batch, batch_id: str) -> Sequence[Refusal]:
        """One request, or several when it is too large for one. The protocol has no place for `batch_id`."""
        body = await anyio.to_thread.run_sync(self._body, batch)
        headers = {"Content-Type": PROTOBUF, **({"Content-Encoding": "gzip"} if self._zipped else {})}
        try:
            answer = await self._client.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise unreachable(self._url, error) from error
        match answer.status_code:
            case 200 if not _is_a_yes(answer):
                raise SinkMisconfigured("sinks.web.not_ours", url=self._url, answer=_said(answer.content))
            case 200:
                return _refused(answer.content, len(batch))
            case 413 if len(batch) > 1:
                half = len(batch) // 2
                first = await self._part(Batch(batch.table.slice(0, half)), batch_id)
                second = await self._part(Batch(batch.table.slice(half)), batch_id)
                return [*first, *(replace(refusal, row=shifted(refusal.row, half)) for refusal in second)]
            case 400 | 413 | 422:  # not retryable: https://opentelemetry.io/docs/specs/otlp/#failures-1
                raise SinkRefused(
                    "sinks.otlp.refused", url=self._url, status=answer.status_code, answer=_said(answer.content)
                )
        raise objection(answer.status_code, answer.headers, _said(answer.content), self._url)

    async def _part(self, batch: Batch, batch_id: str) -> Sequence[Refusal]:
        """The same, but what is refused as a whole is no more than this part."""
        try:
            return await self.send(batch, batch_id)
        except SinkRefused as error:
            return [Refusal(row, error.render()) for row in range(len(batch))]

    def _body(self, batch: Batch) -> bytes:
        body = request(batch.table.to_pylist())
        return gzip.compress(body, compresslevel=1) if self._zipped else body


def shifted(row: int | None, by: int) -> int | None:
    """The row of a part within the whole."""
    return None if row is None else row + by


def _is_a_yes(answer: httpx.Response) -> bool:
    """Empty, or in a type of the protocol: a page that some proxy shows is neither."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return not answer.content or kind in {PROTOBUF, JSON}


def _said(answer: bytes) -> str:
    """The text of a failure: a protobuf Status begins with its number or the length of its message."""
    text = answer.decode("utf-8", "replace")
    return "".join(char for char in text if char.isprintable() and char != "\ufffd")[:ANSWER_MAX]


def _refused(answer: bytes, count: int) -> list[Refusal]:
    """The protocol tells how many it rejects, and not which."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - 40 ms, only where it is spoken
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (  # noqa: PLC0415
        ExportLogsServiceResponse,
    )

    try:
        partial = ExportLogsServiceResponse.FromString(answer).partial_success
    except DecodeError:  # a 200 is a yes, whatever else it says
        return []
    rejected = min(max(0, partial.rejected_log_records), count)
    known = rejected == count
    return [Refusal(row if known else None, partial.error_message) for row in range(rejected)]
