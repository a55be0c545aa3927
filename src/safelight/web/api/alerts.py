"""`/alerts`: what is pending, fires and fired, who was told, and looking after it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from ...alerts.engine import Engine
from ...alerts.overview import STATUSES, Wanted
from ...errors import InputError, NoSuchEvent
from ..reply import Json, language_of
from .silences import ending, shown

router = APIRouter(tags=["alerts"])


class Acknowledgement(BaseModel):
    """Who looks after an alert."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    by: str | None = Field(default=None, max_length=200)
    """Their name."""


class ForAWhile(BaseModel):
    """How long an alert is not to be told."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, populate_by_name=True)

    lasting: str = Field(default="1h", alias="for")
    """Such as 1h."""
    comment: str | None = None
    """Why."""
    by: str | None = Field(default=None, max_length=200)
    """Who says so."""


@router.get("/alerts")
def alerts(
    request: Request,
    status: Annotated[
        str | None, Query(description="Only these, separated by commas: firing, pending, resolved.")
    ] = None,
    severity: Annotated[int | None, Query(ge=1, le=3, description="Only this severity.")] = None,
    rule: Annotated[str | None, Query(description="Only alerts of this rule.")] = None,
    service: Annotated[str | None, Query(description="Only alerts of this service.")] = None,
    q: Annotated[
        str | None, Query(max_length=1000, description="What the rule, the labels or the example events contain.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="At most this many.")] = 50,
    cursor: Annotated[str | None, Query(description="Where the page before ended.")] = None,
) -> Json:
    """Alerts, those that fire first, then the newest, with what became of their messages."""
    statuses = [one.strip() for one in status.split(",") if one.strip()] if status else list(STATUSES)
    if unknown := set(statuses) - set(STATUSES):
        raise InputError("alerts.status_unknown", status=min(unknown), known=", ".join(STATUSES))
    wanted = Wanted(statuses, severity, rule, service, q, limit, cursor)
    return Json(_engine(request).alerts(wanted, language_of(request)))


@router.get("/alerts/{alert_id}")
def alert(request: Request, alert_id: str) -> Json:
    """One alert with its whole story: changes, messages and every attempt, repairs, examples, the lines around it."""
    return Json(_alert(request, alert_id))


@router.post("/alerts/{alert_id}/acknowledge", response_class=Json)
def acknowledge(request: Request, alert_id: str, body: Annotated[Acknowledgement | None, Body()] = None) -> Response:
    """Look after it: it is not repeated and not escalated until it is over; that it is over is told."""
    _engine(request).acknowledge(alert_id, (body.by if body else None) or "")
    return Json(_alert(request, alert_id))


@router.delete("/alerts/{alert_id}/acknowledge", response_class=Json)
def unacknowledge(request: Request, alert_id: str) -> Response:
    """Look after it no longer."""
    _engine(request).unacknowledge(alert_id)
    return Json(_alert(request, alert_id))


@router.post("/alerts/{alert_id}/silence", response_class=Json)
def silence(request: Request, alert_id: str, body: Annotated[ForAWhile | None, Body()] = None) -> Response:
    """Tell nobody of it for a while: of alerts of the same rule with the same labels."""
    asked, engine = body or ForAWhile(), _engine(request)
    found = _alert(request, alert_id)
    until = ending(asked.lasting, None, datetime.now(UTC))
    match = {"rule": found["rule"], **found["labels"]}
    return Json(shown(engine, engine.silence(match, until, asked.by or "", asked.comment or "")))


def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.safelight.alerting.engine
    return engine


def _alert(request: Request, alert_id: str) -> dict[str, Any]:
    found = _engine(request).alert(alert_id, language_of(request))
    if found is None:
        raise NoSuchEvent("alerts.unknown", id=alert_id)
    return found
