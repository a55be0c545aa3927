"""`safelight up`."""

from __future__ import annotations

from pathlib import Path

import click

from . import LANGUAGE, options, say


@click.command("up", help=say("cli.up.help"))
@options.config
@options.data
@click.option("--host", help=say("cli.up.host"))
@click.option("--port", type=click.IntRange(0, 65535), help=say("cli.up.port"))
@click.option("--demo", is_flag=True, help=say("cli.up.demo"))
@click.option("--demo-speed", type=click.FloatRange(0.1, 1000), default=1.0, help=say("cli.up.demo_speed"))
def command(
    config: Path | None, data: Path | None, host: str | None, port: int | None, demo: bool, demo_speed: float
) -> None:
    """Run the server until it is told to stop."""
    from ..lean import lean  # noqa: PLC0415 - the whole server; not on the path of `--help`

    lean()
    from ..serve import Options, serve  # noqa: PLC0415

    serve(Options(config, data, host, port, demo_speed if demo else None, LANGUAGE), click.echo)
