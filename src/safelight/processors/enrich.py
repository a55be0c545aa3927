"""Constants onto every event: which environment, which site."""

from __future__ import annotations

import re
import socket
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal

import msgspec
import pyarrow.compute as pc
from pydantic import Field, field_validator

from ..batch import Batch, Process
from ..event import ALIASES, FIELDS, Kind
from ..rows import iso
from . import Processor, WrongSetting
from .attributes import merged
from .rows import flat

NOW: Final = "${now}"
HOSTNAME: Final = "${hostname}"
"""Values that are not what they say."""

_STAND_IN: Final = re.compile(r"\$\{[^{}]*\}")
_encode = msgspec.json.Encoder().encode


class Enrich(Processor):
    """Add fields. `host` and `received_at` come by themselves."""

    type: Literal["enrich"] = "enrich"
    fields: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Names as in events, aliases too; those that are no column become attributes. `"${now}"` is the moment at which
    the event is processed, `"${hostname}"` the name of this machine."""

    only_missing: bool = False
    """Leave alone what an event says itself; otherwise the constant replaces it."""

    example: ClassVar[dict[str, Any]] = {
        "fields": {"service_name": "comfyui-engine", "environment": "production", "processed_at": "${now}"}
    }

    @field_validator("fields")
    @classmethod
    def _only_text_and_numbers(cls, fields: dict[str, Any]) -> dict[str, Any]:
        for name, value in fields.items():
            kind = FIELDS.get(ALIASES.get(name, name))
            if kind in {Kind.TIME, Kind.JSON}:
                raise WrongSetting("parse.not_constant", name=name)
            if isinstance(value, str) and (unknown := _STAND_IN.fullmatch(value)) and value not in (NOW, HOSTNAME):
                raise WrongSetting("processors.no_such_value", name=unknown[0], known=f"{NOW}, {HOSTNAME}")
            if kind is Kind.NUMBER and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise WrongSetting("parse.not_number", name=name)
        return fields

    def build(self) -> Process:
        """The step."""
        columns: dict[str, Any] = {}
        attributes: dict[str, Any] = {}
        for name, given in self.fields.items():
            target, value = ALIASES.get(name, name), socket.gethostname() if given == HOSTNAME else given
            if target not in FIELDS:
                attributes[name] = value
            else:
                columns[target] = _text(value) if FIELDS[target] is Kind.TEXT else float(value)
        only_missing = self.only_missing

        def enrich(batch: Batch) -> Batch:
            moment = iso(datetime.now(UTC))
            for name, constant in columns.items():
                value = moment if constant == NOW else constant
                if not only_missing:
                    batch = batch.with_column(name, value)
                elif batch[name].null_count:
                    batch = batch.with_column(name, pc.fill_null(batch[name], value))
            if attributes:
                constants = {name: moment if value == NOW else value for name, value in attributes.items()}
                added = merged(flat(batch["attributes"]), constants, only_missing=only_missing)
                batch = batch.with_column("attributes", added)
            return batch

        return enrich


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _encode(value).decode()
