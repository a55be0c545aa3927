"""What a sink tells the journal: once for each change, and once a minute while something goes on."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, Literal

from ..errors import SafelightError
from ..event import Name
from ..locales import text
from ..note import Note
from .clock import Clock

AGAIN_S: Final = 60.0
"""What is dropped or refused all the time is told this often, with how much it was."""

Failure = Literal["failed", "misconfigured", "broken"]
"""For now; until somebody changes a setting; or for good: a batch was given up."""
_WORSE: Final[dict[str, int]] = {"failed": 1, "misconfigured": 2, "broken": 3}
_SAID: Final = {
    "failed": "shipping.failed",
    "misconfigured": "shipping.misconfigured",
    "broken": "shipping.broken",
}


class Tidings:
    """Of one sink. From any thread."""

    def __init__(self, sink: str, note: Note, language: str, clock: Clock) -> None:
        self._sink = sink
        self._note = note
        self._language = language
        self._clock = clock
        self._state: Failure | Literal["ok"] = "ok"
        self._untold: dict[str, Counter[str]] = {Name.EVENTS_DROPPED: Counter(), Name.DEAD_LETTERED: Counter()}
        self._told_at: dict[str, float] = {}

    def failed(self, reason: str, how: Failure = "failed") -> None:
        """A batch was not taken. Told when it is worse than what was told before."""
        if _WORSE[how] > _WORSE.get(self._state, 0):
            self._say(Name.SINK_FAILED, _SAID[how], "WARNING" if how == "failed" else "ERROR", reason=reason)
            self._state = how

    def recovered(self) -> None:
        """A batch was taken."""
        if self._state != "ok":
            self._say(Name.SINK_RECOVERED, "shipping.recovered", "INFO")
            self._state = "ok"

    def damaged(self, error: SafelightError) -> None:
        """The queue is."""
        said = error.render(self._language)
        self._note(Name.BUFFER_DAMAGED, said, "ERROR", attributes={"sink": self._sink}, error_message=said)

    def dropped(self, count: int, why: str) -> None:
        """Nobody will get these events."""
        self._counted(Name.EVENTS_DROPPED, "shipping.dropped", count, why)

    def dead_lettered(self, count: int, reason: str) -> None:
        """These are laid aside."""
        self._counted(Name.DEAD_LETTERED, "shipping.dead_lettered", count, reason)

    def tell(self) -> None:
        """What was counted and not told yet."""
        for event, key in (
            (Name.EVENTS_DROPPED, "shipping.dropped"),
            (Name.DEAD_LETTERED, "shipping.dead_lettered"),
        ):
            self._told_at.pop(event, None)
            self._let_out(event, key)

    def _counted(self, event: Name, key: str, count: int, why: str) -> None:
        self._untold[event][why] += count
        self._let_out(event, key)

    def _let_out(self, event: Name, key: str) -> None:
        """One sentence for all reasons: each may quote what the other side said of its event."""
        counted, now = self._untold[event], self._clock.monotonic()
        if not counted or now - self._told_at.get(event, -AGAIN_S) < AGAIN_S:
            return
        self._told_at[event] = now
        self._untold[event] = Counter()
        reasons = dict(counted.most_common(10))
        self._say(event, key, "WARNING", count=sum(counted.values()), reason=next(iter(reasons)), reasons=reasons)

    def _say(self, event: Name, key: str, level: str, *, reasons: dict[str, int] | None = None, **values: Any) -> None:
        said = text(key, self._language, sink=self._sink, **values)
        told: dict[str, Any] = {"sink": self._sink, **values}
        if reasons:
            told["reasons"] = reasons
        columns = {"error_message": values["reason"]} if "reason" in values else {}
        self._note(event, said, level, attributes=told, **columns)
