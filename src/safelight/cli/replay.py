"""`safelight replay`."""

from __future__ import annotations

import json
import os.path
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anyio
import click

from ..errors import ConfigError, InputError, PromptRejected
from . import LANGUAGE, options, output, say
from .remote import Server, running
from .run import beginning_with, only

if TYPE_CHECKING:  # not on the path of `--help`
    from ..app.resubmit import Resubmitter
    from ..app.targets import Target, Targets
    from ..comfyui.bundle import Bundle
    from ..comfyui.compare import Difference


@click.command("replay", help=say("cli.replay.help"))
@click.argument("run", required=False)
@click.option("--to", metavar="URL", help=say("cli.replay.to"))
@click.option("--bundle", "write_to", type=click.Path(path_type=Path), metavar="FILE", help=say("cli.replay.bundle"))
@click.option("--set", "given", multiple=True, metavar="NODE.INPUT=VALUE", help=say("cli.replay.set"))
@click.option("--check", is_flag=True, help=say("cli.replay.check"))
@click.option("--yes", is_flag=True, help=say("cli.replay.yes"))
@click.option("--lost", is_flag=True, help=say("cli.replay.lost"))
@click.option("--instance", help=say("cli.replay.instance"))
@options.as_json
@options.config
@options.data
@options.url
def command(
    run: str | None,
    to: str | None,
    write_to: Path | None,
    given: tuple[str, ...],
    check: bool,
    yes: bool,
    lost: bool,
    instance: str | None,
    as_json: bool,
    config: Path | None,
    data: Path | None,
    url: str | None,
) -> None:
    """Submit again, through the server or with it down."""
    if (run is None) != lost:
        raise click.UsageError(say("cli.replay.what"))
    _refuse_ignored(
        write_to, instance, lost=lost, given={"--to": to, "--set": given, "--check": check, "--json": as_json}
    )
    values = _values(given)
    here = _Here(config, data, url)
    if run is None:
        _print_lost(here.lost(instance, check=check), as_json=as_json)
    elif write_to is not None:
        if write_to.exists():
            raise InputError("bundle.exists", path=write_to)
        here.write(here.meant(run), write_to)
        _print_written(write_to)
    elif _is_bundle(run) or check:
        with here.opened(run) as opened:
            _run_bundle(opened, values, here, to, check=check, yes=yes, as_json=as_json)
    else:
        _print_new(here.again(here.meant(run), to, values), as_json=as_json)


class _Here:
    """The server that runs, or the data directory."""

    def __init__(self, config: Path | None, data: Path | None, url: str | None) -> None:
        self._config, self._data = config, data
        self._server = running(url, data, config)

    def meant(self, run: str) -> str:
        """The id that begins so; what begins no id stays as it is. Raises InputError when several do."""
        if self._server is not None:
            ids = beginning_with(self._server, run)
        else:
            from .. import answers  # noqa: PLC0415 - a running server spares us the engine
            from ..paths import data_directory  # noqa: PLC0415
            from .local import reading  # noqa: PLC0415

            with reading(data_directory(self._data, self._config)) as store:
                ids = answers.find(store, run)
        return only(ids, run) if ids else run

    def again(self, run: str, to: str | None, values: dict[str, str]) -> dict[str, str]:
        """Submit a run again: `run_id`, `to`."""
        if self._server is not None:
            return dict(_post(self._server, f"/runs/{quote(run, safe='')}/replay", {"to": to, "set": values}))
        with self._resubmitter(optional=to is not None) as local, _rejections():
            again = anyio.run(local.again, run, to, values)
            return {"run_id": again.run_id, "to": again.to}

    def lost(self, instance: str | None, *, check: bool) -> dict[str, Any]:
        """Submit lost runs again, or only say which."""
        if self._server is not None:
            asked = {"instance": instance} | ({"check": True} if check else {})
            return dict(_post(self._server, "/runs/resubmit", asked))
        with self._resubmitter() as local:
            return anyio.run(local.would if check else local.lost, instance)

    def write(self, run: str, path: Path) -> None:
        """Write the bundle of a run. Raises InputError when there is no room for it, or no right."""
        try:
            self._write(run, path)
        except OSError as error:
            raise InputError("bundle.unwritable", path=path, reason=error.strerror or str(error)) from error

    def _write(self, run: str, path: Path) -> None:
        if self._server is not None:
            self._server.download(f"/runs/{quote(run, safe='')}/bundle", path)
            return
        with self._resubmitter(optional=True) as local:
            written = anyio.run(local.bundle, run)
        shutil.move(written, path)

    @contextmanager
    def opened(self, run: str) -> Iterator[Bundle]:
        """A bundle that lies in a file, or that of a run."""
        from ..comfyui.bundle import read  # noqa: PLC0415

        if _is_bundle(run):
            yield read(Path(run))
            return
        with tempfile.TemporaryDirectory(prefix="safelight-") as folder:
            path = Path(folder, "run.zip")
            self.write(self.meant(run), path)
            yield read(path)

    async def target(self, to: str | None, instance: str | None) -> Target:
        """Where a bundle is to run."""
        targets = self._targets(optional=True)
        return await (targets.at(to) if to else targets.of(instance))

    @contextmanager
    def _resubmitter(self, *, optional: bool = False) -> Iterator[Resubmitter]:
        from ..app.resubmit import Resubmitter  # noqa: PLC0415
        from ..documents import DIRECTORY, Documents  # noqa: PLC0415
        from ..paths import data_directory  # noqa: PLC0415
        from .local import reading  # noqa: PLC0415

        targets = self._targets(optional=optional)
        data = data_directory(self._data, self._config)
        with reading(data) as store:
            yield Resubmitter(store, Documents(data / DIRECTORY), targets, language=LANGUAGE)

    def _targets(self, *, optional: bool) -> Targets:
        """`optional`: an address does without a configuration that somebody else can read."""
        from ..app.targets import Targets  # noqa: PLC0415
        from ..config import load  # noqa: PLC0415
        from ..config.defaults import sources_of  # noqa: PLC0415

        try:
            return Targets(sources_of(load(self._config, language=LANGUAGE)))
        except ConfigError:
            if optional:
                return Targets(())
            raise


def _refuse_ignored(write_to: Path | None, instance: str | None, *, lost: bool, given: dict[str, object]) -> None:
    """Nobody is to believe that an option did what it did not."""
    if lost:
        mode, ignored = "--lost", {"--bundle": write_to, "--to": given["--to"], "--set": given["--set"]}
    else:
        mode, ignored = "--bundle", given if write_to is not None else {}
    named = [option for option, value in ignored.items() if value]
    if named:
        raise InputError("cli.replay.ignored", options=", ".join(named), mode=mode)
    if instance is not None and not lost:
        raise InputError("cli.replay.only_lost")


def _is_bundle(run: str) -> bool:
    """Whether a file is meant, and not the id of a run; a .zip that is not there is said to be missing."""
    return Path(run).suffix == ".zip" or os.path.isfile(run)  # noqa: PTH113 - False for a name too long, too


def _values(given: tuple[str, ...]) -> dict[str, str]:
    values = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or "." not in name:
            raise InputError("replay.bad_value", value=name)
        values[name] = value
    return values


def _post(server: Server, path: str, body: dict[str, Any]) -> Any:
    return server.post(path, json.dumps(body).encode(), "application/json")


def _run_bundle(
    opened: Bundle,
    values: dict[str, str],
    here: _Here,
    to: str | None,
    *,
    check: bool,
    yes: bool,
    as_json: bool,
) -> None:
    from dataclasses import replace  # noqa: PLC0415

    from ..comfyui import compare  # noqa: PLC0415

    ready = replace(opened, submission=opened.submission.given(values))

    async def differences() -> tuple[list[Difference], Target]:
        target = await here.target(to, opened.submission.instance)
        async with target.client(600) as client:
            return await compare.differences(ready, client), target

    async def submit(target: Target) -> dict[str, str]:
        async with target.client() as client:
            run_id, renamed = await compare.replay(ready, client, ready.submission)
            for one in renamed:
                click.echo(output.harmless(one.render(LANGUAGE)), err=True)
            return {"run_id": run_id, "to": client.url}

    found, target = anyio.run(differences)
    _print_differences(found, as_json=as_json and check, to_stderr=not check)
    blocking = any(one.blocking for one in found)
    if check:
        raise click.exceptions.Exit(1 if blocking else 0)
    if blocking:
        raise InputError("replay.blocked")
    if found and not yes:
        click.confirm(say("cli.replay.go_on"), abort=True, err=True)
    with _rejections():
        _print_new(anyio.run(submit, target), as_json=as_json)


def _print_differences(found: list[Difference], *, as_json: bool, to_stderr: bool) -> None:
    if as_json:
        click.echo(
            json.dumps(
                [{"key": one.key, "blocking": one.blocking, "text": one.render(LANGUAGE)} for one in found],
                ensure_ascii=False,
            )
        )
        return
    if not found:
        click.echo(say("cli.replay.same"), err=to_stderr)
    for one in found:
        mark = click.style("✗", fg="red") if one.blocking else click.style("•", fg="yellow")
        click.echo(f"{mark} {output.harmless(one.render(LANGUAGE))}", err=to_stderr)


def _print_written(path: Path) -> None:
    from ..comfyui.bundle import read  # noqa: PLC0415

    click.echo(say("cli.replay.written", path=output.harmless(path), bytes=path.stat().st_size))
    manifest = read(path).manifest
    if not manifest.made_with.versions:
        click.echo(say("cli.replay.written_alone"), err=True)
    carried = {(file.name, file.type) for file in manifest.files}
    for file in manifest.made_with.files:
        if file.sha256 is not None and (file.name, file.type) not in carried:
            click.echo(say("cli.replay.not_carried", name=output.harmless(file.name)), err=True)


def _print_new(answer: dict[str, str], *, as_json: bool) -> None:
    said = json.dumps(answer) if as_json else say("cli.replay.submitted", run=answer["run_id"], url=answer["to"])
    click.echo(output.harmless(said))


def _print_lost(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
    else:
        would, done = answer.get("would_submit", []), answer.get("resubmitted", [])
        for one in would:
            click.echo(output.harmless(say("cli.replay.would_submit", run=one["run_id"], url=one["to"])))
        for one in done:
            click.echo(output.harmless(say("cli.replay.lost_submitted", run=one["run_id"], new=one["new_id"])))
        for one in answer["failed"]:
            click.echo(output.harmless(f"{one['run_id']}: {one['reason']}"), err=True)
        if not would and not done and not answer["failed"]:
            click.echo(say("cli.replay.nothing_lost"))
    if answer["failed"]:
        raise click.exceptions.Exit(1)


@contextmanager
def _rejections() -> Iterator[None]:
    """Everything that ComfyUI found wrong, not only the first."""
    from ..comfyui.replay import faults  # noqa: PLC0415

    try:
        yield
    except PromptRejected as error:
        wrong = faults(error.node_errors)
        for one in wrong if len(wrong) > 1 else ():
            click.echo(output.harmless(one), err=True)
        raise
