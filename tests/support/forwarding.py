"""Real peers that speak the forward protocol, and a source that can be killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE_S = 60.0
KEY = "a shared key"

TAKING = """
import os, sys, anyio, json
from contextlib import aclosing
from safelight.pipeline import chain
from safelight.sources.forward import Forward
from support.listening import Listening

class Said(Listening):
    def trouble(self, what, error):
        print("trouble", what, error, flush=True)

async def main(path, settings):
    source = Forward.model_validate(settings)
    report, process = Said(source), chain((), None, "UTC")
    with open(path, "ab") as kept:
        async with aclosing(source.arrivals({}, report)) as arrivals:
            async for arrival in arrivals:
                rows = process(arrival.batch).table.select(["id", "message", "tag", "parse_error"]).to_pylist()
                kept.write(b"".join(json.dumps(row).encode() + b"\\n" for row in rows))
                kept.flush()
                os.fsync(kept.fileno())  # durable: asking for the next arrival acknowledges it

anyio.run(main, sys.argv[1], json.loads(sys.argv[2]))
"""


def certificates(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that is its own authority, and its key."""
    folder.mkdir(parents=True, exist_ok=True)
    cert, key = folder / "server.crt", folder / "server.key"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    made = [*curve, "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command = ["req", "-x509", *made, "-addext", names, "-keyout", str(key), "-out", str(cert)]
    subprocess.run(["openssl", *command], check=True, capture_output=True)
    return cert, key


class Program:
    """A process that can be killed and started again."""

    def __init__(self, command: list[str], log: Path, port: int | None = None) -> None:
        self._command = command
        self._log = log
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=environment)
        if self._port is not None:
            until(self._answers, f"{self._command[0]} listens", self.log)

    def kill(self, how: int = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE_S)
            self._process = None

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")[-3000:] if self._log.exists() else ""

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        try:
            socket.create_connection(("127.0.0.1", self._port), 1).close()
        except OSError:
            return False
        return True


@contextmanager
def running(*arguments: Any, **named: Any) -> Iterator[Program]:
    """A program, started, and killed in the end."""
    program = Program(*arguments, **named)
    program.start()
    try:
        yield program
    finally:
        program.kill()


def until(holds: Callable[[], bool], what: str, more: Callable[[], str] = str) -> None:
    """Return when it holds; fail when it does not for a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}\n{more()}"
        time.sleep(0.05)


def taking(kept: Path, settings: str) -> list[str]:
    """The command of a forward source in a process of its own that keeps what it takes in this file."""
    return [sys.executable, "-c", TAKING, str(kept), settings]
