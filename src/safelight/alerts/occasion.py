"""Messages that are neither the first of an alert nor a repeat: it flaps, nobody answered, the night is over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import tzinfo
from typing import Final

from ..locales import text
from .alert import Alert
from .content import LINE_MAX, TITLE_MAX, cut, title
from .group import ESCALATED, FLAPPING, OVERNIGHT, STABLE, Message
from .notification import FIRING, Notification
from .rule import Rule

LISTED_MAX: Final = 50
"""Alerts of a night that are listed; the others are counted."""


def worded(
    note: Notification, message: Message, rules: Mapping[str, Rule], *, language: str, zone: tzinfo
) -> Notification:
    """The message, with what is special about it said first."""
    if message.kind == OVERNIGHT:
        named = text("alerts.overnight.title", language, count=len(message.alerts))
        lines = "\n".join(_night(message, rules, language, zone))
        return replace(note, title=cut(named, TITLE_MAX), text=lines, advice="")
    if message.kind in (FLAPPING, STABLE, ESCALATED):
        named = text(f"alerts.{message.kind}.title", language, title=note.title)
        said = text(f"alerts.{message.kind}", language)
        return replace(note, title=cut(named, TITLE_MAX), text=f"{said}\n{note.text}")
    return note


def _night(message: Message, rules: Mapping[str, Rule], language: str, zone: tzinfo) -> Iterator[str]:
    yield text("alerts.overnight", language)
    for alert in message.alerts[:LISTED_MAX]:
        named = title([alert], alert.status if alert.status == FIRING else "", rules.get(alert.rule), language)
        yield cut(_one(alert, named, language, zone), LINE_MAX)
    if len(message.alerts) > LISTED_MAX:
        yield text("alerts.more", language, count=f"{len(message.alerts) - LISTED_MAX:,}")


def _one(alert: Alert, named: str, language: str, zone: tzinfo) -> str:
    key = "alerts.overnight.over" if alert.ended_at else "alerts.overnight.firing"
    since, until = alert.started_at.astimezone(zone), (alert.ended_at or alert.last_at).astimezone(zone)
    times = {"since": f"{since:%H:%M}", "until": f"{until:%H:%M}"}
    return text(key, language, title=named, count=f"{alert.count:,}", **times)
