"""`safelight rules`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import click

from . import LANGUAGE, options, output, say
from .remote import running

_LISTED: Final = ("id", "severity", "origin", "state", "firing", "when")
_TRIED: Final = ("rule", "firings", "messages", "last", "when")
_FIRED: Final = ("started_at", "ended_at", "count", "title")

FILE: Final = click.argument("file", required=False, type=click.Path(path_type=Path))


@click.group("rules", help=say("cli.rules.help"))
def command() -> None:
    """A group: check, list, try."""


@command.command("check", help=say("cli.rules.check.help"))
@FILE
@options.as_json
def check(file: Path | None, as_json: bool) -> int:
    """Read the file as the server would, and start nothing. 1 when anything would be refused or left out."""
    from ..config import load  # noqa: PLC0415 - not on the path of `--help`
    from ..config.reading import find  # noqa: PLC0415
    from ..errors import ConfigError  # noqa: PLC0415

    rules: list[dict[str, Any]] = []
    warnings: tuple[str, ...] = ()
    path = find(file)
    try:
        config = load(path, language=LANGUAGE)
        mistakes, warnings = config.left_out, (*config.warnings, *config.notes)
        rules = [
            {
                "id": rule.id,
                "severity": rule.severity,
                "when": str(rule.when),
                "clear": str(rule.clear) if rule.clear else None,
                "place": config.places[rule.id].at,
            }
            for rule in config.rules
        ]
    except ConfigError as error:
        told = error.values.get("told")
        mistakes = tuple(map(str, told)) if isinstance(told, tuple) else (error.render(LANGUAGE),)
    if as_json:
        found = {"file": str(path) if path else None, "ok": not mistakes, "mistakes": mistakes, "warnings": warnings}
        click.echo(json.dumps(found | {"rules": rules}, ensure_ascii=False, indent=2))
        return 1 if mistakes else 0
    for said in (*mistakes, *warnings):
        click.echo(output.harmless(said), err=True)
    if mistakes:
        wrong = say("cli.rules.wrong_one") if len(mistakes) == 1 else say("cli.rules.wrong", count=len(mistakes))
        click.echo(wrong, err=True)
        return 1
    output.table([{name: rule[name] for name in ("id", "severity", "when")} for rule in rules])
    click.echo(say("cli.rules.good", count=len(rules), file=path) if path else say("cli.rules.no_file"))
    return 0


@command.command("list", help=say("cli.rules.list.help"))
@FILE
@options.as_json
@options.data
@options.url
def listed(file: Path | None, as_json: bool, data: Path | None, url: str | None) -> None:
    """The rules of the server; of a file, or with the server down, those that it would have."""
    server = running(url, data, file) if file is None else None
    if server is not None:
        answer = server.get("/rules")
        rules, left_out = answer["rules"], answer["left_out"]
    else:
        from .local_rules import rules_of_file  # noqa: PLC0415 - a running server spares us the engine

        rules, left_out = rules_of_file(file, data, LANGUAGE)
    if as_json:
        output.show(rules, "json")
    else:
        columns = [name for name in _LISTED if any(name in rule for rule in rules)]
        output.table([{name: rule.get(name) for name in columns} for rule in rules], columns)
    for said in left_out:
        click.echo(output.harmless(said), err=True)


@command.command("backtest", help=say("cli.rules.backtest.help"))
@FILE
@click.option("--since", default="7d", metavar="WHEN", show_default=True, help=say("cli.opt.since"))
@click.option("--until", metavar="WHEN", help=say("cli.opt.until"))
@click.option("--rule", "only", multiple=True, metavar="ID", help=say("cli.rules.backtest.rule"))
@options.as_json
@options.data
@options.url
def backtest(
    file: Path | None,
    since: str,
    until: str | None,
    only: tuple[str, ...],
    as_json: bool,
    data: Path | None,
    url: str | None,
) -> None:
    """Try rules on what was stored, one after the other: through the server, or on the files when it is down."""
    from .local_rules import tried, wanted  # noqa: PLC0415 - not on the path of `--help`

    span = {"from": options.moment(since), "to": options.moment(until) or "now"}
    server = running(url, data)
    rules = wanted(file, server, data, only, LANGUAGE)
    found = [
        {"rule": rule["id"], "when": rule["when"], **answer}
        for rule, answer in tried(rules, span, server, file, data, LANGUAGE)
    ]
    if as_json:
        output.show(found, "json")
        return
    output.table([_summary(one) for one in found], _TRIED)
    for one in found:
        _tell(one, alone=len(found) == 1)


def _summary(one: dict[str, Any]) -> dict[str, Any]:
    newest = one["firings"][0]["started_at"] if one.get("firings") else None
    figures = {"firings": one.get("total"), "messages": one.get("messages"), "last": newest}
    return {"rule": one["rule"], **figures, "when": one.get("error") or one["when"]}


def _tell(one: dict[str, Any], *, alone: bool) -> None:
    """Some of when it would have fired; of a single rule, all of them."""
    firings = one.get("firings", ())[: None if alone else 3]
    if not firings:
        return
    click.echo()
    click.echo(click.style(say("cli.rules.fired", rule=one["rule"], count=one["total"]), bold=True))
    output.table([{name: firing[name] for name in _FIRED} for firing in firings], _FIRED)
