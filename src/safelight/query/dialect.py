"""How DuckDB spells what we need, in one place: each function takes and gives SQL text, `?` stands for a value.

ClickHouse has a function for each of these; whoever adds it replaces this module's spellings and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .sql import Sql

Spelling = Callable[[str], str]
TRUE = Sql("TRUE")


def name(identifier: str) -> str:
    """An identifier, whatever it contains."""
    return '"' + identifier.replace('"', '""') + '"'


def string(text: str) -> str:
    """A constant of our own making."""
    return "'" + text.replace("'", "''") + "'"


def compared(op: str) -> Spelling:
    """`text op ?`, for one of `= > >= < <=`."""
    sign = {"=": "=", ">": ">", ">=": ">=", "<": "<", "<=": "<="}[op]
    return lambda text: f"{text} {sign} ?"


def exists(text: str) -> str:
    """`text` is there."""
    return f"({text} IS NOT NULL)"


def negation(condition: str) -> str:
    """True where `condition` is false or unknown."""
    return f"NOT coalesce({condition}, FALSE)"


def contains(text: str) -> str:
    """`text` has ? in it, case counting: 26 ns an event."""
    return f"contains({text}, ?)"


def starts_with(text: str) -> str:
    """`text` begins with ?."""
    return f"starts_with({text}, ?)"


def matches(text: str) -> str:
    """The RE2 pattern ? is found in `text`: about 100 ns an event without case, half of `ILIKE` or `lower()`."""
    return f"regexp_matches({text}, ?)"


def like(text: str) -> str:
    """`text` as a whole fits the LIKE pattern ?, a backslash taking its wildcards their meaning."""
    return f"{text} LIKE ? ESCAPE '\\'"


def number(text: str) -> str:
    """`text` as a number, null where it is none."""
    return f"TRY_CAST({text} AS DOUBLE)"


def attribute(pointers: int, *, hinted: bool) -> str:
    """The text of the first JSON pointer ? that leads to a value in `attributes`; null when none does.

    `hinted`: a first ? is text without which no pointer can lead anywhere: looking for it before parsing the JSON
    makes a rare attribute five times cheaper (126 to 25 ns an event). TRY keeps a damaged row from failing the query.
    """
    found = ['json_extract_string("attributes", ?)'] * pointers
    value = f"TRY(coalesce({', '.join(found)}))" if pointers > 1 else f"TRY({found[0]})"
    return f'CASE WHEN contains("attributes", ?) THEN {value} END' if hinted else value


def quantile(value: str, share: str) -> str:
    """The exact, interpolated quantile; at half the cost of DuckDB's approximate one (35 against 82 ns an event)."""
    return f"quantile_cont({value}, {share})"


def earliest(value: str) -> str:
    """The first non-null `value` in time."""
    return f'arg_min({value}, "timestamp")'


def latest(value: str) -> str:
    """The last non-null `value` in time."""
    return f'arg_max({value}, "timestamp")'


def ranked(function: str, value: str, order: Sequence[str]) -> str:
    """`min` or `max` of a value whose order is that of `order`."""
    ranks = "[" + ", ".join(map(string, order)) + "]"
    return f"list_extract({ranks}, {function}(list_position({ranks}, {value})))"


def time_bin(time: str, width_us: int) -> str:
    """The start of the `width_us` long bin that `time` is in, counted from 1970 in UTC."""
    return f"make_timestamptz({bin_number(time, width_us)} * {width_us})"


def bin_number(time: str, width_us: int) -> str:
    """How many bins of `width_us` lie between 1970 and `time`."""
    return f"(epoch_us({time}) // {width_us})"


def number_bin(value: str, width: str) -> str:
    """The start of the bin that `value` is in."""
    return f"floor({value} / {width}) * {width}"
