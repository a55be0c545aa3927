"""`/arrivals`: raw lines with their positions, as `safelight ingest` sends them to the server that owns the data.

Raw Starlette routes: validating a body that is Arrow already would only cost.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...arrivals import MEDIA_TYPE, Consignment
from ...errors import InputError, SafelightError
from ..reply import Json, language_of, problem, problem_of, refusal

MOST_BYTES: Final = 64 * 1024 * 1024
"""A larger body is refused (413): a sender's part is 4 MB of lines and what it adds to them."""


async def take(request: Request) -> Response:
    """Commit a consignment; answers how many events it became once they are durable."""
    app = request.app.state.safelight
    try:
        if request.headers.get("content-type") != MEDIA_TYPE:
            raise InputError("web.not_arrow", expected=MEDIA_TYPE)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                return refusal("web.too_large", 413, language_of(request), limit=MOST_BYTES >> 20)
        return Json(await app.receive(Consignment.parse(bytes(body))))
    except SafelightError as error:
        return problem(problem_of(error, language_of(request)))


def progress(request: Request) -> Response:
    """How far each file was imported before, by its key."""
    return Json({"checkpoint": request.app.state.safelight.store.checkpoint("ingest:")})


routes: Final = [
    Route("/api/v1/arrivals", take, methods=["POST"]),
    Route("/api/v1/arrivals", progress, methods=["GET"]),
]
