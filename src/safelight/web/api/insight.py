"""`/overview` and `/nodes`: what it all adds up to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from ... import answers
from ..reply import Json
from .events import From, To

router = APIRouter(tags=["insight"])


@router.get("/overview")
def overview(request: Request, start: From = "now-24h", end: To = None) -> Json:
    """Events, errors, runs and instances of a span of time."""
    return Json(answers.overview(request.app.state.safelight.store, start, end))


@router.get("/nodes")
def nodes(
    request: Request,
    start: From = "now-24h",
    end: To = None,
    usual_from: Annotated[str | None, Query(description="Compare with the time from here to `from`")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> Json:
    """Where the time goes: executions, mean and 95th percentile by node type."""
    store = request.app.state.safelight.store
    return Json(answers.nodes(store, start, end, usual_from=usual_from, limit=limit))
