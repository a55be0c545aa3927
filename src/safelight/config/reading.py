"""Reading the file: found, merged with the environment, its plugins validated, every mistake with its place."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

from pydantic import BaseModel, ValidationError

from ..errors import ConfigError, SafelightError
from ..locales import text
from ..plugin import Plugin, kind, kinds
from .mistyped import notes
from .place import line_of
from .secrets import resolve
from .told import Location, Mistake, mistakes

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


Check = Callable[[Any], Iterable[Mistake]]
"""What is wrong with an entry that is right by itself."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a line of the file; None for what does not stand in it."""

    line: int | None
    said: str


@dataclass
class Reading:
    """One pass over one file, collecting what is wrong."""

    path: Path | None
    content: str
    environment: Mapping[str, str]
    language: str
    tables: frozenset[str]
    """What stands in the file itself, not in the environment."""
    mistakes: list[Remark] = field(default_factory=list)
    left_out: list[Remark] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)
    notes: list[Remark] = field(default_factory=list)
    """What is right, but perhaps not as meant."""
    spots: dict[str, tuple[str, Any]] = field(default_factory=dict)
    """Of named entries: where each stands, and what it does `then`."""
    forgiving: Mapping[str, str] = field(default_factory=dict)
    """Lists in which a bad entry is left out and named, and the key that tells its entries apart; anywhere else a
    mistake refuses to start."""

    hides: Callable[[type[BaseModel]], Callable[[str], bool]] | None = None
    """Which fields of an entry are not repeated in a message about them."""

    @classmethod
    def of(cls, explicit: Path | None, environment: Mapping[str, str], language: str) -> tuple[Reading, dict[str, Any]]:
        """The file that `find` finds, or nothing, and what stands in it and in `SAFELIGHT_SECTION__KEY` variables.

        Raises ConfigError.
        """
        path = find(explicit, environment)
        content = _read(path) if path else ""
        try:
            raw = tomllib.loads(content)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError("config.not_toml", path=path, reason=str(error)) from error
        tables = frozenset(raw)
        _merge_environment(raw, environment)
        return cls(path, content, environment, language, tables), raw

    def plugins(self, room: str, base: type[Plugin], raw: Any) -> list[Any]:
        """The entries of a list whose `type` says which plugin each is."""

        def pick(entry: dict[str, Any]) -> type[BaseModel]:
            given = entry.get("type")
            found = kind(base, given) if isinstance(given, str) else None
            if found is not None:
                return found
            key = "config.unknown_type" if given else "config.no_type"
            raise ConfigError(key, given=given, known=", ".join(sorted(kinds(base))))

        return self.entries(room, raw, pick)

    def entries(self, room: str, raw: Any, pick: Any, check: Check = lambda _: ()) -> list[Any]:
        """The good entries of a list."""
        if not isinstance(raw, list) or not all(isinstance(entry, dict) for entry in raw):
            self.mistakes.append(self.say((room,), text("config.not_a_list", self.language, room=room)))
            return []
        wrong = self.left_out if room in self.forgiving else self.mistakes
        entries = []
        names: set[str] = set()
        for number, entry in enumerate(raw):
            here = (room, number)
            try:
                cls = pick(entry)
            except ConfigError as error:
                wrong.append(self.say((*here, "type"), error.render(self.language)))
                continue
            self._warn_of_inline_secrets(cls, entry, here)
            resolved, unresolved = self._resolved(entry, here)
            wrong += unresolved.values()
            try:
                good = cls.model_validate(resolved)
            except ValidationError as error:
                wrong += self._told(error, cls, here, unresolved.keys())
                continue
            key = self.forgiving.get(room)
            name = str(getattr(good, key)) if key else ""
            mistaken = [self.remark(mistake, here) for mistake in check(good)]
            if key and name in names:
                mistaken.insert(0, self.say((*here, key), text("config.twice", self.language, name=name)))
            wrong += mistaken
            if not unresolved and not mistaken:
                self.notes += [self.remark(note, here) for note in notes(good, self.language)]
                entries.append(good)
                names.add(name)
                self.spots[name] = (self._place((*here, *([key] if key else []))), entry.get("then"))
        return entries

    def crossed(self, faults: Iterable[tuple[Location, SafelightError]]) -> None:
        """What entries get wrong together. Told only when each is right by itself: their places are counted as such."""
        if not self.mistakes:
            self.mistakes += [self.say(location, error.render(self.language)) for location, error in faults]

    def refuse(self, *also: Remark) -> NoReturn:
        """Raise ConfigError with everything that is wrong, in the order of the file."""
        told = in_order([*self.mistakes, *self.left_out, *also])
        key = "config.mistake" if len(told) == 1 else "config.mistakes"
        raise ConfigError(key, count=len(told), mistakes="\n".join(told), told=told)

    def remark(self, mistake: Mistake, under: Location = ()) -> Remark:
        """A mistake, with its place in the file."""
        return self.say((*under, *mistake.location), mistake.said)

    def say(self, location: Location, said: str) -> Remark:
        """Something about a place in the file."""
        dotted = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
        return Remark(line_of(self.content, location), f"{self._place(location)}: {dotted}: {said}")

    def _resolved(self, entry: dict[str, Any], where: tuple[str, int]) -> tuple[dict[str, Any], dict[str, Remark]]:
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
                unresolved[key] = self.say((*where, key), error.render(self.language))
        return resolved, unresolved

    def _warn_of_inline_secrets(self, cls: type[BaseModel], entry: dict[str, Any], where: tuple[str, int]) -> None:
        for name, model_field in cls.model_fields.items():
            value = entry.get(name)
            if "SecretStr" not in str(model_field.annotation) or not isinstance(value, str):
                continue
            if value.split(":", 1)[0] not in {"env", "file", "secret"} and not _local(value):
                self.warnings.append(self.say((*where, name), text("config.inline_secret", self.language, name=name)))

    def _told(
        self, error: ValidationError, cls: type[BaseModel], where: Location, known: Iterable[str]
    ) -> Iterator[Remark]:
        hidden = (self.hides or hides)(cls)
        for mistake in mistakes(error, self.language, known=frozenset(known), secret=hidden):
            yield self.remark(mistake, where)

    def _place(self, location: Location) -> str:
        line = line_of(self.content, location)
        return f"{self.path or 'environment'}{f':{line}' if line else ''}"


def in_order(remarks: Iterable[Remark]) -> tuple[str, ...]:
    """By line; at the end what stands in none."""
    return tuple(remark.said for remark in sorted(remarks, key=lambda remark: (remark.line is None, remark.line or 0)))


def hides(cls: type[BaseModel]) -> Callable[[str], bool]:
    """Which fields may hold a secret: those that say so, and every address."""
    secrets = {name for name, known in cls.model_fields.items() if "SecretStr" in str(known.annotation)}
    return lambda name: name in secrets or name == "url"


def _local(value: str) -> bool:
    """A webhook on this machine is no secret."""
    return value.startswith(("http://127.", "http://localhost", "http://[::1]"))


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
