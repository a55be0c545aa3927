"""Reading the file: found, merged with the environment, validated whole, every mistake told at once."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from ..alerts.rule import Rule
from ..channels import Channel
from ..errors import ConfigError, SafelightError
from ..locales import ENGLISH, text
from ..plugin import Plugin, kinds
from ..processors import Processor
from ..sources import Source
from .model import Config
from .place import line_of
from .secrets import resolve

ROOMS: Final[dict[str, type[Plugin]]] = {"sources": Source, "processors": Processor, "channels": Channel}
FORGIVING: Final = ("channels", "rules")
"""Lists in which a bad entry is left out and named; anywhere else a mistake refuses to start."""
_TOLD: Final = {
    "missing": "config.missing",
    "extra_forbidden": "config.unknown_key",
    "duration": "config.not_a_duration",
    "size": "config.not_a_size",
    "int_parsing": "config.not_a_number",
    "int_type": "config.not_a_number",
    "float_parsing": "config.not_a_number",
    "bool_parsing": "config.not_a_boolean",
    "string_type": "config.not_a_text",
    "literal_error": "config.not_one_of",
}
_SECTION_VARIABLE: Final = "SAFELIGHT_"


def find(explicit: Path | None = None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The file to read: the one named, `$SAFELIGHT_CONFIG`, `./safelight.toml`, the user's; None when there is none.

    Raises ConfigError when a file that was named does not exist.
    """
    named = explicit or (Path(environment["SAFELIGHT_CONFIG"]) if environment.get("SAFELIGHT_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise ConfigError("config.no_such_file", path=named)
        return named
    home = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    usual = (Path("safelight.toml"), home / "safelight" / "safelight.toml")
    return next((path for path in usual if path.is_file()), None)


def load(explicit: Path | None = None, environment: Mapping[str, str] = os.environ, language: str = ENGLISH) -> Config:
    """The configuration, from the file `find` finds (or from nothing) and `SAFELIGHT_SECTION__KEY` variables.

    Raises ConfigError that lists every mistake, a line each, with its place and what to do.
    """
    path = find(explicit, environment)
    content = _read(path) if path else ""
    try:
        raw = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("config.not_toml", path=path, reason=str(error)) from error
    _merge_environment(raw, environment)
    return _Reading(path, content, environment, language).config(raw)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("config.unreadable", path=path, reason=str(error)) from error


def _merge_environment(raw: dict[str, Any], environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        if name.startswith(_SECTION_VARIABLE) and "__" in name:
            *tables, key = name.removeprefix(_SECTION_VARIABLE).lower().split("__")
            table: Any = raw
            for part in tables:
                table = table.setdefault(part, {}) if isinstance(table, dict) else None
            if isinstance(table, dict):
                table[key] = value
    if environment.get("SAFELIGHT_LANGUAGE"):
        raw.setdefault("language", environment["SAFELIGHT_LANGUAGE"])


@dataclass
class _Reading:
    """One pass over one file, collecting what is wrong."""

    path: Path | None
    content: str
    environment: Mapping[str, str]
    language: str
    mistakes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def config(self, raw: dict[str, Any]) -> Config:
        lists = {room: self._plugins(room, base, raw.pop(room, [])) for room, base in ROOMS.items()}
        lists["rules"] = self._entries("rules", raw.pop("rules", []), lambda _: Rule)
        self._same_name_twice("channels", "name", lists["channels"])
        self._same_name_twice("rules", "id", lists["rules"])
        sections: Config | None = None
        try:
            sections = Config.model_validate(raw)
        except ValidationError as error:
            self.mistakes += self._told(error, ())
        if self.mistakes or sections is None:
            raise ConfigError("config.mistakes", count=len(self.mistakes), mistakes="\n".join(self.mistakes))
        return sections.model_copy(
            update={
                **{room: tuple(entries) for room, entries in lists.items()},
                "path": self.path,
                "left_out": tuple(self.left_out),
                "warnings": tuple(self.warnings),
            }
        )

    def _plugins(self, room: str, base: type[Plugin], raw: Any) -> list[Any]:
        known = kinds(base)

        def pick(entry: dict[str, Any]) -> type[BaseModel]:
            kind = entry.get("type")
            if kind in known:
                return known[kind]
            key = "config.unknown_type" if kind else "config.no_type"
            raise ConfigError(key, given=kind, known=", ".join(sorted(known)))

        return self._entries(room, raw, pick)

    def _entries(self, room: str, raw: Any, pick: Any) -> list[Any]:
        if not isinstance(raw, list) or not all(isinstance(entry, dict) for entry in raw):
            self.mistakes.append(self._say((room,), text("config.not_a_list", self.language, room=room)))
            return []
        wrong = self.left_out if room in FORGIVING else self.mistakes
        entries = []
        for number, entry in enumerate(raw):
            try:
                cls = pick(entry)
                self._warn_of_inline_secrets(cls, entry, (room, number))
                entries.append(cls.model_validate(resolve(entry, self.environment)))
            except ConfigError as error:
                wrong.append(self._say((room, number, "type"), error.render(self.language)))
            except ValidationError as error:
                wrong += self._told(error, (room, number))
        return entries

    def _warn_of_inline_secrets(self, cls: type[BaseModel], entry: dict[str, Any], where: tuple[str, int]) -> None:
        for name, model_field in cls.model_fields.items():
            value = entry.get(name)
            if "SecretStr" not in str(model_field.annotation) or not isinstance(value, str):
                continue
            if value.split(":", 1)[0] not in {"env", "file", "secret"} and not _local(value):
                self.warnings.append(self._say((*where, name), text("config.inline_secret", self.language, name=name)))

    def _same_name_twice(self, room: str, key: str, entries: Sequence[Any]) -> None:
        seen: set[str] = set()
        for number, entry in enumerate(entries):
            name = str(getattr(entry, key))
            if name in seen:
                self.mistakes.append(self._say((room, number, key), text("config.twice", self.language, name=name)))
            seen.add(name)

    def _told(self, error: ValidationError, where: tuple[str | int, ...]) -> Iterator[str]:
        for detail in error.errors():
            location = (*where, *(part for part in detail["loc"] if not str(part).startswith("function-")))
            key = _TOLD.get(detail["type"], "config.invalid")
            cause = (detail.get("ctx") or {}).get("error")
            reason = cause.render(self.language) if isinstance(cause, SafelightError) else detail["msg"]
            said = text(
                key,
                self.language,
                name=location[-1] if location else "",
                given="***" if location[:1] == ("channels",) else repr(detail.get("input"))[:80],
                reason=reason.removeprefix("Value error, "),
                expected=(detail.get("ctx") or {}).get("expected", ""),
            )
            yield self._say(location, said)

    def _say(self, location: Sequence[str | int], said: str) -> str:
        dotted = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
        line = line_of(self.content, location)
        place = f"{self.path or 'environment'}{f':{line}' if line else ''}"
        return f"{place}: {dotted}: {said}"


def _local(value: str) -> bool:
    """A webhook on this machine is no secret."""
    return value.startswith(("http://127.", "http://localhost", "http://[::1]"))
