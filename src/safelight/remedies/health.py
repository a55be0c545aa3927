"""Whether a service is well again after something was done to it."""

from __future__ import annotations

from typing import Final

import httpx

from ..comfyui.client import Client
from ..errors import RemedyError, ServiceError
from ..paths import is_loopback
from .cause import without_password

_ANSWER_S: Final = 5.0


async def of_comfyui(client: Client) -> None:
    """It says what it is and shows its queue, and its worker lives as far as the node pack knows. Raises ServiceError,
    RemedyError."""
    await client.system_stats()
    await client.queue()
    state = await client.pack_state() or {}
    if state.get("worker_alive") is False:
        raise RemedyError("remedies.worker_dead", url=client.url)


async def of_url(url: str) -> None:
    """It answers without an error; what it says is not read. Raises ServiceError."""
    direct = is_loopback(httpx.URL(url).host)  # a proxy of the environment cannot reach this machine's loopback
    try:
        async with (
            httpx.AsyncClient(timeout=_ANSWER_S, trust_env=not direct) as http,
            http.stream("GET", url) as answer,
        ):
            status = answer.status_code
    except httpx.HTTPError as error:
        raise ServiceError(
            "remedies.unreachable", url=without_password(url), reason=str(error) or type(error).__name__
        ) from error
    if status >= 400:
        raise ServiceError("remedies.unreachable", url=without_password(url), reason=str(status))
