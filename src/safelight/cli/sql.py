"""`safelight sql`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options, output, say
from .remote import running


@click.command("sql", help=say("cli.sql.help"))
@click.argument("sql")
@click.option("--format", "form", type=click.Choice(output.FORMATS), default="table", help=say("cli.query.format"))
@options.as_json
@options.data
@options.url
def command(sql: str, form: str, as_json: bool, data: Path | None, url: str | None) -> None:
    """Ask the server, or the files when it is down; either way in a child process that can reach nothing else."""
    import json  # noqa: PLC0415

    server = running(url, data)
    if server is not None:
        answer = server.post("/sql", json.dumps({"sql": sql}).encode(), "application/json")
    else:
        from .. import answers  # noqa: PLC0415 - a running server spares us the engine
        from ..paths import data_directory  # noqa: PLC0415
        from ..rows import dump  # noqa: PLC0415
        from ..store.sandbox import UserSql  # noqa: PLC0415

        with UserSql(data_directory(data)) as user_sql:
            answer = json.loads(dump(answers.sql(user_sql, sql)))
    output.show(answer["rows"], "json" if as_json else form, answer["columns"])
    if answer["cut"]:
        click.echo(say("cli.sql.cut", count=len(answer["rows"])), err=True)
