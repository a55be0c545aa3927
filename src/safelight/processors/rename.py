"""Fields under another name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar, Final, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator, model_validator

from ..batch import SCHEMA, Batch, Process
from ..event import FIELDS, Kind, level_of
from . import Processor, WrongSetting
from .paths import column_of, found, mentions, path_of, put, read, written
from .rows import flat

FIXED: Final = ("id", "timestamp", "received_at", "attributes", "parse_error", "raw")
"""What tells when and where an event came, and whether it was understood, keeps its name."""

_encode: Final = msgspec.json.Encoder().encode


def _not_fixed(name: str) -> str:
    if column_of(name) in FIXED or not path_of(name):
        raise WrongSetting("processors.fixed_field", name=name)
    return name


class Rename(Processor):
    """Give fields another name, or remove them. A field that has the new name already is replaced; a value that does
    not fit, such as text for `duration_ms`, stays where it was."""

    type: Literal["rename"] = "rename"
    fields: dict[str, str] = Field(default_factory=dict)
    """The new name by the old one, all at once: `{ "sampler.steps" = "steps", user = "user_id" }`. Columns and paths
    into `attributes`; not `id`, `timestamp`, `received_at`, `parse_error` and `raw`."""
    remove: tuple[str, ...] = ()
    """What is taken out of events."""

    example: ClassVar[dict[str, Any]] = {"fields": {"took": "duration_ms", "cfg": "sampler.cfg"}, "remove": ["pid"]}

    @field_validator("fields")
    @classmethod
    def _can_be_moved(cls, fields: dict[str, str]) -> dict[str, str]:
        targets = [column_of(_not_fixed(name)) or path_of(name) for name in fields.values()]
        twice = next((name for name in targets if targets.count(name) > 1), None)
        if twice is not None:
            raise WrongSetting("processors.one_target", name=twice)
        return {_not_fixed(name): target for name, target in fields.items()}

    @field_validator("remove")
    @classmethod
    def _can_be_removed(cls, remove: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_not_fixed(name) for name in remove)

    @model_validator(mode="after")
    def _does_something(self) -> Rename:
        if not self.fields and not self.remove:
            raise WrongSetting("processors.rename_nothing")
        return self

    def build(self) -> Process:
        """The step. All values are taken first and then put, so that two fields may change places."""
        names = [(column_of(old), path_of(old), column_of(new), path_of(new)) for old, new in self.fields.items()]
        columns = [(old, new) for old, _, new, _ in names if old and new and old != new]
        gone = [column for column in map(column_of, self.remove) if column]
        attributes = _Attributes(
            within={old: new for column, old, target, new in names if not column and not target},
            out={old: target for column, old, target, _ in names if not column and target},
            into={column: new for column, _, target, new in names if column and not target},
            gone=tuple(path_of(name) for name in self.remove if column_of(name) is None),
        )

        def rename(batch: Batch) -> Batch:
            taken = [(new, fitting(flat(batch[old]), new)) for old, new in columns]
            done, out = attributes.moved(batch)
            for (old, _), (_, values) in zip(columns, taken, strict=True):
                if values.null_count < len(values):
                    done = done.with_column(old, pc.if_else(values.is_valid(), _nothing(old), flat(done[old])))
            for new, values in [*taken, *out]:
                if values.null_count < len(values):
                    done = done.with_column(new, pc.coalesce(values, flat(done[new])))
            for name in (name for name in gone if done[name].null_count < len(done)):
                done = done.with_column(name, pa.nulls(len(done), SCHEMA.field(name).type))
            return done

        return rename


@dataclass(frozen=True)
class _Attributes:
    """What is moved within `attributes`, out of them into columns, and from columns into them; and what goes."""

    within: dict[str, str]
    out: dict[str, str]
    into: dict[str, str]
    gone: tuple[str, ...]

    def moved(self, batch: Batch) -> tuple[Batch, list[tuple[str, pa.Array]]]:
        """The batch without what was taken, and the columns to put. Only rows that mention a name are read."""
        touched = [mentions(batch, path) for path in (*self.within, *self.out, *self.gone)]
        touched += [flat(batch[column].is_valid()) for column in self.into]
        rows = reduce(pc.or_, touched) if touched else None
        if rows is None or not rows.true_count:
            return batch, []
        given = batch.table.select(["attributes", *self.into]).filter(rows).to_pylist()
        columns: dict[str, list[Any]] = {column: [None] * len(given) for column in self.out.values()}
        texts = [self._row(place, row, columns) for place, row in enumerate(given)]
        done = batch.with_column("attributes", _spread(rows, texts, flat(batch["attributes"])))
        for column in self.into:
            done = done.with_column(column, pa.nulls(len(batch), SCHEMA.field(column).type))
        return done, [(name, _spread(rows, values, _empty(name, len(batch)))) for name, values in columns.items()]

    def _row(self, place: int, row: dict[str, Any], columns: dict[str, list[Any]]) -> str | None:
        """The attributes of one event afterwards; what leaves them is put into `columns`."""
        record = read(row["attributes"] or "{}")
        if record is None:  # no object: nothing is in it, and nothing is put there
            return str(row["attributes"])
        new: list[tuple[str, Any]] = []
        for old, path in self.within.items():
            if holder := found(record, old):
                new.append((path, holder[0].pop(holder[1])))
        for old, column in self.out.items():
            if holder := found(record, old):
                columns[column][place] = fitted(holder[0][holder[1]], column)
                if columns[column][place] is not None:
                    del holder[0][holder[1]]
        for path in self.gone:
            if holder := found(record, path):
                del holder[0][holder[1]]
        new += [(path, row[column]) for column, path in self.into.items() if row[column] is not None]
        for path, value in new:
            put(record, path, value)
        return written(record)


def fitting(values: pa.Array, column: str) -> pa.Array:
    """Values of one column as those of another; null where they do not fit."""
    kind = SCHEMA.field(column).type
    if values.type == kind and column != "level":
        return values
    return pa.array([fitted(value, column) for value in values.to_pylist()], kind)


def fitted(value: Any, column: str) -> Any:
    """A value as a column takes it; None when it does not fit."""
    if value is None:
        return None
    if column == "level":
        return level_of(value)
    if FIELDS[column] is Kind.TEXT:
        return value if isinstance(value, str) else _encode(value).decode()
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _nothing(column: str) -> pa.Scalar:
    return pa.scalar(None, SCHEMA.field(column).type)


def _empty(column: str, rows: int) -> pa.Array:
    return pa.nulls(rows, SCHEMA.field(column).type)


def _spread(rows: pa.BooleanArray, values: list[Any], among: pa.Array) -> pa.Array:
    return pc.replace_with_mask(among, rows, pa.array(values, among.type))
