"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from . import say

F = TypeVar("F", bound=Callable[..., Any])


def data(function: F) -> F:
    """`--data DIR`."""
    return click.option(
        "--data", type=click.Path(path_type=Path), envvar="SAFELIGHT_DATA", metavar="DIR", help=say("cli.opt.data")
    )(function)


def url(function: F) -> F:
    """`--url URL`."""
    return click.option("--url", envvar="SAFELIGHT_URL", metavar="URL", help=say("cli.opt.url"))(function)


def config(function: F) -> F:
    """`--config FILE`."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        envvar="SAFELIGHT_CONFIG",
        metavar="FILE",
        help=say("cli.opt.config"),
    )(function)


def since(default: str | None) -> Callable[[F], F]:
    """`--since 24h` and `--until 1h`: ages, or ISO times."""

    def decorate(function: F) -> F:
        function = click.option("--until", metavar="WHEN", help=say("cli.opt.until"))(function)
        return click.option("--since", default=default, metavar="WHEN", show_default=True, help=say("cli.opt.since"))(
            function
        )

    return decorate


def as_json(function: F) -> F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help=say("cli.opt.json"))(function)


def moment(when: str | None) -> str | None:
    """`24h` as the API writes it, `now-24h`; anything else as it is."""
    if when and when[0].isdigit() and when[-1:] in "smhdw" and "-" not in when:
        return f"now-{when}"
    return when
