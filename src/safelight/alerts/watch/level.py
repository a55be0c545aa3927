"""`gpu.temperature_c > 87 for 2m`: the latest reading of a figure, of each host and card."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ...query.sql import Span, Sql
from ..condition import Level, beyond
from ..evaluate import JUDGED
from ..judged import Holding
from ..rule import Rule
from . import LABELS_MAX, MINUTE, Fetched, Key, Labels, Look, Row, Watch, labels_of, us
from .columns import NONE, Asked, bucket, every, key_of, label_names, labelled, number_of, of, there

FRESH: Final = 2 * MINUTE
"""An older reading says nothing any more."""
FORGET: Final = 60 * MINUTE


@dataclass(slots=True)
class _Reading:
    at: int
    value: float
    holds_since: int | None = None
    """Since when every reading met the condition."""
    clear_since: int | None = None


class Leveling(Watch):
    """Of several readings within 5 s the last one counts."""

    def __init__(self, rule: Rule, condition: Level) -> None:
        super().__init__(rule)
        self.condition = condition
        self.clear = rule.clear if isinstance(rule.clear, Level) else None
        card = ("gpu.index",) if condition.field.removeprefix("attributes.").startswith("gpu.") else ()
        own = ("host", *(field for field in card if field not in condition.by))
        self._fields = (*(field for field in own if field not in condition.by), *condition.by)
        self._names = tuple("gpu" if name == "gpu.index" else name for name in label_names(self._fields))
        self._last: dict[Key, _Reading] = {}

    @property
    def horizon(self) -> timedelta:
        """As long as readings must hold, and a while."""
        lasting = max(self.condition.lasting, self.clear.lasting if self.clear else timedelta())
        return lasting + timedelta(minutes=5)

    def asked(self, now: datetime, width: int) -> Asked:
        """The last reading."""
        number = number_of(self.condition.field)
        last = Sql(f"arg_max({number.text}, (timestamp, seq))", number.parameters)
        return Asked(
            every(there(number), of(self.condition.filter, now)),
            bucket(self.period),
            key_of(self._fields),
            Sql("epoch_us(max(timestamp))"),
            x=last,
            z=NONE,
            grouped=True,
        )

    def fold(self, rows: Sequence[Row], tick: int) -> None:
        """One reading after the other, the last of each 5 s however many rows tell of them."""
        last: dict[tuple[int, Key], Row] = {}
        for row in rows:
            known_row = last.get((row[0], row[1]))
            if known_row is None or row[2] >= known_row[2]:
                last[row[0], row[1]] = row
        for _, key, time, value, _, _ in last.values():
            known = self._last.get(key)
            if value is None or (known is not None and time < known.at):
                continue
            if known is None and len(self._last) >= LABELS_MAX:
                self.crowded = True
                continue
            unbroken = known is not None and time - known.at <= FRESH
            self._last[key] = _Reading(
                time,
                value,
                _since(self.condition, value, time, known.holds_since if known and unbroken else None),
                _since(self.clear, value, time, known.clear_since if known and unbroken else None),
            )
        for key in [key for key, reading in self._last.items() if reading.at < tick - FORGET]:
            del self._last[key]

    def found(self, tick: int, watched: int, held: Collection[Labels]) -> Look:
        """The fresh readings."""
        fresh = {key: reading for key, reading in self._last.items() if tick - reading.at <= FRESH}
        holding = []
        for key, reading in fresh.items():
            labels = labels_of(self._names, key)
            if self.clear is not None and frozenset(labels.items()) in held:
                holds = not _lasts(self.clear, reading.clear_since, tick)
            else:
                holds = _lasts(self.condition, reading.holds_since, tick)
            if holds:
                holding.append(Holding(labels, 1, reading.value))
        return Look(tuple(holding), no_data=not fresh)

    def changes(self) -> int | None:
        """When a reading has lasted long enough, or is too old."""
        times = []
        for reading in self._last.values():
            times.append(reading.at + FRESH + 1)
            for condition, since in ((self.condition, reading.holds_since), (self.clear, reading.clear_since)):
                if since is not None and condition is not None and condition.lasting:
                    times.append(since + us(condition.lasting))
        return min((time for time in times if time > self.looked), default=None)

    def examples(self, labels: Mapping[str, str], tick: datetime) -> Fetched | None:
        """The latest readings."""
        number = number_of(self.condition.field)
        there_are = every(there(number), of(self.condition.filter, tick))
        wanted = every(JUDGED, there_are, labelled(self._fields, labels, self._names))
        return wanted, Span(start=tick - timedelta(microseconds=FRESH) - self.condition.lasting, end=tick)


def _since(condition: Level | None, value: float, at: int, before: int | None) -> int | None:
    if condition is None or not beyond(value, condition.op, condition.threshold):
        return None
    return at if before is None else before


def _lasts(condition: Level, since: int | None, tick: int) -> bool:
    return since is not None and tick - since >= us(condition.lasting)
