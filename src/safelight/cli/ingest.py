"""`safelight ingest`."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from . import LANGUAGE, options, output, say


@click.command("ingest", help=say("cli.ingest.help"))
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--service", help=say("cli.ingest.service"))
@click.option("--again", is_flag=True, help=say("cli.ingest.again"))
@options.as_json
@options.config
@options.data
@options.url
def command(
    files: tuple[str, ...],
    service: str | None,
    again: bool,
    as_json: bool,
    config: Path | None,
    data: Path | None,
    url: str | None,
) -> None:
    """Import, and print what it became."""
    from ..importing import destination, import_file  # noqa: PLC0415 - not on the path of `--help`
    from .remote import running  # noqa: PLC0415

    failed = False
    totals = {"lines": 0, "events": 0, "not_understood": 0, "bytes": 0}
    began = time.perf_counter()
    with destination(running(url, data, config), config, data) as target:
        for path in files:
            found = import_file(path, service, target, again=again)
            totals = {name: totals[name] + found.counts[name] for name in totals}
            if not as_json and (found.problem is None or found.counts["lines"]):
                key = "done" if found.counts["lines"] else "empty" if found.empty else "nothing_new"
                click.echo(say(f"cli.ingest.{key}", path=output.harmless(path), **found.counts))
            if found.problem is not None:
                click.echo(found.problem.render(LANGUAGE), err=True)
                failed = True
    took_s = round(time.perf_counter() - began, 3)
    if as_json:
        click.echo(json.dumps(totals | {"seconds": took_s}))
    elif len(files) > 1:
        click.echo(say("cli.ingest.total", seconds=took_s, **totals))
    if failed:
        raise click.exceptions.Exit(1)
