"""`safelight agent`: everything started in its order, told what went wrong in one sentence, stopped in its order."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import anyio
from pydantic import ValidationError

from ..config.agent import AgentConfig, load
from ..config.told import mistakes
from ..errors import ConfigError
from ..lean import settle
from ..locales import text
from ..paths import is_loopback
from ..plugin import kind
from ..sinks import Sink
from ..store.lock import Lock
from .agent import Agent
from .telling import usual_place

SERVER: Final = "safelight"
"""The type of the sink that sends to a Safelight server."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said; None leaves it to the configuration."""

    config: Path | None = None
    to: str | None = None
    token_file: Path | None = None
    data: Path | None = None
    language: str = "en"


def collect(options: Options, echo: Callable[[str], None]) -> None:
    """Run until SIGINT or SIGTERM. Raises ConfigError, StoreError."""
    config = configured(options)
    directory = options.data or usual_place()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    lock = Lock.take(directory)
    try:
        anyio.run(_run, config, directory, lambda: _ready(config, directory, options.language, echo))
    finally:
        lock.release()


def configured(options: Options) -> AgentConfig:
    """The configuration, with the server that the command line names. Raises ConfigError."""
    config = load(options.config, language=options.language, also=[SERVER] if options.to is not None else [])
    if options.to is not None:
        server = _server(options.to, options.token_file, options.language)
        others = tuple(sink for sink in config.sinks if sink.called != server.called)
        config = config.model_copy(update={"sinks": (*others, server)})
    if not config.sinks:
        raise ConfigError("agent.nowhere")
    warnings = [text("agent.plain", options.language, url=url) for url in map(_plain, config.sinks) if url]
    return config.model_copy(update={"warnings": (*config.warnings, *warnings)})


def _server(url: str, token_file: Path | None, language: str) -> Sink:
    cls = kind(Sink, SERVER)  # type: ignore[type-abstract]
    if cls is None:
        raise ConfigError("agent.nowhere")
    if token_file is not None and not os.access(token_file.expanduser(), os.R_OK):
        raise ConfigError("agent.no_token", path=token_file)
    try:
        return cls.model_validate({"url": url, "token_file": token_file})
    except ValidationError as error:
        raise ConfigError("agent.bad_url", url=url, reason=next(mistakes(error, language)).said) from error


def _plain(sink: Sink) -> str | None:
    """The address to which a token would be sent for everybody to read."""
    secret = getattr(sink, "token", None) or getattr(sink, "token_file", None)
    url = str(getattr(sink, "url", "")) if sink.kind() == SERVER and secret else ""
    parts = urlsplit(url)
    return url if parts.scheme == "http" and not is_loopback(parts.hostname or "") else None


def _ready(config: AgentConfig, data: Path, language: str, echo: Callable[[str], None]) -> None:
    for warning in (*config.warnings, *config.notes):
        echo(warning)
    echo(text("cli.agent.ready", language, to=", ".join(places(config.sinks)), data=data))


def places(sinks: Sequence[Sink]) -> tuple[str, ...]:
    """Where events go, each place once: several sinks may send to one server."""
    addresses = ((getattr(sink, "url", None), *getattr(sink, "urls", ())) for sink in sinks)
    known = ([str(one) for one in found if one] or [sink.called] for sink, found in zip(sinks, addresses, strict=True))
    return tuple(dict.fromkeys(one for some in known for one in some))


async def _run(config: AgentConfig, data: Path, ready: Callable[[], None]) -> None:
    async with Agent.open(config, data) as agent, anyio.create_task_group() as tasks:
        await tasks.start(agent.run)
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            ready()
            settle()
            async for _ in signals:
                break
        await agent.stop()
        tasks.cancel_scope.cancel()
