"""Events as anybody can send them: NDJSON, a JSON array, one JSON object, or lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..batch import Batch
from ..locales import nearest, text
from . import Report
from .bodies import Refused
from .endpoint import Endpoint
from .framing import records
from .received import MOST_RECORD_BYTES, received, size

MOST_REASONS: Final = 100
"""Refused records that an answer names, each with its reason; all are counted."""


class Http(Endpoint):
    """Take events over HTTP: `POST /api/v1/events` with NDJSON, a JSON array, a JSON object or lines of text, plain or
    compressed. Answers 200 once they are durable."""

    type: Literal["http"] = "http"

    example: ClassVar[dict[str, Any]] = {"listen": "127.0.0.1:8681", "token": "env:SAFELIGHT_INGEST_TOKEN"}

    def routes(self, report: Report) -> list[Route]:
        """`/events`."""

        async def take(request: Request) -> Response:
            origin, constants = self.origin(request), self.constants(request)
            content_type = request.headers.get("content-type", "")
            async with self.body(request) as body:
                taken = await self.apart(lambda body: _taken(body, content_type, origin, constants), body)
            await self.keep(taken.batch, taken.size)
            if taken.too_large:
                report.refused(len(taken.too_large), "too_large")
            return Response(taken.answer(request), media_type="application/json")

        return [Route("/events", take, methods=["POST"])]


class _Taken(NamedTuple):
    """What a body holds."""

    batch: Batch
    size: int
    too_large: list[int]
    """Places of the records that are over the limit."""

    def answer(self, request: Request) -> bytes:
        """How many were taken, and which were not."""
        language = nearest(request.headers.get("accept-language"))
        reason = text("sources.record_too_large", language, limit=MOST_RECORD_BYTES >> 20)
        refused = [{"index": index, "reason": reason} for index in self.too_large[:MOST_REASONS]]
        return msgspec.json.encode(
            {"accepted": len(self.batch), "refused": refused, "refused_count": len(self.too_large)}
        )


def _taken(body: bytes, content_type: str, origin: str, constants: Mapping[str, str | None]) -> _Taken:
    found = records(body, content_type)
    kept = [record for record in found if len(record) <= MOST_RECORD_BYTES]
    if found and not kept:
        raise Refused("sources.record_too_large", 413, "too_large", limit=MOST_RECORD_BYTES >> 20)
    too_large = (
        [at for at, record in enumerate(found) if len(record) > MOST_RECORD_BYTES] if len(kept) < len(found) else []
    )
    return _Taken(received(kept, origin, constants), size(kept), too_large)
