"""The path of a file sink: fixed parts, parts of a date, and fields of the event."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ...batch import Batch
from ...processors import WrongSetting

FIELDS: Final = ("service", "instance", "environment", "host", "tag", "level")
CODES: Final = "YymdHMjUWVGuabp%"
"""Parts of a date, as `strftime` names them; none finer than a minute."""
MOST_FILES: Final = 1_000
"""Different paths that one start may write to; what would be one more goes to the path with `other` for every field.
Who can send us events must not be able to fill a directory."""
NONE: Final = "none"
"""Stands for a field that an event does not have."""
OTHER: Final = "other"
_NAME_BYTES: Final = 100
_PART: Final = re.compile(r"%(?P<code>.?)|\{(?P<field>[^{}]*)\}|(?P<brace>[{}])")
_FINISHED: Final = re.compile(r"(?:\.\d+)?(?:\.gz|\.zst)?$")
_UNSAFE: Final = re.compile(r"[^\w.-]+")
_MINUTE_US: Final = 60_000_000
_DAY_US: Final = 86_400_000_000
_LATEST_US: Final = 253_402_300_800_000_000 - _DAY_US
"""The day before the year 10000: Python cannot write a later date, in any zone."""


class Template:
    """A path with what varies in it."""

    def __init__(self, text: str) -> None:
        """Raises WrongSetting for what no path can be made of."""
        self._text = str(Path(text).expanduser()) if text else text
        parts = list(_PART.finditer(self._text))
        for part in parts:
            if part["code"] is not None and (not part["code"] or part["code"] not in CODES):
                raise WrongSetting("sinks.file_date", part=part[0], parts=" ".join(f"%{code}" for code in CODES))
            if part["brace"] or (part["field"] is not None and part["field"] not in FIELDS):
                raise WrongSetting("sinks.file_field", part=part[0], fields=", ".join(f"{{{one}}}" for one in FIELDS))
        if not self._text or text.endswith("/") or ".." in Path(self._text).parts:
            raise WrongSetting("sinks.file_path", path=text)
        self.dated = any(part["code"] not in {None, "%"} for part in parts)
        self._fields = tuple(dict.fromkeys(part["field"] for part in parts if part["field"] is not None))
        fixed = self._text[: parts[0].start()] if parts else self._text
        self.root = Path(fixed.rpartition("/")[0] or ("/" if fixed.startswith("/") else "."))
        self._known: set[Path] = set()

    def split(self, batch: Batch, zone: tzinfo, now: datetime) -> Iterator[tuple[Path, Batch]]:
        """The events by the path of their file. An event without a time is of now."""
        keys = [_moments(batch, zone, now)] if self.dated else []
        keys += [
            pc.coalesce(pc.replace_substring(_whole(batch[field]), "/", "_"), pa.scalar(NONE)) for field in self._fields
        ]
        if not keys:
            yield self._path((), now), batch
            return
        joined = pc.binary_join_element_wise(*keys, "/").dictionary_encode()
        by_path: dict[Path, list[int]] = {}
        for index, key in enumerate(joined.dictionary.to_pylist()):
            values = key.split("/")
            moment = datetime.fromtimestamp(int(values[0]) * 60, zone) if self.dated else now
            fields = values[1:] if self.dated else values
            by_path.setdefault(self._admitted(tuple(fields), moment), []).append(index)
        for path, indexes in by_path.items():
            chosen = pc.is_in(joined.indices, value_set=pa.array(indexes, pa.int32()))
            yield path, batch if len(by_path) == 1 else batch.where(chosen)

    def glob(self) -> str:
        """What its files look like, for `Path.glob` below the root."""
        relative = self._text[len(str(self.root)) :].lstrip("/") if str(self.root) != "." else self._text
        return re.sub(r"\*+", "*", _PART.sub("*", re.sub(r"([\[\]?*])", "?", relative)))

    def pattern(self, today: datetime | None = None) -> re.Pattern[str]:
        """Which paths are its own, finished ones with their number and compression included; with `today` only those of
        that minute's date."""
        stem, dot, suffix = self._stem()

        def literal(text: str) -> str:
            made, end, seen = "", 0, set[str]()
            for part in _PART.finditer(text):
                made += re.escape(text[end : part.start()])
                end = part.end()
                if part["field"] is not None:
                    made += f"(?P={part['field']})" if part["field"] in seen else f"(?P<{part['field']}>[^/]+?)"
                    seen.add(part["field"])
                elif today is not None or part["code"] == "%":
                    made += re.escape((today or datetime.now(UTC)).strftime(part[0]))
                else:
                    made += "[^/]+?"
            return made + re.escape(text[end:])

        return re.compile(rf"{literal(stem)}(?:\.(?P<number>\d+))?{re.escape(dot + suffix)}(?P<packed>\.gz|\.zst)?")

    def _stem(self) -> tuple[str, str, str]:
        """The path up to its ending; an ending that varies is none."""
        stem, dot, suffix = self._text.rpartition(".")
        plain = dot and "/" not in suffix and not _PART.search(suffix) and Path(stem).name
        return (stem, dot, suffix) if plain else (self._text, "", "")

    def _admitted(self, fields: tuple[str, ...], moment: datetime) -> Path:
        path = self._path(fields, moment)
        if path not in self._known and len(self._known) >= MOST_FILES and self._fields:
            return self._path((OTHER,) * len(fields), moment)
        self._known.add(path)
        return path

    def _path(self, fields: tuple[str, ...], moment: datetime) -> Path:
        values = dict(zip(self._fields, fields, strict=True))

        def filled(part: re.Match[str]) -> str:
            return moment.strftime(part[0]) if part["code"] is not None else safe(values[part["field"]])

        return Path(_PART.sub(filled, self._text))


def safe(value: str) -> str:
    """A value that somebody sent, as part of a name: letters, digits, `_`, `-` and `.`, no `.` in front, 100 bytes; and
    it ends as no finished file does, which would be packed and removed."""
    name = _UNSAFE.sub("_", value).encode()[:_NAME_BYTES].decode(errors="ignore")
    name = _FINISHED.sub(lambda ending: ending[0].replace(".", "_"), name)
    return "_" + name.lstrip(".") if name.startswith(".") else name or NONE


def _moments(batch: Batch, zone: tzinfo, now: datetime) -> pa.Array:
    """The minute of each event, in minutes since 1970, as text."""
    times = _whole(batch["timestamp"]).cast(pa.int64())
    sound = pc.fill_null(pc.and_(pc.greater_equal(times, _DAY_US), pc.less(times, _LATEST_US)), pa.scalar(value=False))
    current = pa.scalar(int(now.timestamp() * 1_000_000), pa.int64())
    return pc.divide(pc.if_else(sound, times, current), _MINUTE_US).cast(pa.string())


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, column.type)
