"""A real `safelight agent` in a process of its own."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.running import command, environment

WAIT_S = 60


class Agent:
    """Started, killed and started again on the same directory."""

    def __init__(self, root: Path, *arguments: str, **variables: str) -> None:
        self.root = root
        self.data = root / "data"
        self._command = command("agent", "--data", str(self.data), *arguments)
        self._environment = environment(root, **variables)
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Return once it says that it is ready."""
        with (self.root / "agent.log").open("a") as log:
            self.process = subprocess.Popen(
                self._command, env=self._environment, stdout=subprocess.PIPE, stderr=log, text=True, cwd=self.root
            )
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if "queues are in" in line:
                return
        raise AssertionError("".join(said) + (self.root / "agent.log").read_text())

    def kill(self) -> None:
        """As by a power cut."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """As by systemd; its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        if self.process is None:
            return 0
        process, self.process = self.process, None
        process.send_signal(how)
        try:
            return process.wait(WAIT_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


@contextmanager
def agent(root: Path, *arguments: str, **variables: str) -> Iterator[Agent]:
    """One that runs; ended by its process id whatever happens."""
    root.mkdir(exist_ok=True)
    one = Agent(root, *arguments, **variables)
    try:
        one.start()
        yield one
    finally:
        one.kill()
