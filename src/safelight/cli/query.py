"""`safelight query`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from . import options, output, say
from .remote import running

PAGE: Final = 10_000


@click.command("query", help=say("cli.query.help"))
@click.argument("query", default="*")
@options.since(None)
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help=say("cli.query.limit"))
@click.option("--format", "form", type=click.Choice(output.FORMATS), default="table", help=say("cli.query.format"))
@options.as_json
@options.data
@options.url
def command(
    query: str,
    since: str | None,
    until: str | None,
    limit: int,
    form: str,
    as_json: bool,
    data: Path | None,
    url: str | None,
) -> None:
    """Ask the server, or the files when it is down."""
    form = "json" if as_json else form
    asked = {"q": query, "from": options.moment(since), "to": options.moment(until)}
    server = running(url, data)
    if server is not None:
        answer = _all(lambda page: server.get("/events", asked | page), limit)
    else:
        from .. import answers  # noqa: PLC0415 - a running server spares us the engine
        from ..rows import dump  # noqa: PLC0415
        from .local import reading  # noqa: PLC0415

        with reading(data) as store:
            answer = _all(
                lambda page: _decoded(dump(answers.search(store, query, asked["from"], asked["to"], **page))),
                limit,
            )
    if "rows" in answer:
        output.show(answer["rows"][:limit], form, answer["columns"])
    else:
        events = answer["events"]
        if form == "table":
            events = [{**event, "message": output.what_happened(event)} for event in events]
        output.show(events, form, output.EVENT_COLUMNS if form == "table" else None)


def _decoded(answer: bytes) -> Any:
    import json  # noqa: PLC0415

    return json.loads(answer)


def _all(ask: Any, limit: int) -> Any:
    """Page after page until `limit`."""
    answer = ask({"limit": min(limit, PAGE)})
    while "events" in answer and answer["cursor"] and len(answer["events"]) < limit:
        more = ask({"limit": min(limit - len(answer["events"]), PAGE), "cursor": answer["cursor"]})
        answer = {**more, "events": answer["events"] + more["events"]}
    return answer
