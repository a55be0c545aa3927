"""`/repairs`: what was done about alerts, and having a dry run carried out."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Query, Request

from ..reply import Json, language_of

router = APIRouter(tags=["alerts"])


@router.get("/repairs")
def repairs(request: Request, alert: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> Json:
    """The newest repairs, of one alert or of all: what was tried, and how it went."""
    parts, language = request.app.state.safelight.alerting, language_of(request)
    found = parts.engine.repairs.newest(alert, limit)
    return Json({"repairs": [one.view(language, dry_run=parts.remedying.dry_run) for one in found]})


@router.post("/repairs/{repair_id}/do")
async def do(request: Request, repair_id: str) -> Json:
    """Carry out what a dry run only named, with the steps after it; answers the new repair. Refused when the alert has
    been over for more than an hour."""
    parts = request.app.state.safelight.alerting
    new = await anyio.to_thread.run_sync(parts.engine.repairs.do, repair_id)
    parts.remedying.wake()
    return Json(new.view(language_of(request), dry_run=parts.remedying.dry_run))
