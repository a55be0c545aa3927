"""`/alerts`: what fired, and who was told."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from ..reply import Json

router = APIRouter(tags=["alerts"])


@router.get("/alerts")
def alerts(request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> Json:
    """The newest alerts with their notifications."""
    return Json({"alerts": request.app.state.safelight.engine.alerts(limit)})
