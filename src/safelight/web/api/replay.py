"""`/runs/{id}/replay`, `/runs/{id}/prompt`, `/runs/{id}/bundle`, `/runs/resubmit`: a run again."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fastapi import APIRouter, Body, Request
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, ConfigDict
from starlette.background import BackgroundTask

from ..reply import Json

router = APIRouter(tags=["runs"])


class Replay(BaseModel):
    """How to submit a run again."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    to: str | None = None
    """The address of a ComfyUI, or a configured instance; by default the one that it ran on."""
    set: dict[str, str] = {}
    """Values by input, such as `12.api_key`: secrets are not kept and must be given again."""


class Resubmit(BaseModel):
    """Which lost runs to submit again."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    instance: str | None = None
    """Only those of one instance."""
    ids: list[str] | None = None
    """These runs; by default all that waited in the queue when ComfyUI ended."""
    check: bool = False
    """Only list what would be submitted and where, as `would_submit`; submit nothing."""


@router.get("/runs/{run_id:path}/prompt")
async def prompt(request: Request, run_id: str) -> Json:
    """The prompt as it was submitted, without its secrets."""
    found = await request.app.state.safelight.resubmitter.find(run_id)
    return Json(found.prompt)


@router.get("/runs/{run_id:path}/bundle", response_class=FileResponse)
async def bundle(request: Request, run_id: str) -> Response:
    """A zip with the prompt, the workflow, the input files, and what it was made with, to be opened elsewhere."""
    path: Path = await request.app.state.safelight.resubmitter.bundle(run_id, Path(tempfile.gettempdir()))
    return FileResponse(
        path,
        media_type="application/zip",
        filename=f"run-{run_id[:64]}.zip",
        background=BackgroundTask(path.unlink, missing_ok=True),
    )


@router.post("/runs/{run_id:path}/replay", response_class=Json)
async def replay(request: Request, run_id: str, body: Replay | None = Body(default=None)) -> Response:  # noqa: B008 - FastAPI's way
    """Submit the exact prompt again, same seeds, same workflow; answers the new run and where it went."""
    wanted = body or Replay()
    again = await request.app.state.safelight.resubmitter.again(run_id, wanted.to, wanted.set)
    return Json({"run_id": again.run_id, "to": again.to})


@router.post("/runs/resubmit", response_class=Json)
async def resubmit(request: Request, body: Resubmit | None = Body(default=None)) -> Response:  # noqa: B008
    """Submit lost runs again, each once, in their order; answers the new ids, and why some could not be."""
    wanted = body or Resubmit()
    resubmitter = request.app.state.safelight.resubmitter
    work = resubmitter.would if wanted.check else resubmitter.lost
    return Json(await work(wanted.instance, wanted.ids))
