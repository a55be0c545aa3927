"""`safelight top`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options, output, say
from .remote import running


@click.group("top", help=say("cli.top.help"))
def command() -> None:
    """A group: what to rank."""


@command.command("nodes", help=say("cli.top.nodes.help"))
@click.option("--since", default="1d", show_default=True, metavar="AGE", help=say("cli.opt.since"))
@click.option("--against", metavar="AGE", help=say("cli.top.against"))
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help=say("cli.query.limit"))
@options.as_json
@options.data
@options.url
def nodes(since: str, against: str | None, limit: int, as_json: bool, data: Path | None, url: str | None) -> None:
    """Rank node types by the time they took."""
    start = options.moment(since)
    usual = f"{start}-{against}" if against and start and start.startswith("now-") else None
    server = running(url, data)
    if server is not None:
        found = server.get("/nodes", {"from": start, "usual_from": usual, "limit": limit})["nodes"]
    else:
        from .. import answers  # noqa: PLC0415 - a running server spares us the engine
        from .local import reading  # noqa: PLC0415

        with reading(data) as store:
            found = answers.nodes(store, start, None, usual_from=usual, limit=limit)["nodes"]
    output.show(found, "json" if as_json else "table")
