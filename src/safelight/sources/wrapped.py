"""A line of an application inside a record of a collector's: `{"log": "...", "container_name": "..."}`.

Docker, Kubernetes, journald and Fluentd's tail hand on what an application wrote as one text among facts about where
it came from. The line is understood as if it had been read from a file, by the grammar of the service, and the facts
stay beside what it says.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from ..event import ALIASES, LEVELS, level_of
from ..services.grammar import Grammar
from ..services.times import instant

Record = dict[str, Any]

_MESSAGES: Final = ("message", "msg", "MESSAGE")
_SPEAKING: Final = frozenset(
    {"level", "event", "error_type", "traceback"}
    | {alias for alias, name in ALIASES.items() if name in {"level", "event", "error_type", "traceback"}}
)
"""A record with one of these is an event by itself: its message is only a message."""
_TIMES: Final = frozenset({"timestamp"} | {alias for alias, name in ALIASES.items() if name == "timestamp"})
_JOURNAL: Final = {"PRIORITY": "level", "_HOSTNAME": "host", "SYSLOG_IDENTIFIER": "program"}

_decode: Final = msgspec.json.Decoder().decode


def names_time(record: Record) -> bool:
    """Whether the record itself says when it was, so that it can be read."""
    if _TIMES.isdisjoint(record):
        return False
    return any(_is_time(record[name]) for name in _TIMES & record.keys())


def _is_time(value: Any) -> bool:
    if isinstance(value, str) and value[4:5] == "-" and value[:4].isdigit():
        return True
    return instant(value, None, 0) is not None


def unwrapped(record: Record, grammar: Grammar) -> Record:
    """The record with what its line says; the record itself when it wraps none."""
    key = _key(record)
    if key is None:
        return record
    facts = {_JOURNAL.get(name, name) if key == "MESSAGE" else name: record[name] for name in record if name != key}
    said = understood(record[key], grammar)
    if _SPEAKING.isdisjoint(facts):
        return combined(facts, said)
    return combined(facts, {name: value for name, value in said.items() if name not in _SPEAKING})


def _key(record: Record) -> str | None:
    """Which member is the line: `log` unless there is a message as well, or the message of a record that has nothing
    else to say."""
    message = next((name for name in _MESSAGES if name in record), None)
    if message is None:
        return "log" if type(record.get("log")) is str else None
    return message if type(record[message]) is str and _SPEAKING.isdisjoint(record) else None


def understood(line: str, grammar: Grammar) -> Record:
    """What a line says, as the members of a flat record."""
    text = line.strip("\r\n")
    if text.lstrip()[:1] == "{":
        return _json(text)
    fields = grammar.understand(text)
    attributes = fields.pop("attributes", None) or {}
    return {**attributes, **{name: value for name, value in fields.items() if value is not None}}


def _json(text: str) -> Record:
    try:
        inner = _decode(text) if text.isascii() else json.loads(text)  # which also reads what is not UTF-8
    except (ValueError, RecursionError) as error:
        why = f"not valid JSON: {str(error).removeprefix('JSON is malformed: ')}"
        return {"level": "WARNING", "message": text, "raw": text, "parse_error": why}
    return dict(inner)


def combined(facts: Record, said: Record) -> Record:
    """Both; where they differ the line is believed, and the fact kept below `outer`."""
    outer = {name: facts[name] for name in facts.keys() & said.keys() if facts[name] != said[name]}
    return {**facts, **said, "outer": outer} if outer else {**facts, **said}


def worse(one: str | None, other: Any) -> str | None:
    """The more serious of two levels, as far as they are any."""
    found = [level for level in (one, level_of(other)) if level is not None]
    return max(found, key=LEVELS.index, default=None)
