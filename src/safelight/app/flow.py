"""How the pipeline of a server is doing: every source, step and sink, and what is wrong in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..collecting.diagnosis import problems
from ..errors import InputError
from ..locales import text

if TYPE_CHECKING:  # `app` imports us
    from .app import App
    from .feed import Feed


def pipeline(app: App, language: str) -> dict[str, Any]:
    """As `/api/v1/pipeline` shows it; problems in `language`."""
    shown = figures(app)
    note = {"severity": "note", "where": "safelight.toml", "remedy": text("checkup.remedy.note", language)}
    notes = [note | {"said": said} for said in app.config.notes]
    return {**shown, "problems": [*problems(shown, language), *notes]}


def figures(app: App) -> dict[str, Any]:
    """The same without its reading."""
    store, refused = app.store.figures(), app.intake.refused
    agents = tuple(app.receiving.agents.values())
    return {
        "agent": False,
        "sources": [*(one.figures() for one in app.collectors), *(agent.figures() for agent in agents)],
        "store": {
            "events": store.events,
            "bytes": store.bytes,
            "rate": round(app.intake.events.per_second(), 3),
            "state": "refusing" if refused else "ok",
            "detail": refused or "",
        },
        "sinks": [feed.status() for feed in app.feeds],
    }


def feed_of(app: App, name: str) -> Feed:
    """The feed of a sink. Raises InputError when there is no such sink."""
    for feed in app.feeds:
        if feed.sink.called == name:
            return feed
    known = ", ".join(feed.sink.called for feed in app.feeds)
    raise InputError("sinks.unknown", name=name, known=known or "-")
