"""The forms that a text may have, each a reader of many texts at once: what it understands, and None for the rest."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ...event import Name
from ...services import profile, profiles
from ...services.grammar import Fields, Grammar
from .line import LINE_LIMIT, record_of
from .record import understand

Reader = Callable[[Sequence[str]], list[Fields | None]]
"""Each text as the fields of an event; None for one of another form."""

GRAMMARS: Final = {"python": "generic", **{known.name: known.name for known in profiles()}}
FORMATS: Final = ("json", "logfmt", "regex", *GRAMMARS)
"""What may stand in `formats`."""
MOST_PAIRS: Final = 1_000
"""Pairs of a logfmt line; one with more is none."""

_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_PAIR: Final = re.compile(r'\s*([A-Za-z_@][\w.@/\-]*)=(?:"((?:[^"\\]|\\.)*)"|([^\s"=]*))(?=\s|$)')
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r"}
_PLAIN: Final = {"event": Name.LOG.value, "level": "INFO"}
_GROUP: Final = re.compile(r"\(\?<(?![=!])")


def reader(name: str, patterns: Sequence[str] = (), time_format: str | None = None) -> Reader:
    """The reader of a form. `patterns` are those of `regex`."""
    if name == "json":
        return _each(_json)
    if name == "logfmt":
        return _timed(_each(_logfmt), time_format)
    if name == "regex":
        return _timed(_matching([portable(pattern) for pattern in patterns]), time_format)
    return _each(_grammar(profile(GRAMMARS[name]).grammar))


def _each(read: Callable[[str], Fields | None]) -> Reader:
    return lambda texts: [read(text) if len(text) <= LINE_LIMIT else None for text in texts]


def _json(text: str) -> Fields | None:
    body = text.strip()
    record = record_of(body.encode("utf-8", "replace")) if body[:1] == "{" else None
    return understand(record) if record else None


def _logfmt(text: str) -> Fields | None:
    """`ts=2026-11-22T10:00:00Z level=info msg="photo done" took=842`: nothing but pairs, and one of them at least."""
    record: dict[str, Any] = {}
    at = 0
    for _ in range(MOST_PAIRS):
        pair = _PAIR.match(text, at)
        if pair is None:
            break
        at = pair.end()
        record[pair[1]] = _typed(pair[3]) if pair[2] is None else _unescaped(pair[2])
    return understand(record) if record and not text[at:].strip() else None


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), text) if "\\" in text else text


def _typed(text: str) -> Any:
    """`842` and `0.5` are numbers, unless digits would be lost or a zero in front says that it is a name."""
    if text in {"true", "false"}:
        return text == "true"
    if not _NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text or "e" in text.lower() else int(text)


def portable(pattern: str) -> str:
    """Named groups as all of RE2 knows them: `(?<name>...)` is `(?P<name>...)`."""
    return _GROUP.sub("(?P<", pattern)


def _matching(patterns: Sequence[str]) -> Reader:
    """RE2 over a column: no text can make it slow, whatever the pattern."""

    def read(texts: Sequence[str]) -> list[Fields | None]:
        fields: list[Fields | None] = [None] * len(texts)
        left = list(range(len(texts)))
        for pattern in patterns:
            matched = pc.extract_regex(pa.array([texts[at] for at in left], pa.string()), pattern).to_pylist()
            for at, groups in zip(left, matched, strict=True):
                if groups is not None:
                    fields[at] = understand({name: _typed(text) for name, text in groups.items() if text})
            left = [at for at in left if fields[at] is None]
        return fields

    return read


def _grammar(grammar: Grammar) -> Callable[[str], Fields | None]:
    """A grammar reads anything; it has understood what it found more in than a message."""

    def read(text: str) -> Fields | None:
        fields = {name: value for name, value in grammar.understand(text).items() if value is not None and value != {}}
        said = fields.keys() - {"message"}
        return None if all(fields[name] == _PLAIN.get(name) for name in said) else fields

    return read


def _timed(read: Reader, time_format: str | None) -> Reader:
    """Times written as `time_format` says."""
    if time_format is None:
        return read

    def timed(texts: Sequence[str]) -> list[Fields | None]:
        found = read(texts)
        for fields in found:
            if fields and isinstance(written := fields.get("timestamp"), str | int | float):
                fields["timestamp"] = _moment(str(written), time_format)
        return found

    return timed


def _moment(written: str, time_format: str) -> str:
    """As ISO 8601, with a zone if it has one. Without a year it is this one, or the last if that were in the future."""
    try:
        moment = datetime.strptime(written, time_format)  # noqa: DTZ007 - the zone of the source is put in later
    except ValueError:
        return written
    if "%Y" not in time_format and "%y" not in time_format:
        now = datetime.now(UTC)
        moment = moment.replace(year=now.year)
        if moment.replace(tzinfo=moment.tzinfo or UTC) > now.replace(day=now.day) and (moment.month, moment.day) > (
            now.month,
            now.day,
        ):
            moment = moment.replace(year=now.year - 1)
    return moment.isoformat(sep=" ")
