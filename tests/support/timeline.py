"""A night of alerting in a moment: events at times, messages at times, with an injected clock.

    night = Timeline(tmp_path, [rule("any-error", "any level:ERROR")])
    night.at("02:00:00", error(node="VAEDecode"))
    night.until("02:05:00")
    assert night.messages() == [("02:00:00", "team", "firing", 1)]

The engine is real, and steps when something is committed and when it says that it is due; a channel accepts at once
what the outbox holds, unless it is down (`night.down`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from safelight.alerts.engine import Engine
from safelight.alerts.notification import Notification
from safelight.alerts.outbox import Letter
from safelight.alerts.rule import Rule
from safelight.alerts.views import Target
from safelight.batch import Batch
from safelight.store.segments import SegmentStore

DAY = datetime(2026, 11, 22, tzinfo=UTC)
TEAM = Target("team", "webhook", 2, "en")
_NUMBERS = itertools.count(1)


def clock(text: str) -> datetime:
    """`02:00:00`, `+1d 02:00:00`."""
    days, _, time = text.rpartition(" ")
    hours, minutes, seconds = (float(part) for part in time.split(":"))
    return DAY + timedelta(days=float(days.strip("+d") or 0), hours=hours, minutes=minutes, seconds=seconds)


def rule(name: str = "any-error", when: str = "any level:ERROR", **fields: Any) -> Rule:
    return Rule(id=name, when=when, **fields)


def event(**fields: Any) -> dict[str, Any]:
    return {"id": f"e{next(_NUMBERS)}", "level": "INFO", "event": "log", "service": "comfyui", **fields}


def error(**fields: Any) -> dict[str, Any]:
    """A failed node, as the node pack writes it."""
    usual = {
        "level": "ERROR",
        "event": "node_failed",
        "node": "VAEDecode",
        "error_group": "gpu_oom:VAEDecode",
        "error_type": "OutOfMemoryError",
        "error_message": "CUDA out of memory",
        "workflow_id": "wf-1",
    }
    return event(**{**usual, **fields})


@dataclass(frozen=True)
class Told:
    """A message that arrived."""

    at: datetime
    channel: str
    note: Notification

    @property
    def row(self) -> tuple[str, str, str, int]:
        return (f"{self.at:%H:%M:%S}", self.channel, self.note.status, self.note.count)


class Timeline:
    def __init__(
        self,
        folder: Path,
        rules: Sequence[Rule],
        targets: Sequence[Target] = (TEAM,),
        *,
        start: str = "01:00:00",
        store: Any = None,
        **options: Any,
    ) -> None:
        self.now = clock(start)
        self.store = store or SegmentStore.open(folder / "data")
        self.rules, self.targets, self.options = list(rules), list(targets), options
        self.path = folder / "state.sqlite"
        self.told: list[Told] = []
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.down: set[str] = set()
        self._committed = 0
        self.engine = self._engine()
        self._step()

    def at(self, time: str, *events: dict[str, Any], **times: str) -> None:
        """Move to that time and commit these events, with that timestamp unless they have one."""
        self.until(time)
        if events:
            rows = [{"timestamp": self.now, "received_at": self.now, **fields} for fields in events]
            self._committed = self.store.append(Batch.of(rows)).last_seq
        self._step()

    def until(self, time: str) -> None:
        """Let time pass, with everything that is due on the way."""
        end = clock(time)
        while (due := max(self.engine.next_due(), self.now)) <= end:
            self.now = due + timedelta(microseconds=1) if due == self.now else due
            self._step()
        self.now = end

    def restart(self) -> None:
        """As after `kill -9`: nothing is closed in order."""
        self.engine = self._engine()
        self._step()

    def close(self) -> None:
        self.engine.close()
        self.store.close()

    def messages(self, channel: str | None = None) -> list[tuple[str, str, str, int]]:
        """What arrived: time, channel, status, count."""
        return [told.row for told in self.told if channel in {None, told.channel}]

    def alerts(self) -> list[dict[str, Any]]:
        """As the API shows them: those that fire first."""
        shown: list[dict[str, Any]] = self.engine.alerts()["alerts"]
        return shown

    def _engine(self) -> Engine:
        return Engine(
            self.store, self.rules, self.targets, self.path, now=lambda: self.now, note=self._note, **self.options
        )

    def _note(self, event: str, /, **fields: Any) -> None:
        self.notes.append((str(event), fields))

    def _step(self) -> None:
        self.engine.step(self._committed)
        for target in self.targets:
            while target.name not in self.down and isinstance(letter := self.engine.outbox.claim(target.name), Letter):
                self.told.append(Told(self.now, target.name, letter.notification))
                self.engine.outbox.sent(letter, "ok")
