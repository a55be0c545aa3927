"""`/events`: search, histogram, facets, one event, what stands around it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from ... import answers
from ...errors import InputError, NoSuchEvent
from ..reply import Json

router = APIRouter(prefix="/events", tags=["events"])

Text = Annotated[str, Query(description="In the query language", alias="q")]
From = Annotated[str | None, Query(description="ISO time, or an age such as now-1h", alias="from")]
To = Annotated[str | None, Query(description="ISO time, or an age such as now-1h", alias="to")]


@router.get("")
def search(
    request: Request,
    q: Text = "",
    start: From = None,
    end: To = None,
    limit: Annotated[int, Query(ge=1, le=answers.MOST_ROWS)] = 200,
    cursor: str | None = None,
) -> Json:
    """Matching events, newest first, a page at a time; a query with `| stats` answers its rows."""
    return Json(answers.search(request.app.state.safelight.store, q, start, end, limit=limit, cursor=cursor))


@router.get("/histogram")
def histogram(
    request: Request,
    q: Text = "",
    start: From = None,
    end: To = None,
    buckets: Annotated[int, Query(ge=1, le=500)] = 60,
) -> Json:
    """Matching events over time, counted by level."""
    return Json(answers.histogram(request.app.state.safelight.store, q, start, end, buckets=buckets))


@router.get("/facets")
def facets(
    request: Request,
    q: Text = "",
    start: From = None,
    end: To = None,
    fields: str = "level,service,instance",
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> Json:
    """The most frequent values of some fields among the matching events."""
    names = [name.strip() for name in fields.split(",") if name.strip()]
    if not names:
        raise InputError("web.no_fields")
    return Json(answers.facets(request.app.state.safelight.store, q, start, end, fields=names[:20], limit=limit))


@router.get("/{event_id}")
def one(request: Request, event_id: str) -> Json:
    """One event by its id."""
    return Json(_found(answers.one(request.app.state.safelight.store, event_id), event_id))


@router.get("/{event_id}/context")
def context(request: Request, event_id: str, lines: Annotated[int, Query(ge=1, le=500)] = 50) -> Json:
    """What the same source said before and after it, oldest first."""
    return Json(_found(answers.context(request.app.state.safelight.store, event_id, lines), event_id))


def _found(answer: dict[str, Any] | None, event_id: str) -> dict[str, Any]:
    if answer is None:
        raise NoSuchEvent("web.no_such_event", id=event_id)
    return answer
