"""`safelight alerts`."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from ..errors import ServerError
from . import amounts, options, output, say
from .remote import Server, running

_COLUMNS: Final = ("since", "status", "severity", "rule", "title", "count", "told", "id")
_LEVELS: Final = {3: "ERROR", 2: "WARNING"}


class Changing(Server):
    """A server of which something can be taken back."""

    def delete(self, path: str) -> Any:
        """The JSON answer to DELETE `/api/v1{path}`. Raises ServerError."""
        return self._json(self._ask("DELETE", f"/api/v1{path}"), "")


@click.group("alerts", invoke_without_command=True, help=say("cli.alerts.help"))
@options.as_json
@options.data
@options.url
@click.pass_context
def command(context: click.Context, /, **given: Any) -> None:
    """Without a word more it lists them."""
    if context.invoked_subcommand is None:
        context.invoke(listed, **given)


@command.command("list", help=say("cli.alerts.list"))
@click.option("--status", metavar="STATUSES", help=say("cli.alerts.status"))
@click.option("--severity", type=click.IntRange(1, 3), help=say("cli.alerts.severity"))
@click.option("--rule", help=say("cli.alerts.rule"))
@click.option("--service", help=say("cli.alerts.service"))
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help=say("cli.alerts.limit"))
@options.as_json
@options.data
@options.url
def listed(
    status: str | None,
    severity: int | None,
    rule: str | None,
    service: str | None,
    limit: int,
    as_json: bool,
    data: Path | None,
    url: str | None,
) -> None:
    """A page of them."""
    asked = {"status": status, "severity": severity, "rule": rule, "service": service, "limit": limit}
    found = server(url, data).get("/alerts", asked)["alerts"]
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    elif found:
        output.table([_line(alert) for alert in found], _COLUMNS)
    else:
        click.echo(say("cli.alerts.none"))


@command.command("show", help=say("cli.alerts.show"))
@click.argument("id_", metavar="ID")
@options.as_json
@options.data
@options.url
def show(id_: str, as_json: bool, data: Path | None, url: str | None) -> None:
    """One, from its first event to the last answer of a channel."""
    alert = server(url, data).get(f"/alerts/{quote(id_, safe='')}")
    if as_json:
        click.echo(json.dumps(alert, ensure_ascii=False, indent=2))
        return
    click.echo(click.style(output.harmless(alert["title"]), bold=True))
    for line in alert["text"].split("\n"):
        click.echo(output.harmless(line))
    click.echo(f"\n{say('cli.alerts.history')}")
    for change in alert["transitions"]:
        muted = say("cli.alerts.muted", reason=say(f"alerts.muted.{change['muted']}")) if change["muted"] else ""
        click.echo(f"  {amounts.moment(change['at'])}  {change['status']:<9} {muted}".rstrip())
    click.echo(say("cli.alerts.told"))
    for note in alert["notifications"]:
        answer = output.harmless(note["answer"] or "")
        click.echo(f"  {amounts.moment(note['at'])}  {output.harmless(note['channel'])}: {note['status']} {answer}")


@command.command("ack", help=say("cli.alerts.ack"))
@click.argument("id_", metavar="ID")
@click.option("--by", help=say("cli.alerts.by"))
@click.option("--undo", is_flag=True, help=say("cli.alerts.undo"))
@options.as_json
@options.data
@options.url
def ack(id_: str, by: str | None, undo: bool, as_json: bool, data: Path | None, url: str | None) -> None:
    """Look after one."""
    path, running_one = f"/alerts/{quote(id_, safe='')}/acknowledge", server(url, data)
    if undo:
        alert = running_one.delete(path)
    else:
        alert = running_one.post(path, json.dumps({"by": by or user()}).encode(), "application/json")
    if as_json:
        click.echo(json.dumps(alert, ensure_ascii=False, indent=2))
    else:
        key = "cli.alerts.unacknowledged" if undo else "cli.alerts.acknowledged"
        click.echo(output.harmless(say(key, title=alert["title"])))


def server(url: str | None, data: Path | None) -> Changing:
    """The one that runs; alerts are its state. Raises ServerError when none does."""
    found = running(url, data)
    if found is None:
        raise ServerError("cli.alerts.no_server")
    return Changing(found.url)


def user() -> str:
    """Who sits here."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        return ""


def _line(alert: dict[str, Any]) -> dict[str, Any]:
    """An alert as one line of a table; `level` only colours it."""
    told = ", ".join(dict.fromkeys(f"{note['channel']}: {note['status']}" for note in alert["notifications"]))
    muted = alert["muted"]
    return {
        "since": amounts.moment(alert["started_at"]),
        "status": alert["status"],
        "severity": alert["severity"],
        "rule": alert["rule"],
        "title": alert["title"],
        "count": alert["count"],
        "told": say("cli.alerts.muted", reason=say(f"alerts.muted.{muted['by']}")) if muted else told,
        "id": alert["id"],
        "level": _LEVELS.get(alert["severity"]) if alert["status"] == "firing" else None,
    }
