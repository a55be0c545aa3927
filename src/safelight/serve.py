"""`safelight up`: everything started in its order, told what went wrong in one sentence, stopped in its order."""

from __future__ import annotations

import errno
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import uvicorn

from .app import App
from .config import load
from .demo import Demo
from .errors import ConfigError
from .lean import settle
from .locales import text
from .paths import data_directory, is_loopback
from .store.lock import Lock
from .web.server import create

GRACE_S = 3
"""How long open requests may take to end when the server is told to stop."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said; None leaves it to the configuration."""

    config: Path | None = None
    data: Path | None = None
    host: str | None = None
    port: int | None = None
    demo_speed: float | None = None
    language: str = "en"


class _Uvicorn(uvicorn.Server):
    """Leaves signals to us: we stop collecting before we stop answering."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: see `_run`."""
        yield


def serve(options: Options, echo: Callable[[str], None]) -> None:
    """Run until SIGINT or SIGTERM. Raises ConfigError, StoreError."""
    config = load(options.config, language=options.language)
    host, port = options.host or config.server.host, config.server.port if options.port is None else options.port
    refuse_strangers(host)
    listener = listen(host, port)
    url = f"http://{_bracketed(host)}:{listener.getsockname()[1]}"
    demo = Demo.under(options.data, options.demo_speed) if options.demo_speed is not None else None
    directory = demo.data if demo else data_directory(options.data or config.server.data)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with ExitStack() as stack:
        stack.enter_context(listener)
        lock = Lock.take(directory)
        stack.callback(lock.release)
        app = stack.enter_context(App.open(config, directory, lock, url=url, demo=demo))
        anyio.run(_run, app, listener, lambda: _ready(app, lock, url, options.language, echo))


def _ready(app: App, lock: Lock, url: str, language: str, echo: Callable[[str], None]) -> None:
    lock.publish(url=url)
    for warning in (*app.config.warnings, *app.config.notes, *app.config.left_out):
        echo(warning)
    if app.demo:
        echo(text("demo.announced", language, speed=f"{app.demo.speed:g}", data=app.demo.data))
    echo(text("cli.up.ready", language, url=url))
    echo(text("cli.up.hint", language))


def refuse_strangers(host: str) -> None:
    """Raises ConfigError for an address that others could reach, until there is access control."""
    if not is_loopback(host):
        raise ConfigError("serve.not_loopback", host=host)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio then switches Nagle off: 44 ms
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        reason = error.strerror or str(error)
        raise ConfigError(
            "serve.port_taken" if taken else "serve.cannot_listen", host=host, port=port, reason=reason
        ) from error
    return listener


async def _run(app: App, listener: socket.socket, ready: Callable[[], None]) -> None:
    web = _Uvicorn(
        uvicorn.Config(
            create(app),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    answered = anyio.Event()

    async def answer() -> None:
        await web.serve(sockets=[listener])
        answered.set()

    async with anyio.create_task_group() as tasks:
        await tasks.start(app.run)
        tasks.start_soon(answer)
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            ready()
            settle()
            async for _ in signals:
                break
        await app.stop()
        web.should_exit = True
        with anyio.move_on_after(GRACE_S + 1):
            await answered.wait()
        tasks.cancel_scope.cancel()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
