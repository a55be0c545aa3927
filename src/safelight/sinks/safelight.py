"""Another Safelight: how an agent hands its events to the server.

A batch travels as an Arrow consignment, compressed by zstd, with an id by which the server knows it again: it commits
the events and the id in one frame, so that a batch whose answer was lost is not stored twice. Its yes means that the
events are on its disk.
"""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self

import anyio.to_thread
import httpx
import zstandard
from pydantic import SecretStr, model_validator

from ..arrivals import MEDIA_TYPE, Consignment
from ..batch import Batch
from ..errors import SinkError, SinkMisconfigured, SinkRefused
from ..processors import WrongSetting
from ..units import Size
from . import MB, Connection, Refusal, Retry
from .once import key_of
from .web import ANSWER_MAX, HttpUrl, WebSink, objection, unreachable

PATH: Final = "/api/v1/arrivals"
OURS: Final = "urn:safelight:"
"""How the problems of a Safelight are called; a refusal without it is somebody else's."""
LEVEL: Final = 1
"""Of zstd."""


class Safelight(WebSink):
    """Sends events to another Safelight server, which stores each batch once."""

    type: Literal["safelight"] = "safelight"
    url: HttpUrl
    """Where the server is, such as https://safelight.internal:8678."""
    token: SecretStr | None = None
    """A token of the server with the scope `ingest`. Name it as env:NAME or file:PATH."""
    token_file: Path | None = None
    """Holds the token in place of `token`; read again at each connection, so that it can be exchanged."""
    agent: str = ""
    """What this machine is called there; by default its host name."""
    most_bytes: Size = 16 * MB
    """Size of a request at most, before it is compressed; a server takes 64 MB."""

    retry: Retry = Retry(max=1_000)
    """What happens when the server does not take a batch; with 1,000 attempts an agent waits three days for it."""

    example: ClassVar[dict[str, Any]] = {"url": "https://safelight.internal:8678", "token_file": "agent.token"}

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if self.token is not None and self.token_file is not None:
            raise WrongSetting("sinks.safelight.two_tokens")
        return self

    def own_headers(self) -> dict[str, str]:
        """With the token. Raises SinkMisconfigured when its file cannot be read."""
        token = self.token.get_secret_value() if self.token is not None else ""
        if self.token_file is not None:
            try:
                token = self.token_file.expanduser().read_text(encoding="ascii").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise SinkMisconfigured("sinks.safelight.no_token", path=self.token_file, reason=str(error)) from error
        return super().own_headers() | ({"Authorization": f"Bearer {token}"} if token else {})

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """Connections are kept open between batches."""
        async with self.client(self.url) as client:
            yield _Sender(self, client)


class _Sender:
    def __init__(self, sink: Safelight, client: httpx.AsyncClient) -> None:
        self._sink = sink
        self._client = client
        self._agent = sink.agent or platform.node()

    async def send(self, batch: Batch, batch_id: str) -> Sequence[Refusal]:
        """One request, or halves of it where it is too large. The server never refuses single events: what it does
        not understand of one it keeps, and says so in the event."""
        refusals: list[Refusal] = []
        waiting = [(0, len(batch))]
        while waiting:
            start, stop = waiting.pop()
            try:
                too_large = await self._put(Batch(batch.table.slice(start, stop - start)), batch_id)
            except SinkRefused as error:
                if stop - start == len(batch):
                    raise
                refusals += [Refusal(row, error.render()) for row in range(start, stop)]
                continue
            if too_large and stop - start > 1:
                middle = (start + stop) // 2
                waiting += [(middle, stop), (start, middle)]
            elif too_large:
                refusals.append(Refusal(start, too_large.render()))
        return refusals

    async def _put(self, batch: Batch, batch_id: str) -> SinkError | None:
        """What is said of its size, if that is too much. Raises SinkError."""
        body = await anyio.to_thread.run_sync(self._body, batch, batch_id)
        if len(body) > self._sink.most_bytes and len(batch) > 1:
            return SinkError("sinks.safelight.too_large", answer=f"{len(body)}")
        packed = await anyio.to_thread.run_sync(zstandard.ZstdCompressor(level=LEVEL).compress, body)
        headers = {"Content-Type": MEDIA_TYPE, "Content-Encoding": "zstd"}
        try:
            answer = await self._client.post(PATH, content=packed, headers=headers)
        except httpx.HTTPError as error:
            raise unreachable(self._sink.url, error) from error
        told = " ".join(answer.text.split())[:ANSWER_MAX]
        if answer.is_success:
            if not _is_a_yes(answer):  # a proxy's page, a wrong tunnel: nobody has the events
                raise SinkMisconfigured(
                    "sinks.safelight.not_ours", url=self._sink.url, status=answer.status_code, answer=told
                )
            return None
        if answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
            return SinkError("sinks.safelight.too_large", answer=told)
        if answer.status_code == httpx.codes.BAD_REQUEST and OURS in answer.text:
            raise SinkRefused("sinks.safelight.refused", url=self._sink.url, answer=told)
        raise objection(answer.status_code, answer.headers, answer.text, self._sink.url)

    def _body(self, batch: Batch, batch_id: str) -> bytes:
        return Consignment.understood(batch, self._agent, f"{self._agent}.{key_of(batch, batch_id)}").dump()


def _is_a_yes(answer: httpx.Response) -> bool:
    """Whether it says how many events the batch became, as only a Safelight does."""
    try:
        said = answer.json()
    except ValueError:
        return False
    return isinstance(said, dict) and isinstance(said.get("events"), int)
