"""The configuration: one TOML file, validated whole before anything starts, every mistake with its place.

`Config` and `load` are a server's. They are imported when they are asked for: an agent, whose configuration is in
`agent`, would pay 26 MB for the alerts and channels that it does not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .model import Config
    from .server import load

__all__ = ["Config", "load"]


def __getattr__(name: str) -> Any:
    if name == "Config":
        from .model import Config  # noqa: PLC0415 - see above

        return Config
    if name == "load":
        from .server import load  # noqa: PLC0415

        return load
    raise AttributeError(name)
