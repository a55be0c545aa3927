"""A part of the events stands for all of them."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from hashlib import blake2b
from typing import Annotated, Any, ClassVar, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..batch import Batch, Process
from ..event import LEVELS, level_of
from ..units import Duration
from . import Processor, WrongSetting
from .bursts import Bursts
from .only import Selection, selection
from .paths import values
from .rates import Rate, per_second
from .rows import flat
from .severe import SEVERE, asks_for_severe
from .weights import weighted

Share = Annotated[float, Field(ge=0, le=1)]

_LEVELS: Final = pa.array(LEVELS, pa.string())
_NO_LEVEL: Final = pa.scalar(len(LEVELS), pa.int32())
_WHOLE: Final = pa.scalar(1.0, pa.float64())
_FINEST: Final = 1_000_000  # a share is one of so many parts


class Adaptive(BaseModel):
    """`adaptive = { above = "2000/s", share = 0.1, for = "10s" }`: what happens to a burst."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True)

    above: Rate
    """More events than this a second, by the time at which they arrive, are a burst."""
    share: Share = 0.1
    """How much of a burst stays, besides ERROR and CRITICAL, which all do."""
    lasting: Duration = Field(default=timedelta(seconds=10), alias="for")
    """A burst is over when there were not so many for this long."""


class Sample(Processor):
    """Keep a part of the events, evenly: 100 of 1,000 with `rate = 0.1`. ERROR and CRITICAL always stay, unless
    `levels` names them or `where` asks for them by their level. `attributes.sample_rate` of what is kept says how many
    events it stands for, and `| stats sum(sample_rate)` counts them."""

    type: Literal["sample"] = "sample"
    rate: Share = 1.0
    """How much stays, from 0 to 1."""
    levels: dict[str, Share] = Field(default_factory=dict)
    """The same by level, such as `{ DEBUG = 0.1, INFO = 0.5 }`; other levels have `rate`."""
    by: str | None = None
    """Keep or drop whole runs, or users: all events with the same value of this field (such as `workflow_id`, or a path
    into `attributes`) stay or go together, on every machine alike. By default each event counts by itself."""
    adaptive: Adaptive | None = None
    """What becomes of a burst of events: only a share of it passes, and ERROR and CRITICAL."""

    example: ClassVar[dict[str, Any]] = {
        "levels": {"DEBUG": 0.1, "INFO": 0.5},
        "by": "workflow_id",
        "adaptive": {"above": "2000/s", "share": 0.1},
    }

    @field_validator("levels")
    @classmethod
    def _known_levels(cls, levels: dict[str, float]) -> dict[str, float]:
        unknown = next((name for name in levels if level_of(name) is None), None)
        if unknown is not None:
            raise WrongSetting("query.level", found=unknown, levels=", ".join(LEVELS))
        return {level_of(name) or name: share for name, share in levels.items()}

    @model_validator(mode="after")
    def _says_how_much(self) -> Sample:
        if not self.model_fields_set & {"rate", "levels", "adaptive"}:
            raise WrongSetting("processors.sample_how_much")
        return self

    def build(self) -> Process:
        """The step for every event."""
        return self._step(None)

    def step(self) -> Process:
        """The step for the events for which `where` holds; the batch is cut once."""
        return self._step(None if self.where is None else selection(self.where))

    def _step(self, mine: Selection | None) -> Process:
        sampling = _Sampling(self)

        def sample(batch: Batch) -> Batch:
            chosen = None if mine is None else mine(batch)
            if chosen is None or chosen.true_count == len(batch):
                places, shares = sampling.kept(batch)
            elif not chosen.true_count:
                return batch
            else:
                places, shares = _with_others(chosen, *sampling.kept(batch.where(chosen)))
            if len(places) < len(batch):
                batch = Batch(batch.table.take(places))
            for share in pc.unique(shares).to_pylist():
                if share < 1:
                    rows = pc.equal(shares, pa.scalar(share, pa.float64()))
                    batch = weighted(batch, rows, 1 / share)
            return batch

        return sample


def _with_others(mine: pa.BooleanArray, places: pa.Array, shares: pa.Array) -> tuple[pa.Array, pa.Array]:
    """What is kept of some rows, put back among the others, which all stay."""
    others = pc.indices_nonzero(pc.invert(mine))
    both = pa.concat_arrays([pc.indices_nonzero(mine).take(places), others])
    order = pc.array_sort_indices(both)
    return both.take(order), pa.concat_arrays([shares, pa.repeat(_WHOLE, len(others))]).take(order)


class _Sampling:
    """Which rows stay, and of what share each is. Counts on from batch to batch."""

    def __init__(self, settings: Sample) -> None:
        exempt = () if settings.where is not None and asks_for_severe(settings.where) else SEVERE
        usual = [settings.levels.get(level, 1.0 if level in exempt else settings.rate) for level in LEVELS]
        self._usual = pa.array([*usual, settings.rate], pa.float64())
        self._by = settings.by
        self._seen: dict[float, int] = {}
        self._bursts: Bursts | None = None
        if settings.adaptive is not None:
            most = settings.adaptive.share
            pressed = [
                share if level in SEVERE else min(share, most) for level, share in zip(LEVELS, usual, strict=True)
            ]
            self._pressed = pa.array([*pressed, min(settings.rate, most)], pa.float64())
            self._bursts = Bursts(per_second(settings.adaptive.above), settings.adaptive.lasting.total_seconds())

    def kept(self, batch: Batch) -> tuple[pa.Array, pa.Array]:
        """The places of what stays, in order, and the share of which each is."""
        shares = self._shares(batch)
        together = None if self._by is None else values(batch, self._by)
        parts = [] if together is None else [_alike(together, shares)]
        for share in pc.unique(shares).to_pylist():
            rows = pc.equal(shares, pa.scalar(share, pa.float64()))
            if together is not None:
                rows = pc.and_(rows, together.is_null())
            parts.append(self._evenly(pc.indices_nonzero(rows), share))
        places = pa.concat_arrays(parts) if parts else pa.array([], pa.uint64())
        if len(parts) > 1:
            places = places.take(pc.array_sort_indices(places))
        return places, shares.take(places)

    def _shares(self, batch: Batch) -> pa.Array:
        level = pc.fill_null(pc.index_in(flat(batch["level"]), _LEVELS), _NO_LEVEL)
        usual = self._usual.take(level)
        pressed = self._bursts.rows(batch) if self._bursts else None
        return usual if pressed is None else pc.if_else(pressed, self._pressed.take(level), usual)

    def _evenly(self, rows: pa.Array, share: float) -> pa.Array:
        """One of ten is the first of each ten; exact however the batches are cut."""
        if share in {0.0, 1.0}:
            return rows if share else rows.slice(0, 0)
        part = Fraction(share).limit_denominator(_FINEST)
        seen = self._seen.get(share, 0)
        end = seen + len(rows)
        self._seen[share] = end % part.denominator
        numbers = range(_ceil(seen * part), _ceil(end * part))
        return rows.take(
            pa.array([number * part.denominator // part.numerator - seen for number in numbers], pa.int64())
        )


def _alike(keys: pa.Array, shares: pa.Array) -> pa.Array:
    """Those whose key, hashed, is below the share: the same wherever and whenever it is asked."""
    coded = keys.dictionary_encode()
    drawn = pa.array([_draw(key) for key in coded.dictionary.to_pylist()], pa.float64())
    return pc.indices_nonzero(pc.less(drawn.take(coded.indices), shares))


def _draw(key: str) -> float:
    """A number from 0 to 1, the same for the same text."""
    return int.from_bytes(blake2b(key.encode(), digest_size=6).digest()) / 2**48


def _ceil(number: Fraction) -> int:
    return -(-number.numerator // number.denominator)
