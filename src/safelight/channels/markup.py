"""Text from a log as plain text within markdown, and URLs that stay within their link."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

_STRUCTURE: Final = re.compile(r"[\\`*\[\]<~|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LINE_START: Final = re.compile(r"^(\s*)([#>+-]|\d+\.)", re.MULTILINE)
_URL_SAFE: Final = "!#$%&'*+,-./:;=?@_~"
"""Everything that a URL may have, less brackets and parentheses: they would end the link."""


def escape(value: str) -> str:
    """`value` as plain text within markdown: nothing in it makes a link, a picture, a heading or emphasis."""
    return _LINE_START.sub(r"\1\\\2", _STRUCTURE.sub(r"\\\g<0>", value))


def link(label: str, url: str) -> str:
    """`[label](url)`. `label` is ours."""
    return f"[{label}]({quote(url, safe=_URL_SAFE)})"
