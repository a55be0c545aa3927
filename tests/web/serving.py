"""A real server, as a user starts it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "src" / "safelight" / "web" / "page" / "index.html"
SAFELIGHT = Path(sys.executable).with_name("safelight")


@dataclass
class Server:
    """A running `safelight up`."""

    url: str
    process: subprocess.Popen[str]
    followed: Path
    """A log file that the server follows."""

    def write(self, **event: Any) -> None:
        """Append a line to the followed file."""
        event = {"timestamp": datetime.now(UTC).isoformat(), "level": "INFO", "service": "followed"} | event
        with self.followed.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(event) + "\n")


def environment(folder: Path) -> dict[str, str]:
    """Away from whatever else runs on this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SAFELIGHT_")}
    return kept | {
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_DATA_HOME": str(folder / "share"),
        "SAFELIGHT_SPOOL": str(folder / "spool"),
        "SAFELIGHT_LANGUAGE": "en",
    }


@contextmanager
def serving(folder: Path, *options: str, port: int = 0) -> Iterator[Server]:
    """`safelight up` with its data in `folder`, following `folder/followed.log`."""
    if not BUILT.is_file():
        pytest.fail("The page is not built: run `npm ci && npm run build` in ui/.")
    followed = folder / "followed.log"
    followed.touch()
    config = folder / "safelight.toml"
    config.write_text(f'[[sources]]\ntype = "file"\npaths = ["{followed.as_posix()}"]\n', encoding="utf-8")
    command = [str(SAFELIGHT), "up", "--config", str(config), "--data", str(folder / "data"), "--port", str(port)]
    with (folder / "server.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            [*command, *options], cwd=folder, env=environment(folder), stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                if found := re.search(r"Safelight is at (http://\S+)", line):
                    yield Server(found[1], process, followed)
                    break
            else:
                pytest.fail(f"The server did not start.\n{said}{(folder / 'server.log').read_text(encoding='utf-8')}")
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
