"""The body of Elasticsearch's bulk API: a line that says what to do, a line with the document, and so on.

https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk; what a malformed body is answered with is
that of Elasticsearch's own parser (`BulkRequestParser`).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from .bodies import Refused
from .received import MOST_RECORD_BYTES, MOST_RECORDS

STORED: Final = frozenset({"index", "create"})
"""What is done. To `update` and `delete` belongs something that was stored before, and events stay as they are."""
NO_INDEX: Final = "safelight"
"""Named in the answer for a document whose sender named no index: it makes no difference here."""
_LINES_EACH: Final = 3  # rsyslog writes a blank one after every document
_STARTS: Final = {
    "[": "START_ARRAY",
    '"': "VALUE_STRING",
    "t": "VALUE_BOOLEAN",
    "f": "VALUE_BOOLEAN",
    "n": "VALUE_NULL",
}


class Malformed(Refused):
    """A body of which nothing is taken: what follows the mistake cannot be told apart any more."""

    def __init__(self, line: int, what: str) -> None:
        self.reason = f"Malformed action/metadata line [{line}], {what}"
        super().__init__("sources.malformed_bulk", 400, "not_json", reason=self.reason)


class Fault(NamedTuple):
    """Why one document is not taken, as Elasticsearch would say it."""

    type: str
    reason: str
    why: str
    """A word for counting."""


class Meta(msgspec.Struct, rename={"index": "_index", "type": "_type", "id": "_id"}, gc=False, frozen=True):
    """What a line says about its document. Anything else there is, such as `routing`, makes no difference here."""

    index: str | None = None
    type: str | None = None
    id: str | int | float | None = None


class _Line(msgspec.Struct, gc=False):
    index: Meta | None = None
    create: Meta | None = None
    update: Meta | None = None
    delete: Meta | None = None


class Item(NamedTuple):
    """One action and its document."""

    action: str
    meta: Meta
    source: bytes
    fault: Fault | None = None


_action: Final = msgspec.json.Decoder(_Line).decode
_any: Final = msgspec.json.Decoder().decode


def items(body: bytes, index: str | None = None, type_: str | None = None) -> list[Item]:
    """The items of a body, in their order. `index` and `type_` are those of the path, where a line names none.

    Blank lines between items, CRLF and a missing last newline are as good as none. Raises Malformed, Refused.
    """
    if body.count(b"\n") > MOST_RECORDS * _LINES_EACH:
        raise Refused("sources.too_many_records", 413, "too_large", limit=MOST_RECORDS)
    lines = body.split(b"\n")
    found: list[Item] = []
    before: bytes | None = None
    action, meta = "", Meta()
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line != before:  # mostly they are all alike
            if not line.strip():
                continue
            action, meta = _read(line, at, index, type_)
            before = line
        if action == "delete":
            found.append(Item(action, meta, b"", _only_stored(action)))
            continue
        if at == len(lines):
            raise Malformed(at, "expected a source after it but found the end")
        source = lines[at].removesuffix(b"\r")
        at += 1
        found.append(Item(action, meta, source, _fault(action, source)))
    if len(found) > MOST_RECORDS:
        raise Refused("sources.too_many_records", 413, "too_large", limit=MOST_RECORDS)
    if not found:
        raise Refused("sources.empty_bulk", 400, "empty")
    return found


def _read(line: bytes, number: int, index: str | None, type_: str | None) -> tuple[str, Meta]:
    try:
        said = _action(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise _malformed(line, number) from None
    for name in ("index", "create", "update", "delete"):
        meta: Meta | None = getattr(said, name)
        if meta is not None:
            return name, Meta(meta.index or index, meta.type or type_, meta.id)
    raise _malformed(line, number)


def _malformed(line: bytes, number: int) -> Malformed:
    """As Elasticsearch says it."""
    try:
        said = _any(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        return Malformed(number, str(error).removeprefix("JSON is malformed: "))
    if not isinstance(said, dict):
        start = line.strip()[:1].decode("ascii", "replace")
        return Malformed(number, f"expected START_OBJECT but found [{_STARTS.get(start, 'VALUE_NUMBER')}]")
    if not said:
        return Malformed(number, "expected FIELD_NAME but found [END_OBJECT]")
    action = next(iter(said))[:100]
    if action not in _Line.__struct_fields__:
        known = "[create], [delete], [index] or [update]"
        return Malformed(number, f"expected field {known} but found [{action}]")
    return Malformed(number, f"expected an object of simple values for [{action}]")


def _only_stored(action: str) -> Fault:
    return Fault("illegal_argument_exception", f"Safelight keeps events as they are: no [{action}]", action)


def _fault(action: str, source: bytes) -> Fault | None:
    if action not in STORED:
        return _only_stored(action)
    if not source.strip():
        return Fault("document_parsing_exception", "failed to parse, document is empty", "empty")
    if len(source) > MOST_RECORD_BYTES:
        reason = f"document of {len(source)} bytes, at most {MOST_RECORD_BYTES} are taken"
        return Fault("document_parsing_exception", reason, "too_large")
    return None
