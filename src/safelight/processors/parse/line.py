"""The careful lane: one line, whatever it is, into the fields of an event. Never raises.

A line that is not UTF-8, as programs on Windows write them, is read as GB 18030 or Windows-1252, whichever it can be,
understood like any other, and says so in `parse_error`.

JSON that is almost right (NaN, lone surrogates, a byte order mark, numbers beyond any double) is understood; what is
not JSON though it begins like it, or not text at all, is kept as `raw`, is its own `message`, and says why in
`parse_error`. Such a line has the level it seems to name, otherwise WARNING: something is lost, though the service may
be well.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

import msgspec

from ...event import level_of
from ...services.grammar import Fields, Grammar
from .record import understand

LINE_LIMIT: Final = 1024 * 1024
"""Bytes of a line that are read."""

DEPTH_LIMIT: Final = 100
"""Levels of JSON that are read."""

CUT: Final = "line of"
FOREIGN: Final = "not UTF-8"
"""How a `parse_error` begins that stays true when the rest of a line is understood after all."""

_decode: Final = msgspec.json.Decoder().decode
_BOM: Final = b"\xef\xbb\xbf"
_NAMED_LEVEL: Final = re.compile(r'"(?:level|levelname|severity|log\.level|lvl)"\s*:\s*"?(\w{1,12})')
_BINARY: Final = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # no control character that terminals and logs use

_BINARY_BYTES: Final = re.compile(_BINARY.pattern.encode())
_CJK: Final = re.compile("[\u3400-\u9fff]")
_TWO_HIGH_BYTES: Final = re.compile(rb"[\x81-\xfe][\xa1-\xfe]")  # a letter of Latin-1 mostly has ASCII around it


def read(line: bytes, grammar: Grammar) -> tuple[Fields, tuple[str, ...]]:
    """The fields of one line, and the keys it had if it was a JSON object."""
    if len(line) > LINE_LIMIT:
        return _not_understood(line[:LINE_LIMIT], f"{CUT} {len(line)} bytes, cut after {LINE_LIMIT}"), ()
    try:
        text = line.removeprefix(_BOM).decode()
    except UnicodeDecodeError as error:
        return _read_foreign(line.removeprefix(_BOM), f"{FOREIGN}: {error.reason} at byte {error.start}", grammar)
    body = line.strip().removeprefix(_BOM)
    if body[:1] == b"{":
        return _read_json(body, line)
    if found := _BINARY.search(text):
        return _not_understood(line, f"not text: control character {ord(found[0])} at position {found.start()}"), ()
    if body[:1] == b"[" and _is_json(body):
        return _not_understood(line, "JSON, but an array and no object"), ()
    return _text(text, grammar), ()


def _read_foreign(line: bytes, why: str, grammar: Grammar) -> tuple[Fields, tuple[str, ...]]:
    """A line that is not UTF-8: what can be understood of it, and in `raw` the text it was taken for."""
    if _BINARY_BYTES.search(line):
        return _not_understood(line, why), ()
    text, encoding = _guess(line)
    why = f"{why}, read as {encoding}"
    fields, keys = read(text.encode(), grammar)
    why = f"{why}; {fields['parse_error']}" if "parse_error" in fields else why
    return fields | {"raw": text.rstrip("\r\n"), "parse_error": why}, keys


def _guess(line: bytes) -> tuple[str, str]:
    """The text and its encoding: UTF-8 with few bytes wrong, GB 18030 where that gives Chinese, or Windows-1252."""
    damaged = line.decode(errors="replace")
    lost = damaged.count("\ufffd")
    if sum(char >= "\u0800" for char in damaged) - lost > lost:
        return damaged, "UTF-8 with the wrong bytes replaced"
    if _TWO_HIGH_BYTES.search(line):
        try:
            chinese = line.decode("gb18030")
        except UnicodeDecodeError:
            pass
        else:
            if _CJK.search(chinese):
                return chinese, "GB 18030"
    if any("\x7f" < char != "\ufffd" for char in damaged):
        return damaged, "UTF-8 with the wrong bytes replaced"
    return line.decode("cp1252", errors="replace"), "Windows-1252"


def _text(text: str, grammar: Grammar) -> Fields:
    fields = grammar.understand(text)
    return {name: value for name, value in fields.items() if value is not None and value != {}}


def record_of(body: bytes) -> dict[str, Any] | None:
    """The JSON object that a text is; None when it is none, or too deep."""
    try:
        record = _loads(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return None if _depth_exceeds(record, DEPTH_LIMIT) else record


def _read_json(body: bytes, line: bytes) -> tuple[Fields, tuple[str, ...]]:
    try:
        record = _loads(body)
    except RecursionError:
        return _not_understood(line, f"JSON deeper than {DEPTH_LIMIT} levels"), ()
    except (msgspec.MsgspecError, ValueError) as error:
        return _not_understood(line, f"not valid JSON: {str(error).removeprefix('JSON is malformed: ')}"), ()
    if _depth_exceeds(record, DEPTH_LIMIT):
        return _not_understood(line, f"JSON deeper than {DEPTH_LIMIT} levels"), ()
    return understand(record), tuple(record)


def _loads(body: bytes) -> dict[str, Any]:
    try:
        return dict(_decode(body))
    except (msgspec.DecodeError, ValueError) as strict:
        try:
            lenient = json.loads(body, parse_constant=str, parse_float=_float, parse_int=_int)
        except (ValueError, RecursionError):
            raise strict from None
        text = json.dumps(lenient, ensure_ascii=False)
        return dict(_decode(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")))


def _float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _int(text: str) -> int | str:
    return int(text) if len(text) < 300 else text


def _depth_exceeds(record: object, limit: int) -> bool:
    level: list[Any] = [record]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _is_json(body: bytes) -> bool:
    try:
        _decode(body)
    except RecursionError:
        return True
    except (msgspec.MsgspecError, ValueError):
        return False
    return True


def _not_understood(line: bytes, why: str) -> Fields:
    text = line.decode(errors="replace").rstrip("\r\n")
    named = _NAMED_LEVEL.search(text[:4096])
    level = level_of(named[1]) if named else None
    return {"level": level or "WARNING", "message": text, "raw": text, "parse_error": why}
