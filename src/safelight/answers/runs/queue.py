"""What runs and what waits, by instance, from events alone: it can be asked while the instances are out of reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from ...event import Name
from ...query.run_states import OPEN_WITHIN, State
from ...query.sql import Span
from ...query.standing import standing
from ...store import Store
from ..asked import Asked
from .reading import number
from .summary import Told, attribute_of, gather, summaries

_WORDS: Final = {Name.INSTANCE_UNREACHABLE: "unreachable", Name.WORKER_DEAD: "dead"}
"""What an instance is while nothing better has been heard of it."""


def queue(store: Store) -> dict[str, Any]:
    """`{"instances": [{"instance", "state", "running", "pending", "eta_ms"}], "took_ms"}`; pending in the order of the
    queue. An instance that had something to do or to say within a week is listed, be it idle now.

    `eta_ms`: until the queue is empty if everything takes as long as usual; null when nobody knows how long that is.
    """
    asked = Asked.of("*", None, None)
    span = Span(asked.now - OPEN_WITHIN, None)
    now_standing = store.run(standing(asked.now), span).to_pylist()
    open_runs = [row for row in now_standing if row["kind"] == "run"]
    begun = Span(min((row["first_at"] for row in open_runs), default=asked.now), None)
    told = gather(store, [row["id"] for row in open_runs], begun, asked.now)
    runs = {run["id"]: run for run in summaries(store, told, asked.now)}
    by_instance: dict[str | None, list[Told]] = {}
    for one in told:
        by_instance.setdefault(runs[one.id]["instance"], []).append(one)
    words = {row["instance"]: row["last_word"] for row in now_standing if row["kind"] == "word"}
    busy = {row["instance"] for row in now_standing if row["kind"] == "instance"}
    names = sorted({*words, *busy, *by_instance}, key=lambda name: name or "")
    return {
        "instances": [_instance(name, words.get(name), by_instance.get(name, []), runs, asked.now) for name in names],
        "took_ms": asked.took_ms(),
    }


def _instance(
    name: str | None, word: str | None, told: Sequence[Told], runs: Mapping[str, dict[str, Any]], now: datetime
) -> dict[str, Any]:
    running = [one for one in told if runs[one.id]["state"] == State.RUNNING]
    pending = sorted((one for one in told if runs[one.id]["state"] == State.QUEUED), key=_place)
    busy = "stuck" if any(_stuck(one) for one in running) else "busy" if running else "idle"
    shown = [[runs[one.id] for one in part] for part in (running, pending)]
    state = _WORDS.get(Name(word)) if word else None
    return {
        "instance": name,
        "state": state or busy,
        "running": shown[0],
        "pending": shown[1],
        "eta_ms": _eta(shown[0], shown[1], now) if state is None and busy != "stuck" else None,
    }


def _place(told: Told) -> tuple[float, datetime]:
    """In ComfyUI's queue the least number is next, and of equal ones the first; "front" is a negative one."""
    known = number(attribute_of(told.events)(Name.RUN_QUEUED, "number"))
    return (0.0 if known is None else known, told.figures["first_at"])


def _stuck(told: Told) -> bool:
    """Whether nothing has been heard of it since it was said to be stuck."""
    said = [row["timestamp"] for row in told.events if row["event"] == Name.RUN_STUCK]
    moved_at = told.figures["moved_at"]
    return bool(said) and (moved_at is None or said[-1] >= moved_at)


def _eta(running: Sequence[Mapping[str, Any]], pending: Sequence[Mapping[str, Any]], now: datetime) -> float | None:
    runs = [*running, *pending]
    if any(run["usual_ms"] is None for run in runs):
        return None
    left = 0.0
    for run in runs:
        gone = 0.0
        if run["state"] == State.RUNNING and run["started_at"]:
            gone = (now - datetime.fromisoformat(run["started_at"])) / timedelta(milliseconds=1)
        left += max(0.0, run["usual_ms"] - gone)
    return round(left, 1)
