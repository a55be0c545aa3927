"""`safelight top`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from . import LANGUAGE, amounts, options, output, say
from .remote import running

_ERRORS: Final = ("count", "runs", "last_seen", "what", "error", "node", "group", "advice")


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


@command.command("errors", help=say("cli.top.errors.help"))
@options.since("1d")
@click.option("--family", metavar="NAME", help=say("cli.top.errors.family"))
@click.option("--service", metavar="NAME", help=say("cli.top.errors.service"))
@click.option("--q", "part", metavar="TEXT", help=say("cli.top.errors.part"))
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help=say("cli.query.limit"))
@options.as_json
@options.data
@options.url
def errors(
    since: str | None,
    until: str | None,
    family: str | None,
    service: str | None,
    part: str | None,
    limit: int,
    as_json: bool,
    data: Path | None,
    url: str | None,
) -> None:
    """Rank causes of failure."""
    start, end = options.moment(since), options.moment(until)
    asked: dict[str, Any] = {"q": part, "family": family, "service": service, "limit": limit}
    server = running(url, data)
    if server is not None:
        found = server.get("/errors", asked | {"from": start, "to": end})["errors"]
    else:
        from .. import answers  # noqa: PLC0415 - a running server spares us the engine
        from .local import reading  # noqa: PLC0415

        with reading(data) as store:
            found = answers.errors(store, start=start, end=end, language=LANGUAGE, **asked)["errors"]
    if as_json:
        output.show(found, "json")
    elif found:
        output.show([_line(group) for group in found], "table", _ERRORS)
    else:
        click.echo(say("cli.top.errors.none"))


def _line(group: dict[str, Any]) -> dict[str, Any]:
    """A group as one line of a table."""
    words = [say(f"cli.top.errors.{word}") for word in ("new", "back") if group[word]]
    return {
        "count": group["count"],
        "runs": group["runs"],
        "last_seen": amounts.moment(group["last_seen"]),
        "what": " ".join(words),
        "error": group["title"],
        "node": group["nodes"][0]["value"] if group["nodes"] else None,
        "group": group["group"],
        "advice": group["advice"]["advice"] if group["advice"] else None,
    }
