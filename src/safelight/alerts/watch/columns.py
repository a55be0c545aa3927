"""What a watch asks of the store: one arm of a statement, whose columns are the same for all watches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ...event import RUN_ENDED, RUN_WENT_WRONG, Name
from ...query import dialect
from ...query.ast import Filter
from ...query.compile import where
from ...query.fields import Kind, of_events
from ...query.sql import Sql
from ..evaluate import LABEL_MAX

SEPARATOR: Final = "\x1f"
MISSING: Final = "\x1e"
"""Between the parts of a key, and for a part that an event lacks: control characters that no name has."""
SCALE: Final = 1_000_000
"""Sums are of whole millionths: they do not depend on the order in which parts are added."""
FIGURE_MAX: Final = 1e12
"""Greater figures are not looked at."""

TRUE: Final = Sql("TRUE")
NONE: Final = Sql("NULL")
EACH: Final = Sql("epoch_us(timestamp)")
SEQ: Final = Sql("seq")
EMPTY: Final = Sql("''")
ONE: Final = Sql("1")
COUNTED: Final = Sql("count(*)")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which events, and what of them: columns `at, key, n, x, y, z`, grouped by time, key and `apart`, or not."""

    wanted: Sql
    at: Sql = EACH
    key: Sql = EMPTY
    n: Sql = ONE
    x: Sql = NONE
    y: Sql = NONE
    z: Sql = SEQ
    grouped: bool = False
    apart: tuple[int, ...] = ()
    """Further columns that rows differ by: 5 is `x`."""
    per: str | None = None
    """What rows differ by in place of the key, which then is an aggregate."""

    def arm(self, number: int, judged: Sql) -> Sql:
        """A SELECT over `events`. The columns have the same types in every arm."""
        columns = (
            (self.at, "BIGINT"),
            (self.key, "VARCHAR"),
            (self.n, "BIGINT"),
            (self.x, "DOUBLE"),
            (self.y, "DECIMAL(38, 0)"),
            (self.z, "BIGINT"),
        )
        chosen = ", ".join(f"({one.text})::{kind} AS c{place}" for place, (one, kind) in enumerate(columns))
        groups = f" GROUP BY {', '.join(map(str, (2, self.per or 3, *self.apart)))}" if self.grouped else ""
        text = f"SELECT {number} AS w, {chosen} FROM events WHERE {judged.text} AND ({self.wanted.text}){groups}"  # noqa: S608
        values = [value for one, _ in columns for value in one.parameters]
        return Sql(text, (*values, *judged.parameters, *self.wanted.parameters))


def bucket(width: int) -> Sql:
    """The start of the stretch of time that an event lies in."""
    return Sql(f"epoch_us(timestamp) // {width:d} * {width:d}")


def key_of(fields: Sequence[str]) -> Sql:
    """What tells label sets apart, as one text."""
    if not fields:
        return Sql("''")
    columns = [of_events(field).sql for field in fields]
    parts = [f"coalesce(left(({column.text})::VARCHAR, {LABEL_MAX}), chr({ord(MISSING)}))" for column in columns]
    text = f"concat_ws(chr({ord(SEPARATOR)}), {', '.join(parts)})"
    return Sql(text, tuple(value for column in columns for value in column.parameters))


def parts_of(key: str) -> tuple[str | None, ...]:
    """The values behind `key_of`."""
    return tuple(None if part == MISSING else part for part in key.split(SEPARATOR)) if key else ()


def label_names(fields: Sequence[str]) -> tuple[str, ...]:
    """What the fields are called in labels: by their own names."""
    return tuple(of_events(field).name for field in fields)


def labelled(fields: Sequence[str], labels: Mapping[str, str], names: Sequence[str] | None = None) -> Sql:
    """The events with these labels; a field that has none is one that they lack."""
    parts = []
    for field, name in zip(fields, names or label_names(fields), strict=True):
        own = key_of((field,))
        parts.append(Sql(f"{own.text} = ?", (*own.parameters, labels.get(name, MISSING))))
    return every(*parts)


def number_of(field: str) -> Sql:
    """The field as a number, null where it is none or absurd."""
    column = of_events(field)
    text = column.sql.text if column.kind is Kind.NUMBER else dialect.number(column.sql.text)
    guarded = f"CASE WHEN abs({text}) < {FIGURE_MAX!r} THEN {text} END"
    return Sql(guarded, column.sql.parameters * 2)


def summed(number: Sql) -> Sql:
    """The sum in whole millionths."""
    return Sql(f"sum(round(({number.text}) * {SCALE})::BIGINT)", number.parameters)


def there(value: Sql) -> Sql:
    """Whether there is one."""
    return Sql(f"({value.text}) IS NOT NULL", value.parameters)


def of(condition: Filter | None, now: datetime) -> Sql:
    """A filter as a condition that is never unknown."""
    if condition is None:
        return TRUE
    found = where(condition, now)
    return Sql(f"coalesce({found.text}, FALSE)", found.parameters)


def every(*parts: Sql) -> Sql:
    """All of them."""
    wanted = [part for part in parts if part != TRUE] or [TRUE]
    return Sql(" AND ".join(f"({part.text})" for part in wanted), tuple(v for part in wanted for v in part.parameters))


def named(*events: str) -> Sql:
    """The event is one of these."""
    return Sql(f"event IN ({', '.join(map(dialect.string, events))})")


COUNTED_RUNS: Final = named(*RUN_ENDED, Name.IMAGE_PROCESSED, Name.PROCESSING_FAILED)
"""The runs that a rate is about."""
FAILURES: Final = named(*RUN_WENT_WRONG)
