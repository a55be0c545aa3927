"""`safelight run`."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from ..errors import InputError, ServerError
from . import LANGUAGE, options, output, say
from .remote import Server, running

ELSEWHERE: Final = 100
"""Columns where there is no terminal to ask."""


@click.command("run", help=say("cli.run.help"))
@click.argument("run", metavar="ID")
@click.option("--all", "everything", is_flag=True, help=say("cli.run.all"))
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table", help=say("cli.query.format"))
@options.as_json
@options.data
@options.url
def command(run: str, everything: bool, form: str, as_json: bool, data: Path | None, url: str | None) -> None:
    """Ask the server, or the files when it is down."""
    server = running(url, data)
    found = _from_server(server, run) if server is not None else _from_files(data, run)
    if as_json or form == "json":
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    from . import waterfall  # noqa: PLC0415 - not on the path of `--help`

    columns = shutil.get_terminal_size((ELSEWHERE, 24)).columns
    signs = waterfall.Signs.of(sys.stdout.encoding)
    for line in waterfall.lines(found, columns, signs, datetime.now(UTC), everything=everything):
        click.echo(line)


def _from_server(server: Server, run_id: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = server.get(f"/runs/{quote(run_id, safe='')}")
    except ServerError as error:
        ids = beginning_with(server, run_id)
        if not ids:
            raise error from None
        found = server.get(f"/runs/{quote(only(ids, run_id), safe='')}")
    return found


def beginning_with(server: Server, prefix: str) -> list[str]:
    """The ids that begin so; one that is exactly so is the only one."""
    listed = server.get("/runs", {"q": prefix, "from": "1970-01-01", "limit": 500})["runs"]
    ids = [run["id"] for run in listed if run["id"].startswith(prefix)]
    return [prefix] if prefix in ids else ids


def _from_files(data: Path | None, run_id: str) -> dict[str, Any]:
    from .. import answers  # noqa: PLC0415 - a running server spares us the engine
    from ..documents import DIRECTORY, Documents  # noqa: PLC0415
    from ..paths import data_directory  # noqa: PLC0415
    from ..rows import dump  # noqa: PLC0415
    from .local import reading  # noqa: PLC0415

    with reading(data) as store:
        documents = Documents(data_directory(data) / DIRECTORY)
        ids = answers.find(store, run_id)
        found = answers.run(store, documents.get, only(ids, run_id), language=LANGUAGE) if ids else None
    if found is None:
        raise InputError("runs.no_such_run", id=run_id)
    decoded: dict[str, Any] = json.loads(dump(found))
    return decoded


def only(ids: list[str], prefix: str) -> str:
    """The one id that is meant. Raises InputError with those that could be."""
    if len(ids) > 1:
        raise InputError("cli.run.several", prefix=prefix, ids=", ".join(output.harmless(each) for each in ids[:10]))
    return ids[0]
