"""Text into tokens, in one pass. What a character means depends on where it stands, so the lexer keeps three facts:
are we in a filter or in another pipe, in a value (behind `:` or `>=`), in a range (`[1 TO 5]`).

A Chinese keyboard's `：` behind a name, and its “quotes”, are the plain ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..errors import QueryError
from .ast import Pattern, Wild
from .times import ABSOLUTE, RELATIVE


class Kind(StrEnum):
    """What a token is."""

    WORD = "word"
    STRING = "string"
    REGEX = "regex"
    COLON = ":"
    COMPARE = "compare"
    NOT = "not"
    AND = "and"
    OR = "or"
    TO = "to"
    OPEN = "("
    CLOSE = ")"
    FROM = "from"  # [ or { of a range
    UPTO = "upto"  # ] or }
    COMMA = ","
    MINUS = "-"
    PIPE = "|"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is what was written at `position`, `value` what it says; `pattern` is set when it has wildcards."""

    kind: Kind
    position: int
    text: str
    value: str = ""
    pattern: Pattern | None = None


_SPACE: Final = re.compile(r"\s*")
_NAME: Final = re.compile(r"[A-Za-z_@][\w.@-]*", re.ASCII)
_END: Final = r"(?=[\s()\]}|,]|$)"
_STAMP: Final = re.compile(ABSOLUTE.replace("[T ]", "T") + _END, re.ASCII)
_TIME: Final = re.compile(f"(?:{RELATIVE}|{ABSOLUTE}){_END}", re.ASCII | re.IGNORECASE)
_REGEX: Final = re.compile(r"/((?:[^\\/]|\\.)+)/" + _END, re.DOTALL)
_STRING: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|“([^”]*)”', re.DOTALL)
_ESCAPED: Final = re.compile(r'\\(["\\])')
_COMPARE: Final = re.compile(r"[<>]=?|!=|==?")
_PIPE_WORD: Final = re.compile(r'[^\s(),|"“-][^\s(),|"]*')
_FORBIDDEN: Final = re.compile("[\x00\ud800-\udfff]")

_JOINTS: Final = {"(": Kind.OPEN, ")": Kind.CLOSE, ":": Kind.COLON, "：": Kind.COLON}
_OPERATORS: Final = {"and": Kind.AND, "or": Kind.OR, "not": Kind.NOT}
_DELIMITERS: Final = frozenset('():<>=|"')


def tokens(text: str) -> list[Token]:
    """The tokens of `text`, ending with END. Raises QueryError with the place of what cannot be read."""
    if found := _FORBIDDEN.search(text):
        readable = _FORBIDDEN.sub("�", text)
        raise QueryError("query.character", query=readable, position=found.start(), code=f"{ord(found[0]):04X}")
    return _Lexer(text).all()


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: list[Token] = []
        self.in_filter = True
        self.in_range = False

    def all(self) -> list[Token]:
        while True:
            self.at = self._past(_SPACE)
            if self.at >= len(self.text):
                break
            token = self._range() if self.in_range else self._filter() if self.in_filter else self._pipe()
            self.at = token.position + len(token.text)
            self._turn(token)
            self.found.append(token)
        self.found.append(Token(Kind.END, len(self.text), ""))
        return self.found

    def _past(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.at)
        return found.end() if found else self.at

    def _turn(self, token: Token) -> None:
        """What the next token stands in."""
        if token.kind in (Kind.FROM, Kind.UPTO):
            self.in_range = token.kind is Kind.FROM
        elif token.kind is Kind.PIPE:
            self.in_filter = False
        elif not self.in_filter and self._before() is Kind.PIPE and token.value.lower() in ("where", "filter"):
            self.in_filter = True

    def _before(self) -> Kind | None:
        return self.found[-1].kind if self.found else None

    def _token(self, kind: Kind, end: int, value: str | None = None) -> Token:
        text = self.text[self.at : end]
        return Token(kind, self.at, text, text if value is None else value)

    def _matched(self, kind: Kind, pattern: re.Pattern[str]) -> Token | None:
        found = pattern.match(self.text, self.at)
        return self._token(kind, found.end()) if found else None

    def _filter(self) -> Token:
        here, pair = self.text[self.at], self.text[self.at : self.at + 2]
        in_value = self._before() in (Kind.COLON, Kind.COMPARE)
        if here in '"“':
            return self._string()
        if in_value and here in "[{":
            return self._token(Kind.FROM, self.at + 1)
        if pair in ("&&", "||"):
            return self._token(Kind.AND if here == "&" else Kind.OR, self.at + 2)
        if here == "|":
            return self._token(Kind.PIPE, self.at + 1)
        if here in "():":
            return self._token(_JOINTS[here], self.at + 1)
        if here == "：" and self._before() in (Kind.WORD, Kind.STRING) and self.found[-1].text.isascii():
            return self._token(Kind.COLON, self.at + 1)
        if token := self._matched(Kind.COMPARE, _COMPARE):
            return token
        if here in "-!" and not in_value and pair[1:] and not pair[1:].isspace():
            return self._token(Kind.NOT, self.at + 1)
        if here == "/" and (found := _REGEX.match(self.text, self.at)):
            return self._token(Kind.REGEX, found.end(), found[1].replace("\\/", "/"))
        return self._matched(Kind.WORD, _TIME if in_value else _STAMP) or self._word()

    def _range(self) -> Token:
        here = self.text[self.at]
        if here in "]}":
            return self._token(Kind.UPTO, self.at + 1)
        if here in '"“':
            return self._string()
        return self._matched(Kind.WORD, _TIME) or self._word()

    def _pipe(self) -> Token:
        here = self.text[self.at]
        if here in '"“':
            return self._string()
        if here in "(),-|":
            kind = {"(": Kind.OPEN, ")": Kind.CLOSE, ",": Kind.COMMA, "-": Kind.MINUS, "|": Kind.PIPE}[here]
            return self._token(kind, self.at + 1)
        return self._token(Kind.WORD, self._past(_PIPE_WORD))

    def _string(self) -> Token:
        found = _STRING.match(self.text, self.at)
        if not found:
            raise QueryError("query.quote", query=self.text, position=self.at)
        value = found[2] if found[1] is None else _ESCAPED.sub(r"\1", found[1])
        return self._token(Kind.STRING, found.end(), value)

    def _word(self) -> Token:
        """Up to the next delimiter; a backslash takes the next character as it is."""
        pieces: list[str | Wild] = []
        literal: list[str] = []
        escaped = False
        end = self.at
        while end < len(self.text) and not self._ends(end):
            char = self.text[end]
            if char == "\\" and end + 1 < len(self.text):
                escaped = True
                end += 1
                literal.append(self.text[end])
            elif char in "*?":
                if literal:
                    pieces.append("".join(literal))
                    literal = []
                if not (char == "*" and pieces and pieces[-1] is Wild.MANY):
                    pieces.append(Wild(char))
            else:
                literal.append(char)
            end += 1
        value = "".join(literal)
        if pieces:
            pattern = (*pieces, value) if literal else tuple(pieces)
            return Token(Kind.WORD, self.at, self.text[self.at : end], pattern=pattern)
        if not escaped and not self.in_range and value.lower() in _OPERATORS:
            return self._token(_OPERATORS[value.lower()], end)
        if not escaped and self.in_range and value.lower() == "to":
            return self._token(Kind.TO, end)
        return self._token(Kind.WORD, end, value)

    def _ends(self, at: int) -> bool:
        char = self.text[at]
        if char.isspace():
            return True
        if self.in_range:
            return char in ']}"'
        if char in _DELIMITERS:
            return True
        if char in "!&":
            return at > self.at and self.text.startswith(("!=", "&&"), at)
        return char == "：" and _NAME.fullmatch(self.text, self.at, at) is not None
