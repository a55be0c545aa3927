"""`/silences`: what is not to be told for a while."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from ...alerts.engine import Engine
from ...errors import InputError, NoSuchEvent, QueryError
from ...query.times import duration, instant
from ..reply import Json

router = APIRouter(tags=["alerts"])


class Wish(BaseModel):
    """A silence as it is asked for: what it is about, and until when."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, populate_by_name=True)

    match: dict[str, str | int]
    """`rule`, `severity` or any label, such as `service`, with the value to match; `*` stands for any text."""
    lasting: str | None = Field(default=None, alias="for")
    """How long, such as 2h."""
    until: str | None = None
    """Or until when, an ISO time."""
    starts: str | None = None
    """When it begins, an ISO time; now by default."""
    comment: str | None = None
    """Why."""
    by: str | None = Field(default=None, max_length=200)
    """Who says so."""


@router.get("/silences")
def silences(request: Request) -> Json:
    """All silences: those in force, those to come, those that ended within 30 days."""
    return Json({"silences": [one.view() for one in _engine(request).silences()]})


@router.post("/silences", response_class=Json)
def silence(request: Request, body: Wish) -> Response:
    """Tell nobody of the alerts that match, until it ends; they are kept and shown."""
    now = datetime.now(UTC)
    starts = instant(body.starts, now) if body.starts else None
    until = ending(body.lasting, body.until, starts or now)
    match = {name: str(value) for name, value in body.match.items()}
    engine = _engine(request)
    return Json(shown(engine, engine.silence(match, until, body.by or "", body.comment or "", starts)))


@router.delete("/silences/{silence_id}", response_class=Json)
def unsilence(request: Request, silence_id: str) -> Response:
    """End a silence: what it kept quiet and still fires is told now, unless somebody heard of it before."""
    engine = _engine(request)
    engine.unsilence(silence_id)
    return Json(shown(engine, silence_id))


def ending(lasting: str | None, until: str | None, starts: datetime) -> datetime:
    """When a silence ends. Raises InputError, QueryError for what is no time."""
    if (lasting is None) == (until is None):
        raise InputError("alerts.silence_how_long")
    if until is not None:
        return instant(until, starts)
    try:
        return starts + duration(str(lasting))
    except OverflowError as error:
        raise QueryError("query.duration", query=str(lasting), found=lasting) from error


def shown(engine: Engine, id_: str) -> dict[str, Any]:
    """One silence. Raises NoSuchEvent."""
    for one in engine.silences():
        if one.id == id_:
            return one.view()
    raise NoSuchEvent("alerts.silence_unknown", id=id_)


def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.safelight.alerting.engine
    return engine
