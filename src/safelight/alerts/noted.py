"""What alerting did becomes events: one for each alert, and one for all the others of a storm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from ..errors import QueryError
from ..event import Name
from ..locales import text
from ..note import Note
from ..rows import iso
from .alert import Alert
from .content import describe
from .group import Message
from .notification import FIRING
from .outbox import Letter
from .rule import Rule
from .silences import Silence

EACH_MAX: Final = 20
"""Alerts of one message that are an event each; the others are one event together."""
LABELS_MAX: Final = 100
_LEVELS: Final = {1: "INFO", 2: "WARNING", 3: "ERROR"}


def utc_now() -> datetime:
    """The clock, unless another is injected."""
    return datetime.now(UTC)


class Noted:
    """Says what happened in the server's language."""

    def __init__(self, note: Note, language: str, zone: tzinfo) -> None:
        self._note = note
        self._language = language
        self._zone = zone

    def failed(self, problems: Mapping[str, QueryError]) -> None:
        """Rules that cannot be judged since now."""
        for id_, error in problems.items():
            reason = error.render(self._language)
            self._say(Name.RULE_FAILED, "ERROR", self._text("alerts.rule_failed", rule=id_, reason=reason), rule=id_)

    def skipped(self, rules: Iterable[tuple[str, int]]) -> None:
        """Rules that went on without having been asked about so many events."""
        for id_, count in rules:
            said = self._text("alerts.rule_skipped", rule=id_, count=f"{count:,}")
            self._say(Name.RULE_FAILED, "ERROR", said, rule=id_, skipped=count)

    def no_data(self, rules: Iterable[str]) -> None:
        """Rules that have nothing to judge by since now."""
        for id_ in rules:
            said = self._text("alerts.no_data", rule=id_)
            self._say(Name.RULE_FAILED, "WARNING", said, rule=id_, state="no_data")

    def told(self, message: Message, rules: Mapping[str, Rule]) -> None:
        """A message is on its way."""
        fired = message.status == FIRING
        name = Name.ALERT_FIRED if fired else Name.ALERT_RESOLVED
        for alert in message.alerts[:EACH_MAX]:
            title = self._title(alert, rules)
            self._say(name, _LEVELS[alert.severity] if fired else "INFO", title, **_about(alert))
        rest = message.alerts[EACH_MAX:]
        if rest:
            key = "alerts.many_fired" if fired else "alerts.many_resolved"
            said = self._text(key, count=len(rest), rule=rest[0].rule)
            self._say(name, _LEVELS[message.severity] if fired else "INFO", said, **_about_many(rest))

    def kept(self, alerts: Sequence[Alert], rules: Mapping[str, Rule]) -> None:
        """Nobody is told of these."""
        for alert in alerts[:EACH_MAX]:
            by = alert.muted.by if alert.muted else ""
            said = self._text("alerts.kept", title=self._title(alert, rules), reason=self._text(f"alerts.muted.{by}"))
            ref = alert.muted.ref if alert.muted else None
            self._say(Name.ALERT_FIRED, "INFO", said, **_about(alert), muted=by, ref=ref)
        rest = alerts[EACH_MAX:]
        if rest:
            said = self._text("alerts.many_fired", count=len(rest), rule=rest[0].rule)
            self._say(Name.ALERT_FIRED, "INFO", said, **_about_many(rest), muted=rest[0].muted and rest[0].muted.by)

    def ended(self, alerts: Sequence[Alert], rules: Mapping[str, Rule]) -> None:
        """Over, and nobody is told of that either."""
        for alert in alerts[:EACH_MAX]:
            muted = alert.muted.by if alert.muted else None
            self._say(Name.ALERT_RESOLVED, "INFO", self._title(alert, rules), **_about(alert), muted=muted)
        if rest := alerts[EACH_MAX:]:
            said = self._text("alerts.many_resolved", count=len(rest), rule=rest[0].rule)
            self._say(Name.ALERT_RESOLVED, "INFO", said, **_about_many(rest), muted=rest[0].muted and rest[0].muted.by)

    def given_up(self, letters: Iterable[Letter]) -> None:
        """Messages that no channel took."""
        for letter in letters:
            said = self._text("alerts.given_up", channel=letter.channel, title=letter.notification.title)
            about = {"channel": letter.channel, "key": letter.notification.key, "final": True}
            self._say(Name.NOTIFICATION_FAILED, "ERROR", said, **about)

    def acknowledged(self, alert: Alert, rules: Mapping[str, Rule]) -> None:
        """Somebody looks after it, or no longer."""
        by, title = alert.acknowledged_by, self._title(alert, rules)
        key = "alerts.acknowledged" if alert.acknowledged_at else "alerts.unacknowledged"
        self._say(Name.ALERT_ACKNOWLEDGED, "INFO", self._text(key, by=by, title=title), **_about(alert), by=by)

    def silenced(self, silence: Silence, *, removed: bool = False) -> None:
        """A silence was added or taken back."""
        match = " ".join(f"{name}={value}" for name, value in silence.match.items())
        if removed:
            said = self._text("alerts.silence_removed", match=match)
        else:
            said = self._text("alerts.silence_added", until=iso(silence.until), by=silence.by, match=match)
        name = Name.SILENCE_REMOVED if removed else Name.SILENCE_ADDED
        about = {"silence": silence.id, "match": dict(silence.match), "until": iso(silence.until)}
        self._say(name, "INFO", said, **about, by=silence.by, comment=silence.comment)

    def enabled(self, channel: str) -> None:
        """A broken channel is in use again."""
        self._say(Name.CHANNEL_ENABLED, "INFO", self._text("alerts.channel_enabled", channel=channel), channel=channel)

    def _title(self, alert: Alert, rules: Mapping[str, Rule]) -> str:
        title, _ = describe(alert, rules.get(alert.rule), language=self._language, zone=self._zone)
        return title

    def _text(self, key: str, **values: object) -> str:
        return text(key, self._language, **values)

    def _say(self, name: Name, level: str, message: str, **attributes: Any) -> None:
        self._note(name, level=level, message=message, attributes=attributes)


def _about(alert: Alert) -> dict[str, Any]:
    return {"alert": alert.id, "rule": alert.rule, "count": alert.count, "labels": dict(alert.labels)}


def _about_many(alerts: Sequence[Alert]) -> dict[str, Any]:
    labels = [dict(alert.labels) for alert in alerts[:LABELS_MAX]]
    return {"rule": alerts[0].rule, "alerts": len(alerts), "count": sum(a.count for a in alerts), "labels": labels}
