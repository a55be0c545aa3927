"""Sources that are there without being configured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from ..plugin import kind
from ..sources import Source
from .sections import Discover
from .together import MOUNTED

_COMFYUI: Final = "comfyui"
_LOOKED_FOR: Final[dict[str, dict[str, Any]]] = {_COMFYUI: {"optional": True}, "gpu": {}, "host": {}}


def discovered(sources: Sequence[Source], wanted: Discover) -> list[Source]:
    """What is watched on this machine: nothing of a type that `sources` have.

    Where a log of ComfyUI is read, none is looked for: both would tell of the same failures.
    """
    own = {source.kind() for source in sources}
    if any(source.service == "comfyui" for source in sources):
        own.add(_COMFYUI)
    return _made((name, given) for name, given in _LOOKED_FOR.items() if getattr(wanted, name) and name not in own)


def mounted(sources: Sequence[Source]) -> list[Source]:
    """What a server takes on its own port, where `sources` do not have it."""
    own = {source.kind() for source in sources if getattr(source, "listen", None) is None}
    return _made((name, {}) for name in MOUNTED if name not in own)


def _made(wanted: Iterable[tuple[str, dict[str, Any]]]) -> list[Source]:
    found = ((kind(Source, name), given) for name, given in wanted)  # type: ignore[type-abstract]
    return [cls(**given) for cls, given in found if cls is not None]
