"""`safelight tail`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..errors import QueryError, ServerError
from . import options, output, say
from .remote import running


@click.command("tail", help=say("cli.tail.help"))
@click.argument("query", default="*")
@options.as_json
@options.data
@options.url
def command(query: str, as_json: bool, data: Path | None, url: str | None) -> None:
    """Print what the live stream brings."""
    server = running(url, data)
    if server is None:
        raise ServerError("cli.tail.no_server")
    for name, body in server.stream("/live", {"q": query}):
        if name == "problem":
            raise QueryError("cli.as_said", query=query, position=body["position"], said=body["detail"])
        if body["dropped"]:
            click.echo(say("cli.tail.dropped", count=body["dropped"]), err=True)
        for event in body["events"]:
            click.echo(json.dumps(event, ensure_ascii=False) if as_json else output.event_line(event))
