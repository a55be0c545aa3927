"""Where things are on this machine, and what is this machine."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Final

_APP: Final = "safelight"


def data_directory(
    explicit: Path | None = None, config: Path | None = None, environment: Mapping[str, str] = os.environ
) -> Path:
    """The data directory: the one named, `$SAFELIGHT_DATA`, the configuration's `server.data`, the user's.

    Reads just that key of the configuration, so that commands that only want to find the server stay fast; a
    configuration with mistakes is reported by those that use it.
    """
    named = explicit or environment.get("SAFELIGHT_DATA") or environment.get("SAFELIGHT_SERVER__DATA")
    if named:
        return Path(named).expanduser()
    home = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    candidates = [config, environment.get("SAFELIGHT_CONFIG"), "safelight.toml", home / _APP / "safelight.toml"]
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            configured = _configured(Path(candidate))
            if configured:
                return Path(configured).expanduser()
            break
    return user_data(environment)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def user_data(environment: Mapping[str, str] = os.environ) -> Path:
    r"""`$XDG_DATA_HOME/safelight`; `%LOCALAPPDATA%\safelight` on Windows."""
    base = environment.get("XDG_DATA_HOME") or environment.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".local" / "share") / _APP


def spool_directory(environment: Mapping[str, str] = os.environ) -> Path:
    r"""Where `safelight_emit` on this host appends: `$SAFELIGHT_SPOOL`, `$XDG_STATE_HOME/safelight/spool`,
    `%LOCALAPPDATA%\safelight\spool` on Windows."""
    if environment.get("SAFELIGHT_SPOOL"):
        return Path(environment["SAFELIGHT_SPOOL"]).expanduser()
    base = environment.get("XDG_STATE_HOME") or environment.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".local" / "state") / _APP / "spool"


def _configured(path: Path) -> str | None:
    try:
        return str(tomllib.loads(path.read_text(encoding="utf-8-sig")).get("server", {}).get("data") or "") or None
    except (OSError, ValueError, AttributeError):
        return None
