"""Lines into events: JSON by a typed decoder, text by the grammar of the service; what is neither is kept and flagged.

A batch may mix both, each line goes its own way, and no line can make the step fail. Limits: a line is read up to
1 MiB, JSON up to 100 levels deep; what is beyond is kept in `raw` and says so in `parse_error`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Literal, cast
from zoneinfo import ZoneInfoNotFoundError

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, field_validator, model_validator

from ...batch import SCHEMA, Batch, Process
from ...event import FIELDS
from ...services import Profile, profile
from ...services.times import zone_of
from .. import Processor, WrongSetting
from ..only import only
from ..paths import column_of, path_of
from ..rows import flat
from .again import again
from .columns import Columns, finish
from .formats import FORMATS, portable, reader
from .line import read
from .shape import Learner

NEVER_READ: Final = ("id", "timestamp", "received_at", "attributes", "raw", "parse_error")
"""Columns that are no texts to be read again; what was not understood is read as `message`."""

_NO_TEXT: Final = pa.array([], pa.string())


def _known_zone(name: str) -> str:
    try:
        zone_of(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise WrongSetting("parse.unknown_zone", zone=name) from error
    return name


Timezone = Annotated[str, AfterValidator(_known_zone)]
"""The IANA name of a zone, checked when the configuration is read."""


def _known_format(name: str) -> str:
    if name not in FORMATS:
        raise WrongSetting("processors.unknown_format", name=name, known=", ".join(FORMATS))
    return name


Format = Annotated[str, AfterValidator(_known_format)]
"""A form of text."""


class Parse(Processor):
    """Understand lines. Every source has this step first, with the grammar of its `service`. In `[[processors]]` it
    reads texts within events again: plain lines, what was not understood, or a field that you name.

    What a text says takes the place of what was known; a text that no format understands stays as it is. An event that
    was not understood before loses its `parse_error`.
    """

    type: Literal["parse"] = "parse"
    formats: tuple[Format, ...] = ()
    """Forms tried in turn until one understands the text: `json`, `logfmt`, `regex` (with `pattern`), `python` (the
    usual forms of Python's logging, syslog, nginx), `comfyui`. By default `regex` with a `pattern`, else the grammar of
    `profile`."""
    pattern: tuple[str, ...] = ()
    """For `regex`: a regular expression (RE2, without look-around) whose named groups `(?P<name>...)` are fields; or a
    list of them, tried in turn. Groups that look like numbers are numbers."""
    field: str = "message"
    """What is read: `message`, of plain lines and of events that were not understood (of these the whole line); any
    other column or path into `attributes` of all events that have it. With `where`, of all events that it finds."""
    keep_original: bool = False
    """Keep the text that was read in `attributes.original`. In any case it stays the `message` of an event that names
    no other."""
    time_format: str | None = None
    """How `regex` and `logfmt` write their times, as Python's `strptime` has it, such as `%d/%b/%Y:%H:%M:%S %z`. By
    default the usual forms are known."""
    profile: str | None = None
    """The service whose grammar text lines have, such as `comfyui`; by default that of any Python program."""
    timezone: Timezone | None = None
    """IANA name of the zone of times that carry none; the host's by default."""

    example: ClassVar[dict[str, Any]] = {
        "formats": ["json", "logfmt", "regex"],
        "pattern": r"^(?P<method>[A-Z]+) (?P<path>\S+) (?P<status>\d{3}) (?P<duration_ms>[\d.]+)ms$",
        "keep_original": True,
    }

    @field_validator("pattern", mode="before")
    @classmethod
    def _one_or_several(cls, pattern: Any) -> Any:
        return (pattern,) if isinstance(pattern, str) else pattern

    @field_validator("pattern")
    @classmethod
    def _is_one(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            check(pattern)
        return patterns

    @field_validator("field")
    @classmethod
    def _holds_text(cls, field: str) -> str:
        if column_of(field) in NEVER_READ or not path_of(field):
            raise WrongSetting("processors.not_read", name=field)
        return field

    @field_validator("time_format")
    @classmethod
    def _can_be_read(cls, form: str | None) -> str | None:
        try:
            if form is not None:
                datetime.strptime(datetime(2026, 11, 22, 10, tzinfo=UTC).strftime(form), form)  # noqa: DTZ007
        except ValueError as error:
            raise WrongSetting("processors.time_format", form=form, why=error) from error
        return form

    @model_validator(mode="after")
    def _has_its_pattern(self) -> Parse:
        if "regex" in self.formats and not self.pattern:
            raise WrongSetting("processors.no_pattern")
        if self.formats and self.pattern and "regex" not in self.formats:
            raise WrongSetting("processors.pattern_unused")
        return self

    def build(self) -> Process:
        """The step: the first of a source, unless it says how texts are to be read again."""
        return self._again() if self.formats or self.pattern else self._first()

    def step(self) -> Process:
        """The step as somebody configured it: lines are no longer to be read, texts within events are."""
        return self._again() if self.where is None else only(self.where, self._again())

    def _again(self) -> Process:
        """It reads texts within events."""
        formats = self.formats or (("regex",) if self.pattern else (profile(self.profile).name,))
        readers = [reader(name, self.pattern, self.time_format) for name in formats]
        zone, chosen = zone_of(self.timezone), self.where is not None
        return again(readers, self.field, zone, chosen=chosen, keep_original=self.keep_original)

    def _first(self) -> Process:
        """It learns which fields the lines have, to decode the next ones faster."""
        known = profile(self.profile)
        zone = zone_of(self.timezone)
        learner = Learner()

        def parse(batch: Batch) -> Batch:
            ready = _ready(batch)
            done = batch["raw"].null_count if ready is None else ready.true_count
            if done == len(batch):
                return batch
            if ready is not None and done:
                return _beside(batch, ready, parse)
            columns = _columns(_lines(batch), learner, known)
            arrays = finish(columns, batch, zone)
            return Batch(pa.Table.from_arrays([_column(name, arrays, batch) for name in FIELDS], schema=SCHEMA))

        return parse


def check(pattern: str) -> None:
    """Raise WrongSetting for a pattern that RE2 does not understand, or whose groups are none or not all named."""
    try:
        groups = pc.extract_regex(_NO_TEXT, portable(pattern)).type.num_fields
    except pa.ArrowInvalid as error:
        why = str(error).removeprefix("Invalid regular expression: ")
        key = "processors.unnamed_groups" if "unnamed groups" in why else "processors.bad_pattern"
        raise WrongSetting(key, pattern=pattern, why=why) from error
    if not groups:
        raise WrongSetting("processors.no_groups", pattern=pattern)


def _ready(batch: Batch) -> pa.BooleanArray | None:
    """The events among lines: those without a line, as of a source that speaks in events, and those that an agent did
    not understand and has flagged. A fresh line has neither a time nor a flag. None: all are
    lines, or none is."""
    lines = len(batch) - batch["raw"].null_count
    if not lines or (lines == len(batch) == batch["parse_error"].null_count):
        return None
    flagged = pc.and_(batch["parse_error"].is_valid(), batch["timestamp"].is_valid())
    return flat(pc.or_(batch["raw"].is_null(), flagged))


def _beside(batch: Batch, ready: pa.BooleanArray, parse: Process) -> Batch:
    """Only the rows that hold a line are parsed; the order stays."""
    lines = parse(batch.where(pc.invert(ready)))
    both = pa.concat_tables([lines.table, batch.table.filter(ready).cast(SCHEMA)])
    order = pc.array_sort_indices(ready)
    return Batch(both.take(pc.array_sort_indices(order)))


def _lines(batch: Batch) -> list[bytes]:
    raw = batch["raw"]
    return cast("list[bytes]", (raw if pa.types.is_binary(raw.type) else raw.cast(pa.binary())).to_pylist())


def _columns(lines: list[bytes], learner: Learner, known: Profile) -> Columns:
    """The columns as written in the lines: the typed decoder takes what it can, the rest is read one by one."""
    shape = learner.shape_for(lines)
    columns, odd = shape.decode(lines)
    for row in odd:
        fields, keys = read(lines[row], known.grammar)
        columns.put(row, fields)
        learner.met(keys)
    learner.learn()
    return columns


def _column(name: str, arrays: dict[str, Any], batch: Batch) -> Any:
    """What the line says, or else what the source said."""
    said = arrays.get(name)
    if name == "raw":  # the source's `raw` is the line itself, kept only when it was not understood
        return said if said is not None else pa.nulls(len(batch), pa.string())
    given = batch[name]
    if said is None or given.null_count == len(given):
        return given if said is None else said
    return pc.coalesce(said, given)
