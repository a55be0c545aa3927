"""A `safelight up` that is killed and started again, in the same directory and at the same port.

with lasting(tmp_path / "server", config) as server:
    server.kill()
    server.start()
    assert server.until("service:app", 100) == (100, 100)
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from support.ports import free_port
from support.running import Running, running

PATIENCE_S = 60


class Lasting:
    """The directory and the port that stay; `now` is the process that runs in them."""

    def __init__(self, root: Path, config: str, **variables: str) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root, self.config, self.port = root, config, free_port()
        self._variables = variables
        self._stack = ExitStack()
        self.now: Running

    def start(self) -> None:
        """Return once it is reachable."""
        self.now = self._stack.enter_context(running(self.root, self.config, port=self.port, **self._variables))

    def kill(self) -> None:
        """As by a power cut."""
        self.now.process.kill()
        self.now.process.wait()
        self._stack.close()

    def stop(self) -> None:
        """As by systemd."""
        self._stack.close()

    def count(self, q: str, field: str = "message") -> tuple[int, int]:
        """How many events match, and how many different values of a field they have."""
        (row,) = self.now.get("/events", q=f"{q} | stats count() as n, dc({field}) as different")["rows"]
        return row["n"], row["different"]

    def until(self, q: str, count: int, field: str = "message") -> tuple[int, int]:
        """The same, once there are so many."""
        found = (0, 0)

        def enough() -> bool:
            nonlocal found
            found = self.count(q, field)
            return found[0] >= count

        eventually(enough, f"{count} events of {q!r}", lambda: str(found))
        return found

    def sink(self, name: str) -> dict[str, Any]:
        """How a sink is doing, as the API says."""
        (one,) = [sink for sink in self.now.get("/pipeline")["sinks"] if sink["name"] == name]
        return dict(one)

    def until_sink(self, name: str, holds: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The same, once that holds of it."""
        found: dict[str, Any] = {}

        def so() -> bool:
            found.update(self.sink(name))
            return bool(holds(found))

        eventually(so, f"the sink {name}", lambda: str(found))
        return found

    def doctor(self) -> tuple[int, list[dict[str, str]]]:
        """Its exit code, and what it found."""
        done = self.now.cli("doctor", "--json", "--url", self.now.url, check=False)
        return done.returncode, json.loads(done.stdout)["problems"]


@contextmanager
def lasting(root: Path, config: str = "", **variables: str) -> Iterator[Lasting]:
    """One that runs; ended whatever happens."""
    one = Lasting(root, config, **variables)
    try:
        one.start()
        yield one
    finally:
        one.stop()


def eventually(holds: Callable[[], Any], what: str, more: Callable[[], str] = str) -> None:
    """Return when it holds; fail when it does not for a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}\n{more()}"
        time.sleep(0.1)
