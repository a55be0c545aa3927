"""How a file writes its characters. Lines are cut in its own bytes, so that places stay places in the file; each line
becomes UTF-8 only when it is handed on."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Final

from ..errors import InputError

UTF8_BOM: Final = codecs.BOM_UTF8
_BOMS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (UTF8_BOM, "utf-8"),
)
BOM_BYTES: Final = 4
"""The longest byte order mark."""

_WIDTHS: Final = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}
_LINE_BY_LINE: Final = re.compile(
    r"utf-8|ascii|iso8859-\d+|cp125\d|cp8(?:50|52|55|58|66|74)|cp932|cp936|cp949|cp950|koi8-[rtu]|mac-roman|tis-620"
    r"|gb2312|gbk|gb18030|big5|big5hkscs|shift_jis(?:_2004|x0213)?|euc_(?:jp|kr|jis_2004|jisx0213)"
)
"""Encodings in which the byte 0x0A is a line feed and nothing else. Others, such as UTF-7, ISO-2022 and EBCDIC, cannot
be cut before they are decoded."""


@dataclass(frozen=True)
class Encoding:
    """One encoding: its line end, and its way to UTF-8."""

    name: str = "utf-8"
    """As Python calls it."""

    @property
    def width(self) -> int:
        """Bytes of its smallest character: places of characters are multiples of it."""
        return _WIDTHS.get(self.name, 1)

    @property
    def line_end(self) -> bytes:
        """A line feed."""
        return "\n".encode(self.name)

    @property
    def is_utf8(self) -> bool:
        """Nothing is to be decoded."""
        return self.name == "utf-8"

    def utf8(self, text: bytes) -> bytes:
        r"""As UTF-8. Bytes that mean nothing are written as `\xff`, so that nothing is lost."""
        try:
            return text.decode(self.name).encode()
        except UnicodeDecodeError:
            return text.decode(self.name, "backslashreplace").encode()

    def beginning(self, text: bytes, limit: int) -> bytes:
        """Whole characters from the first `limit` bytes of `text`, in its own bytes."""
        end = min(limit, len(text))
        if self.is_utf8:
            # A character has four bytes at most, and those after its first begin with the bits 10 (RFC 3629 §3).
            begins = (at for at in range(end, max(0, end - 4), -1) if at == len(text) or text[at] & 0xC0 != 0x80)
            return text[: next(begins, end)]
        decoder = codecs.getincrementaldecoder(self.name)("replace")
        decoder.decode(text[:end])
        return text[: end - len(decoder.getstate()[0])]


UTF_8: Final = Encoding()


def encoding(name: str) -> Encoding:
    """The encoding of this name: `gbk`, `GB18030`, `latin-1`, `utf-16-le`.

    `utf-16` and `utf-32` without a byte order are taken as little-endian where the file has no mark. Raises InputError.
    """
    try:
        known = codecs.lookup(name.strip()).name
    except (LookupError, ValueError):
        raise InputError("tail.unknown_encoding", given=name) from None
    known = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}.get(known, known)
    if known not in _WIDTHS and not _LINE_BY_LINE.fullmatch(known):
        raise InputError("tail.encoding_not_followed", given=name)
    return Encoding(known)


def marked(head: bytes, declared: Encoding) -> tuple[Encoding, int]:
    """The encoding that the byte order mark at the head of a file names, and the mark's length; else `declared`, 0.

    A mark counts more than what was declared: whoever wrote it knew.
    """
    for mark, name in _BOMS:
        if head.startswith(mark):
            return Encoding(name), len(mark)
    return declared, 0


def may_be_marked(head: bytes) -> bool:
    """Whether more bytes could make a byte order mark of this head."""
    return len(head) < BOM_BYTES and any(mark.startswith(head) for mark, _ in _BOMS if len(mark) > len(head))
