"""The grammar of filters.

    filter := and ( OR and )*            OR, "||"
    and    := unary ( AND? unary )*      AND, "&&", or nothing between
    unary  := NOT unary | "(" filter ")" | field ":" value | field compare value | word | "phrase" | /regex/
    value  := word | "quoted" | /regex/ | compare value | "[" low TO high "]" | "(" filter of values ")"

Every term is compiled as it is read, so what cannot be compiled is refused where it stands.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from ..errors import QueryTooCostly
from .ast import All, And, Compare, Exists, Filter, Match, Not, Or, Range, Regex, Text, Wild, Wildcard
from .fields import Columns, of_events
from .lex import Kind, Token
from .predicate import where
from .reader import Reader

MAX_DEPTH: Final = 100
MAX_TERMS: Final = 1_000

_ANY_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LEAVES: Final = (Kind.WORD, Kind.STRING, Kind.REGEX)
_ANYTHING: Final = (Wild.MANY,)


class Filters:
    """Reads the filters of one query; its terms are counted together."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.columns: Columns = of_events
        self.terms = 0

    def read(self, columns: Columns = of_events) -> Filter:
        """A whole filter, up to a pipe, a stray parenthesis or the end. Raises QueryError."""
        self.columns = columns
        return self._either(None, 0)

    def _either(self, field: str | None, depth: int) -> Filter:
        items = [self._every(field, depth)]
        while self.reader.accept(Kind.OR):
            items.append(self._every(field, depth))
        return items[0] if len(items) == 1 else Or(tuple(items))

    def _every(self, field: str | None, depth: int) -> Filter:
        items = [self._unary(field, depth)]
        while self.reader.accept(Kind.AND) or self.reader.next.kind not in (
            Kind.OR,
            Kind.CLOSE,
            Kind.PIPE,
            Kind.END,
        ):
            items.append(self._unary(field, depth))
        return items[0] if len(items) == 1 else And(tuple(items))

    def _unary(self, field: str | None, depth: int) -> Filter:
        token = self.reader.next
        if depth > MAX_DEPTH:
            raise QueryTooCostly("query.too_deep", query=self.reader.text, position=token.position, limit=MAX_DEPTH)
        if self.reader.accept(Kind.NOT):
            return Not(self._unary(field, depth + 1))
        if self.reader.accept(Kind.OPEN):
            inside = self._either(field, depth + 1)
            if not self.reader.accept(Kind.CLOSE):
                raise self.reader.error("query.parenthesis", token)
            return inside
        return self._term(field, depth)

    def _term(self, field: str | None, depth: int) -> Filter:
        token = self.reader.next
        if field is not None and token.kind is Kind.COMPARE:
            return self._compare(field)
        if token.kind not in _LEAVES:
            self.reader.unexpected()
        following = self.reader.tokens[self.reader.at + 1].kind
        if field is not None or token.kind is Kind.REGEX or following not in (Kind.COLON, Kind.COMPARE):
            return self._leaf(field)
        self.reader.take()
        if token.pattern is not None and (token.pattern != _ANYTHING or following is Kind.COMPARE):
            raise self.reader.error("query.field_wildcard", token, found=token.text)
        if not token.value and token.pattern is None:
            raise self.reader.error("query.unexpected", token, found=token.text)
        if following is Kind.COMPARE:
            return self._compare(token.value)
        self.reader.take()
        return self._value(token, depth)

    def _value(self, field: Token, depth: int) -> Filter:
        """What stands behind `field:`."""
        token = self.reader.next
        if field.pattern is not None:  # *:* is how Lucene writes everything
            if token.pattern != _ANYTHING:
                raise self.reader.error("query.field_wildcard", field, found=field.text)
            return self._leaf(None)
        if token.kind is Kind.COMPARE:
            return self._compare(field.value)
        if token.kind is Kind.FROM:
            return self._range(field.value)
        if token.kind is Kind.OPEN:
            return self._unary(field.value, depth)
        if token.kind not in _LEAVES:
            self.reader.unexpected()
        return self._leaf(field.value)

    def _leaf(self, field: str | None) -> Filter:
        token = self.reader.take()
        made: Filter
        if token.kind is Kind.REGEX:
            made = Regex(field, token.value)
        elif token.pattern == _ANYTHING:
            made = All() if field is None else Exists(field)
        elif token.pattern is not None:
            made = Wildcard(field, token.pattern)
        else:
            made = Text(token.value) if field is None else Match(field, token.value)
        if field is not None:
            self._end_of_value(field, token)
        return self._checked(made, token)

    def _compare(self, field: str) -> Filter:
        op = self.reader.take()
        token = self.reader.next
        if token.kind not in (Kind.WORD, Kind.STRING) or token.pattern is not None:
            self.reader.unexpected()
        self.reader.take()
        self._end_of_value(field, token)
        sign = {"!=": "=", "==": "="}.get(op.text, op.text)
        made = self._checked(Compare(field, sign, token.value), token)
        return Not(made) if op.text == "!=" else made

    def _range(self, field: str) -> Filter:
        opened = self.reader.take()
        low = self._bound()
        self.reader.expect(Kind.TO)
        high = self._bound()
        closed = self.reader.accept(Kind.UPTO)
        if closed is None:
            raise self.reader.error("query.range", opened)
        return self._checked(Range(field, low, high, opened.text == "[", closed.text == "]"), opened)

    def _bound(self) -> str | None:
        token = self.reader.next
        if token.kind not in (Kind.WORD, Kind.STRING) or token.pattern not in (None, _ANYTHING):
            self.reader.unexpected()
        self.reader.take()
        return token.value if token.pattern is None else None

    def _end_of_value(self, field: str, token: Token) -> None:
        """`message:a:b` could mean two things, so it means neither."""
        wrong = self.reader.next
        if wrong.kind not in (Kind.COLON, Kind.COMPARE) or wrong.position != token.position + len(token.text):
            return
        end = wrong.position
        while end < len(self.reader.text) and self.reader.text[end] not in " \t\r\n()|":
            end += 1
        value = self.reader.text[token.position : end].replace('"', "")
        raise self.reader.error("query.colon_in_value", wrong, found=wrong.text, better=str(Match(field, value)))

    def _checked(self, made: Filter, token: Token) -> Filter:
        """`made`, which counts as a term and must compile."""
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise QueryTooCostly(
                "query.too_many_terms", query=self.reader.text, position=token.position, limit=MAX_TERMS
            )
        self.reader.placed(token, lambda: where(made, _ANY_TIME, self.columns))
        return made
