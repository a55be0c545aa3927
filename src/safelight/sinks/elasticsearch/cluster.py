"""The nodes behind a sink, spoken to through the transport of the official client."""

from __future__ import annotations

import gzip
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

import anyio.to_thread
import httpx
import msgspec
from elastic_transport import (
    ApiResponseMeta,
    AsyncTransport,
    HttpHeaders,
    HttpxAsyncHttpNode,
    NodeConfig,
    Serializer,
    TransportError,
)
from elastic_transport.client_utils import url_to_node_config

from ...errors import SinkError, SinkMisconfigured
from ..web import objection, unreachable
from .documents import Shape
from .indices import Indices
from .template import Product, name_of, template

if TYPE_CHECKING:
    from . import Elasticsearch

ELSEWHERE: Final = (502, 503, 504)
"""After these another node is asked, if there is one. What came through twice is kept once."""
LEVEL: Final = 1
"""Of gzip: 0.1 CPU-s for 100,000 events, down to 6 % of their size; level 6 takes 0.25 for 5 %."""

_LOG: Final = logging.getLogger("elastic_transport")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False  # it warns at every attempt, with a traceback; the sink says once that it fails, and why


class _Bytes(Serializer):
    """What is sent and answered stays as it is: `bulk` reads and writes it."""

    def loads(self, data: bytes) -> bytes:
        return data

    def dumps(self, data: bytes) -> bytes:
        return data


class _Node(HttpxAsyncHttpNode):
    """A node over httpx that takes no proxy from the environment."""

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        self.client = httpx.AsyncClient(
            base_url=self.base_url,
            verify=config.ssl_context or False,
            timeout=config.request_timeout,
            trust_env=False,
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """What a node answered."""

    meta: ApiResponseMeta
    body: bytes

    @property
    def status(self) -> int:
        """Of HTTP."""
        return self.meta.status


class Cluster:
    """One or more nodes that know the same."""

    def __init__(self, sink: Elasticsearch) -> None:
        self._sink = sink
        self._headers = sink.own_headers()
        if sign_in := sink.authorization():
            self._headers["Authorization"] = sign_in
        raw = _Bytes()
        self._transport = AsyncTransport(
            [self._config(url) for url in sink.nodes],
            node_class=_Node,
            serializers={"application/json": raw, "application/x-ndjson": raw, "text/*": raw},
            max_retries=len(sink.nodes) - 1,
            retry_on_status=ELSEWHERE,
            retry_on_timeout=True,
            meta_header=False,
        )

    @classmethod
    @asynccontextmanager
    async def of(cls, sink: Elasticsearch) -> AsyncIterator[Self]:
        """Connected, and closed again."""
        cluster = cls(sink)
        try:
            yield cluster
        finally:
            await cluster._transport.close()

    async def install(self, indices: Indices, shape: Shape) -> None:
        """Put the index template there, in the form that the product takes. Raises SinkError."""
        about = await self.ask("GET", "/")
        if about.status != 200:
            raise self.objection(about)
        try:
            product = Product.of(msgspec.json.decode(about.body))
        except msgspec.MsgspecError:
            product = Product()
        body = msgspec.json.encode(template(indices, shape, product))
        put = await self.ask("PUT", f"/_index_template/{name_of(indices)}", body)
        if put.status != 200:
            objection = self.objection(put)
            if not isinstance(objection, SinkMisconfigured):
                raise objection
            answer = " ".join(put.body.decode("utf-8", "replace").split())[:300]
            raise SinkMisconfigured(
                "sinks.elasticsearch.no_template", name=name_of(indices), status=put.status, answer=answer
            )

    async def bulk(self, body: bytes) -> Reply:
        """Send a body of actions and documents. Raises SinkError when no node answers."""
        # Only what `bulk.verdict` reads: of 5,000 items taken that is 115 KB instead of 900.
        query = "filter_path=errors,items.*.status,items.*.error"
        if self._sink.pipeline:
            query += f"&pipeline={quote(self._sink.pipeline, safe='')}"
        if not self._sink.gzip:
            return await self.ask("POST", f"/_bulk?{query}", body, "application/x-ndjson")
        packed = await anyio.to_thread.run_sync(gzip.compress, body, LEVEL)
        return await self.ask("POST", f"/_bulk?{query}", packed, "application/x-ndjson", {"Content-Encoding": "gzip"})

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        media_type: str = "application/json",
        more: dict[str, str] | None = None,
    ) -> Reply:
        """One request and its answer. Raises SinkError when there is none."""
        headers = HttpHeaders(self._headers | (more or {}) | {"Accept": "application/json"})
        if body is not None:
            headers["Content-Type"] = media_type
        try:
            meta, answer = await self._transport.perform_request(method, target, body=body, headers=headers)
        except TransportError as error:
            cause = error.__cause__ if isinstance(error.__cause__, Exception) else error  # it says more
            raise unreachable(", ".join(self._sink.nodes), cause) from error
        return Reply(meta, answer if isinstance(answer, bytes) else b"")

    def objection(self, reply: Reply) -> SinkError:
        """What an answer that is no yes means."""
        told = reply.body.decode("utf-8", "replace")
        return objection(reply.status, dict(reply.meta.headers), told, str(reply.meta.node.host))

    def _config(self, url: str) -> NodeConfig:
        config: Any = url_to_node_config(url, use_default_ports_for_scheme=True)
        context = self._sink.tls() if url.startswith("https:") else None
        return NodeConfig(
            config.scheme,
            config.host,
            config.port,
            path_prefix=config.path_prefix,
            request_timeout=self._sink.timeout.total_seconds(),
            ssl_context=context,
            ssl_show_warn=False,
        )
