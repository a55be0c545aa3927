"""`safelight buffer`: what waits before the sinks, and what they refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from ..errors import InputError, StoreError, StoreLocked
from ..paths import data_directory
from . import LANGUAGE, amounts, options, output, say
from .remote import running

_COLUMNS: Final = ("sink", "type", "state", "waiting", "size", "share", "oldest", "dead letters")
_DIRECTORY: Final = "sinks"
_QUEUE: Final = "queue"


@click.group("buffer", help=say("cli.buffer.help"))
def command() -> None:
    """The group itself does nothing."""


@command.command("list", help=say("cli.buffer.list"))
@options.as_json
@options.data
@options.url
def listed(as_json: bool, data: Path | None, url: str | None) -> None:
    """From the server, or from what an agent wrote down; from the files when neither runs."""
    server = running(url, data)
    found = server.get("/pipeline")["sinks"] if server is not None else _from_here(data_directory(data))
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    elif found:
        output.table(map(_line, found), _COLUMNS)
    else:
        click.echo(say("cli.buffer.none"))


@command.command("retry", help=say("cli.buffer.retry"))
@click.argument("sink")
@options.data
@options.url
def retry(sink: str, data: Path | None, url: str | None) -> None:
    """Through the server or the agent when one runs: it has the queue."""
    server = running(url, data)
    if server is not None:
        count = server.post(f"/sinks/{quote(sink, safe='')}/retry", b"", "application/json")["events"]
    else:
        count = _put_back(_directory(data, sink), sink)
    click.echo(output.harmless(say("cli.buffer.retried", count=count, sink=sink)))


@command.command("export", help=say("cli.buffer.export"))
@click.argument("sink")
@click.option("--dead-letters", is_flag=True, help=say("cli.buffer.dead_letters"))
@click.option("--output", "-o", "file", type=click.Path(path_type=Path), metavar="FILE", help=say("cli.buffer.output"))
@options.data
def export(sink: str, dead_letters: bool, file: Path | None, data: Path | None) -> None:
    """From the files, also while the server runs. Takes nothing out."""
    directory = _directory(data, sink)
    content = _letters(directory) if dead_letters else _queued(directory)
    if file is None:
        for piece in content:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    try:
        with file.open("wb") as opened:
            for piece in content:
                opened.write(piece)
    except OSError as error:
        raise InputError("cli.buffer.unwritable", path=file, reason=error.strerror or str(error)) from error


def _put_back(directory: Path, sink: str) -> int:
    from ..shipping import requests  # noqa: PLC0415
    from ..shipping.inspection import put_back  # noqa: PLC0415 - a running server spares us Arrow

    try:
        return put_back(directory)
    except StoreLocked:  # an agent has it
        told = requests.ask(directory)
    if told is None:
        raise InputError("cli.buffer.no_answer", sink=sink, seconds=round(requests.PATIENCE_S))
    if told.why_not:
        raise InputError("cli.buffer.not_retried", sink=sink, reason=told.why_not)
    return told.events


def _from_here(data: Path) -> list[dict[str, Any]]:
    from ..agent.telling import told  # noqa: PLC0415 - a running server spares us this
    from ..store.lock import Lock  # noqa: PLC0415

    status = told(data) if Lock.owner(data) is not None else None
    return list(status["sinks"]) if status else list(_on_disk(data))


def _on_disk(data: Path) -> Iterator[dict[str, Any]]:
    """As the server would tell it, as far as files say."""
    from ..rows import iso  # noqa: PLC0415 - a running server spares us Arrow
    from ..shipping.inspection import inspect  # noqa: PLC0415

    for name in _known(data):
        seen = inspect(data / _DIRECTORY / name)
        capacity = seen.about.chunk * seen.about.chunks
        yield {
            "type": seen.about.type,
            "name": seen.about.name,
            "state": "stopped",
            "queue": {
                "events": seen.events,
                "bytes": seen.bytes,
                "capacity_bytes": capacity,
                "share": min(1.0, seen.bytes / capacity),
                "oldest_at": iso(seen.oldest_at) if seen.oldest_at else None,
            },
            "dead_letters": seen.dead_letters,
        }


def _line(sink: dict[str, Any]) -> dict[str, Any]:
    queue = sink["queue"]
    return {
        "sink": sink["name"],
        "type": sink["type"],
        "state": sink["state"],
        "waiting": queue["events"],
        "size": f"{queue['bytes'] / 1_048_576:,.1f} MB",
        "share": f"{queue['share']:.0%}",
        "oldest": amounts.moment(queue["oldest_at"]) if queue["oldest_at"] else "",
        "dead letters": sink["dead_letters"],
    }


def _known(data: Path) -> list[str]:
    sinks = data / _DIRECTORY
    return sorted(path.name for path in sinks.iterdir() if (path / _QUEUE).is_dir()) if sinks.is_dir() else []


def _directory(data: Path | None, sink: str) -> Path:
    """Raises InputError for a sink that has none."""
    directory = data_directory(data)
    known = _known(directory)
    if sink not in known:
        raise InputError("cli.buffer.unknown", sink=sink, directory=directory, known=", ".join(known) or "-")
    return directory / _DIRECTORY / sink


def _queued(directory: Path) -> Iterator[bytes]:
    from ..shipping.inspection import queued  # noqa: PLC0415
    from ..shipping.payload import unpack  # noqa: PLC0415
    from ..sinks.rendering import ndjson  # noqa: PLC0415

    for frame in queued(directory):
        try:
            yield ndjson(unpack([frame]))
        except StoreError as error:
            click.echo(error.render(LANGUAGE), err=True)


def _letters(directory: Path) -> Iterator[bytes]:
    from ..shipping.inspection import inspect  # noqa: PLC0415

    for path in inspect(directory).letters:
        yield path.read_bytes()
