"""`/rules`: which rules there are, changing them, trying them on what was stored."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any, Final

import anyio
import anyio.to_thread
from fastapi import APIRouter, Body, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from ...answers.backtest import rule_tried
from ...app.rulebook import Fixed, Rulebook
from ...config.checked import Checked
from ...config.told import Mistake
from ...errors import InputError, SafelightError
from ...locales import text
from ..reply import Json, language_of, problem, problem_of

router = APIRouter(tags=["rules"])

LOOK_EVERY_S: Final = 0.25
"""How soon a trial that nobody waits for ends."""

Fields = dict[str, Any]
"""A rule, written as in the configuration file."""


class Trial(BaseModel):
    """What to try, and on which time."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    rule: dict[str, Any] | None = None
    """A rule, written as in the configuration file."""
    id: str | None = None
    """Or the id of one that there is."""
    start: str = Field(default="now-7d", alias="from")
    """Since when, an ISO time or an age such as now-7d."""
    end: str = Field(default="now", alias="to")
    """Until when, an ISO time or an age such as now-1h."""


@router.get("/rules")
def rules(request: Request) -> Json:
    """Every rule, where it comes from, how it stands and what judging it costs; and those that were left out."""
    return Json(_book(request).view(language_of(request)))


@router.post("/rules", response_class=Json)
def add(request: Request, fields: Fields) -> Response:
    """Make a rule; it is judged at once and outlives restarts."""
    return _changed(request, lambda book, language: book.add(fields, language))


@router.put("/rules/{rule_id}", response_class=Json)
def change(request: Request, rule_id: str, fields: Fields) -> Response:
    """Change a rule made here, or put one in place of a default rule; those of the configuration file are refused."""
    return _changed(request, lambda book, language: book.change(rule_id, fields, language))


@router.delete("/rules/{rule_id}", response_class=Json)
def remove(request: Request, rule_id: str) -> Response:
    """Remove a rule made here; a default rule of that id is back then."""
    try:
        _book(request).remove(rule_id)
    except Fixed as error:
        return _conflict(error, language_of(request))
    return Json({"removed": rule_id})


@router.post("/rules/check", response_class=Json)
def check(request: Request, fields: Fields) -> Response:
    """Say what is wrong with a rule, with the place, or how its condition is understood; change nothing."""
    language = language_of(request)
    found = _book(request).check(fields, language)
    if found.rule is None:
        return _mistaken(found, language)
    return Json({"ok": True, "when": str(found.rule.when), "warnings": found.warnings})


@router.post("/rules/backtest", response_class=Json)
async def backtest(request: Request, trial: Trial = Body(...)) -> Response:  # noqa: B008 - FastAPI's way
    """Say when a rule would have fired, on what, and how many messages that would have been."""
    app, language = request.app.state.safelight, language_of(request)
    if (trial.rule is None) == (trial.id is None):
        raise InputError("rules.rule_or_id")
    if trial.rule is None:
        rule = _book(request).find(str(trial.id)).rule
    else:
        found = _book(request).check({"id": "trial", **trial.rule}, language)
        if found.rule is None:
            return _mistaken(found, language)
        rule = found.rule
    hours = app.config.alerts.quiet_hours
    quiet = hours.quiet() if hours else None
    gone = Event()

    def work() -> Json:
        ask = (trial.start, trial.end)
        return Json(rule_tried(app.store, rule, *ask, language=language, quiet=quiet, unwanted=gone.is_set))

    return await _while_wanted(request, work, gone)


async def _while_wanted(request: Request, work: Callable[[], Json], gone: Event) -> Json:
    """One at a time, in a thread, and no longer than somebody waits: a page asks again with every key that is hit."""
    state = request.app.state
    if not hasattr(state, "trying"):
        state.trying = anyio.CapacityLimiter(1)

    async def watch() -> None:
        while not await request.is_disconnected():  # noqa: ASYNC110 - there is no event for it
            await anyio.sleep(LOOK_EVERY_S)
        gone.set()

    answer: Json | SafelightError
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        try:
            answer = await anyio.to_thread.run_sync(work, limiter=state.trying)
        except SafelightError as error:  # out of the group as it is, not as a group of one
            answer = error
        tasks.cancel_scope.cancel()
    if isinstance(answer, SafelightError):
        raise answer
    return answer


def _book(request: Request) -> Rulebook:
    book: Rulebook = request.app.state.safelight.alerting.rulebook
    return book


def _changed(request: Request, work: Any) -> Response:
    language = language_of(request)
    book = _book(request)
    try:
        found = work(book, language)
    except Fixed as error:
        return _conflict(error, language)
    if found.rule is None:
        return _mistaken(found, language)
    return Json({"rule": book.one(found.rule.id, language), "warnings": found.warnings})


def _conflict(error: Fixed, language: str) -> Response:
    return problem(problem_of(error, language) | {"title": text("web.status_409", language), "status": 409})


def _mistaken(found: Checked, language: str) -> Response:
    """The first mistake, as every problem is told, and all of them in a list."""
    listed = [_mistake(mistake) for mistake in found.mistakes]
    title = text("web.status_400", language)
    return problem(
        {"type": "urn:safelight:rules.mistaken", "title": title, "status": 400, **listed[0], "mistakes": listed}
    )


def _mistake(mistake: Mistake) -> dict[str, Any]:
    told: dict[str, Any] = {"field": ".".join(map(str, mistake.location)), "detail": mistake.said}
    if mistake.cause is not None:
        told |= {"position": mistake.cause.position, "caret": mistake.cause.caret()}
    return told
