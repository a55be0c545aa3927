"""Which known failure an exception is.

By its class before its words: messages get translated and reworded, classes do not. Precision before recall: what no
sign fits is unknown, and treated as such.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Final, NamedTuple

from ..sieve import Sieve
from .blame import last_frame
from .catalogue import Family, Scope, Sign, by_name, by_text

READ: Final = 2000
"""Characters of a message that are looked at. Reports of a failed compilation have tens of thousands."""
LONGEST_SUBJECT: Final = 80

SAME: Final = {"torch.AcceleratorError": "RuntimeError", "AcceleratorError": "RuntimeError"}
"""Exceptions that were renamed (PyTorch 2.8)."""

_REPEATED_TYPE: Final = re.compile(r"^(?:(?:[\w.]*(?:Error|Exception|Warning)|Execution error): +)+")
_INSIDE: Final = re.compile(r"[\\/]+")


class Failure(NamedTuple):
    """What is known of one failure."""

    family: str | None
    """None when it is no known one."""
    scope: Scope
    subject: str
    """The node, the file, the package that it is about; empty for the machine as a whole."""

    @property
    def group(self) -> str:
        """`family:subject`: `gpu_oom:VAEDecode`, `missing_model:sd15.safetensors`, `disk_full`."""
        return ":".join(part for part in (self.family, self.subject) if part)


def classify(
    error_type: str | None,
    error_message: str | None,
    node: str | None = None,
    traceback: str | None = None,
    event: str | None = None,
) -> Failure:
    """The family of a failure, and what it is about. `node` is its class, or whatever stands for it."""
    kind = SAME.get(error_type or "", error_type or "").rpartition(".")[2]
    said = plain(error_message or "")
    family = by_name().get(event or "") or by_name().get(kind)
    subject = ""
    if family is None or family.scope == "subject":
        found = _by_text(kind, said, node or "", None if said else _place(traceback))
        if found is not None and (family is None or found[0] is family):
            family, subject = found
    if family is None:
        return Failure(None, "node", node or "")
    if family.scope == "node":
        return Failure(family.name, "node", node or "")
    return Failure(family.name, family.scope, subject if family.scope == "subject" else "")


def plain(said: str) -> str:
    """A message without what newer ComfyUI and wrappers put before it: `RuntimeError: `, even twice."""
    return _REPEATED_TYPE.sub("", said[:READ].strip())


@cache
def _signs() -> Sieve[tuple[Family, Sign]]:
    return Sieve((sign.words, (family, sign)) for family, sign in by_text())


@lru_cache(maxsize=512)
def _by_text(kind: str, said: str, node: str, place: str | None) -> tuple[Family, str] | None:
    """The first family of which a sign fits, and its subject. A failure seldom comes alone, so it is remembered."""
    for family, sign in _signs().left(said.lower()):
        if sign.types and kind and kind not in sign.types:
            continue
        if (sign.node and not sign.node.search(node)) or (sign.frame and not sign.frame.search(place or "")):
            continue
        if sign.text is None:
            return family, sign.subject
        if found := sign.text.search(said):
            return family, sign.subject or _subject(sign, found)
    return None


def _subject(sign: Sign, found: re.Match[str]) -> str:
    """What the message names: of a path its last part, for folders differ from machine to machine."""
    named = found["subject"] if sign.text is not None and "subject" in sign.text.groupindex else ""
    last = _INSIDE.split((named or "").strip().rstrip("\\/"))[-1]
    return " ".join(last.split())[:LONGEST_SUBJECT]


def _place(traceback: str | None) -> str | None:
    """`folder/file.py function` of where it was raised: what a message that says nothing leaves."""
    frame = last_frame(traceback)
    return f"{frame.short_file} {frame.function}" if frame else None
