"""How often: `100/s`, `6000/m`, as people write it; and events by the second in which they came."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Final

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator

from ..batch import Batch
from ..event import IMPORTED
from . import WrongSetting
from .rows import flat

_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(s|m|h)", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_MOST: Final = 1e9
_ZERO: Final = pa.scalar(0, pa.int64())
_SECOND_US: Final = pa.scalar(1_000_000, pa.int64())


def per_second(text: str) -> float:
    """Events a second. Raises WrongSetting for anything that is no rate."""
    written = _RATE.fullmatch(text.strip())
    rate = float(written[1]) / _SECONDS[written[2]] if written else 0.0
    if not 0 < rate <= _MOST:
        raise WrongSetting("processors.not_a_rate", given=text)
    return rate


def _checked(text: str) -> str:
    per_second(text)
    return text


Rate = Annotated[str, AfterValidator(_checked)]
"""`100/s`, `6000/m` or `1000/h`."""


def by_second(batch: Batch) -> Iterator[tuple[int, pa.Array | None]]:
    """The seconds (since 1970) in which the events of a batch arrived, in their order, and the rows of each; None for
    all, which is the usual case: what is read together arrives together."""
    arrived = flat(batch["received_at"])
    seconds = pc.divide(pc.fill_null(arrived.cast(pa.int64()), _ZERO), _SECOND_US)
    first, last = pc.min_max(seconds).values()
    if first.equals(last):
        yield first.as_py(), None
        return
    for second in sorted(pc.unique(seconds).to_pylist()):
        yield second, pc.indices_nonzero(pc.equal(seconds, pa.scalar(second, pa.int64())))


def imported(batch: Batch) -> bool:
    """Whether it is of a file that was imported: history, which comes as fast as it can be read."""
    name = batch["id"][0].as_py() if len(batch) else None
    return isinstance(name, str) and name.startswith(IMPORTED)
