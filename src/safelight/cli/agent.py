"""`safelight agent`."""

from __future__ import annotations

from pathlib import Path

import click

from . import LANGUAGE, options, say


@click.command("agent", help=say("cli.agent.help"))
@options.config
@click.option("--to", metavar="URL", help=say("cli.agent.to"))
@click.option("--token-file", type=click.Path(path_type=Path), metavar="FILE", help=say("cli.agent.token_file"))
@options.data
def command(config: Path | None, to: str | None, token_file: Path | None, data: Path | None) -> None:
    """Collect until told to stop."""
    from ..lean import AGENT, lean  # noqa: PLC0415 - the whole agent; not on the path of `--help`

    lean(AGENT)
    from ..agent.run import Options, collect  # noqa: PLC0415

    collect(Options(config, to, token_file, data, LANGUAGE), click.echo)
