"""`/status`: how Safelight itself is doing."""

from __future__ import annotations

from fastapi import APIRouter, Request

from ...app.status import status as app_status
from ..reply import Json

router = APIRouter(tags=["self"])


@router.get("/status")
def status(request: Request) -> Json:
    """Version, store, sources, channels, rules, and everything that is not as it should be."""
    return Json(app_status(request.app.state.safelight))
