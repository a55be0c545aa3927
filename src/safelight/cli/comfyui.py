"""`safelight comfyui install|uninstall|status`."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ..errors import SafelightError
from . import options, say
from .output import harmless


@click.group("comfyui", help=say("cli.comfyui.help"))
def command() -> None:
    """The group itself does nothing."""


_place = click.argument("path", type=click.Path(path_type=Path), metavar="PATH")


@command.command("install", help=say("cli.comfyui.install.help"), short_help=say("cli.comfyui.install.short"))
@_place
@click.option("--instance", metavar="NAME", help=say("cli.comfyui.instance"))
@click.option("--spool", type=click.Path(path_type=Path), metavar="DIR", help=say("cli.comfyui.spool"))
@click.option("--url", metavar="URL", help=say("cli.comfyui.url"))
def install(path: Path, instance: str | None, spool: Path | None, url: str | None) -> None:
    """Lay the pack into a ComfyUI, or bring it up to date."""
    from ..comfyui import install as pack  # noqa: PLC0415 - not on the path of `--help`
    from ..paths import spool_directory  # noqa: PLC0415

    before = pack.installed(path, _version())
    known = before.settings if before else {}
    place = spool or known.get("spool") or spool_directory()
    settings = {"instance": instance, "spool": os.path.abspath(os.path.expanduser(place)), "url": url}  # noqa: PTH100, PTH111 - of a container, perhaps
    folder = pack.install(path, _version(), **settings)
    click.echo(say("cli.comfyui.installed", version=_version(), folder=folder))
    click.echo(say("cli.comfyui.writes_to", spool=settings["spool"]))
    click.echo(say("cli.comfyui.restart"))
    if not pack.owned_alike(folder.parent, Path(settings["spool"] or "")):
        click.echo(say("cli.comfyui.other_user", folder=folder.parent, spool=settings["spool"]), err=True)


@command.command("uninstall", help=say("cli.comfyui.uninstall.help"), short_help=say("cli.comfyui.uninstall.short"))
@_place
def uninstall(path: Path) -> None:
    """Take the pack out of a ComfyUI."""
    from ..comfyui import install as pack  # noqa: PLC0415

    folder, rest = pack.uninstall(path)
    if rest:
        click.echo(say("cli.comfyui.left", folder=folder, files=", ".join(map(harmless, rest[:10]))))
    else:
        click.echo(say("cli.comfyui.uninstalled", folder=folder))
    click.echo(say("cli.comfyui.restart"))


@command.command("status", help=say("cli.comfyui.status.help"), short_help=say("cli.comfyui.status.short"))
@_place
@options.as_json
@options.config
@options.data
def status(path: Path, as_json: bool, config: Path | None, data: Path | None) -> None:
    """Say how the pack in a ComfyUI fares: exit code 1 when it is missing or not up to date."""
    from ..comfyui import install as pack  # noqa: PLC0415

    found = pack.installed(path, _version())
    if found is None:
        if as_json:
            click.echo(json.dumps({"installed": False}))
        else:
            click.echo(say("cli.comfyui.not_installed", folder=pack.nodes_folder(path)))
        raise click.exceptions.Exit(1)
    told = _told(found, data, config)
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        _print(told)
    if not told["current"]:
        raise click.exceptions.Exit(1)


def _told(found: Any, data: Path | None, config: Path | None) -> dict[str, Any]:
    from ..comfyui.install import last_sign_of_life, owned_alike  # noqa: PLC0415
    from ..paths import spool_directory  # noqa: PLC0415

    spool = Path(found.settings.get("spool") or spool_directory())
    instance = found.settings.get("instance")
    sign = last_sign_of_life(spool, _host(), instance)
    read = _spools_read(data, config)
    return {
        "installed": True,
        "folder": str(found.folder),
        "version": found.version,
        "current": not found.changed,
        "changed": list(found.changed),
        "instance": instance,
        "spool": str(spool),
        "last_written_at": datetime.fromtimestamp(sign[1], UTC).isoformat(timespec="seconds") if sign else None,
        "read_by_server": None if read is None else str(spool) in read,
        "one_owner": owned_alike(found.folder.parent, spool),
        "spool_readable": not spool.exists() or os.access(spool, os.R_OK | os.W_OK | os.X_OK),
    }


def _print(told: dict[str, Any]) -> None:
    key = "current" if told["current"] else "damaged" if told["version"] == _version() else "outdated"
    values = {"version": harmless(told["version"]), "here": _version(), "count": len(told["changed"])}
    click.echo(say(f"cli.comfyui.{key}", folder=told["folder"], **values))
    if told["instance"]:
        click.echo(say("cli.comfyui.named", instance=harmless(told["instance"])))
    click.echo(say("cli.comfyui.writes_to", spool=harmless(told["spool"])))
    if told["last_written_at"]:
        ago = round((datetime.now(UTC) - datetime.fromisoformat(told["last_written_at"])).total_seconds())
        click.echo(say("cli.comfyui.alive", ago=_span(max(ago, 0))))
    else:
        click.echo(say("cli.comfyui.no_sign"))
    if not told["spool_readable"]:
        click.echo(say("cli.comfyui.unreadable", spool=harmless(told["spool"])), err=True)
    elif not told["one_owner"]:
        place = str(Path(told["folder"]).parent)
        click.echo(say("cli.comfyui.other_user", folder=place, spool=harmless(told["spool"])), err=True)
    elif told["read_by_server"] is False:
        click.echo(say("cli.comfyui.unread", spool=harmless(told["spool"])), err=True)
    elif told["read_by_server"] is None:
        click.echo(say("cli.comfyui.no_server"), err=True)


def _spools_read(data: Path | None, config: Path | None) -> set[str] | None:
    """The spool folders that the running server reads; None when none runs."""
    from .remote import running  # noqa: PLC0415

    try:
        server = running(None, data, config)
        sources = server.get("/status")["sources"] if server else None
    except SafelightError:
        return None
    return None if sources is None else {one["name"] for one in sources if one["type"] == "spool"}


def _span(seconds: int) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            return say(f"cli.comfyui.{unit}s", count=seconds // length)
    return say("cli.comfyui.seconds", count=seconds)


def _host() -> str:
    from safelight_emit.spool import host_name  # noqa: PLC0415

    return host_name()


def _version() -> str:
    from .._version import __version__  # noqa: PLC0415

    return __version__
