"""`safelight elasticsearch kibana|template`: what belongs into Kibana, and the index template, to install by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from . import LANGUAGE, say


@click.group("elasticsearch", help=say("cli.elasticsearch.help"))
def command() -> None:
    """The group itself does nothing."""


def _naming(print_it: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--ecs", is_flag=True, help=say("cli.elasticsearch.ecs")),
        click.option("--data-stream", is_flag=True, help=say("cli.elasticsearch.data_stream")),
        click.option("--prefix", default="safelight", show_default=True, help=say("cli.elasticsearch.prefix")),
    ):
        print_it = option(print_it)
    return print_it


@command.command("kibana", help=say("cli.elasticsearch.kibana.help"), short_help=say("cli.elasticsearch.kibana.short"))
@_naming
def kibana(prefix: str, data_stream: bool, ecs: bool) -> None:
    """Print the saved objects."""
    from ..sinks.elasticsearch.documents import Shape  # noqa: PLC0415 - Arrow is not on the path of `--help`
    from ..sinks.elasticsearch.indices import Indices  # noqa: PLC0415
    from ..sinks.elasticsearch.kibana import saved_objects  # noqa: PLC0415

    click.echo(saved_objects(Indices(prefix, data_stream=data_stream), Shape(ecs), LANGUAGE), nl=False)


@command.command(
    "template", help=say("cli.elasticsearch.template.help"), short_help=say("cli.elasticsearch.template.short")
)
@_naming
@click.option("--opensearch", is_flag=True, help=say("cli.elasticsearch.opensearch"))
def template(prefix: str, data_stream: bool, ecs: bool, opensearch: bool) -> None:
    """Print the index template."""
    import json  # noqa: PLC0415

    from ..sinks.elasticsearch.documents import Shape  # noqa: PLC0415
    from ..sinks.elasticsearch.indices import Indices  # noqa: PLC0415
    from ..sinks.elasticsearch.template import Product  # noqa: PLC0415
    from ..sinks.elasticsearch.template import template as made  # noqa: PLC0415

    product = Product(opensearch=opensearch)
    click.echo(json.dumps(made(Indices(prefix, data_stream=data_stream), Shape(ecs), product), indent=2))
