"""Why is nothing arriving? The figures of the pipeline, read as a person would read them who knows what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..locales import text

BEHIND_S: Final = 60.0
"""A file that is so far behind is told of."""
MANY: Final = 20
"""Events from which on a share of them means something."""
MOSTLY: Final = 0.5
NEARLY_FULL: Final = 0.8
FAR_BEHIND: Final = 100_000
"""Events that a sink's queue has not taken yet."""
_ORDER: Final = {"error": 0, "warning": 1, "note": 2}
_REMEDIES: Final = {"file": "files", "spool": "files", "docker": "docker", "comfyui": "comfyui"}
"""What helps against the failures of a source, by its type."""

_NOTHING: Final = {"count": 0}

Problem = dict[str, str]
Status = Mapping[str, Any]


def problems(pipeline: Status, language: str) -> list[Problem]:
    """What is wrong, each with what to do if anything is: errors first. `pipeline` is what `/api/v1/pipeline` shows."""
    told = _Teller(language)
    store = pipeline.get("store")
    found = list(told.of_store(store)) if store else []
    for source in pipeline["sources"]:
        found += told.of_source(source)
    for sink in pipeline["sinks"]:
        found += told.of_sink(sink, agent=bool(pipeline.get("agent")))
    return sorted(found, key=lambda problem: _ORDER[problem["severity"]])


class _Teller:
    def __init__(self, language: str) -> None:
        self._language = language

    def of_store(self, store: Status) -> Iterator[Problem]:
        if store["state"] == "refusing":
            yield self._problem("error", "store", "store", detail=store["detail"])

    def of_source(self, source: Status) -> Iterator[Problem]:
        where = source["name"] if source["type"] in source["name"] else f"{source['type']} {source['name']}"
        help_of = f"diagnosis.remedy.{_REMEDIES.get(source['type'], 'source')}"
        if source["state"] == "failed":
            yield self._problem("error", where, "failed", help_of, detail=source["detail"])
        elif source.get("troubles"):
            for said in source["troubles"].values():
                yield self._problem("warning", where, "failed", help_of, detail=said)
        elif source["type"] == "file" and source["state"] == "waiting" and source.get("looked"):
            yield self._problem("warning", where, "no_file", name=source["name"])
        elif source["state"] == "waiting" and source["detail"]:
            known = source["type"] in _REMEDIES
            yield self._problem("note", where, "waiting", help_of if known else "", detail=source["detail"])
        if (source["lag_s"] or 0) >= BEHIND_S and source["behind_bytes"]:
            behind, lag = _megabytes(source["behind_bytes"]), round(source["lag_s"])
            yield self._problem("warning", where, "behind", megabytes=behind, seconds=lag)
        yield from self._of_the_last_hour(_lately(source), where)
        if source.get("ahead_s"):
            yield self._problem("warning", where, "clock", seconds=round(source["ahead_s"]))
        yield from self._of_steps(source["steps"], where)

    def _of_the_last_hour(self, lately: Status, where: str) -> Iterator[Problem]:
        """What happened before is a figure, and no problem any more: whoever has mended it shall see that."""
        events, not_understood = (lately.get(what, _NOTHING)["count"] for what in ("events", "not_understood"))
        if events >= MANY and not_understood > MOSTLY * events:
            yield self._problem("warning", where, "not_understood", share=round(100 * not_understood / events))
        for why, seen in lately.get("refused", {}).items():
            yield self._problem("warning", where, "refused", why=why, **_when(seen))
        if "cut" in lately:
            yield self._problem("note", where, "cut", **_when(lately["cut"]))

    def _of_steps(self, steps: list[Status], where: str) -> Iterator[Problem]:
        for step in steps:
            if step["in"] >= MANY and not step["out"]:
                yield self._problem("warning", where, "all_dropped", step=step["name"], count=step["in"])
            if seen := _lately(step).get("failed"):
                yield self._problem("warning", where, "step_failed", step=step["name"], **_when(seen))

    def of_sink(self, sink: Status, *, agent: bool) -> Iterator[Problem]:
        where, queue = sink["name"], sink["queue"]
        full = round(100 * queue["share"])
        if sink["state"] == "broken":
            yield self._problem("error", where, "sink_broken", detail=sink["detail"])
        elif sink["state"] == "blocked":
            key = "sink_blocked_agent" if agent else "sink_blocked"
            yield self._problem("error", where, key, "diagnosis.remedy.sink_blocked", detail=sink["detail"])
        elif sink["state"] == "retrying":
            yield self._problem("warning", where, "sink_retrying", detail=sink["detail"], full=full)
        elif queue["share"] >= NEARLY_FULL:
            yield self._problem("warning", where, "sink_filling", full=full)
        if (sink.get("behind_events") or 0) >= FAR_BEHIND:
            yield self._problem("warning", where, "sink_behind", count=sink["behind_events"])
        if sink["dead_letters"]:
            yield self._problem("warning", where, "dead_letters", count=sink["dead_letters"], name=sink["name"])
        for why, seen in _lately(sink).get("dropped", {}).items():
            yield self._problem("warning", where, "sink_dropped", why=why, **_when(seen))

    def _problem(self, severity: str, where: str, what: str, remedy: str | None = None, **values: object) -> Problem:
        said = text(f"diagnosis.{what}", self._language, **values)
        key = f"diagnosis.remedy.{what}" if remedy is None else remedy
        helps = text(key, self._language, **values) if key else ""
        return {"severity": severity, "where": where, "said": said, "remedy": helps}


def _lately(part: Status) -> Status:
    """What happened there within the hour. An agent that was started by an older version wrote no such thing."""
    return part.get("lately") or {}


def _when(seen: Status) -> dict[str, Any]:
    """How often within the hour, and how long ago the last time."""
    return {"count": seen["count"], "minutes": max(1, round(seen["ago_s"] / 60))}


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):.1f}"
