"""What a field's name in a query means: a column, another spelling of one, or a path into `attributes`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..event import ALIASES, FIELDS
from ..event import Kind as Stored
from . import dialect
from .sql import Sql


class Kind(StrEnum):
    """How values of a field are compared."""

    KEYWORD = "keyword"  # text: equal as a whole, case counts
    PROSE = "prose"  # text: contains, in any case
    LEVEL = "level"  # one of five, in order
    PROBLEM = "problem"  # prose that also answers to true and false: is there any?
    NUMBER = "number"
    TIME = "time"
    ATTRIBUTE = "attribute"  # text out of JSON, a number where it can be read as one


_SPECIAL: Final = {
    "message": Kind.PROSE,
    "error_message": Kind.PROSE,
    "traceback": Kind.PROSE,
    "raw": Kind.PROSE,
    "attributes": Kind.PROSE,
    "level": Kind.LEVEL,
    "parse_error": Kind.PROBLEM,
}
_KINDS: Final = {Stored.TEXT: Kind.KEYWORD, Stored.NUMBER: Kind.NUMBER, Stored.TIME: Kind.TIME, Stored.JSON: Kind.PROSE}
_PREFIX: Final = "attributes."
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]*[A-Za-z_-][A-Za-z0-9_-]*")

TEXTS: Final = ("message", "error_message", "traceback", "raw")
"""Where bare words are looked for. The last three are null but for failures, and cost 3 ns an event together."""


@dataclass(frozen=True, slots=True)
class Column:
    """What a field is in SQL: an expression, and how its values compare."""

    name: str
    sql: Sql
    kind: Kind


Columns = Callable[[str], Column]
"""How a filter finds its fields: `of_events`, or the columns of a statistic."""


def of_events(name: str) -> Column:
    """The field of an event that is called `name`. Every name is one: what is no column is an attribute."""
    known = ALIASES.get(name, name)
    if known in FIELDS:
        kind = _SPECIAL.get(known) or _KINDS[FIELDS[known]]
        return Column(known, Sql(dialect.name(known)), kind)
    return Column(name, _attribute(name.removeprefix(_PREFIX)), Kind.ATTRIBUTE)


def _attribute(path: str) -> Sql:
    """Both `{"sampler": {"steps": 30}}` and `{"sampler.steps": 30}` have a `sampler.steps`; `images.0` is the first."""
    steps = [step.replace("~", "~0").replace("/", "~1") for step in path.split(".")]
    pointers = dict.fromkeys(("/" + "/".join(steps), "/" + ".".join(steps)))
    # A step that is a number may be a place in a list, and other characters may be escaped in the JSON: no hint.
    hint = next((step for step in reversed(steps) if _PLAIN.fullmatch(step)), None)
    text = dialect.attribute(len(pointers), hinted=hint is not None)
    return Sql(text, (*(() if hint is None else (hint,)), *pointers))
