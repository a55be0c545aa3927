"""What can be checked of an installation from here, without asking the server: files, ports, room, neighbours."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import socket
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from ..errors import ConfigError
from ..locales import text
from ..paths import spool_directory
from .diagnosis import Problem

if TYPE_CHECKING:
    from ..config import Config
    from ..sources import Source

LITTLE_ROOM: Final = 1 << 30
NO_ROOM: Final = 100 << 20
"""Bytes free on the disk of the data directory."""
_ANSWER_S: Final = 3.0
_LOOKED_AT: Final = 1_000
"""Files of a source that are tried, so that a glob over a million of them ends."""


class Checkup:
    """One look at one installation, in the language of who reads it."""

    def __init__(self, language: str) -> None:
        self._language = language

    def configuration(self, error: ConfigError, path: Path | None = None) -> Iterator[Problem]:
        """What is wrong with the file: one of these a mistake."""
        told, where = error.values.get("told"), path.name if path else "safelight.toml"
        if error.key == "config.no_such_file":
            yield {"severity": "error", "where": where, "said": error.render(self._language), "remedy": ""}
            return
        for mistake in told if isinstance(told, tuple) else (error.render(self._language),):
            yield self._problem("error", where, "said", "config", detail=mistake)

    def remarks(self, config: Config) -> Iterator[Problem]:
        """What was left out of it, should not stay so, or may not be meant so."""
        for mistake in config.left_out:
            yield self._problem("error", "safelight.toml", "left_out", "config", detail=mistake)
        for warning in config.warnings:
            yield self._problem("warning", "safelight.toml", "said", "warning", detail=warning)
        for note in config.notes:
            yield self._problem("note", "safelight.toml", "said", "note", detail=note)

    def room(self, data: Path) -> Iterator[Problem]:
        """Whether the data directory can be written, and for how long still."""
        there = next((place for place in (data, *data.parents) if place.exists()), Path("/"))
        if not os.access(there, os.W_OK | os.X_OK):
            yield self._problem("error", str(data), "not_writable", path=there)
        free = shutil.disk_usage(there).free
        if free < LITTLE_ROOM:
            severity = "error" if free < NO_ROOM else "warning"
            yield self._problem(severity, str(data), "little_room", megabytes=free >> 20)

    def port(self, host: str, port: int) -> Iterator[Problem]:
        """Whether a server could listen there."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host.strip("[]"), port))
            except OSError as error:
                what = "port_taken" if error.errno == errno.EADDRINUSE else "port_refused"
                reason = error.strerror or str(error)
                yield self._problem("error", f"{host}:{port}", what, "port", port=port, reason=reason)

    def spool(self, directory: Path | None) -> Iterator[Problem]:
        """Whether what services of this host write can be read and tidied up."""
        root = (directory or spool_directory()).expanduser()
        if not root.exists():
            return
        if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
            yield self._problem("error", str(root), "spool_unreadable", path=root)
            return
        folders = [folder for folder in root.iterdir() if folder.is_dir()]
        foreign = [folder for folder in folders if not os.access(folder, os.R_OK | os.W_OK | os.X_OK)]
        if foreign:
            uid = foreign[0].stat().st_uid
            yield self._problem(
                "error", str(root), "spool_foreign", count=len(foreign), uid=uid, folder=foreign[0].name
            )

    def source(self, source: Source) -> Iterator[Problem]:
        """Whether what it reads is there."""
        if source.kind() == "file":
            yield from self._files(source)
        elif source.kind() == "comfyui":
            yield from self._comfyui(source)

    def _files(self, source: Source) -> Iterator[Problem]:
        for pattern in getattr(source, "paths", ()):
            paths = glob.iglob(str(Path(pattern).expanduser()), recursive=True)  # noqa: PTH207 - not below one folder
            found = [Path(path) for path in islice(paths, _LOOKED_AT)]
            files = [path for path in found if path.is_file()]
            if not files:
                yield self._problem("warning", f"file {pattern}", "no_file", "diagnosis.remedy.no_file", name=pattern)
            for path in files:
                if not os.access(path, os.R_OK):
                    yield self._problem("error", f"file {pattern}", "unreadable", "diagnosis.remedy.files", path=path)

    def _comfyui(self, source: Source) -> Iterator[Problem]:
        url = str(getattr(source, "url", ""))
        try:
            httpx.get(f"{url.rstrip('/')}/system_stats", timeout=_ANSWER_S, trust_env=False)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            severity = "note" if getattr(source, "optional", False) else "error"
            reason = str(error) or type(error).__name__
            yield self._problem(severity, f"comfyui {url}", "no_comfyui", "diagnosis.remedy.comfyui", reason=reason)

    def _problem(self, severity: str, where: str, what: str, remedy: str | None = None, **values: object) -> Problem:
        key = remedy if remedy and "." in remedy else f"checkup.remedy.{remedy or what}"
        said = text("diagnosis.no_file" if what == "no_file" else f"checkup.{what}", self._language, **values)
        return {"severity": severity, "where": where, "said": said, "remedy": text(key, self._language, **values)}
