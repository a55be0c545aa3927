"""A body into records: what the content type says it is, or what it looks like where that says nothing.

* lines: NDJSON, text: a record each; blank ones are none
* a JSON array: a record each element, its bytes as they came
* one JSON object, also over many lines, or several of them one after the other: a record each

Nearly JSON, as Python writes it (NaN, half a surrogate pair), is taken apart all the same: one such record must not
sink those beside it.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable
from typing import Final

import msgspec

from .bodies import Refused
from .received import MOST_RECORDS

MOST_COMMAS: Final = 1_000_000
"""Of a JSON array: as many elements it may have, which take 64 bytes each before they can be counted."""

_CHARSETS: Final = frozenset(
    codecs.lookup(name).name
    for name in (
        *("utf-8", "ascii", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"),
        *("gbk", "gb2312", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr", "koi8-r"),
        *(f"iso8859-{part}" for part in (*range(1, 12), 13, 14, 15, 16)),
        *(f"cp125{page}" for page in range(9)),
    )
)
_AS_IS: Final = frozenset({"utf-8", "ascii"})
_BOM: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t\r\n"
_LOOKED_AT: Final = 4096
_BINARY: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # no control character that terminals and logs use
_DECLARED_LINES: Final = re.compile(r"text/(?!json|html)[a-z0-9.+-]+|application/(x-)?(ndjson|json-?lines|jsonl)")
_DECLARED_JSON: Final = re.compile(r"(application|text)/(json|[a-z0-9.-]+\+json)")
_DECLARED_ELSE: Final = re.compile(
    r"(image|audio|video|font|multipart|model)/.*|text/html|application/.*(msgpack|protobuf|cbor|xml|zip|gzip|grpc).*"
)

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_COMMA: Final = re.compile(r"[ \t\r\n]*(?:,[ \t\r\n]*(?!\]))?")

_forgiving: Final = json.JSONDecoder().raw_decode
_raw: Final = msgspec.json.Decoder(msgspec.Raw).decode
_elements: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text: Final = msgspec.json.Decoder(str).decode


def records(body: bytes, content_type: str) -> list[bytes]:
    """The records of a body. Raises Refused: what is declared to be something else or is no text (415), not the JSON
    that it is declared to be (400), or too much (413)."""
    media, charset = _media(content_type)
    if _DECLARED_ELSE.fullmatch(media):
        raise _unknown_type(media)
    body = _utf8(body, charset).removeprefix(_BOM)
    if _DECLARED_LINES.fullmatch(media):
        return lines(body)
    if _DECLARED_JSON.fullmatch(media):
        return _json(body)
    if _BINARY.search(body[:_LOOKED_AT]):
        raise _unknown_type(media)
    return _sniffed(body)  # nothing, `application/octet-stream`, what curl says of any `-d`, or anybody's own


def lines(body: bytes) -> list[bytes]:
    """Every line that is not blank. Raises Refused."""
    if body.count(b"\n") > MOST_RECORDS:
        raise _too_many()
    return [line.removesuffix(b"\r") for line in body.split(b"\n") if line.strip()]


def _media(content_type: str) -> tuple[str, str]:
    media, *parameters = content_type.lower().split(";")
    charset = ""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            charset = value.strip().strip("\"'")
    return media.strip(), charset


def _utf8(body: bytes, charset: str) -> bytes:
    """As UTF-8. What is not in the encoding it declares stays as it is: it is found out, and flagged, as in files."""
    try:
        name = codecs.lookup(charset or "utf-8").name
    except (LookupError, ValueError):
        name = ""
    if name not in _CHARSETS:
        raise Refused("sources.unknown_charset", 415, "charset", given=charset[:100])
    if name in _AS_IS:
        return body
    try:
        return body.decode(name).encode()
    except UnicodeError:
        return body


def _json(body: bytes) -> list[bytes]:
    start = body.lstrip(_BLANK)[:1]
    if start == b"[":
        return _array(body)
    try:
        return [bytes(_raw(body))] if start else []
    except RecursionError as error:
        raise _too_deep() from error
    except msgspec.MsgspecError as error:
        first, newline, _ = body.lstrip(_BLANK).partition(b"\n")
        if newline and _is_json(first):  # NDJSON that is called JSON
            return lines(body)
        return _scanned(body, error)


def _sniffed(body: bytes) -> list[bytes]:
    start = body.lstrip(_BLANK)[:1]
    whole: Callable[[bytes], list[bytes]] = _array if start == b"[" else _json
    try:
        return whole(body) if start in {b"[", b"{"} else lines(body)
    except Refused as error:
        if error.status != 400:
            raise
        return lines(body)  # a line of text may begin like JSON: `[INFO] ...`


def _array(body: bytes) -> list[bytes]:
    if body.count(b",") > MOST_COMMAS:
        raise _too_many()
    try:
        found = [bytes(element) for element in _elements(body)]
    except RecursionError as error:
        raise _too_deep() from error
    except msgspec.MsgspecError as error:
        found = _scanned(body, error)
    if len(found) > MOST_RECORDS:
        raise _too_many()
    return [_unquoted(one) if one[:1] == b'"' else one for one in found]


def _scanned(body: bytes, error: msgspec.MsgspecError) -> list[bytes]:
    """The elements of an array, or the values that follow each other, found by a decoder that forgives more and takes
    five times as long. Raises Refused when it finds no JSON either."""
    text = body.decode(errors="surrogateescape")
    at = _after(_SPACE, text, 0)
    array = text[at] == "["
    found: list[bytes] = []
    try:
        at = _after(_SPACE, text, at + array)
        while text[at : at + 1] not in {"", "]"}:
            _, end = _forgiving(text, at)
            found.append(text[at:end].encode(errors="surrogateescape"))
            if len(found) > MOST_RECORDS:
                raise _too_many()
            at = _after(_COMMA if array else _SPACE, text, end)
    except RecursionError as deep:
        raise _too_deep() from deep
    except ValueError:
        raise _not_json(error) from error
    ended = text[at : at + 1] == ("]" if array else "")
    if not ended or _after(_SPACE, text, at + array) < len(text):
        raise _not_json(error)
    return found


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _unquoted(element: bytes) -> bytes:
    try:
        return _text(element).encode()
    except (msgspec.MsgspecError, UnicodeEncodeError):  # half of a surrogate pair
        return element


def _is_json(line: bytes) -> bool:
    try:
        _raw(line)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _too_many() -> Refused:
    return Refused("sources.too_many_records", 413, "too_large", limit=MOST_RECORDS)


def _too_deep() -> Refused:
    return Refused("sources.too_deep", 400, "not_json")


def _not_json(error: msgspec.MsgspecError) -> Refused:
    return Refused("sources.not_json", 400, "not_json", reason=str(error).removeprefix("JSON is malformed: "))


def _unknown_type(media: str) -> Refused:
    return Refused("sources.unknown_type", 415, "content_type", given=media[:100])
