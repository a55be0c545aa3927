"""What a channel is asked to tell: one message about one alert, or about several of the same rule and service."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..locales import ENGLISH

PENDING = "pending"
FIRING = "firing"
RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Notification:
    """Complete and final: written once, in the reader's language, so that every attempt sends the same.

    All of it but `key`, `language` and `chart` is the body of a webhook. Times are ISO 8601 in UTC; everything is
    redacted.
    `count` is how often it happened (for a window: what was counted) over all alerts of the message.
    """

    key: str
    """The same for every attempt: alert id, number of its transition, channel."""
    id: str
    """The alert's; of several alerts, the first one's."""
    rule: str
    severity: int
    status: str
    title: str
    text: str
    labels: Mapping[str, str] = field(default_factory=dict)
    count: int = 1
    started_at: str | None = None
    ended_at: str | None = None
    events: Sequence[Mapping[str, Any]] = ()
    alerts: Sequence[Mapping[str, Any]] = ()
    """Every alert of the message, up to 1,000: `id`, `rule`, `severity`, `status`, `title`, `labels`, `count`,
    `started_at`, `ended_at`."""
    advice: str = ""
    """What to do, where that is known."""
    links: Mapping[str, str] = field(default_factory=dict)
    """By what they do: `run`, `logs`, `alert`, `silence`, `acknowledge`, `replay`."""
    chart: Mapping[str, Any] | None = None
    """What a picture would show, for `alerts.picture.png`; None without readings."""
    may_repeat: bool = False
    """The same message may have arrived before: a crash or a broken connection left it in doubt."""
    language: str = ENGLISH
    """What title and text are written in, for the words a channel adds."""

    def body(self) -> dict[str, Any]:
        """Everything that is told: all but key, language and chart."""
        return {name: value for name, value in asdict(self).items() if name not in {"key", "language", "chart"}}

    def in_doubt(self) -> Notification:
        """The same, marked."""
        return replace(self, may_repeat=True)

    def to_json(self) -> str:
        """As the outbox keeps it."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Notification:
        """What `to_json` wrote."""
        return cls(**json.loads(text))
