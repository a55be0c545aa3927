"""What OpenTelemetry SDKs and collectors send over HTTP: logs, traces and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..batch import Batch
from ..errors import InputError, SafelightError
from ..locales import nearest, text
from ..wire.forward.records import line, unkept
from ..wire.otlp import JSON, PROTOBUF, SIGNALS, Received, Signal, answer, failure, read
from ..wire.otlp.records import TooMany
from . import Report
from .bodies import Refused
from .endpoint import Endpoint, headers_of, status_of
from .received import MOST_RECORDS, received, size


class Otlp(Endpoint):
    """OpenTelemetry's protocol (OTLP) over HTTP, in protobuf and JSON: log records, spans and data points of metrics
    become events. gRPC is not spoken: set `OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`."""

    type: Literal["otlp"] = "otlp"
    under: ClassVar[str] = ""

    example: ClassVar[dict[str, Any]] = {"listen": "127.0.0.1:4318"}

    def routes(self, report: Report) -> list[Route]:
        """`/v1/logs`, `/v1/traces`, `/v1/metrics`."""
        return [
            Route(signal.path, partial(self._take, signal, report), methods=["POST"]) for signal in SIGNALS.values()
        ]

    def refusal(self, request: Request, error: SafelightError) -> Response:
        """As the protocol has it: a Status in the type of the request."""
        media_type = _media_type(request)
        said = error.render(nearest(request.headers.get("accept-language")))
        body = failure(media_type, said)
        return Response(body, status_of(error), headers_of(error), media_type=media_type)

    async def _take(self, signal: Signal, report: Report, request: Request) -> Response:
        media_type = _media_type(request)
        if request.headers.get("content-type", "").split(";")[0].strip().lower() not in {JSON, PROTOBUF}:
            raise Refused("otlp.media_type", 415, "media_type", known=f"{PROTOBUF}, {JSON}")
        source, constants = self.origin(request), self.constants(request)
        understand = partial(_understood, signal, media_type, source, constants)
        async with self.body(request) as body:
            found, batch, weight = await self.apart(understand, body)
        await self.keep(batch, weight)
        if found.rejected:
            report.refused(found.rejected, "rejected")
        language = nearest(request.headers.get("accept-language"))
        why = text("otlp.rejected", language, count=found.rejected) if found.rejected else ""
        return Response(answer(signal, found, media_type, why), media_type=media_type)


def _media_type(request: Request) -> str:
    """The one to answer in."""
    given = request.headers.get("content-type", "").split(";")[0].strip().lower()
    return PROTOBUF if given == PROTOBUF else JSON


def _understood(
    signal: Signal, media_type: str, source: str, constants: Mapping[str, str | None], body: bytes
) -> tuple[Received, Batch, int]:
    """What a request holds, as raw lines, and what they take in memory. Raises Refused."""
    try:
        found = read(signal, body, media_type, MOST_RECORDS)
    except TooMany as error:
        raise Refused(error.key, 413, "too_large", **error.values) from error
    except InputError as error:
        raise Refused(error.key, 400, "malformed", **error.values) from error
    lines = [_line(row) for row in found.rows]
    return found, received(lines, source, constants), size(lines)


def _line(row: dict[str, Any]) -> bytes:
    try:
        return line(row)
    except (RecursionError, ValueError, TypeError) as error:  # an attribute that is JSON, nested too deeply
        return unkept(row, error)
