"""`safelight silence`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final
from urllib.parse import quote

import click

from ..errors import InputError
from . import amounts, options, output, say
from .alerts import server, user

_COLUMNS: Final = ("id", "state", "until", "match", "muting", "by", "comment")
_LABELS: Final = ("rule", "service", "instance", "node", "error_group", "severity")


@click.group("silence", help=say("cli.silence.help"))
def command() -> None:
    """The group itself does nothing."""


@command.command("add", help=say("cli.silence.add"))
@click.option("--rule", help=say("cli.silence.label"))
@click.option("--service", help=say("cli.silence.label"))
@click.option("--instance", help=say("cli.silence.label"))
@click.option("--node", help=say("cli.silence.label"))
@click.option("--error-group", help=say("cli.silence.label"))
@click.option("--severity", help=say("cli.silence.label"))
@click.option("--match", "more", multiple=True, metavar="NAME=VALUE", help=say("cli.silence.match"))
@click.option("--for", "lasting", metavar="DURATION", help=say("cli.silence.for"))
@click.option("--until", metavar="WHEN", help=say("cli.silence.until"))
@click.option("--starts", metavar="WHEN", help=say("cli.silence.starts"))
@click.option("--comment", default="", help=say("cli.silence.comment"))
@click.option("--by", help=say("cli.alerts.by"))
@options.as_json
@options.data
@options.url
def add(
    more: tuple[str, ...],
    lasting: str | None,
    until: str | None,
    starts: str | None,
    comment: str,
    by: str | None,
    as_json: bool,
    data: Path | None,
    url: str | None,
    **labels: str | None,
) -> None:
    """From now on, or later."""
    match = {name: value for name in _LABELS if (value := labels[name])} | dict(map(_pair, more))
    asked = {"match": match, "for": lasting, "until": until, "starts": starts, "comment": comment, "by": by or user()}
    body = json.dumps({name: value for name, value in asked.items() if value is not None}).encode()
    made = server(url, data).post("/silences", body, "application/json")
    if as_json:
        click.echo(json.dumps(made, ensure_ascii=False, indent=2))
    else:
        until = amounts.moment(made["until"])
        click.echo(say("cli.silence.added", id=made["id"], until=until, count=made["muting"]))


@command.command("list", help=say("cli.silence.list"))
@options.as_json
@options.data
@options.url
def listed(as_json: bool, data: Path | None, url: str | None) -> None:
    """Those in force first."""
    found = server(url, data).get("/silences")["silences"]
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    elif found:
        lines = [
            one
            | {
                "until": amounts.moment(one["until"]),
                "match": " ".join(f"{name}={value}" for name, value in one["match"].items()),
            }
            for one in found
        ]
        output.table(lines, _COLUMNS)
    else:
        click.echo(say("cli.silence.none"))


@command.command("remove", help=say("cli.silence.remove"))
@click.argument("id_", metavar="ID")
@options.as_json
@options.data
@options.url
def remove(id_: str, as_json: bool, data: Path | None, url: str | None) -> None:
    """What it kept quiet and still fires is told."""
    ended = server(url, data).delete(f"/silences/{quote(id_, safe='')}")
    if as_json:
        click.echo(json.dumps(ended, ensure_ascii=False, indent=2))
    else:
        click.echo(say("cli.silence.removed", id=ended["id"]))


def _pair(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals or not name or not value:
        raise InputError("cli.silence.bad_match", value=given)
    return name, value
