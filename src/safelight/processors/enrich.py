"""Constants onto every event: which environment, which site."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

from ..batch import Batch, Process
from ..event import ALIASES, FIELDS, Kind
from . import Processor, WrongSetting
from .rows import flat

_encode = msgspec.json.Encoder().encode


class Enrich(Processor):
    """Add fields. `host` and `received_at` come by themselves."""

    type: Literal["enrich"] = "enrich"
    fields: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Names as in events, aliases too; those that are no column become attributes."""

    only_missing: bool = False
    """Leave alone what an event says itself; otherwise the constant replaces it."""

    example: ClassVar[dict[str, Any]] = {"fields": {"service_name": "comfyui-engine", "environment": "production"}}

    @field_validator("fields")
    @classmethod
    def _only_text_and_numbers(cls, fields: dict[str, Any]) -> dict[str, Any]:
        for name, value in fields.items():
            kind = FIELDS.get(ALIASES.get(name, name))
            if kind in {Kind.TIME, Kind.JSON}:
                raise WrongSetting("parse.not_constant", name=name)
            if kind is Kind.NUMBER and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise WrongSetting("parse.not_number", name=name)
        return fields

    def build(self) -> Process:
        """The step."""
        columns: dict[str, Any] = {}
        attributes: dict[str, Any] = {}
        for name, value in self.fields.items():
            target = ALIASES.get(name, name)
            if target not in FIELDS:
                attributes[name] = value
            else:
                columns[target] = _text(value) if FIELDS[target] is Kind.TEXT else float(value)
        only_missing = self.only_missing

        def enrich(batch: Batch) -> Batch:
            for name, value in columns.items():
                if not only_missing:
                    batch = batch.with_column(name, value)
                elif batch[name].null_count:
                    batch = batch.with_column(name, pc.fill_null(batch[name], value))
            if attributes:
                merged = _merged(flat(batch["attributes"]), attributes, only_missing=only_missing)
                batch = batch.with_column("attributes", merged)
            return batch

        return enrich


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _encode(value).decode()


def _merged(given: Any, extra: dict[str, Any], *, only_missing: bool) -> Any:
    """The constants beside what is there. Text is joined, not parsed; only objects that have one of the names are."""
    text = _encode(extra).decode()
    alone, tail, nothing = (pa.scalar(part, pa.string()) for part in (text, "," + text[1:], ""))
    if given.null_count == len(given):
        return pa.repeat(alone, len(given))
    opened = pc.binary_slice(given.view(pa.binary()), 0, -1).view(pa.string())
    merged = pc.fill_null(pc.binary_join_element_wise(opened, tail, nothing), alone)
    names = "|".join(re.escape(_encode(name).decode()) for name in extra)
    clash = pc.fill_null(pc.match_substring_regex(given, rf"^\{{\s*\}}$|{names}"), fill_value=False)
    if not pc.any(clash).as_py():
        return merged
    both = [_both(text, extra, only_missing=only_missing) for text in given.filter(clash).to_pylist()]
    return pc.replace_with_mask(merged, clash, pa.array(both, pa.string()))


def _both(text: str, extra: dict[str, Any], *, only_missing: bool) -> str:
    given = msgspec.json.decode(text)
    return _encode({**extra, **given} if only_missing else {**given, **extra}).decode()
