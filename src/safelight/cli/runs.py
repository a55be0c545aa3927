"""`safelight runs`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from . import amounts, options, output, say
from .remote import running

PAGE: Final = 500
_COLUMNS: Final = (
    "queued_at",
    "state",
    "workflow",
    "user",
    "instance",
    "nodes",
    "duration",
    "vram_peak",
    "id",
    "error",
)
_LEVELS: Final = {"failed": "ERROR", "lost": "ERROR", "rejected": "ERROR", "interrupted": "WARNING"}


@click.command("runs", help=say("cli.runs.help"))
@click.option("--state", metavar="STATES", help=say("cli.runs.state"))
@click.option("--user", help=say("cli.runs.user"))
@click.option("--workflow", metavar="NAME", help=say("cli.runs.workflow"))
@click.option("--instance", help=say("cli.runs.instance"))
@options.since("24h")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help=say("cli.query.limit"))
@click.option("--format", "form", type=click.Choice(output.FORMATS), default="table", help=say("cli.query.format"))
@options.as_json
@options.data
@options.url
def command(
    state: str | None,
    user: str | None,
    workflow: str | None,
    instance: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    form: str,
    as_json: bool,
    data: Path | None,
    url: str | None,
) -> None:
    """Ask the server, or the files when it is down."""
    asked: dict[str, Any] = {"state": state, "user": user, "workflow": workflow, "instance": instance}
    start, end = options.moment(since), options.moment(until)
    server = running(url, data)
    if server is not None:
        found = _all(lambda page: server.get("/runs", asked | {"from": start, "to": end} | page), limit)
    else:
        from .. import answers  # noqa: PLC0415 - a running server spares us the engine
        from .local import reading  # noqa: PLC0415

        with reading(data) as store:
            found = _all(lambda page: answers.runs(store, **asked, start=start, end=end, **page), limit)
    form = "json" if as_json else form
    if form == "table":
        output.show([_line(run) for run in found], form, _COLUMNS)
    else:
        output.show(found, form)


def _all(ask: Callable[[dict[str, Any]], dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Page after page until `limit`."""
    found: list[dict[str, Any]] = []
    cursor = None
    while len(found) < limit:
        answer = ask({"limit": min(limit - len(found), PAGE), "cursor": cursor})
        found += answer["runs"]
        cursor = answer["cursor"]
        if not cursor:
            break
    return found


def _line(run: dict[str, Any]) -> dict[str, Any]:
    """A run as one line of a table; `level` only colours it."""
    nodes, error, current = run["nodes"], run["error"], run["current"]
    done = nodes["finished"] + nodes["cached"] + nodes["failed"]
    return {
        "queued_at": amounts.moment(run["queued_at"] or run["started_at"]),
        "state": run["state"],
        "workflow": run["workflow_name"] or run["graph_hash"],
        "user": run["user_id"],
        "instance": run["instance"],
        "nodes": f"{done}/{nodes['total']}" if nodes["total"] is not None else f"{done}" if done else "",
        "duration": amounts.lasting(run["duration_ms"]),
        "vram_peak": amounts.memory(run["vram_peak_mb"]),
        "id": run["id"],
        "error": (error["message"] or error["type"]) if error else current["node"] if current else "",
        "level": _LEVELS.get(run["state"]),
    }
