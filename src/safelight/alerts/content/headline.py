"""The first line: what and where, in at most 100 characters, for every kind of condition.

The kind is read off `Alert.why`, the line of the condition as it stood when the alert opened: it stays true when the
rule is changed or taken away.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ...locales import catalogue, text
from ...services.failures import family_of
from ...services.failures import title as known
from ..alert import Alert
from ..notification import FIRING, RESOLVED
from ..rule import Rule
from .figures import figure, named, percent, span
from .safe import TITLE_MAX, cut, one_line, shown

_URGENT: Final = 3
_PLACES: Final = ("instance", "service", "host")
"""Labels that say where, the most telling first."""
_OVER: Final = re.compile(r" over (\S+?),? ?(?:, at least \S+.*|, checked .*)?$")


def title(alerts: Sequence[Alert], status: str, rule: Rule | None, language: str) -> str:
    """One line, at most 100 characters. Alerts of several rules are counted; `rule` is then not asked."""
    first = alerts[0]
    rules = {alert.rule for alert in alerts}
    if len(alerts) == 1:
        what = headline(first, language)
        said = _joined(name_of(rule, first.rule, language), what, first, language)
        place = shown(next((first.labels[name] for name in _PLACES if name in first.labels), ""))
    else:
        place = shown(next((value for name in _PLACES if (value := _common(alerts, name))), ""))
        if len(rules) == 1:
            many = text("alerts.title.several", language, count=len(alerts))
            said = text("alerts.title.what", language, rule=name_of(rule, first.rule, language), what=many)
        else:
            said = text("alerts.title.rules", language, count=len(alerts), rules=len(rules))
    said = one_line(said).strip(" :：")
    if status == RESOLVED:
        said = text("alerts.title.resolved", language, title=said)
    elif status == FIRING and max(alert.severity for alert in alerts) >= _URGENT:
        said = text("alerts.title.urgent", language, title=said)
    place = cut(one_line(place), TITLE_MAX // 3)
    if not place or re.search(rf"(?<!\w){re.escape(place)}(?!\w)", said):
        return cut(said, TITLE_MAX)
    return f"{cut(said, TITLE_MAX - len(place) - 3)} · {place}"  # where it is must not be what is cut away


def name_of(rule: Rule | None, id_: str, language: str) -> str:
    """What the rule is called: by its own title, by the catalogue for those that come with Safelight, by its id."""
    return (rule.title if rule else None) or catalogue(language).get(f"rule.{id_}.title") or id_


def headline(alert: Alert, language: str) -> str:
    """What happened, by the kind of condition: `VAEDecode: CUDA out of memory`, `23 % failed in 15m`."""
    if known_form := _kind(alert):
        found, tell = known_form
        return cut(one_line(shown(tell(alert, found, language))), TITLE_MAX)
    return occurrence(alert, language)


def occurrence(alert: Alert, language: str) -> str:
    """`VAEDecode: GPU out of memory`, as much of it as is known: the name of a known failure, else the log's words."""
    newest: Mapping[str, Any] = alert.events[-1] if alert.events else {}
    node = shown(alert.labels.get("node", ""))
    group = alert.labels.get("error_group") or newest.get("error_group")
    said = known(group, language) or what(newest).split("\n", 1)[0] or shown(group or "")
    return cut(": ".join(part for part in (node, said) if part) or shown(alert.labels.get("service", "")), TITLE_MAX)


def what(event: Mapping[str, Any]) -> str:
    """What an event says went wrong."""
    kind, message = event.get("error_type"), event.get("error_message") or event.get("message") or ""
    said = f"{kind}: {message}" if kind and not str(message).startswith(str(kind)) else str(message)
    return shown(said.strip(" :") or event.get("event") or "")


def is_match(alert: Alert) -> bool:
    """Whether it is about events that matched, whose own words say the most."""
    return _kind(alert) is None


def watched(alert: Alert) -> tuple[str, float] | None:
    """The field and the limit of a condition on the latest reading, such as `gpu.temperature_c > 87`."""
    form = _kind(alert)
    if form is None or form[1] is not _level:
        return None
    return form[0]["field"].removeprefix("attributes."), float(form[0]["limit"])


def counts_events(alert: Alert) -> bool:
    """Whether its condition is a number of events, of which even one is worth telling."""
    return bool(_COUNT.match(alert.why))


def counts_runs(alert: Alert) -> bool:
    """Whether its count is of runs that ended, not of how often it happened."""
    return bool(_EMPTIED.match(alert.why))


def _kind(alert: Alert) -> tuple[re.Match[str], _Tell] | None:
    """None for a match, and for what no condition is written like."""
    if alert.why.startswith("any "):
        return None
    return next(((found, tell) for form, tell in _KINDS if (found := form.match(alert.why))), None)


def _joined(name: str, what: str, alert: Alert, language: str) -> str:
    """The rule and what happened, without saying the same twice: a rule with a name, for one family of failures, has
    said what failed, and so has the title of a rule that comes with Safelight."""
    if name == catalogue(language).get(f"rule.{alert.rule}.title"):
        what = _besides(alert, what, language)
    node, _, failure = what.rpartition(": ")
    family = family_of(alert.labels.get("error_group"))
    named_so = name != alert.rule and family is not None and f"error_group:{family}" in alert.why
    if failure and (named_so or failure.casefold() in name.casefold()):
        what = node
    return text("alerts.title.what", language, rule=name, what=what)


def _besides(alert: Alert, what: str, language: str) -> str:
    """What there is to say after a title which says what kind of condition it is."""
    if (form := _kind(alert)) and (rest := _REST.get(form[1])):
        return cut(one_line(shown(rest(alert, form[0], language))), TITLE_MAX)
    return what


def _common(alerts: Sequence[Alert], label: str) -> str | None:
    values = {alert.labels.get(label) for alert in alerts}
    return values.pop() if len(values) == 1 else None


def _over(alert: Alert) -> str:
    found = _OVER.search(alert.why)
    return found[1].rstrip(",") if found else ""


def _subject(alert: Alert) -> str:
    """What the alert is about besides where: the card, and the labels that a `by` made."""
    named = {name: value for name, value in alert.labels.items() if name not in _PLACES}
    return shown(" ".join(f"GPU {value}" if name == "gpu" else value for name, value in named.items()))


def _about(alert: Alert, said: str) -> str:
    subject = _subject(alert)
    return f"{subject}: {said}" if subject else said


def _counted(alert: Alert, _: re.Match[str], language: str) -> str:
    return _about(alert, text("alerts.title.window", language, count=f"{alert.count:,}", over=_over(alert)))


def _share(alert: Alert, found: re.Match[str], language: str) -> str:
    if alert.value is None:
        return occurrence(alert, language)
    key = "alerts.title.share" if found[0].lower().startswith("failure") else "alerts.title.rate"
    return _about(alert, text(key, language, value=percent(alert.value), over=_over(alert)))


def _statistic(alert: Alert, found: re.Match[str], language: str) -> str:
    if alert.value is None:
        return occurrence(alert, language)
    function, field = found["function"].lower(), found["field"]
    return _about(
        alert,
        text(
            "alerts.title.statistic",
            language,
            statistic=catalogue(language).get(f"alerts.statistic.{function}", function),
            field=named(field, language),
            value=figure(field, alert.value),
            over=_over(alert),
        ),
    )


def _streak(alert: Alert, _: re.Match[str], language: str) -> str:
    return text("alerts.title.streak", language, count=alert.count)


def _more_failures(alert: Alert, found: re.Match[str], language: str) -> str:
    if found["count"].isdecimal() and alert.count <= int(found["count"]):
        return ""
    return text("alerts.title.streak_rest", language, count=alert.count)


def _silence(alert: Alert, found: re.Match[str], language: str) -> str:
    return text("alerts.title.silent", language, name=found["name"], over=found["over"])


def _absence(alert: Alert, found: re.Match[str], language: str) -> str:
    return text("alerts.title.absent", language, filter=found["filter"], over=found["over"])


def _takes(alert: Alert, found: re.Match[str], language: str) -> str:
    newest: Mapping[str, Any] = alert.events[-1] if alert.events else {}
    ms = newest.get("duration_ms") if alert.value is None else alert.value
    if not isinstance(ms, int | float):
        return occurrence(alert, language)
    if found[1].lower() == "node":
        node = shown(alert.labels.get("node") or newest.get("node") or "")
        return text("alerts.title.node_takes", language, node=node, value=span(ms)).strip()
    name = shown(newest.get("workflow_name") or "")
    return text("alerts.title.run_takes", language, run=name, value=span(ms)).strip()


def _stalled(alert: Alert, found: re.Match[str], language: str) -> str:
    newest: Mapping[str, Any] = alert.events[-1] if alert.events else {}
    for_ = span(alert.value) if alert.value is not None else found["over"]
    said = text("alerts.title.stalled", language, value=for_)
    name = shown(newest.get("workflow_name") or "")
    return f"{name}: {said}" if name else said


def _slower(alert: Alert, _: re.Match[str], language: str) -> str:
    if alert.value is None:
        return occurrence(alert, language)
    return _about(alert, text("alerts.title.slower", language, value=f"{alert.value:.1f}"))


def _emptied(alert: Alert, _: re.Match[str], language: str) -> str:
    failed = int(alert.value or 0)
    return text("alerts.title.emptied", language, done=alert.count - failed, failed=failed)


def _done_and_failed(alert: Alert, _: re.Match[str], language: str) -> str:
    failed = int(alert.value or 0)
    return text("alerts.title.emptied_rest", language, done=alert.count - failed, failed=failed)


def _which_error(alert: Alert, _: re.Match[str], language: str) -> str:
    return occurrence(alert, language)


def _new_error(alert: Alert, _: re.Match[str], language: str) -> str:
    return text("alerts.title.new_error", language, what=occurrence(alert, language))


def _level(alert: Alert, found: re.Match[str], language: str) -> str:
    if alert.value is None:
        return occurrence(alert, language)
    field = found["field"].removeprefix("attributes.")
    return _about(alert, f"{named(field, language)} {figure(field, alert.value)}")


_Tell = Callable[[Alert, re.Match[str], str], str]
_REST: Final[Mapping[_Tell, _Tell]] = {
    _streak: _more_failures,
    _emptied: _done_and_failed,
    _new_error: _which_error,
}
"""For kinds whose rules have a title that says the same."""
_EMPTIED: Final = re.compile(r"queue empties\b", re.IGNORECASE)
_COUNT: Final = re.compile(r"(?:more|fewer) than ", re.IGNORECASE)
_KINDS: Final[tuple[tuple[re.Pattern[str], _Tell], ...]] = (
    (re.compile(r"(?:failure rate|rate of) ", re.IGNORECASE), _share),
    (_COUNT, _counted),
    (re.compile(r"(?P<count>\S+) failures in a row", re.IGNORECASE), _streak),
    (re.compile(r"no events from (?P<name>.+) for (?P<over>\S+)$", re.IGNORECASE), _silence),
    (re.compile(r"no (?P<filter>.+) for (?P<over>\S+)$", re.IGNORECASE), _absence),
    (re.compile(r"(run|node) takes ", re.IGNORECASE), _takes),
    (re.compile(r"run shows no progress for (?P<over>\S+)", re.IGNORECASE), _stalled),
    (_EMPTIED, _emptied),
    (re.compile(r"new error group\b", re.IGNORECASE), _new_error),
    (re.compile(r"\S+ .*\bits usual\b", re.IGNORECASE), _slower),
    (
        re.compile(r"(?P<function>mean|median|max|min|sum|p\d+(?:\.\d+)?) (?P<field>\S+) .*over ", re.IGNORECASE),
        _statistic,
    ),
    (
        re.compile(r"(?P<field>\S+) (?:of .+ )?(?:by .+ )?[<>]=? ?(?P<limit>-?\d+(?:\.\d+)?)", re.IGNORECASE),
        _level,
    ),
)
