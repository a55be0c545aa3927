"""Which rules there are, where each comes from, and changing them while the server runs.

    default   comes with Safelight; one made on the page may replace it
    file      stands in the configuration, and is only changed there
    page      made through the API, kept in `state.sqlite`

The file is the truth for what is in it: of two rules with one id it has the last word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol

from ..alerts.condition import Thresholded
from ..alerts.own_rules import OwnRules
from ..alerts.rule import Rule
from ..config import Config
from ..config.checked import Checked, checked
from ..config.default_rules import KNOWN
from ..config.defaults import default_rules
from ..config.faults import Known
from ..config.model import Place
from ..errors import InputError, NoSuchEvent
from ..event import Name
from ..locales import LANGUAGES, catalogue, text
from ..note import Note

Origin = Literal["default", "file", "page"]


class Fixed(InputError):
    """The rule is not one that can be changed so."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule and where it comes from. `place`: where in the file it stands."""

    rule: Rule
    origin: Origin
    place: Place | None = None


class Judging(Protocol):
    """Who judges the rules."""

    def use(self, rules: list[Rule]) -> None:
        """These from now on."""
        ...

    def rules(self, language: str) -> list[dict[str, Any]]:
        """How each that is on stands: `id`, `state`, `error`, `firing`, `last_fired_at`, `cost`."""
        ...


class Rulebook:
    """Every rule of one server. May be asked and changed from any thread."""

    def __init__(self, config: Config, own: OwnRules, note: Note) -> None:
        """Raises StoreError."""
        self._config = config
        self._own = own
        self._note = note
        self._lock = Lock()
        self._judging: Judging | None = None
        self.left_out: tuple[str, ...] = ()
        """Rules of the page that do not count, and why."""
        self._page: dict[str, Rule] = {}
        self._read()

    def judged_by(self, judging: Judging) -> None:
        """Tell it of every change from now on."""
        self._judging = judging

    def entries(self) -> list[Entry]:
        """The default rules, then the file's, then the page's, each id once."""
        found = {rule.id: Entry(rule, "default") for rule in default_rules(self._config)}
        found |= {rule.id: Entry(rule, "page") for rule in self._page.values()}
        found |= {rule.id: Entry(rule, "file", self._config.places.get(rule.id)) for rule in self._config.rules}
        return sorted(found.values(), key=lambda entry: ("default", "file", "page").index(entry.origin))

    def rules(self) -> list[Rule]:
        """All of them, to be judged."""
        return [entry.rule for entry in self.entries()]

    def find(self, id_: str) -> Entry:
        """The rule of this id. Raises NoSuchEvent."""
        found = next((entry for entry in self.entries() if entry.rule.id == id_), None)
        if found is None:
            raise NoSuchEvent("rules.no_such_rule", id=id_)
        return found

    def view(self, language: str) -> dict[str, Any]:
        """For the API: every rule as it is written and as it stands, and what was left out."""
        standing = {one["id"]: one for one in self._judging.rules(language)} if self._judging else {}
        listed = [written(entry, language) | _stands(standing.get(entry.rule.id)) for entry in self.entries()]
        return {"rules": listed, "left_out": [*self._config.left_out, *self.left_out]}

    def one(self, id_: str, language: str) -> dict[str, Any]:
        """One rule of that. Raises NoSuchEvent."""
        self.find(id_)
        return next(rule for rule in self.view(language)["rules"] if rule["id"] == id_)

    def check(self, fields: Mapping[str, Any], language: str) -> Checked:
        """What the rule would be, or what is wrong with it."""
        return checked(fields, self._config, self._known(), language)

    def add(self, fields: Mapping[str, Any], language: str) -> Checked:
        """A new rule, judged at once. Nothing happens where it has mistakes. Raises Fixed, StoreError."""
        with self._lock:
            found = self.check(fields, language)
            if found.rule is not None:
                if any(entry.rule.id == found.rule.id for entry in self.entries()):
                    raise Fixed("rules.exists", id=found.rule.id)
                self._keep(found.rule, fields, "rules.added")
            return found

    def change(self, id_: str, fields: Mapping[str, Any], language: str) -> Checked:
        """Another rule of this id, in place of one of the page or a default one. Raises Fixed, NoSuchEvent, StoreError,
        InputError where the fields name another id."""
        if fields.get("id", id_) != id_:
            raise InputError("rules.id_differs", id=id_, given=fields["id"])
        fields = _untitled({**fields, "id": id_})
        with self._lock:
            self._refuse_files(self.find(id_))
            found = self.check(fields, language)
            if found.rule is not None:
                self._keep(found.rule, fields, "rules.changed")
            return found

    def remove(self, id_: str) -> None:
        """Forget a rule of the page; a default one of the same id is back then.

        Raises Fixed, NoSuchEvent, StoreError.
        """
        with self._lock:
            entry = self.find(id_)
            self._refuse_files(entry)
            if entry.origin == "default":
                raise Fixed("rules.is_default", id=id_)
            self._own.forget(id_)
            self._page = {known: rule for known, rule in self._page.items() if known != id_}
            self._changed("rules.removed", id_)

    def _refuse_files(self, entry: Entry) -> None:
        if entry.origin == "file":
            raise Fixed("rules.in_file", id=entry.rule.id, place=entry.place.at if entry.place else self._config.path)

    def _keep(self, rule: Rule, fields: Mapping[str, Any], key: str) -> None:
        self._own.save(rule.id, fields)
        self._page = self._page | {rule.id: rule}
        self._changed(key, rule.id, when=str(rule.when))

    def _changed(self, key: str, id_: str, **values: str) -> None:
        if self._judging is not None:
            self._judging.use(self.rules())
        message = text(key, self._config.language, id=id_, **values)
        self._note(Name.RULE_CHANGED, message=message, attributes={"rule": id_, **values})

    def _known(self) -> Known:
        ours = {*self._page, *(rule.id for rule in self._config.rules)}
        return Known(frozenset(channel.name for channel in self._config.channels), KNOWN | ours)

    def _read(self) -> None:
        """What was made on the page, as far as it still means something."""
        written = self._own.all()
        known = Known(self._known().channels, self._known().rules | written.keys())
        of_file = {rule.id for rule in self._config.rules}
        left_out = []
        for id_, fields in written.items():
            if id_ in of_file:
                place = self._config.places.get(id_)
                at = place.at if place else ""
                left_out.append(text("rules.own_in_file", self._config.language, id=id_, place=at))
                continue
            found = checked(fields, self._config, known, self._config.language)
            if found.rule is not None:
                self._page[id_] = found.rule
            left_out += self._named(id_, found)
        self.left_out = tuple(left_out)

    def _named(self, id_: str, found: Checked) -> Iterator[str]:
        for mistake in found.mistakes:
            field = ".".join(map(str, mistake.location))
            yield text("rules.own_left_out", self._config.language, id=id_, field=field, said=mistake.said)


def written(entry: Entry, language: str) -> dict[str, Any]:
    """A rule as the file would write it, and where it comes from."""
    rule = entry.rule
    shown = rule.model_dump(mode="json", by_alias=True)
    return shown | {
        "then": (entry.place and entry.place.then) or shown["then"],
        "title": titled(rule, language),
        "origin": entry.origin,
        "place": Path(entry.place.at).name if entry.place else None,
        "editable": entry.origin != "file",
        "window": isinstance(rule.when, Thresholded),
    }


def _stands(found: Mapping[str, Any] | None) -> dict[str, Any]:
    """How a rule stands; one that is not judged is off."""
    off: dict[str, Any] = {"state": "off", "error": None, "firing": 0, "last_fired_at": None, "cost": None}
    return {name: (found or off)[name] for name in off}


def titled(rule: Rule, language: str) -> str | None:
    """What the rule is called: its own title, or that of a default rule in this language."""
    return rule.title or catalogue(language).get(f"rule.{rule.id}.title")


def _untitled(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without the title of a default rule as a page shows it, so that it stays in every reader's language."""
    titles = {catalogue(language).get(f"rule.{fields['id']}.title") for language in LANGUAGES}
    return {name: value for name, value in fields.items() if name != "title" or value not in titles}
