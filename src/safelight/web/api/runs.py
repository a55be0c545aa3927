"""`/runs` and `/queue`: executions, one by one and node by node."""

from __future__ import annotations

from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ... import answers
from ...answers.runs.outputs import Image, Output, image, of_this_machine
from ...config.defaults import sources_of
from ...errors import InputError, NoSuchEvent, ServiceError
from ...sources.comfyui import ComfyUI
from ..reply import Json, language_of
from .events import From, To

router = APIRouter(tags=["runs"])

State = Annotated[str | None, Query(description="States, separated by commas; by default all")]
Workflow = Annotated[str | None, Query(description="The name of a workflow, or a graph hash")]
Part = Annotated[str | None, Query(description="Part of a run's id or of its workflow's name", alias="q")]

_SHOWN: Final = {
    "Content-Disposition": "inline",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, max-age=3600",
}
"""An image, whoever made it, is only ever an image; a name is seldom written over, so an hour is not too long."""


@router.get("/runs")
def runs(
    request: Request,
    state: State = None,
    user: str | None = None,
    workflow: Workflow = None,
    instance: str | None = None,
    q: Part = None,
    start: From = answers.RUNS_FROM,
    end: To = None,
    limit: Annotated[int, Query(ge=1, le=answers.MOST_RUNS)] = 50,
    cursor: str | None = None,
) -> Json:
    """Runs, newest queued first, a page at a time; how many are in each state, and by instance, user and workflow."""
    found = answers.runs(
        request.app.state.safelight.store,
        state=state,
        user=user,
        workflow=workflow,
        instance=instance,
        q=q,
        start=start,
        end=end,
        limit=limit,
        cursor=cursor,
    )
    return Json(found)


@router.get("/queue")
def queue(request: Request) -> Json:
    """What runs and what waits on each instance, with the node at work and how long it may still take."""
    return Json(answers.queue(request.app.state.safelight.store))


# `path`: whoever submits a run may choose its id, with slashes in it.
@router.get("/runs/{run_id:path}/outputs/{index}", response_class=Response)
async def output(request: Request, run_id: str, index: int) -> Response:
    """An image that the run saved: from the disk of this machine, or else from the ComfyUI that has it."""
    app = request.app.state.safelight
    told = await to_thread.run_sync(answers.output, app.store, run_id, index)
    if told is None:
        raise NoSuchEvent("runs.no_such_output", id=run_id, index=index)
    found = await to_thread.run_sync(of_this_machine, told) or await _from_comfyui(app, told)
    return Response(found.data, media_type=found.media_type, headers=_SHOWN)


@router.get("/runs/{run_id:path}")
def run(request: Request, run_id: str) -> Json:
    """One run: its nodes with times and memory, its graph, the memory curve, the files it saved."""
    app = request.app.state.safelight
    found = answers.run(app.store, app.documents.get, run_id, language_of(request))
    if found is None:
        raise NoSuchEvent("runs.no_such_run", id=run_id)
    return Json(found)


async def _from_comfyui(app: Any, told: Output) -> Image:
    """Only a ComfyUI of the configuration is asked: an event may name any instance."""
    try:
        target = await app.resubmitter.targets.of(told.instance)
        known = {source.url for source in sources_of(app.config) if isinstance(source, ComfyUI)}
        if target.url not in known or told.type not in {"output", "temp"}:
            raise NoSuchEvent("runs.output_gone", name=told.filename)
        async with target.client() as client:
            data, _ = await client.view(told.filename, told.subfolder, told.type)
    except (ServiceError, InputError) as error:
        raise NoSuchEvent("runs.output_gone", name=told.filename) from error
    found = image(data)
    if found is None:
        raise NoSuchEvent("runs.output_gone", name=told.filename)
    return found
