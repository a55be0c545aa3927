"""Where whatever writes to Elasticsearch can write instead: its bulk API, and what clients ask before they use it.

A document that is no JSON is stored and flagged, and answered with 201, where Elasticsearch refuses it: most senders
throw away what is refused.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..batch import Batch
from ..errors import SafelightError
from ..processors.parse.columns import ID
from . import Report, elastic
from .bulk import NO_INDEX, Item, Malformed, items
from .endpoint import Endpoint, headers_of, status_of
from .inbox import Busy
from .received import received, size

_encode = msgspec.json.Encoder().encode
_SHARDS = {"total": 1, "successful": 1, "failed": 0}
_BUSY = "es_rejected_execution_exception"
_TYPES = {401: "security_exception", 403: "security_exception", 404: "resource_not_found_exception"}


class ElasticsearchBulk(Endpoint):
    """Take what is sent to Elasticsearch: the bulk API at `/api/v1/_bulk` and `/api/v1/INDEX/_bulk`, for the official
    clients, Beats, Logstash, Fluentd, Fluent Bit, Vector and rsyslog. Documents become events; nothing can be updated
    or deleted."""

    type: Literal["elasticsearch_bulk"] = "elasticsearch_bulk"
    version: str = Field(default="8.17.0", pattern=r"^\d{1,2}\.\d{1,3}\.\d{1,3}$")
    """Which version of Elasticsearch clients are told that this is."""

    example: ClassVar[dict[str, Any]] = {"listen": "127.0.0.1:9200", "token": "env:SAFELIGHT_INGEST_TOKEN"}

    def routes(self, report: Report) -> list[Route]:
        """The bulk API in its spellings, and what clients ask."""

        async def take(request: Request) -> Response:
            began = time.monotonic()
            origin, constants = self.origin(request), self.constants(request)
            index, type_ = (request.path_params.get(name) for name in ("index", "type"))
            async with self.body(request) as body:
                taken = await self.apart(lambda body: _taken(items(body, index, type_), origin, constants), body)
            await self.keep(taken.batch, taken.size)
            for why, count in taken.refused.items():
                report.refused(count, why)
            content = {"took": int((time.monotonic() - began) * 1000), "errors": bool(taken.refused)}
            return elastic.answer(request, content | {"items": taken.answers})

        async def about(request: Request) -> Response:
            return elastic.answer(request, elastic.info(self.version))

        async def health(request: Request) -> Response:
            return elastic.answer(request, elastic.HEALTH)

        async def health_in_words(request: Request) -> Response:
            return Response(f"{elastic.NAME} green 1 1 1 1 0 0 0 0 - 100.0%\n", headers=elastic.PRODUCT)

        async def license_(request: Request) -> Response:
            return elastic.answer(request, elastic.LICENSE)

        async def xpack(request: Request) -> Response:
            return elastic.answer(request, elastic.XPACK)

        async def thing(request: Request) -> Response:
            return elastic.answer(request, elastic.thing(request))

        bulk = ("/_bulk", "/_bulk/", "/{index}/_bulk", "/{index}/{type}/_bulk")
        return [
            *(Route(path, take, methods=["POST", "PUT"]) for path in bulk),
            Route("/", about, methods=["GET"]),
            Route("/_cluster/health", health, methods=["GET"]),
            Route("/_cat/health", health_in_words, methods=["GET"]),
            Route("/_license", license_, methods=["GET"]),
            Route("/_xpack", xpack, methods=["GET"]),
            *(
                Route(f"/{path}{rest}", thing, methods=["GET", "PUT", "POST", "DELETE"])
                for path in elastic.THINGS
                for rest in ("", "/{name:path}")
            ),
        ]

    def refusal(self, request: Request, error: SafelightError) -> Response:
        """An error as an answer, as Elasticsearch gives it."""
        status = status_of(error)
        type_ = _BUSY if isinstance(error, Busy) else _TYPES.get(status, "illegal_argument_exception")
        reason = error.reason if isinstance(error, Malformed) else error.render()
        return elastic.answer(request, elastic.fault(type_, reason, status), status, headers_of(error))


class _Taken(NamedTuple):
    """What a body holds, and what is answered once that is durable."""

    batch: Batch
    size: int
    answers: list[dict[str, Any]]
    refused: Counter[str]


def _taken(found: list[Item], origin: str, constants: Mapping[str, str | None]) -> _Taken:
    kept = [item for item in found if item.fault is None]
    given = [_event_id(item) for item in kept]
    lines = [_with_meta(item, named=id_ is not None) for item, id_ in zip(kept, given, strict=True)]
    batch = received(lines, origin, constants, given)
    new = iter(batch["id"].to_pylist())
    answers = [_answer(item, next(new) if item.fault is None else None) for item in found]
    return _Taken(batch, size(lines), answers, Counter(item.fault.why for item in found if item.fault))


def _event_id(item: Item) -> str | None:
    """The id that the sender gave, if it can be one of ours: the same document sent again is the same event."""
    given = item.meta.id
    return str(given) if given is not None and ID.fullmatch(str(given)) else None


def _with_meta(item: Item, *, named: bool) -> bytes:
    """The document, with its index in front, and its id if that is none of ours: what it says itself comes later and
    counts."""
    meta = {"_index": item.meta.index} if item.meta.index else {}
    if item.meta.id is not None and not named:
        meta["_id"] = str(item.meta.id)
    source = item.source.lstrip()
    if not meta or source[:1] != b"{":
        return item.source
    rest = source[1:].lstrip()
    return b"".join((_encode(meta)[:-1], b"" if rest[:1] == b"}" else b",", rest))


def _answer(item: Item, new_id: str | None) -> dict[str, Any]:
    meta, fault = item.meta, item.fault
    said: dict[str, Any] = {"_index": meta.index or NO_INDEX}
    if meta.type:
        said["_type"] = meta.type
    said["_id"] = str(meta.id) if meta.id is not None else new_id
    if fault is not None:
        said |= {"status": 400, "error": {"type": fault.type, "reason": fault.reason}}
    else:
        said |= {
            "_version": 1,
            "result": "created",
            "_shards": _SHARDS,
            "_seq_no": 0,
            "_primary_term": 1,
            "status": 201,
        }
    return {item.action: said}
