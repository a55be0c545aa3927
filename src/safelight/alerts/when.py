"""The one-line `when` of a rule, read.

    any FILTER
    more|fewer than N FILTER [by F, G] over D [, checked at 20:00 [Asia/Shanghai]]
    failure rate [of FILTER] [by F] > 15% over D [, at least N runs]
    rate of FILTER among FILTER [by F] > 15% over D [, at least N]
    mean|median|p95|max|min|sum FIELD [of FILTER] [by F] > VALUE over D [, at least N]
    FIELD [of FILTER] [by F] 2x its usual over D [, at least N]
    FIELD [of FILTER] [by F] > VALUE [for D]
    N failures in a row [of FILTER] [by F]
    no events from NAME for D    |    no FILTER for D
    run|node takes > D [of FILTER]    |    run shows no progress for D [of FILTER]
    new error group [of FILTER] [within D]    |    queue empties after D

FILTER is the query language without pipes; one that holds a word of the form itself stands in parentheses. D is 1 s to
366 days. Words may be in any case, `>` may be `>=`, `<` or `<=`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Literal, NamedTuple

from ..errors import QueryError
from .condition import (
    KNOWN_FOR,
    PLACE,
    Absence,
    Condition,
    Count,
    Emptied,
    Level,
    Match,
    NewError,
    Share,
    Slower,
    Stalled,
    Statistic,
    Streak,
    Takes,
)
from .mask import masked
from .words import Words

WHEN_MAX: Final = 2_000
"""Characters of a line: reading one takes time with the square of its length, 0.1 s for this much of one word."""

_FIELD: Final = r"[^\W\d][\w.@-]*"
_OF: Final = r"(?:\s+of\s+(?P<filter>\S.*?))?"
_BY: Final = rf"(?:\s+by\s+(?P<by>{_FIELD}(?:\s*,\s*{_FIELD})*))?"
_LIMIT: Final = r"\s*(?P<op>[<>]=?)\s*(?P<figure>[^\s<>=]+)"
_OVER: Final = r"\s+over\s+(?P<over>[^\s,]+)"
_LEAST: Final = r"(?:\s*,\s*at\s+least\s+(?P<least>\S+)(?:\s+(?:runs?|events?|samples?|values?))?)?"
_FOR: Final = r"\s+for\s+(?P<over>\S+)"
_SHARE_BY: Final = rf"{_BY}{_LIMIT}{_OVER}{_LEAST}"


def parse(when: str) -> Condition:
    """The condition that `when` states.

    Raises QueryError with the place of the mistake: a line of no known form, a filter, a field, a figure or a duration
    that cannot be read or lacks its unit.
    """
    if len(when) > WHEN_MAX:
        raise QueryError("alerts.when_long", limit=f"{WHEN_MAX:,}", found=f"{len(when):,}")
    line = masked(when)
    for form in _FORMS:
        if found := form.whole.fullmatch(line):
            return form.build(Words(when, found))
    start = len(when) - len(when.lstrip())
    for form in _FORMS:
        if form.begins.match(line, start):
            raise QueryError(form.refusal, query=when, position=start)
    raise QueryError("alerts.when_form", query=when, position=start)


def _match(words: Words) -> Condition:
    return Match(words.filter())


def _count(words: Words) -> Condition:
    over, threshold = words.length("over"), words.count("threshold")
    op = words.said("more", {"more": ">", "fewer": "<"})
    return Count(over, ">" if op == ">" else "<", threshold, words.filter(), words.fields(), words.daily())


def _failures(words: Words) -> Condition:
    percent, over = words.percent(), words.length("over")
    return Share(over, words.op(), percent, words.filter_or_none(), None, words.fields(), words.least())


def _share(words: Words) -> Condition:
    percent, over = words.percent(), words.length("over")
    return Share(over, words.op(), percent, words.filter(), words.filter("bad"), words.fields(), words.least())


def _statistic(words: Words) -> Condition:
    function, field, over = words.text("function").lower(), words.number_field(), words.length("over")
    limit = words.quantity(field)
    return Statistic(function, field, over, words.op(), limit, words.filter_or_none(), words.fields(), words.least())


def _streak(words: Words) -> Condition:
    length = words.count("threshold", least=1, most=1_000)
    return Streak(length, words.filter_or_none(), words.fields() or PLACE)


def _silent(words: Words) -> Condition:
    return Absence(words.length("over"), name=words.name())


def _absence(words: Words) -> Condition:
    return Absence(words.length("over"), filter=words.filter())


def _takes(words: Words) -> Condition:
    what = words.said("what", {"run": "run", "node": "node"})
    op: Literal[">", ">="] = ">=" if words.text("op") == ">=" else ">"
    return Takes("run" if what == "run" else "node", op, words.length("over"), words.filter_or_none())


def _stalled(words: Words) -> Condition:
    return Stalled(words.length("over"), words.filter_or_none())


def _slower(words: Words) -> Condition:
    field, factor, over = words.number_field(), words.factor(), words.length("over")
    return Slower(field, factor, over, words.filter_or_none(), words.fields(), words.least())


def _new_error(words: Words) -> Condition:
    return NewError(words.filter_or_none(), words.length("over") if words.has("over") else KNOWN_FOR)


def _emptied(words: Words) -> Condition:
    return Emptied(words.length("over"))


def _level(words: Words) -> Condition:
    field = words.number_field()
    limit, lasting = words.quantity(field), words.length("over") if words.has("over") else timedelta()
    return Level(field, words.op(), limit, lasting, words.filter_or_none(), words.fields())


class _Form(NamedTuple):
    whole: re.Pattern[str]
    build: Callable[[Words], Condition]
    begins: re.Pattern[str]
    """What a line of this form begins with, although the rest of it is wrong."""
    refusal: str


def _form(whole: str, build: Callable[[Words], Condition], begins: str, refusal: str) -> _Form:
    flags = re.IGNORECASE | re.DOTALL
    return _Form(re.compile(rf"\s*{whole}\s*", flags), build, re.compile(begins, flags), refusal)


_FORMS: Final = (
    _form(r"any\s+(?P<filter>\S.*)", _match, r"any\b", "alerts.when_any"),
    _form(
        rf"(?P<more>more|fewer)\s+than\s+(?P<threshold>\S+)\s+(?P<filter>\S.*?){_BY}{_OVER}"
        r"(?:\s*,\s*checked\s+at\s+(?P<time>\S+)(?:\s+(?P<zone>\S+))?)?",
        _count,
        r"(?:more|fewer|less)\b",
        "alerts.when_count",
    ),
    _form(rf"failure\s+rate{_OF}{_SHARE_BY}", _failures, r"failures?\b", "alerts.when_failure_rate"),
    _form(rf"rate\s+of\s+(?P<bad>\S.*?)\s+among\s+(?P<filter>\S.*?){_SHARE_BY}", _share, r"rate\b", "alerts.when_rate"),
    _form(
        rf"(?P<function>mean|median|p[0-9]{{1,2}}|max|min|sum)\s+(?P<field>{_FIELD}){_OF}{_SHARE_BY}",
        _statistic,
        r"(?:mean|median|p[0-9]{1,2}|max|min|sum|avg|average)\s",
        "alerts.when_statistic",
    ),
    _form(
        rf"(?P<threshold>\S+)\s+failures?\s+in\s+a\s+row{_OF}{_BY}",
        _streak,
        r"\S+\s+failures?\b",
        "alerts.when_streak",
    ),
    _form(rf"no\s+events\s+from\s+(?P<name>\S+){_FOR}", _silent, r"no\s+events\s+from\b", "alerts.when_silent"),
    _form(rf"no\s+(?P<filter>\S.*?){_FOR}", _absence, r"no\b", "alerts.when_absence"),
    _form(
        rf"(?P<what>run|node)\s+takes\s*(?P<op>>=?)\s*(?P<over>[^\s<>=]+){_OF}",
        _takes,
        r"(?:run|node)\s+takes\b",
        "alerts.when_takes",
    ),
    _form(
        rf"run\s+shows\s+no\s+progress\s+for\s+(?P<over>\S+){_OF}",
        _stalled,
        r"(?:run|node)\s+shows\b",
        "alerts.when_stalled",
    ),
    _form(
        rf"new\s+error\s+group{_OF}(?:\s+within\s+(?P<over>\S+))?",
        _new_error,
        r"new\s+error\b",
        "alerts.when_new_error",
    ),
    _form(r"queue\s+empties\s+after\s+(?P<over>\S+)", _emptied, r"queue\s+empties\b", "alerts.when_emptied"),
    _form(
        rf"(?P<field>{_FIELD}){_OF}{_BY}\s+(?P<factor>\S+?)\s*[x×]\s+its\s+usual{_OVER}{_LEAST}",
        _slower,
        r".*\busual\b",
        "alerts.when_slower",
    ),
    _form(rf"(?P<field>{_FIELD}){_OF}{_BY}{_LIMIT}(?:{_FOR})?", _level, rf"{_FIELD}[^:]*\s[<>]", "alerts.when_level"),
)
