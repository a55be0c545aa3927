"""The command line. Thin: each command is a module that is imported when it is called, so that `--help` is quick."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any, Final

import click

from ..errors import QueryError, SafelightError
from ..locales import of_terminal, text

COMMANDS: Final = (
    "up",
    "agent",
    "comfyui",
    "ingest",
    "query",
    "sql",
    "tail",
    "runs",
    "run",
    "top",
    "replay",
    "alerts",
    "rules",
    "silence",
    "notify",
    "buffer",
    "elasticsearch",
    "doctor",
)
LANGUAGE: Final = of_terminal()


def say(key: str, /, **values: object) -> str:
    """A sentence of the catalogue in the language of this terminal."""
    return text(key, LANGUAGE, **values)


class Commands(click.Group):
    """Finds a command in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f".{cmd_name}", __name__).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Names and one line each, from the catalogue: no command is imported for `--help`."""
        with formatter.section(say("cli.commands")):
            formatter.write_dl([(name, say(f"cli.{name}.short")) for name in COMMANDS])


def _version(ctx: click.Context, _: click.Parameter, wanted: Any) -> None:
    if wanted and not ctx.resilient_parsing:
        from .._version import __version__  # noqa: PLC0415 - only when asked

        click.echo(f"safelight {__version__}")
        ctx.exit()


@click.group(cls=Commands, help=say("cli.help"), context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help=say("cli.version"))
def safelight() -> None:
    """The group itself does nothing."""


def main() -> None:
    """Run the command line: exit code 0 is fine, 1 failed, 2 is wrong usage."""
    os.umask(0o077)  # what we store is the user's: nobody else on this machine reads it
    try:
        code = safelight(standalone_mode=False, auto_envvar_prefix="SAFELIGHT")
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:  # `safelight query ... | head`
        sys.stderr.close()
        sys.exit(0)
    except QueryError as error:
        _tell(f"{error.render(LANGUAGE)}\n{error.caret()}")
        sys.exit(2)
    except SafelightError as error:
        _tell(error.render(LANGUAGE))
        sys.exit(1)


def _tell(mistake: str) -> None:
    """It may quote what somebody else wrote: a ComfyUI's answer, a name in a bundle."""
    from .output import harmless  # noqa: PLC0415 - only when it is needed

    for line in mistake.split("\n"):
        click.echo(harmless(line), err=True)
