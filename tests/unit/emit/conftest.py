"""What the tests of the emitting side share: a spool of their own and processes to emit from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import safelight_emit


class SpoolFolder:
    """A spool directory, read as its consumer would."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def folders(self) -> list[Path]:
        return sorted(self.path.iterdir()) if self.path.exists() else []

    @property
    def files(self) -> list[Path]:
        return [file for folder in self.folders for file in sorted(folder.iterdir())]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for file in self.files for line in file.read_text("utf-8").splitlines()]

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("event") == name]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "SAFELIGHT_SPOOL": str(self.path)}

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A Python process of its own that emits here; it must end well and say nothing on standard error."""
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done


@pytest.fixture
def outside(tmp_path):
    """A spool that only other processes write to."""
    return SpoolFolder(tmp_path / "spool")


@pytest.fixture
def spool(tmp_path):
    """The spool of this very process; read it after `safelight_emit.flush()`."""
    safelight_emit.configure(service="test", directory=tmp_path / "spool")
    yield SpoolFolder(tmp_path / "spool")
    assert safelight_emit.flush(60)
