"""Printing answers: for eyes, and for programs."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import click

from ..hostzone import HostZone

FORMATS: Final = ("table", "json", "ndjson", "csv")
EVENT_COLUMNS: Final = ("timestamp", "level", "service", "node", "message")
_COLOUR: Final = {"ERROR": "red", "CRITICAL": "red", "WARNING": "yellow", "DEBUG": "bright_black"}
_ACTS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and newline (ECMA-48), and those that change the direction of text (UAX 9)."""


def harmless(value: object) -> str:
    """Text from a log, safe on a terminal: control and direction-changing characters cannot act (CVE-2021-42574)."""
    text = "" if value is None else str(value)
    return "".join(" " if char in "\t\n\r" else char for char in text if char in "\t\n\r" or _prints(char))


def _prints(char: str) -> bool:
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"}


def width(text: str) -> int:
    """Columns that `text` takes on a terminal; a Chinese character takes two (Unicode TR 11)."""
    return sum(
        2 if unicodedata.east_asian_width(char) in "WF" else 0 if unicodedata.combining(char) else 1 for char in text
    )


def fit(text: str, columns: int) -> str:
    """`text` padded or cut to exactly `columns`."""
    if width(text) <= columns:
        return text + " " * (columns - width(text))
    kept, used = [], 0
    for char in text:
        if used + width(char) > columns - 1:
            break
        kept.append(char)
        used += width(char)
    return "".join(kept) + "…" + " " * (columns - 1 - used)


def show(rows: Sequence[Mapping[str, Any]], form: str, columns: Sequence[str] | None = None) -> None:
    """Print rows in one of FORMATS."""
    if form == "json":
        click.echo(json.dumps(list(rows), ensure_ascii=False, indent=2))
    elif form == "ndjson":
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
    elif form == "csv":
        _csv(rows, columns)
    else:
        table(rows, columns)


def _csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None) -> None:
    names = list(columns or dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([_cell(name) for name in names])
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in names])


def _cell(value: Any) -> Any:
    """Text that cannot act: not on a terminal, and not as a formula in a spreadsheet (OWASP, CSV injection)."""
    if isinstance(value, dict | list):
        return _ACTS.sub("", json.dumps(value, ensure_ascii=False))
    if not isinstance(value, str):
        return value
    text = _ACTS.sub("", value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Aligned columns, cut to fit where there is a terminal; whole where the output goes elsewhere."""
    listed = list(rows)
    names = list(columns or dict.fromkeys(name for row in listed for name in row))
    if not names:
        return
    cells = [[harmless(_shown(row.get(name))) for name in names] for row in listed]
    widths = [max([width(name), *(width(row[i]) for row in cells)]) for i, name in enumerate(names)]
    if sys.stdout.isatty():
        widths = _fitted(widths, shutil.get_terminal_size().columns)
    click.echo(click.style("  ".join(fit(n, w) for n, w in zip(names, widths, strict=True)).rstrip(), bold=True))
    for row, line in zip(listed, cells, strict=True):
        text = "  ".join(fit(cell, w) for cell, w in zip(line, widths, strict=True)).rstrip()
        click.echo(click.style(text, fg=_COLOUR.get(str(row.get("level")))))


def _fitted(widths: list[int], room: int) -> list[int]:
    """Widths that fill the terminal: no column takes more than half, the last one what is left."""
    fixed = [min(wide, max(12, room // 2)) for wide in widths[:-1]]
    return [*fixed, min(widths[-1], max(10, room - sum(fixed) - 2 * len(fixed)))]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def what_happened(event: Mapping[str, Any]) -> str:
    """Its message. What the node pack tells has none: the error it tells of, or the name of the event."""
    return str(event.get("message") or event.get("error_message") or event.get("event") or "")


def event_line(event: Mapping[str, Any]) -> str:
    """One event on one line, as `tail` prints it."""
    where = event.get("instance") or event.get("service") or ""
    what = event.get("message") or event.get("error_message") or ""
    named = " ".join(harmless(event[key]) for key in ("event", "node") if event.get(key))
    clock = _clock(event.get("timestamp") or "")
    line = f"{clock} {event.get('level') or '':<8} {harmless(where)} {named} {harmless(what)}"
    return click.style(line, fg=_COLOUR.get(str(event.get("level"))))


def _clock(timestamp: str) -> str:
    """The time of day at this machine, as its clock shows it."""
    try:
        return datetime.fromisoformat(timestamp).astimezone(HostZone()).time().isoformat("milliseconds")
    except (ValueError, OverflowError):  # no time, or one too far off to have a local one
        return timestamp[11:23]
