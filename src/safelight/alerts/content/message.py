"""One message for one channel, in its language: title, text, and everything a channel may show beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import tzinfo
from typing import Any, Final

from ...errors import ConfigError
from ...locales import text
from ...rows import iso
from ...store import Store
from ..alert import Alert
from ..group import Message
from ..links import Sign
from ..notification import RESOLVED, Notification
from ..rule import Rule
from .advice import advice
from .around import Around, around
from .facts import happened, measured, over, times, traceback, where
from .headline import headline, name_of, title
from .safe import LINE_MAX, clock, cut, harmless, one_line, redacted, shown
from .urls import links

DETAILED_MAX: Final = 5
"""Alerts of one message told in full; the others by their name, up to NAMED_MAX, then counted."""
NAMED_MAX: Final = 20
EVENTS_MAX: Final = 10
ALERTS_MAX: Final = 1_000
TEXT_MAX: Final = 16_000
_KEPT_ONLY: Final = 1
"""Severity of what is kept and shown: told without the lines around it."""


def compose(
    message: Message,
    rules: Mapping[str, Rule],
    *,
    store: Store | None = None,
    language: str,
    base_url: str | None,
    zone: tzinfo,
    channel: str,
    sign: Sign | None = None,
) -> Notification:
    """The message for one channel, in its language.

    `store` tells what went on around it, `base_url` is where readers reach the page, `sign` makes the links that do
    something; without them that is left out. Times are in `zone`. The alerts may be of several rules.
    """
    first = message.alerts[0]
    over_now = message.status == RESOLVED
    ended = [alert.ended_at for alert in message.alerts if alert.ended_at]
    seen = Around() if over_now or message.severity <= _KEPT_ONLY else around(store, first, message.key)
    rule = _the_rule(message.alerts, rules)
    usual = (
        over(message.alerts, language, zone)
        if over_now
        else "\n".join(_lines(message.alerts, message.status, rules, language, zone, seen))
    )
    note = Notification(
        key=f"{message.key}.{channel}",
        id=first.id,
        rule=first.rule,
        severity=message.severity,
        status=message.status,
        title=title(message.alerts, message.status, rule, language),
        text=cut(usual, TEXT_MAX),
        labels=_labels(first),
        count=sum(alert.count for alert in message.alerts),
        started_at=iso(min(alert.started_at for alert in message.alerts)),
        ended_at=iso(max(ended)) if over_now and ended else None,
        events=[redacted(event) for alert in message.alerts[:EVENTS_MAX] for event in alert.events][:EVENTS_MAX],
        alerts=[_brief(alert, language) for alert in message.alerts[:ALERTS_MAX]],
        advice="" if over_now else advice(first, rule, language),
        links=links(message.alerts, rule, base_url, sign if not over_now else None),
        chart=seen.chart,
        language=language,
    )
    return _in_ones_own_words(note, rule, first, seen.told(zone), zone)


def describe(alert: Alert, rule: Rule | None, *, language: str, zone: tzinfo) -> tuple[str, str]:
    """Title and text of one alert as it is now; how it stands is shown beside it."""
    rules = {rule.id: rule} if rule else {}
    lines = _lines([alert], alert.status, rules, language, zone, Around())
    return title([alert], "", rule, language), "\n".join(lines)


def _the_rule(alerts: Sequence[Alert], rules: Mapping[str, Rule]) -> Rule | None:
    """The one rule of all of them."""
    return rules.get(alerts[0].rule) if len({alert.rule for alert in alerts}) == 1 else None


def _lines(
    alerts: Sequence[Alert], status: str, rules: Mapping[str, Rule], language: str, zone: tzinfo, seen: Around
) -> Iterator[str]:
    several = len({alert.rule for alert in alerts}) > 1
    for number, alert in enumerate(alerts[:DETAILED_MAX]):
        if number:
            yield ""
        if several:
            yield text("alerts.of_rule", language, rule=name_of(rules.get(alert.rule), alert.rule, language))
        yield from _told(alert, rules.get(alert.rule), status, language, zone, seen if not number else Around())
    for alert in alerts[DETAILED_MAX:NAMED_MAX]:
        yield text("alerts.also", language, what=headline(alert, language), count=f"{alert.count:,}")
    if len(alerts) > NAMED_MAX:
        yield text("alerts.more", language, count=f"{len(alerts) - NAMED_MAX:,}")
    if status == RESOLVED:
        yield text("alerts.resolved", language)
    for rule, why in dict.fromkeys((alert.rule, alert.why) for alert in alerts[:DETAILED_MAX]):
        yield text("alerts.why", language, rule=rule, when=cut(one_line(shown(why)), LINE_MAX))


def _told(alert: Alert, rule: Rule | None, status: str, language: str, zone: tzinfo, seen: Around) -> Iterator[str]:
    said = list(happened(alert, language))
    yield from said
    if place := where(alert, language):
        yield place
    yield from times(alert, language, zone)
    yield from measured(alert, language)
    if status != RESOLVED and (what_to_do := advice(alert, rule, language)):
        yield text("alerts.advice", language, advice=what_to_do)
    if alert.severity <= _KEPT_ONLY:
        return
    if seen.lines:
        yield text("alerts.before", language)
        yield from seen.told(zone)
    yield from traceback(alert, said)


def _brief(alert: Alert, language: str) -> dict[str, Any]:
    return {
        "id": alert.id,
        "rule": alert.rule,
        "severity": alert.severity,
        "status": alert.status,
        "title": headline(alert, language),
        "labels": _labels(alert),
        "count": alert.count,
        "started_at": iso(alert.started_at),
        "ended_at": iso(alert.ended_at) if alert.ended_at else None,
    }


def _labels(alert: Alert) -> dict[str, str]:
    return {name: shown(value) for name, value in alert.labels.items()}


def _in_ones_own_words(
    note: Notification, rule: Rule | None, first: Alert, lines: Sequence[str], zone: tzinfo
) -> Notification:
    """By the rule's own template, if it has one; the usual text and what is wrong when that breaks."""
    if rule is None or rule.text is None:
        return note
    from ..template import written  # noqa: PLC0415 - Jinja takes 40 ms that few rules need

    values = {name: value for name, value in note.body().items() if name != "may_repeat"}
    values |= {
        "when": first.why,
        "value": first.value,
        "since": clock(first.started_at, zone),
        "last": clock(first.last_at, zone),
        "lines": list(lines),
        "language": note.language,
        "labels": dict(note.labels),
        "links": dict(note.links),
    }
    try:
        own = harmless(written(rule.text, values))
    except ConfigError as error:
        said = text("alerts.template_failed", note.language, reason=error.render(note.language))
        own = f"{note.text}\n{cut(one_line(said), LINE_MAX)}"
    return replace(note, text=cut(own, TEXT_MAX)) if own.strip() else note
