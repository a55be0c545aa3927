"""Text into a Query. Nothing but QueryError comes out of here, and what comes out compiles. Loads no engine.

query := [filter] ( "|" where filter )* [ "|" stats ( "|" where filter )* [ "|" sort ] ] [ "|" limit ]
stats := stats function [as name] ("," ...)* [ by key ("," ...)* ]
key   := field | bin(field, width)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from ..errors import QueryTooCostly
from .ast import Aggregate, All, And, Filter, Key, Query, Sort, Stats
from .fields import Columns
from .filters import Filters
from .lex import Kind, Token
from .reader import Reader
from .stats import MAX_ROWS, aggregate_column, columns_of, key_column, of_outputs, resolve

MAX_BYTES: Final = 16_384
MAX_COLUMNS: Final = 100

T = TypeVar("T", Aggregate, Key, Sort)


def parse(text: str) -> Query:
    """What `text` asks for. An empty text asks for everything.

    Raises QueryError with the place of the mistake, QueryTooCostly over a limit.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise QueryTooCostly("query.too_long", query=text[:80], limit=MAX_BYTES)
    return _Pipeline(Reader(text)).read()


class _Pipeline:
    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.filters = Filters(reader)
        self.condition: Filter = All()
        self.stats: Stats | None = None
        self.having: Filter | None = None
        self.sort: tuple[Sort, ...] = ()
        self.limit: int | None = None

    def read(self) -> Query:
        if self.reader.next.kind not in (Kind.PIPE, Kind.END):
            self.condition = self.filters.read()
        while self.reader.accept(Kind.PIPE):
            self.pipe()
        self.reader.expect(Kind.END)
        return Query(self.condition, self.stats, self.having, self.sort, self.limit)

    def pipe(self) -> None:
        token = self.reader.expect(Kind.WORD)
        pipes = {
            "where": (self.read_where, not self.sort and self.limit is None),
            "filter": (self.read_where, not self.sort and self.limit is None),
            "stats": (self.read_stats, self.stats is None and self.limit is None),
            "sort": (self.read_sort, not self.sort and self.limit is None),
            "limit": (self.read_limit, self.limit is None),
        }
        if token.value.lower() not in pipes:
            raise self.reader.error("query.pipe", token, found=token.text)
        read, in_order = pipes[token.value.lower()]
        if not in_order:
            raise self.reader.error("query.pipe_order", token, found=token.text)
        if read == self.read_sort and self.stats is None:
            raise self.reader.error("query.sort_without_stats", token)
        read()

    def read_where(self) -> None:
        if self.stats is None:
            self.condition = _both(self.condition, self.filters.read())
        else:
            columns: Columns = of_outputs(columns_of(self.stats))
            condition = self.filters.read(columns)
            self.having = condition if self.having is None else _both(self.having, condition)

    def read_stats(self) -> None:
        first = self.reader.next
        functions = self.several(self.function)
        keys: tuple[Key, ...] = ()
        if self.keyword("by"):
            keys = self.several(self.key)
        self.stats = Stats(functions, keys)
        self.reader.placed(first, partial(columns_of, self.stats))

    def several(self, one: Callable[[], T]) -> tuple[T, ...]:
        items = [one()]
        while self.reader.accept(Kind.COMMA):
            items.append(one())
            if len(items) > MAX_COLUMNS:
                raise QueryTooCostly("query.too_many_columns", query=self.reader.text, limit=MAX_COLUMNS)
        return tuple(items)

    def function(self) -> Aggregate:
        token = self.reader.expect(Kind.WORD)
        name, field = token.value.lower(), None
        if name != "count" or self.reader.next.kind is Kind.OPEN:
            self.reader.expect(Kind.OPEN)
            if self.reader.next.kind is not Kind.CLOSE:
                field = self.name()
            if name == "percentile":
                self.reader.expect(Kind.COMMA)
                name = f"p{self.reader.expect(Kind.WORD).value}"
            self.reader.expect(Kind.CLOSE)
        made = Aggregate(name, field, self.alias())
        self.reader.placed(token, partial(aggregate_column, made))
        return made

    def key(self) -> Key:
        token, width = self.reader.next, None
        field = self.name()
        if token.kind is Kind.WORD and field.lower() == "bin" and self.reader.accept(Kind.OPEN):
            field = self.name()
            self.reader.expect(Kind.COMMA)
            width = self.name()
            self.reader.expect(Kind.CLOSE)
        made = Key(field, width, self.alias())
        self.reader.placed(token, partial(key_column, made))
        return made

    def read_sort(self) -> None:
        self.keyword("by")
        self.sort = self.several(self.sorted_by)

    def sorted_by(self) -> Sort:
        descending = self.reader.accept(Kind.MINUS) is not None
        token = self.reader.next
        name = self.name()
        if self.reader.accept(Kind.OPEN):  # sort -avg(duration_ms), as it was asked for
            field = None if self.reader.next.kind is Kind.CLOSE else self.name()
            self.reader.expect(Kind.CLOSE)
            name = Aggregate(name.lower(), field).name
        if self.keyword("desc"):
            descending = True
        else:
            self.keyword("asc")
        made = Sort(name, descending)
        if self.stats is not None:
            self.reader.placed(token, partial(resolve, columns_of(self.stats), made))
        return made

    def read_limit(self) -> None:
        token = self.reader.expect(Kind.WORD)
        digits = token.value.isascii() and token.value.isdigit()
        if not digits or not token.value.strip("0"):
            raise self.reader.error("query.limit", token, found=token.text, limit=MAX_ROWS)
        if len(token.value.lstrip("0")) > len(str(MAX_ROWS)) or int(token.value) > MAX_ROWS:
            raise QueryTooCostly("query.too_many_rows", query=self.reader.text, position=token.position, limit=MAX_ROWS)
        self.limit = int(token.value)

    def keyword(self, word: str) -> bool:
        token = self.reader.next
        if token.kind is Kind.WORD and token.value.lower() == word:
            self.reader.take()
            return True
        return False

    def alias(self) -> str | None:
        return self.name() if self.keyword("as") else None

    def name(self) -> str:
        token: Token = self.reader.next
        if token.kind not in (Kind.WORD, Kind.STRING) or not token.value:
            self.reader.unexpected()
        return self.reader.take().value


def _both(one: Filter, other: Filter) -> Filter:
    return other if one == All() else And((one, other))
