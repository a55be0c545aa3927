"""`/pipeline` and `/sinks`: where events come from, what happens to them, where they go."""

from __future__ import annotations

from fastapi import APIRouter, Request

from ...app import App
from ...app.flow import feed_of
from ...app.flow import pipeline as flow
from ..reply import Json, language_of

router = APIRouter(tags=["self"])


@router.get("/pipeline")
def pipeline(request: Request) -> Json:
    """Every source, step and sink with rate, lag, queue, drops and last error; `problems` says what is wrong, and what
    to do."""
    app: App = request.app.state.safelight
    return Json(flow(app, language_of(request)))


@router.post("/sinks/{name}/retry")
async def retry(request: Request, name: str) -> Json:
    """Put the dead letters of a sink into its queue again."""
    app: App = request.app.state.safelight
    return Json({"events": await feed_of(app, name).retry_dead_letters()})
