"""The lines of ComfyUI's console, as its socket brings them, into events.

What fails is told once: by the history, with its node. So ComfyUI's own report of it is not an alarm here but a line
like any other, with its level as `console_level`. A prompt that was refused leaves no trace but its lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from ...event import Name
from ...identifier import uuid7
from ...services import profile
from ...services.joiner import Joiner
from ..pack.document import hide
from .telling import Event, Teller

_WORKER_ENDED: Final = "(prompt_worker)"
_TOLD_ELSEWHERE: Final = frozenset({Name.NODE_FAILED, Name.RUN_INTERRUPTED})
_RECEIVED: Final = "prompt_received"  # of a run that is yet to begin
_LONGEST: Final = 32_000  # characters of one event

SILENCE_MS: Final = 100
"""A record is over when nothing followed it for so long; its lines are written microseconds apart."""

RunAt = Callable[[int], str | None]
"""Which run was at work at a time."""


class Console:
    """Cuts pieces into lines, lines into records."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._grammar = profile("comfyui").grammar
        self._joiner = Joiner(self._grammar)
        self._rest = ""
        self._at_ms = 0
        self._told = 0
        self.worker_died: str | None = None
        """The line that says so."""

    def feed(self, pieces: Iterable[tuple[int, str]], run_at: RunAt) -> Iterator[Event]:
        """The events of the records that these pieces complete, each with the time of its arrival."""
        for at_ms, piece in pieces:
            if self._held and at_ms - self._at_ms > SILENCE_MS:
                yield from self.flush(run_at)
            self._at_ms = at_ms
            *lines, rest = (self._rest + piece).split("\n")
            self._rest = rest[-_LONGEST:]  # a progress bar goes on without a new line
            for record in self._joiner.feed(line.encode("utf-8", "replace") for line in lines):
                yield self._event(record.text.decode("utf-8", "replace"), at_ms, run_at)

    def flush(self, run_at: RunAt) -> Iterator[Event]:
        """What is held: nothing followed it."""
        for record in self._joiner.flush():
            yield self._event(record.text.decode("utf-8", "replace"), self._at_ms, run_at)

    @property
    def _held(self) -> bool:
        return self._joiner.held > 0

    def _event(self, text: str, at_ms: int, run_at: RunAt) -> Event:
        fields = self._grammar.understand(text)
        name, level = fields["event"], fields["level"]
        if text.startswith("Exception in thread") and _WORKER_ENDED in text:
            self.worker_died = text.partition("\n")[0]
        self._told += 1
        message = hide(text if fields.get("traceback") else str(fields["message"]))[:_LONGEST]
        extra: dict[str, Any] = {"ordinal": self._told, "message": message}
        if name == Name.RUN_REJECTED:  # what its id would have been is said nowhere
            extra |= {key: fields.get(key) for key in ("node", "node_id", "error_type", "error_message")}
            return self._teller.event(name, at_ms, uuid7(), level="ERROR", **extra)
        if name in _TOLD_ELSEWHERE and level != "INFO":
            extra["console_level"], level = level, "INFO"
        if name != _RECEIVED and (run_id := run_at(at_ms)) is not None:
            extra["workflow_id"] = run_id
        return self._teller.event(Name.LOG, at_ms, level=level, **extra)
