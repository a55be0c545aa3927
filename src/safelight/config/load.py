"""Reading the file: found, merged with the environment, validated whole, every mistake told at once."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..alerts.rule import Rule
from ..channels import Channel
from ..errors import ConfigError, SafelightError
from ..locales import ENGLISH, text
from ..paths import is_loopback
from ..plugin import Plugin, kinds
from ..processors import Processor
from ..sources import Source
from .model import Config
from .place import line_of
from .secrets import resolve

ROOMS: Final[dict[str, type[Plugin]]] = {"sources": Source, "processors": Processor, "channels": Channel}
FORGIVING: Final = {"channels": "name", "rules": "id"}
"""Lists in which a bad entry is left out and named, and the key that tells its entries apart; anywhere else a mistake
refuses to start."""
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
    "int_from_float": "config.not_a_number",
    "float_type": "config.not_a_number",
    "bool_type": "config.not_a_boolean",
    "path_type": "config.not_a_text",
    "is_instance_of": "config.not_a_text",
    "literal_error": "config.not_one_of",
    "list_type": "config.not_a_list_of_values",
    "tuple_type": "config.not_a_list_of_values",
    "dict_type": "config.not_a_table",
    "model_type": "config.not_a_table",
    "string_pattern_mismatch": "config.not_a_name",
    "greater_than_equal": "config.too_small",
    "less_than_equal": "config.too_large",
    "too_short": "config.empty",
    "string_too_long": "config.too_long",
    "greater_than repeat": "config.not_a_duration",
    "greater_than resolve_after": "config.not_a_duration",
    "value_error url": "config.not_a_url",
}
"""Our sentence for what pydantic finds, where it matters also by the name of the key."""
_LIMITS: Final = ("ge", "le", "min_length", "max_length")
_INNER: Final = ("function-", "is-instance[")
"""How parts of a location begin that are pydantic's, not the file's."""
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


@dataclass(frozen=True, slots=True)
class _Remark:
    """Something about a line of the file; None for what does not stand in it."""

    line: int | None
    said: str


@dataclass
class _Reading:
    """One pass over one file, collecting what is wrong."""

    path: Path | None
    content: str
    environment: Mapping[str, str]
    language: str
    mistakes: list[_Remark] = field(default_factory=list)
    left_out: list[_Remark] = field(default_factory=list)
    warnings: list[_Remark] = field(default_factory=list)

    def config(self, raw: dict[str, Any]) -> Config:
        lists = {room: self._plugins(room, base, raw.pop(room, [])) for room, base in ROOMS.items()}
        lists["rules"] = self._entries("rules", raw.pop("rules", []), lambda _: Rule)
        sections: Config | None = None
        try:
            sections = Config.model_validate(raw)
        except ValidationError as error:
            self.mistakes += self._told(error, ())
        if self.mistakes or sections is None:
            told = _in_order([*self.mistakes, *self.left_out, *self._host(raw)])
            key = "config.mistake" if len(told) == 1 else "config.mistakes"
            raise ConfigError(key, count=len(told), mistakes="\n".join(told))
        return sections.model_copy(
            update={
                **{room: tuple(entries) for room, entries in lists.items()},
                "path": self.path,
                "left_out": _in_order(self.left_out),
                "warnings": _in_order(self.warnings),
            }
        )

    def _host(self, raw: dict[str, Any]) -> Iterator[_Remark]:
        """Not refused here, because the command line may name another one; but told with the rest."""
        server = raw.get("server")
        host = server.get("host") if isinstance(server, dict) else None
        if isinstance(host, str) and not is_loopback(host):
            yield self._say(("server", "host"), text("serve.not_loopback", self.language, host=host))

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
        names: set[str] = set()
        for number, entry in enumerate(raw):
            try:
                cls = pick(entry)
            except ConfigError as error:
                wrong.append(self._say((room, number, "type"), error.render(self.language)))
                continue
            self._warn_of_inline_secrets(cls, entry, (room, number))
            resolved, unresolved = self._resolved(entry, (room, number))
            wrong += unresolved.values()
            try:
                good = cls.model_validate(resolved)
            except ValidationError as error:
                wrong += self._told(error, (room, number), unresolved)
                continue
            key = FORGIVING.get(room)
            name = str(getattr(good, key)) if key else ""
            if key and name in names:
                wrong.append(self._say((room, number, key), text("config.twice", self.language, name=name)))
            elif not unresolved:
                entries.append(good)
                names.add(name)
        return entries

    def _resolved(self, entry: dict[str, Any], where: tuple[str, int]) -> tuple[dict[str, Any], dict[str, _Remark]]:
        """The entry with its secrets, and by key what is wrong with those that lead nowhere."""
        resolved, unresolved = {}, {}
        for key, value in entry.items():
            try:
                resolved[key] = resolve(value, self.environment)
            except ConfigError as error:
                unresolved[key] = self._say((*where, key), error.render(self.language))
        return resolved, unresolved

    def _warn_of_inline_secrets(self, cls: type[BaseModel], entry: dict[str, Any], where: tuple[str, int]) -> None:
        for name, model_field in cls.model_fields.items():
            value = entry.get(name)
            if "SecretStr" not in str(model_field.annotation) or not isinstance(value, str):
                continue
            if value.split(":", 1)[0] not in {"env", "file", "secret"} and not _local(value):
                self.warnings.append(self._say((*where, name), text("config.inline_secret", self.language, name=name)))

    def _told(
        self, error: ValidationError, where: tuple[str | int, ...], known: Collection[str] = ()
    ) -> Iterator[_Remark]:
        """Once for each place, without the keys whose mistake is `known`."""
        told: set[tuple[str | int, ...]] = set()
        for detail in error.errors():
            inner = tuple(part for part in detail["loc"] if not str(part).startswith(_INNER))
            location = (*where, *inner)
            if location in told or (inner and inner[0] in known):
                continue
            told.add(location)
            yield self._say(location, self._sentence(detail, location))

    def _sentence(self, detail: ErrorDetails, location: tuple[str | int, ...]) -> str:
        name = location[-1] if location else ""
        context = detail.get("ctx") or {}
        if isinstance(cause := context.get("error"), SafelightError):
            return cause.render(self.language)
        key = _TOLD.get(detail["type"]) or _TOLD.get(f"{detail['type']} {name}")
        if key is None:
            return detail["msg"].removeprefix("Value error, ")
        secret = location[0] == "channels" and name not in Channel.model_fields
        return text(
            key,
            self.language,
            name=name,
            given="***" if secret else repr(detail.get("input"))[:80],
            expected=context.get("expected", ""),
            limit=next((context[limit] for limit in _LIMITS if limit in context), ""),
        )

    def _say(self, location: Sequence[str | int], said: str) -> _Remark:
        dotted = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
        line = line_of(self.content, location)
        place = f"{self.path or 'environment'}{f':{line}' if line else ''}"
        return _Remark(line, f"{place}: {dotted}: {said}")


def _in_order(remarks: Iterable[_Remark]) -> tuple[str, ...]:
    """By line; at the end what stands in none."""
    return tuple(remark.said for remark in sorted(remarks, key=lambda remark: (remark.line is None, remark.line or 0)))


def _local(value: str) -> bool:
    """A webhook on this machine is no secret."""
    return value.startswith(("http://127.", "http://localhost", "http://[::1]"))
