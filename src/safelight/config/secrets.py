"""Secrets are named in the file, not written into it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError


def resolve(value: Any, environment: Mapping[str, str] = os.environ) -> Any:
    """`value` with every `env:NAME` and `file:PATH` in it replaced by what they name, also inside tables and lists.

    Raises ConfigError when the name leads nowhere.
    """
    if isinstance(value, dict):
        return {key: resolve(inner, environment) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolve(inner, environment) for inner in value]
    if not isinstance(value, str):
        return value
    kind, found, name = value.partition(":")
    if not found or kind not in {"env", "file", "secret"}:
        return value
    if kind == "env":
        if name not in environment:
            raise ConfigError("config.secret_env_missing", name=name)
        return environment[name]
    if kind == "file":
        try:
            return Path(name).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError("config.secret_file_unreadable", path=name, reason=str(error)) from error
    raise ConfigError("config.secret_store_absent", name=name)
