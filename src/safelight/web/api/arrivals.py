"""`/arrivals`: what our own processes hand over: `safelight ingest` raw lines and their positions, an agent its events.

Raw Starlette routes: validating a body that is Arrow already would only cost.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...arrivals import MEDIA_TYPE, Consignment
from ...errors import InputError, SafelightError
from ...sources.bodies import Bodies, Refused
from ...sources.inbox import Busy
from ..reply import Json, language_of, problem, problem_of, refusal

_BODIES: Final = Bodies()
"""A body has at most 64 MB, as sent and decompressed; all of them together 192 MB."""


async def take(request: Request) -> Response:
    """Commit a consignment; answers how many events it became once they are durable."""
    app = request.app.state.safelight
    try:
        if request.headers.get("content-type") != MEDIA_TYPE:
            raise InputError("web.not_arrow", expected=MEDIA_TYPE)
        async with _BODIES.read(request, lambda _: None) as body:
            consignment = await _BODIES.work(Consignment.parse, body, size=len(body))
            return Json(await app.receive(consignment))
    except Refused as error:
        return refusal(error.key, error.status, language_of(request), **error.values)
    except Busy as error:
        answer = refusal(error.key, 503, language_of(request), **error.values)
        answer.headers["Retry-After"] = f"{error.after_s:g}"
        return answer
    except SafelightError as error:
        return problem(problem_of(error, language_of(request)))


def progress(request: Request) -> Response:
    """How far each file was imported before, by its key."""
    return Json({"checkpoint": request.app.state.safelight.store.checkpoint("ingest:")})


routes: Final = [
    Route("/api/v1/arrivals", take, methods=["POST"]),
    Route("/api/v1/arrivals", progress, methods=["GET"]),
]
