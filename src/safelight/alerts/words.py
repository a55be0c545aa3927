"""The parts of a `when`, read one by one: each gives what it means, or says what to write in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from ..errors import QueryError
from ..event import ALIASES
from ..query.ast import Filter, Query
from ..query.compile import where
from ..query.fields import Kind, of_events
from ..query.parse import parse as parse_query
from ..query.times import duration
from ..units import size
from .condition import Daily, Operator

COUNT_MAX: Final = 1_000_000_000
OVER_MIN: Final = timedelta(seconds=1)
OVER_MAX: Final = timedelta(days=366)
BY_MAX: Final = 4
"""Fields that a condition may be told apart by."""
FACTOR_MAX: Final = 1_000

_NUMBER: Final = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_TIME: Final = re.compile(r"([01]?\d|2[0-3])[:：]([0-5]\d)", re.ASCII)
_ONE: Final = timedelta(milliseconds=1)
_GROUPABLE: Final = (Kind.KEYWORD, Kind.LEVEL, Kind.ATTRIBUTE)


class Words:
    """The named parts that a form found in a line. Everything raises QueryError with the place in the line."""

    def __init__(self, when: str, found: re.Match[str]) -> None:
        self._when = when
        self._found = found

    def has(self, part: str) -> bool:
        """Whether it was written."""
        return self._found[part] is not None

    def text(self, part: str) -> str:
        """As it was written."""
        return self._when[self._found.start(part) : self._found.end(part)]

    def said(self, part: str, known: Mapping[str, str]) -> str:
        """One of a few words."""
        return known[self.text(part).lower()]

    def op(self) -> Operator:
        """`>`, `>=`, `<` or `<=`."""
        known: dict[str, Operator] = {">": ">", ">=": ">=", "<": "<", "<=": "<="}
        return known[self.text("op")]

    def filter(self, part: str = "filter") -> Filter:
        """A filter without pipes, whose values fit their fields."""
        said, start = self.text(part), self._found.start(part)
        try:
            query = parse_query(said)
            where(query.filter, datetime.now(UTC))  # an unusable value is a mistake of the rule, told now, not at night
        except QueryError as error:
            moved = type(error)(error.key, query=self._when, position=start + error.position, **error.values)
            raise moved from error
        if query != Query(query.filter):
            raise QueryError("alerts.when_pipe", query=self._when, position=start + said.find("|"))
        return query.filter

    def filter_or_none(self) -> Filter | None:
        """The same where `of FILTER` may be left out."""
        return self.filter() if self.has("filter") else None

    def fields(self) -> tuple[str, ...]:
        """The fields behind `by`."""
        if not self.has("by"):
            return ()
        names = tuple(name.strip() for name in self.text("by").split(","))
        for name in names:
            if of_events(name).kind not in _GROUPABLE or len(names) > BY_MAX or len(set(names)) < len(names):
                raise self._wrong("by", "alerts.when_by", field=name, limit=BY_MAX)
        return names

    def number_field(self) -> str:
        """A field that holds a number, or an attribute that may."""
        name = self.text("field")
        if of_events(name).kind not in (Kind.NUMBER, Kind.ATTRIBUTE):
            raise self._wrong("field", "alerts.when_field", field=name)
        return name

    def name(self) -> str:
        """A name, in quotes or not."""
        said = self.text("name")
        plain = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', said, re.DOTALL)
        return re.sub(r'\\(["\\])', r"\1", plain[1]) if plain else said.strip("“”")

    def count(self, part: str, least: int = 0, most: int = COUNT_MAX) -> int:
        """A whole number."""
        said = self.text(part)
        if not re.fullmatch(r"[0-9]{1,10}", said) or not least <= int(said) <= most:
            raise self._wrong(part, "alerts.when_number", least=least, most=most)
        return int(said)

    def least(self) -> int:
        """Behind `at least`; one if nothing is said."""
        return self.count("least", least=1) if self.has("least") else 1

    def length(self, part: str) -> timedelta:
        """A duration, with its unit."""
        said = self.text(part)
        if _NUMBER.fullmatch(said):
            raise self._wrong(part, "alerts.when_unit", better=f"{said.lstrip('+-')}s")
        try:
            length = duration(said) // _ONE * _ONE
        except QueryError as error:
            raise QueryError(error.key, query=self._when, position=self._found.start(part), **error.values) from error
        if not OVER_MIN <= length <= OVER_MAX:
            raise self._wrong(part, "alerts.when_over")
        return length

    def percent(self) -> float:
        """A share, with its sign."""
        said = self.text("figure")
        number = _number(said.removesuffix("%").removesuffix("％"))
        if number is None or not 0 <= number <= 100 or said[-1] not in "%％":
            better = f"{said}%" if number is not None and 0 <= number <= 100 else "15%"
            raise self._wrong("figure", "alerts.when_percent", better=better)
        return number

    def factor(self) -> float:
        """How many times."""
        number = _number(self.text("factor"))
        if number is None or not 1 < number <= FACTOR_MAX:
            raise self._wrong("factor", "alerts.when_factor", limit=FACTOR_MAX)
        return number

    def quantity(self, field: str) -> float:
        """A figure in the unit of `field`; `2s` for one in ms, `4GB` for one in MB, `15%` for one in percent."""
        said, name = self.text("figure"), ALIASES.get(field, field)
        number = _number(said)
        if number is None:
            number = _with_unit(said, name)
        if number is None:
            example = next((other for end, other in _EXAMPLES.items() if name.endswith(end)), "20")
            raise self._wrong("figure", "alerts.when_quantity", field=field, better=example)
        return number

    def daily(self) -> Daily | None:
        """Behind `checked at`."""
        if not self.has("time"):
            return None
        clock = _TIME.fullmatch(self.text("time"))
        if not clock:
            raise self._wrong("time", "alerts.when_time")
        zone = self.text("zone") if self.has("zone") else None
        try:
            if zone is not None:
                ZoneInfo(zone)
        except (LookupError, ValueError, OSError) as error:  # ZoneInfoNotFoundError is a KeyError
            raise self._wrong("zone", "alerts.when_zone") from error
        return Daily(int(clock[1]), int(clock[2]), zone)

    def _wrong(self, part: str, key: str, **values: object) -> QueryError:
        return QueryError(key, query=self._when, position=self._found.start(part), found=self.text(part), **values)


_EXAMPLES: Final = {"_ms": "2s", "_mb": "4GB", "_percent": "90%"}


def _number(said: str) -> float | None:
    return float(said) if _NUMBER.fullmatch(said) and abs(float(said)) < 1e15 else None


def _with_unit(said: str, field: str) -> float | None:
    try:
        if field.endswith("_ms"):
            return duration(said) / _ONE
        if field.endswith("_mb"):
            return size(said) / 2**20
    except (QueryError, ValueError):
        return None
    return _number(said[:-1]) if field.endswith("_percent") and said[-1:] in ("%", "％") else None
