"""Elasticsearch, and what speaks its bulk protocol: OpenSearch, VictoriaLogs, ZincSearch.

What talks is `elastic-transport`, the part of the official client that holds connections, prefers nodes that answer and
moves on from those that do not. The rest of the client is left out on purpose: after a first success it refuses every
server that does not say that it is Elasticsearch (`UnsupportedProductError`), asks for media types that OpenSearch
answers with 406, and a client of version 9 is refused by a server of version 8; it also takes 41 MB and 0.19 s of CPU
to import, the transport 7 MB and 0.05 s. Plain `application/x-ndjson` is what all of them and all versions take.
"""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, SecretStr, model_validator

from ...processors import WrongSetting
from ...units import Size
from .. import MB, Connection
from ..web import HttpUrl, WebSink
from .documents import Shape
from .indices import Dates, Indices

_PREFIX: Final = re.compile(r"(?![_+-])[^A-Z\s\\/*?\"<>|,#:\x00-\x1f]{1,200}")
"""https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-indices-create: lower case, at most 255 bytes
together with the date."""


def _prefix(value: str) -> str:
    if not _PREFIX.fullmatch(value) or value in {".", ".."} or value != value.lower() or len(value.encode()) > 200:
        raise WrongSetting("sinks.elasticsearch.bad_prefix", given=value[:50])
    return value


class Elasticsearch(WebSink):
    """Sends events to Elasticsearch or OpenSearch, one index a day, or to what speaks their bulk protocol, such as
    VictoriaLogs. The first two keep once what is sent twice. Needs `pip install 'safelight[elasticsearch]'`."""

    type: Literal["elasticsearch"] = "elasticsearch"
    url: HttpUrl | None = None
    """Where it is, such as https://elasticsearch.internal:9200; a path before `/_bulk` may follow."""
    urls: tuple[HttpUrl, ...] = ()
    """Several nodes of one cluster in place of `url`: the next one is asked when one does not answer."""
    prefix: Annotated[str, AfterValidator(_prefix)] = "safelight"
    """How the names of its indices begin: `prefix-2026.11.22`; the whole name of a data stream."""
    dates: Dates = "day"
    """An index for each `day` or `month`, in UTC, by the time of the event; or `none`: one index of that name."""
    data_stream: bool = False
    """Writes to a data stream of the name in `prefix`, and not to indices."""
    template: bool = True
    """Installs an index template when it connects: which field is what, and no field that an event can add."""
    ecs: bool = False
    """Names the fields as the Elastic Common Schema does: `service.name` and not `service`."""
    user: str | None = None
    """Signs in by name, together with `password`."""
    password: SecretStr | None = None
    """Name it as env:NAME or file:PATH."""
    api_key: SecretStr | None = None
    """Signs in with an API key in place of a name: as Kibana shows it (encoded), or `id:key`."""
    bearer: SecretStr | None = None
    """Signs in with a token, such as that of a service account."""
    pipeline: str | None = None
    """Ingest pipeline that every event goes through."""
    gzip: bool = True
    """Compresses what it sends."""
    most_bytes: Size = 10 * MB
    """Size of a request at most, before it is compressed; a server takes 100 MB unless it says otherwise."""

    example: ClassVar[dict[str, Any]] = {"url": "https://elasticsearch.internal:9200", "prefix": "comfyui_logs"}

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.url is None) == (not self.urls):
            raise WrongSetting("sinks.elasticsearch.which_url")
        if (self.user is None) != (self.password is None):
            raise WrongSetting("sinks.web.user_and_password")
        if sum(way is not None for way in (self.user, self.api_key, self.bearer)) > 1:
            raise WrongSetting("sinks.elasticsearch.many_ways_in")
        if find_spec("elastic_transport") is None:
            raise WrongSetting("sinks.elasticsearch.not_installed", command="pip install 'safelight[elasticsearch]'")
        return self

    @property
    def nodes(self) -> tuple[str, ...]:
        """All addresses."""
        return self.urls or (self.url or "",)

    @property
    def indices(self) -> Indices:
        """Where its events go."""
        return Indices(self.prefix, self.dates, self.data_stream)

    @property
    def shape(self) -> Shape:
        """How its events are written."""
        return Shape(self.ecs)

    def authorization(self) -> str | None:
        """The header that signs in."""
        if self.user is not None and self.password is not None:
            return "Basic " + _base64(f"{self.user}:{self.password.get_secret_value()}")
        if self.api_key is not None:
            key = self.api_key.get_secret_value()
            return "ApiKey " + (_base64(key) if ":" in key else key)
        return f"Bearer {self.bearer.get_secret_value()}" if self.bearer is not None else None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """Installs the template, unless told not to."""
        from .cluster import Cluster  # noqa: PLC0415 - the transport takes 7 MB that only this sink needs
        from .writer import Writer  # noqa: PLC0415

        async with Cluster.of(self) as cluster:
            if self.template:
                await cluster.install(self.indices, self.shape)
            yield Writer(self, cluster)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
