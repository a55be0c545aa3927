"""One function of ComfyUI's, replaced by ours that calls it.

Others replace the same functions. Whoever came before is called by us, whoever comes after calls us; so a patch can be
taken back only while nothing lies on top of it.
"""

from __future__ import annotations

import sys
from functools import update_wrapper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Unavailable(Exception):
    """This ComfyUI has no such place; the message says what is missing."""


class Patch:
    """`owner.name`, wrapped by what `wrap` makes of it.

    Raises:
        Unavailable: there is no such function.
    """

    def __init__(self, owner: Any, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        original = getattr(owner, name, None)
        if not callable(original):
            message = f"{getattr(owner, '__name__', owner)} has no function {name}"
            raise Unavailable(message)
        self._owner, self._name, self._original = owner, name, original
        self._ours = update_wrapper(wrap(original), original)
        setattr(owner, name, self._ours)

    def remove(self) -> bool:
        """Puts back what was there; False when another wrapper lies on top, and ours must stay."""
        if getattr(self._owner, self._name, None) is not self._ours:
            return False
        setattr(self._owner, self._name, self._original)
        return True


def module(name: str) -> Any:
    """A module of ComfyUI's that is loaded already.

    Raises:
        Unavailable: it is not.
    """
    found = sys.modules.get(name)
    if found is None:
        message = f"no module {name}"
        raise Unavailable(message)
    return found
