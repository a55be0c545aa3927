"""Reading the file: found, merged with the environment, validated whole, every mistake told at once."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from ..alerts.rule import Rule
from ..channels import Channel
from ..errors import ConfigError
from ..locales import ENGLISH, text
from ..paths import is_loopback
from ..plugin import Plugin, kinds
from ..processors import Processor
from ..sinks import Sink
from ..sources import Source
from .default_rules import KNOWN
from .faults import Known, faults
from .model import Config, Place
from .place import line_of
from .secrets import resolve
from .told import Location, Mistake, mistakes

ROOMS: Final[dict[str, type[Plugin]]] = {
    "sources": Source,
    "processors": Processor,
    "sinks": Sink,
    "channels": Channel,
}
FORGIVING: Final = {"channels": "name", "rules": "id"}
"""Lists in which a bad entry is left out and named, and the key that tells its entries apart; anywhere else a mistake
refuses to start."""
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


Check = Callable[[Any], Iterable[Mistake]]
"""What is wrong with an entry that is right by itself."""


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
    places: dict[str, Place] = field(default_factory=dict)

    def config(self, raw: dict[str, Any]) -> Config:
        channels, rules = raw.get("channels", []), raw.pop("rules", [])
        lists = {room: self._plugins(room, base, raw.pop(room, [])) for room, base in ROOMS.items()}
        known = Known(_named(channels, "name"), _named(rules, "id") | KNOWN)
        lists["rules"] = self._entries(
            "rules", rules, lambda _: Rule, check=lambda rule: faults(rule, known, self.language)
        )
        sections: Config | None = None
        try:
            sections = Config.model_validate(raw)
        except ValidationError as error:
            self.mistakes += map(self._remark, mistakes(error, self.language))
        if self.mistakes or sections is None:
            told = _in_order([*self.mistakes, *self.left_out, *self._host(raw)])
            key = "config.mistake" if len(told) == 1 else "config.mistakes"
            raise ConfigError(key, count=len(told), mistakes="\n".join(told), told=told)
        return sections.model_copy(
            update={
                **{room: tuple(entries) for room, entries in lists.items()},
                "path": self.path,
                "places": {rule.id: self.places[rule.id] for rule in lists["rules"]},
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
            if isinstance(kind, str) and kind in known:
                return known[kind]
            key = "config.unknown_type" if kind else "config.no_type"
            raise ConfigError(key, given=kind, known=", ".join(sorted(known)))

        return self._entries(room, raw, pick)

    def _entries(self, room: str, raw: Any, pick: Any, check: Check = lambda _: ()) -> list[Any]:
        if not isinstance(raw, list) or not all(isinstance(entry, dict) for entry in raw):
            self.mistakes.append(self._say((room,), text("config.not_a_list", self.language, room=room)))
            return []
        wrong = self.left_out if room in FORGIVING else self.mistakes
        entries = []
        names: set[str] = set()
        for number, entry in enumerate(raw):
            here = (room, number)
            try:
                cls = pick(entry)
            except ConfigError as error:
                wrong.append(self._say((*here, "type"), error.render(self.language)))
                continue
            self._warn_of_inline_secrets(cls, entry, here)
            resolved, unresolved = self._resolved(entry, here)
            wrong += unresolved.values()
            try:
                good = cls.model_validate(resolved)
            except ValidationError as error:
                wrong += self._told(error, cls, here, unresolved.keys())
                continue
            key = FORGIVING.get(room)
            name = str(getattr(good, key)) if key else ""
            mistaken = [self._remark(mistake, here) for mistake in check(good)]
            if key and name in names:
                mistaken.insert(0, self._say((*here, key), text("config.twice", self.language, name=name)))
            wrong += mistaken
            if not unresolved and not mistaken:
                entries.append(good)
                names.add(name)
                self.places[name] = Place(self._place((*here, *([key] if key else []))), entry.get("then"))
        return entries

    def _resolved(self, entry: dict[str, Any], where: tuple[str, int]) -> tuple[dict[str, Any], dict[str, _Remark]]:
        """The entry with its secrets, and by key what is wrong with those that lead nowhere.

        Of a rule only its repairs have secrets: elsewhere `file:` is something that people look for.
        """
        resolved, unresolved = {}, {}
        for key, value in entry.items():
            if where[0] == "rules" and key != "then":
                resolved[key] = value
                continue
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
        self, error: ValidationError, cls: type[BaseModel], where: Location, known: Iterable[str]
    ) -> Iterator[_Remark]:
        shown = Channel.model_fields.keys() if issubclass(cls, Channel) else None
        for mistake in mistakes(error, self.language, known=frozenset(known), shown=shown):
            yield self._remark(mistake, where)

    def _remark(self, mistake: Mistake, under: Location = ()) -> _Remark:
        return self._say((*under, *mistake.location), mistake.said)

    def _say(self, location: Location, said: str) -> _Remark:
        dotted = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
        return _Remark(line_of(self.content, location), f"{self._place(location)}: {dotted}: {said}")

    def _place(self, location: Location) -> str:
        line = line_of(self.content, location)
        return f"{self.path or 'environment'}{f':{line}' if line else ''}"


def _in_order(remarks: Iterable[_Remark]) -> tuple[str, ...]:
    """By line; at the end what stands in none."""
    return tuple(remark.said for remark in sorted(remarks, key=lambda remark: (remark.line is None, remark.line or 0)))


def _local(value: str) -> bool:
    """A webhook on this machine is no secret."""
    return value.startswith(("http://127.", "http://localhost", "http://[::1]"))


def _named(raw: Any, key: str) -> frozenset[str]:
    """What the entries of a list are called, also those that have mistakes."""
    entries = raw if isinstance(raw, list) else []
    return frozenset(str(entry[key]) for entry in entries if isinstance(entry, dict) and key in entry)
