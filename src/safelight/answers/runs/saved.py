"""The files that a run wrote, each once however many witnesses told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from ...event import Name
from .reading import Row, number, text

MOST_SAVED: Final = 2_000
"""Files of a run that are listed."""
IMAGES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif"})
"""What can be shown."""
_SHOWN: Final = ("index", "filename", "subfolder", "type", "width", "height", "bytes", "check", "node_id")


def saved(events: Sequence[Row]) -> list[dict[str, Any]]:
    """The files in the order in which they were told of, numbered by `index`, with `path`, `host` and `instance`."""
    files: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in events:
        if row["event"] != Name.OUTPUT_SAVED:
            continue
        told = row["attributes"]
        key = (text(told.get("type")) or "output", text(told.get("subfolder")) or "", text(told.get("filename")) or "")
        if not key[2] or (key not in files and len(files) >= MOST_SAVED):
            continue
        one = {
            "index": len(files),
            "filename": key[2],
            "subfolder": key[1],
            "type": key[0],
            **{name: number(told.get(name)) for name in ("width", "height", "bytes")},
            "check": text(told.get("check")) or "unchecked",
            "path": text(told.get("path")),
            **{name: row[name] for name in ("node_id", "host", "instance")},
        }
        known = files.setdefault(key, one)
        for name, value in one.items():
            if known[name] is None or (name == "check" and known[name] == "unchecked"):
                known[name] = value
    return list(files.values())


def shown(run_id: str, files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same as in the API: without where they lie, and with the address of those that can be shown."""
    return [
        {name: one[name] for name in _SHOWN}
        | {"url": _url(run_id, one["index"]) if PurePath(one["filename"]).suffix.lower() in IMAGES else None}
        for one in files
    ]


def _url(run_id: str, index: int) -> str:
    return f"/api/v1/runs/{quote(run_id, safe='')}/outputs/{index}"
