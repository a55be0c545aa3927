"""What a message says: what happened, where, since when, how often, how much memory, and why the reader is told.

Everything that came from a log is hostile and private until it has passed `shown`: control and text-direction
characters are removed, keys, home paths and private addresses redacted. Markup is the channel's business.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final
from urllib.parse import quote

from ..locales import catalogue, text
from ..processors.redact import redact_text
from ..rows import iso
from .alert import Alert
from .condition import Count
from .group import Message
from .notification import RESOLVED, Notification
from .rule import Rule

DETAILED_MAX: Final = 5
"""Alerts of one message told in full; the others by their name, up to NAMED_MAX, then counted."""
NAMED_MAX: Final = 20
EVENTS_MAX: Final = 10
TITLE_MAX: Final = 100
LINE_MAX: Final = 400
TRACEBACK_LINES: Final = 6
"""The last ones: Python prints the error at the end."""

_WHERE: Final = ("service", "instance", "host", "node", "node_id", "workflow_id", "user_id")
_WHERE_WITHOUT_NODE: Final = ("node_function", "node_pack")
"""Attributes that say where it was when no node is known."""
_RULER: Final = re.compile(r"[\s^~]*")
"""What Python underlines in the line above, and blank lines."""
_TEXT_DIRECTION: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def compose(
    message: Message, rules: Mapping[str, Rule], *, language: str, base_url: str | None, zone: tzinfo, channel: str
) -> Notification:
    """The message for one channel, in its language. `base_url`: where readers reach the page; times are in `zone`."""
    first = message.alerts[0]
    rule = rules.get(first.rule)
    ended = [alert.ended_at for alert in message.alerts if alert.ended_at]
    events = [event for alert in message.alerts for event in alert.events][:EVENTS_MAX]
    return Notification(
        key=f"{message.key}.{channel}",
        id=first.id,
        rule=first.rule,
        severity=message.severity,
        status=message.status,
        title=title(message.alerts, message.status, rule, language),
        text=_over(message.alerts, rule, language, zone)
        if message.status == RESOLVED
        else "\n".join(_lines(message.alerts, message.status, rule, language, zone)),
        labels={name: shown(value) for name, value in first.labels.items()},
        count=sum(alert.count for alert in message.alerts),
        started_at=iso(min(alert.started_at for alert in message.alerts)),
        ended_at=iso(max(ended)) if message.status == RESOLVED and ended else None,
        events=[_redacted(event) for event in events],
        links=links(first, rule, base_url),
        language=language,
    )


def title(alerts: Sequence[Alert], status: str, rule: Rule | None, language: str) -> str:
    """One line, at most 100 characters."""
    first = alerts[0]
    name = (rule.title if rule else None) or first.rule
    if len(alerts) > 1:
        place = shown(first.labels.get("service", ""))
        what = text("alerts.title.several", language, count=len(alerts), place=place).strip(" ·")
    elif rule and isinstance(rule.when, Count):
        what = text("alerts.title.window", language, count=first.count, over=str(rule.when).rpartition(" over ")[2])
    else:
        what = _headline(first)
    key = "alerts.title.resolved" if status == RESOLVED else "alerts.title.firing"
    return cut(_one_line(text(key, language, rule=name, what=what)).strip(" :："), TITLE_MAX)


def describe(alert: Alert, rule: Rule | None, *, language: str, zone: tzinfo) -> tuple[str, str]:
    """Title and text of one alert as it is now."""
    lines = _lines([alert], alert.status, rule, language, zone)
    return title([alert], alert.status, rule, language), "\n".join(lines)


def links(alert: Alert, rule: Rule | None, base_url: str | None) -> dict[str, str]:
    """Where to read on: the run's log lines, or what the rule looks for."""
    if not base_url:
        return {}
    run = next((event["workflow_id"] for event in alert.events if event.get("workflow_id")), None)
    if run:
        escaped = str(run).replace("\\", "\\\\").replace('"', '\\"')
        query = f'workflow_id:"{escaped}"'
    elif rule:
        query = str(rule.when.filter)
    else:
        return {}
    return {"logs": f"{base_url.rstrip('/')}/logs?q={quote(query, safe='')}"}


def shown(value: object) -> str:
    """Text from a log, fit to be shown: nothing that moves a cursor or turns the text around, nothing private."""
    kept = (
        character
        for character in str(value)
        if character in "\n\t"
        or ((unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}) and character not in _TEXT_DIRECTION)
    )
    return redact_text("".join(kept), paths=True, addresses=True)


def cut(value: str, length: int) -> str:
    """At most `length` characters, the last of them an ellipsis where something is missing."""
    return value if len(value) <= length else value[: length - 1].rstrip() + "…"


def _lines(alerts: Sequence[Alert], status: str, rule: Rule | None, language: str, zone: tzinfo) -> Iterator[str]:
    for number, alert in enumerate(alerts[:DETAILED_MAX]):
        if number:
            yield ""
        yield from _told(alert, language, zone, counted=rule is not None and isinstance(rule.when, Count))
    for alert in alerts[DETAILED_MAX:NAMED_MAX]:
        yield text("alerts.also", language, what=_headline(alert), count=alert.count)
    if len(alerts) > NAMED_MAX:
        yield text("alerts.more", language, count=len(alerts) - NAMED_MAX)
    if status == RESOLVED:
        yield text("alerts.resolved", language)
    elif rule and rule.advice:
        known = catalogue(language).get(f"alerts.advice.{rule.advice}", rule.advice)
        yield text("alerts.advice", language, advice=known)
    yield text("alerts.why", language, rule=alerts[0].rule, when=alerts[0].why)


def _over(alerts: Sequence[Alert], rule: Rule | None, language: str, zone: tzinfo) -> str:
    """What is left to say at the end: the reader has been told the rest."""
    since = _clock(min(alert.started_at for alert in alerts), zone)
    if rule and isinstance(rule.when, Count):  # its count is of one window, not of all that time
        until = _clock(max(alert.ended_at or alert.last_at for alert in alerts), zone)
        return text("alerts.over.window", language, since=since, until=until)
    count = sum(alert.count for alert in alerts)
    if count == 1:
        return text("alerts.over.once", language, since=since)
    until = _clock(max(alert.last_at for alert in alerts), zone)
    return text("alerts.over.times", language, count=count, since=since, until=until)


def _told(alert: Alert, language: str, zone: tzinfo, *, counted: bool) -> Iterator[str]:
    newest: Mapping[str, Any] = alert.events[-1] if alert.events else {}
    if what := _what(newest):
        yield cut(what, LINE_MAX)
    places = {} if counted else {name: newest.get(name) or alert.labels.get(name) for name in _WHERE}
    attributes = newest.get("attributes")
    if places and not places["node"] and isinstance(attributes, Mapping):
        places |= {name: attributes.get(name) for name in _WHERE_WITHOUT_NODE}
    where = [
        text(f"alerts.place.{name}", language, value=cut(_one_line(shown(value)), TITLE_MAX))
        for name, value in places.items()
        if value
    ]
    if where:
        separator = text("alerts.place.separator", language)
        yield text("alerts.where", language, where=separator.join(where))
    since = _clock(alert.started_at, zone)
    if counted:
        yield text("alerts.since", language, since=since)
        yield text("alerts.counted", language, count=alert.count)
    elif alert.count > 1:
        yield text("alerts.times", language, count=alert.count, since=since, last=_clock(alert.last_at, zone))
    else:
        yield text("alerts.since", language, since=since)
    memory = [
        text(f"alerts.memory.{name}", language, value=f"{newest[name]:,.0f}")
        for name in ("vram_used_mb", "vram_peak_mb", "ram_used_mb")
        if isinstance(newest.get(name), int | float)
    ]
    if memory:
        yield text("alerts.memory", language, memory=text("alerts.place.separator", language).join(memory))
    traceback = [
        line.rstrip() for line in shown(newest.get("traceback") or "").splitlines() if not _RULER.fullmatch(line)
    ]
    yield from (cut(line, LINE_MAX) for line in traceback[-TRACEBACK_LINES:])


def _headline(alert: Alert) -> str:
    """`VAEDecode: CUDA out of memory`, as much of it as is known."""
    newest: Mapping[str, Any] = alert.events[-1] if alert.events else {}
    node = shown(alert.labels.get("node", ""))
    what = _what(newest).split("\n", 1)[0] or shown(alert.labels.get("error_group", ""))
    return cut(": ".join(part for part in (node, what) if part) or shown(alert.labels.get("service", "")), TITLE_MAX)


def _what(event: Mapping[str, Any]) -> str:
    kind, message = event.get("error_type"), event.get("error_message") or event.get("message") or ""
    said = f"{kind}: {message}" if kind and not str(message).startswith(str(kind)) else str(message)
    return shown(said.strip(" :") or event.get("event") or "")


def _one_line(value: str) -> str:
    return " ".join(value.split())


def _clock(at: datetime, zone: tzinfo) -> str:
    """With the zone's name, and its offset because names are shared (CST is the time of Shanghai and of Chicago)."""
    local = at.astimezone(zone)
    name, offset = local.tzname() or "", local.strftime("%z")
    place = "UTC" if offset in {"+0000", ""} else f"UTC{offset[:3]}:{offset[3:5]}"
    named = f"{name} ({place})" if name.isalpha() and name != "UTC" else place
    return f"{local:%Y-%m-%d %H:%M:%S} {named}"


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, Mapping):
        return {shown(name): _redacted(inner) for name, inner in value.items()}
    if isinstance(value, Sequence):
        return [_redacted(inner) for inner in value]
    return value
