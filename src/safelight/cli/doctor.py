"""`safelight doctor`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from ..errors import ConfigError, ServerError
from . import LANGUAGE, options, output, say
from .remote import Server, running

_ENDS: Final = (".", "!", "?", "。", "！", "？", "…", ":")
_SIGNS: Final = {"error": "red", "warning": "yellow", "note": None}


@click.command("doctor", help=say("cli.doctor.help"))
@options.config
@options.data
@options.url
@options.as_json
def command(config: Path | None, data: Path | None, url: str | None, as_json: bool) -> int:
    """Ask the server, or look around."""
    server = running(url, data, config)
    owned = None if server is not None else _owned(config, data)
    if server is not None:
        found, well = list(_of_server(server, local=not url)), say("cli.doctor.well", url=server.url)
    elif owned is not None:
        found, well = list(_of_agent(*owned)), say("cli.doctor.agent", directory=owned[0], pid=owned[1])
    else:
        found, well = list(_from_here(config, data)), say("cli.doctor.ready")
    if as_json:
        click.echo(json.dumps({"problems": found}, ensure_ascii=False, indent=2))
    else:
        _print(found, well)
    return int(any(problem["severity"] != "note" for problem in found))


def _print(found: list[dict[str, str]], well: str) -> None:
    for problem in found:
        word = click.style(say(f"cli.doctor.{problem['severity']}"), fg=_SIGNS[problem["severity"]], bold=True)
        click.echo(f"{word} {output.harmless(problem['where'])}: {_sentences(problem)}")
    if not any(problem["severity"] != "note" for problem in found):
        click.echo(output.harmless(well))


def _sentences(problem: dict[str, str]) -> str:
    """On one line, unless something is pointed at."""
    said, remedy = [output.harmless(line) for line in problem["said"].splitlines()], output.harmless(problem["remedy"])
    if not remedy or len(said) > 1:
        return "\n".join([*said, remedy]).rstrip("\n")
    (only,) = said or [""]
    return f"{only} {remedy}" if only.endswith(_ENDS) else f"{only}{say('cli.doctor.stop')} {remedy}"


def _of_server(server: Server, *, local: bool) -> Iterator[dict[str, str]]:
    found: list[dict[str, str]] = server.get("/pipeline")["problems"]
    told = " ".join(problem["said"] for problem in found)
    yield from found
    for said in server.get("/status")["problems"]:  # rules that were left out, files that are damaged
        if said not in told:
            yield {"severity": "warning", "where": server.url, "said": said, "remedy": say("checkup.remedy.status")}
    if local:
        yield from _spool(None)


def _spool(directory: Path | None) -> Iterator[dict[str, str]]:
    from ..collecting.checkup import Checkup  # noqa: PLC0415 - not on the path of `--help`

    yield from Checkup(LANGUAGE).spool(directory)


def _owned(path: Path | None, data: Path | None) -> tuple[Path, int] | None:
    """The directory that a process owns which is no server, and the process."""
    from ..agent.telling import usual_place  # noqa: PLC0415
    from ..paths import data_directory  # noqa: PLC0415
    from ..store.lock import Lock  # noqa: PLC0415

    directory = data_directory(data, path)
    for place in (directory,) if data else (directory, usual_place()):
        if (owner := Lock.owner(place)) is not None:
            return place, owner.pid
    return None


def _from_here(path: Path | None, data: Path | None) -> Iterator[dict[str, str]]:
    from ..collecting.checkup import Checkup  # noqa: PLC0415
    from ..config import load  # noqa: PLC0415
    from ..config.defaults import sources_of  # noqa: PLC0415
    from ..paths import data_directory  # noqa: PLC0415

    checkup = Checkup(LANGUAGE)
    directory = data_directory(data, path)
    try:
        config = load(path, language=LANGUAGE)
    except ConfigError as error:
        yield from checkup.configuration(error, path)
        return
    yield from checkup.remarks(config)
    yield from checkup.room(directory)
    yield from checkup.port(config.server.host, config.server.port)
    if config.spool.read:
        yield from checkup.spool(config.spool.directory)
    for source in sources_of(config):
        yield from checkup.source(source)


def _of_agent(directory: Path, pid: int) -> Iterator[dict[str, str]]:
    """An agent answers nobody; it writes down how it is doing."""
    from ..agent.telling import told  # noqa: PLC0415
    from ..collecting.diagnosis import problems  # noqa: PLC0415

    if (status := told(directory)) is None:
        raise ServerError("cli.doctor.silent", directory=directory, pid=pid)

    yield from problems(status, LANGUAGE)
