"""How the server is doing, as the API shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # `app` imports us
    from .app import App

MOST_BEHIND: Final = 100_000
"""Events that rules may not have seen yet before we call ourselves not ready."""


def status(app: App) -> dict[str, Any]:
    """As `/api/v1/status` shows it."""
    figures, language = app.store.figures(), app.config.language
    sources = [collector.status() for collector in app.collectors]
    failing = [source["detail"] for source in sources if source["detail"] and source["state"] != "waiting"]
    damage = [problem.render(language) for problem in app.store.problems]
    rules = [f"{rule}: {error.render(language)}" for rule, error in dict(app.alerting.engine.problems).items()]
    return {
        "version": app.version,
        "demo": app.demo is not None,
        "language": language,
        "started_at": app.started_at,
        "store": {
            "events": figures.events,
            "bytes": figures.bytes,
            "segments": figures.segments,
            "oldest": figures.oldest,
            "newest": figures.newest,
            "torn_bytes": app.store.torn_bytes,
        },
        "sources": sources,
        "channels": app.alerting.engine.channels(),
        "rules": app.alerting.engine.rules(),
        "alerting": app.alerting.engine.status(),
        "problems": [*app.config.left_out, *app.alerting.rulebook.left_out, *damage, *failing, *rules],
    }


def checks(app: App) -> dict[str, dict[str, Any]]:
    """As `/readyz` shows it."""
    blocked = [collector.source.name for collector in app.collectors if collector.state == "failed"]
    behind = app.commits.last_seq - app.alerting.engine.evaluated_seq
    return {
        "store": {"ok": app.intake.refused is None, "detail": app.intake.refused},
        "sources": {"ok": not blocked, "failing": blocked},
        "alerts": {"ok": behind < MOST_BEHIND, "events_behind": behind},
    }
