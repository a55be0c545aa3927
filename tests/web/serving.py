"""A real server that follows a log, and holds the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.running import Running, running

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "src" / "safelight" / "web" / "page" / "index.html"


@dataclass
class Server:
    """A running `safelight up`."""

    running: Running
    followed: Path
    """A log file that the server follows."""

    @property
    def url(self) -> str:
        """Where its page is."""
        return self.running.url

    def write(self, **event: Any) -> None:
        """Append a line to the followed file."""
        event = {"timestamp": datetime.now(UTC).isoformat(), "level": "INFO", "service": "followed"} | event
        with self.followed.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(event) + "\n")


@contextmanager
def serving(folder: Path, *options: str, port: int = 0, config: str = "") -> Iterator[Server]:
    """`safelight up` with its data in `folder`, following `folder/followed.log`. `config`: what else its file says."""
    if not BUILT.is_file():
        pytest.fail("The page is not built: run `npm ci && npm run build` in ui/.")
    followed = folder / "followed.log"
    followed.touch()
    config = f'{config}\n[[sources]]\ntype = "file"\npaths = ["{followed.as_posix()}"]\n'
    with running(folder, config, *options, port=port) as server:
        yield Server(server, followed)
