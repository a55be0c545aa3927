"""The one-line `when` of a rule.

    any FILTER                              any event:node_failed error_group:gpu_oom*
    more than N FILTER over DURATION        more than 5 level:ERROR over 1h
    fewer than N FILTER over DURATION       fewer than 10 event:image_processed over 1d

FILTER is the query language without pipes; DURATION is 1 s to 366 days. Words may be in any case.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from ..errors import QueryError
from ..query.ast import Filter, Query
from ..query.compile import where
from ..query.parse import parse as parse_query
from ..query.times import duration
from .condition import Condition, Count, Match

THRESHOLD_MAX: Final = 1_000_000_000
OVER_MIN: Final = timedelta(seconds=1)
OVER_MAX: Final = timedelta(days=366)

_ANY: Final = re.compile(r"\s*any\s+(?P<filter>\S.*)", re.IGNORECASE | re.DOTALL)
_COUNT: Final = re.compile(
    r"\s*(?P<op>more|fewer)\s+than\s+(?P<threshold>\S+)\s+(?P<filter>\S.*?)\s+over\s+(?P<over>\S+)\s*",
    re.IGNORECASE | re.DOTALL,
)


def parse(when: str) -> Condition:
    """The condition that `when` states.

    Raises QueryError with the place of the mistake: a line of no known form, a filter or a duration that cannot be
    read, a number out of range.
    """
    if found := _ANY.fullmatch(when):
        return Match(_filter(when, found))
    if found := _COUNT.fullmatch(when):
        over = _over(when, found)
        threshold = _threshold(when, found)
        return Count(over, ">" if found["op"].lower() == "more" else "<", threshold, _filter(when, found))
    raise QueryError("alerts.when_form", query=when, position=len(when) - len(when.lstrip()))


def _filter(when: str, found: re.Match[str]) -> Filter:
    start = found.start("filter")
    try:
        query = parse_query(found["filter"])
        where(query.filter, datetime.now(UTC))  # an unusable value is a mistake of the rule, told now and not at night
    except QueryError as error:
        moved = type(error)(error.key, query=when, position=start + error.position, **error.values)
        raise moved from error
    if query != Query(query.filter):
        raise QueryError("alerts.when_pipe", query=when, position=start + found["filter"].find("|"))
    return query.filter


def _threshold(when: str, found: re.Match[str]) -> int:
    number = found["threshold"]
    if not re.fullmatch(r"[0-9]{1,10}", number) or int(number) > THRESHOLD_MAX:
        raise QueryError("alerts.when_number", query=when, position=found.start("threshold"), found=number)
    return int(number)


def _over(when: str, found: re.Match[str]) -> timedelta:
    try:
        over = duration(found["over"])
    except QueryError as error:
        raise QueryError(error.key, query=when, position=found.start("over"), **error.values) from error
    if not OVER_MIN <= over <= OVER_MAX:
        raise QueryError("alerts.when_over", query=when, position=found.start("over"), found=found["over"])
    return over
