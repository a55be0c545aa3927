"""Known failures of ComfyUI and PyTorch: what they are, why they happen, what to do.

`families.toml` says how each is told; its texts are in the catalogues, as `failure.FAMILY.title`, `.cause`, `.advice`.
A family is about the node that failed, about the machine, or about a thing that it names; family and subject together
are the `error_group` of an event.
"""

from __future__ import annotations

from typing import NamedTuple

from ...locales import text
from .blame import Blame, blame
from .catalogue import names
from .classify import SAME, Failure, classify, plain

__all__ = ["SAME", "Advice", "Blame", "Failure", "advice", "blame", "classify", "family_of", "names", "plain", "title"]


class Advice(NamedTuple):
    """What a reader needs to know, in his language."""

    cause: str
    advice: str


def family_of(group: str | None) -> str | None:
    """The known family of an `error_group`, or None."""
    family = (group or "").partition(":")[0]
    return family if family in names() else None


def advice(group: str | None, language: str) -> Advice | None:
    """Why the failures of a group happen and what to do; None for those that are not known."""
    family = family_of(group)
    if family is None:
        return None
    return Advice(text(f"failure.{family}.cause", language), text(f"failure.{family}.advice", language))


def title(group: str | None, language: str) -> str | None:
    """What a known failure is called: `GPU out of memory`."""
    family = family_of(group)
    return None if family is None else text(f"failure.{family}.title", language)
