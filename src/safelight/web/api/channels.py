"""`/channels`: where alerts are told, how each channel stands, and trying one."""

from __future__ import annotations

import time
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response

from ...channels import Channel
from ...delivery.trial import send_test
from ...errors import DeliveryError, NoSuchEvent
from ...locales import text
from ..reply import Json, language_of, problem, problem_of

router = APIRouter(tags=["channels"])

_BAD_GATEWAY = 502


@router.get("/channels")
def channels(request: Request) -> Json:
    """Every channel: how it stands, what it last answered, what waits, and what it took in the last 24 hours."""
    return Json({"channels": request.app.state.safelight.alerting.engine.channels()})


@router.post("/channels/{name}/test", response_class=Json)
async def test(request: Request, name: str) -> Response:
    """Send one test message with a small chart; the answer is the provider's own. Success enables a broken channel."""
    app = request.app.state.safelight
    channel = _named(app.config.channels, name)
    started = time.perf_counter()
    try:
        answer = await send_test(channel, language=app.config.language)
    except DeliveryError as error:
        language = language_of(request)
        title = text(f"web.status_{_BAD_GATEWAY}", language)
        return problem({**problem_of(error, language), "title": title, "status": _BAD_GATEWAY})
    if await anyio.to_thread.run_sync(app.alerting.engine.enable, name):
        app.alerting.delivery.wake()
    return Json({"answer": answer, "took_ms": round((time.perf_counter() - started) * 1000, 1)})


@router.post("/channels/{name}/enable", response_class=Json)
def enable(request: Request, name: str) -> Json:
    """Use a broken channel again; what waits for it is sent at once."""
    app = request.app.state.safelight
    enabled = app.alerting.engine.enable(name)
    if enabled:
        app.alerting.delivery.wake()
    return Json({"enabled": enabled})


def _named(channels: Any, name: str) -> Channel:
    found: dict[str, Channel] = {channel.name: channel for channel in channels}
    if name not in found:
        raise NoSuchEvent("alerts.channel_unknown", channel=name, known=", ".join(found))
    return found[name]
