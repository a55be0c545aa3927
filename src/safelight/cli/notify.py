"""`safelight notify test|list`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from . import LANGUAGE, options, output, say
from .remote import running

if TYPE_CHECKING:  # not on the path of `--help`
    from ..config import Config

_LISTED: Final = ("name", "type", "severity", "state", "waiting", "sent_24h", "failed_24h", "last_answer")


@click.group("notify", help=say("cli.notify.help"))
def command() -> None:
    """The group itself does nothing."""


@command.command("test", help=say("cli.notify.test.help"))
@click.argument("channel")
@options.as_json
@options.config
@options.data
@options.url
def test(channel: str, as_json: bool, config: Path | None, data: Path | None, url: str | None) -> None:
    """Send one test message. A refusal is raised, and ends with exit code 1."""
    server = running(url, data, config)
    if server is not None:
        answer = str(server.post(f"/channels/{quote(channel, safe='')}/test", b"", "application/json")["answer"])
    else:
        answer = _sent(_read(config), channel, data, config)
    told = json.dumps({"channel": channel, "answer": answer}, ensure_ascii=False) if as_json else None
    click.echo(told or say("cli.notify.sent", channel=output.harmless(channel), answer=output.harmless(answer)))


@command.command("list", help=say("cli.notify.list.help"))
@options.as_json
@options.config
@options.data
@options.url
def listed(as_json: bool, config: Path | None, data: Path | None, url: str | None) -> None:
    """How each channel stands; without a server, what is configured."""
    server = running(url, data, config)
    rows: list[dict[str, Any]]
    columns: tuple[str, ...]
    if server is not None:
        rows = server.get("/channels")["channels"]
        columns = _LISTED
    else:
        rows = [_configured(one) for one in _read(config).channels]
        columns = _LISTED[:3]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    elif rows:
        output.show(rows, "table", columns)
    else:
        click.echo(say("cli.notify.none"))


def _read(config: Path | None) -> Config:
    """The configuration; what it leaves out is named on standard error. Raises ConfigError."""
    from ..config import load  # noqa: PLC0415 - not on the path of `--help`

    read = load(config, language=LANGUAGE)
    for mistake in read.left_out:
        click.echo(output.harmless(mistake), err=True)
    return read


def _sent(config: Config, name: str, data: Path | None, file: Path | None) -> str:
    import anyio  # noqa: PLC0415

    from ..delivery.trial import send_test  # noqa: PLC0415
    from ..errors import NoSuchEvent  # noqa: PLC0415
    from ..paths import data_directory  # noqa: PLC0415

    known = {channel.name: channel for channel in config.channels}
    if name not in known:
        raise NoSuchEvent("alerts.channel_unknown", channel=name, known=", ".join(known))

    async def send() -> str:
        return await send_test(known[name], language=config.language)

    answer = anyio.run(send)
    _enable(name, data_directory(data, file) / "state.sqlite")
    return answer


def _enable(name: str, state: Path) -> None:
    """A channel that works again is in use again, also while no server runs."""
    if not state.is_file():
        return
    from ..alerts.database import Database  # noqa: PLC0415
    from ..alerts.engine import utc_now  # noqa: PLC0415
    from ..alerts.outbox import Outbox  # noqa: PLC0415

    database = Database(state)
    try:
        Outbox(database, utc_now, language=LANGUAGE).enable(name)
    finally:
        database.close()


def _configured(channel: Any) -> dict[str, Any]:
    return {
        "name": channel.name,
        "type": channel.kind(),
        "severity": channel.severity,
        "language": channel.language,
        "digest": channel.digest,
        "verified": channel.verified,
    }
