"""How a part of Safelight says what it did, knowing nothing of where that is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Note(Protocol):
    """Makes an event about ourselves (laws, 7). Called from any thread, after the fact is durable; raises nothing."""

    def __call__(
        self,
        event: str,
        /,
        message: str = "",
        level: str = "INFO",
        attributes: Mapping[str, Any] | None = None,
        **columns: Any,
    ) -> None:
        """`columns` are those of an event."""
        ...


def silent(
    event: str,
    /,
    message: str = "",
    level: str = "INFO",
    attributes: Mapping[str, Any] | None = None,
    **columns: Any,
) -> None:
    """A `Note` for those who keep no events."""
