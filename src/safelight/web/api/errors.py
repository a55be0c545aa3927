"""`/errors`: what went wrong, by cause, with what to do about it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from ... import answers
from ...errors import NoSuchEvent
from ..reply import Json, language_of
from .events import From, To

router = APIRouter(prefix="/errors", tags=["insight"])

Part = Annotated[
    str | None, Query(description="Part of a group's name, title, exception or message, in any case", alias="q")
]
Family = Annotated[str | None, Query(description="A known cause, such as gpu_oom; `unknown` for the others")]


@router.get("")
def errors(
    request: Request,
    start: From = answers.ERRORS_FROM,
    end: To = None,
    q: Part = None,
    family: Family = None,
    service: str | None = None,
    node: str | None = None,
    limit: Annotated[int, Query(ge=1, le=answers.MOST_ERRORS)] = 50,
) -> Json:
    """Groups of failures, the most frequent first: how often, since when, what it hit, why it happens, what to do."""
    found = answers.errors(
        request.app.state.safelight.store,
        start=start,
        end=end,
        q=q,
        family=family,
        service=service,
        node=node,
        limit=limit,
        language=language_of(request),
    )
    return Json(found)


@router.get("/one")
def one(
    request: Request,
    group: Annotated[str, Query(description="The `error_group` of its events")],
    start: From = answers.ERRORS_FROM,
    end: To = None,
) -> Json:
    """One group of failures: an example with its traceback, the last ones with their runs, the alerts about it."""
    store = request.app.state.safelight.store
    found = answers.errors_one(store, group, start=start, end=end, language=language_of(request))
    if found is None:
        raise NoSuchEvent("web.no_such_error", group=group)
    return Json(found)
