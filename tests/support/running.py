"""A real `safelight up` in a process of its own, on a free port, in a directory of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

READY = "Safelight is at "


class Running:
    """The server's process and how to ask it."""

    def __init__(self, process: subprocess.Popen[str], url: str, data: Path, environment: dict[str, str]) -> None:
        self.process = process
        self.url = url
        self.data = data
        self.environment = environment

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON answer of `/api/v1{path}`."""
        asked = urllib.parse.urlencode({name.rstrip("_"): value for name, value in parameters.items()})
        with urllib.request.urlopen(f"{self.url}/api/v1{path}?{asked}", timeout=60) as answer:
            return json.load(answer)

    def events(self, q: str, **parameters: Any) -> list[dict[str, Any]]:
        """The events that match."""
        return list(self.get("/events", q=q, **parameters)["events"])

    def until(self, q: str, count: int = 1, within_s: float = 60.0) -> list[dict[str, Any]]:
        """The same, as soon as there are `count` of them."""
        deadline = time.monotonic() + within_s
        while len(found := self.events(q, limit=10_000)) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} events match {q!r} after {within_s} s"
            time.sleep(0.05)
        return found

    def reading(self, *names: str, within_s: float = 60.0) -> None:
        """Return when the sources of these names read: the server answers before all of its sources do."""
        deadline = time.monotonic() + within_s
        while missing := set(names) - {
            one["name"] for one in self.get("/pipeline")["sources"] if one["state"] == "reading"
        }:
            assert time.monotonic() < deadline, f"{missing} do not read after {within_s} s"
            time.sleep(0.05)

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`safelight ARGUMENTS` against this server."""
        return cli(*arguments, "--data", str(self.data), environment=self.environment, check=check)


def environment(root: Path, **more: str) -> dict[str, str]:
    """A user's environment that reaches nothing of the real user's."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("SAFELIGHT_", "XDG_", "LC_", "LANG"))
    }
    return (
        clean
        | {"HOME": str(root), "XDG_CONFIG_HOME": str(root / "config"), "SAFELIGHT_SPOOL": str(root / "spool")}
        | {f"SAFELIGHT_DISCOVER__{what}": "false" for what in ("COMFYUI", "GPU", "HOST")}
        | more
    )


def command(*arguments: str) -> list[str]:
    """How `safelight` is called."""
    return [str(Path(sys.executable).parent / "safelight"), *arguments]


def cli(*arguments: str, environment: dict[str, str], check: bool = True) -> subprocess.CompletedProcess[str]:
    """`safelight ARGUMENTS`, run to its end."""
    return subprocess.run(
        command(*arguments), env=environment, capture_output=True, text=True, check=check, timeout=120
    )


@contextmanager
def running(root: Path, config: str = "", *arguments: str, port: int = 0, **variables: str) -> Iterator[Running]:
    """A server with this configuration; stopped at the end by its process id."""
    data = root / "data"
    path = root / "safelight.toml"
    path.write_text(config, encoding="utf-8")
    surroundings = environment(root, **variables)
    with (root / "server.log").open("a") as log:
        process = subprocess.Popen(
            command("up", "--config", str(path), "--data", str(data), "--port", str(port), *arguments),
            env=surroundings,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=root,
        )
    try:
        said: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if line.startswith(READY):
                break
        else:
            raise AssertionError("".join(said) + (root / "server.log").read_text())
        yield Running(process, said[-1].removeprefix(READY).strip(), data, surroundings)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout is not None:
            process.stdout.close()
