# ruff: noqa: INP001
"""Writes docs/en/reference and docs/zh/reference from the code, so that they cannot say anything else.

    python tools/reference.py

What the code says in English (docstrings of fields, of routes) has its Chinese in `reference.json` under `sentences`,
keyed by the English; what a command prints is in the catalogue already. Sentences without Chinese are printed, stay
English on the page, and make the command fail.
"""

from __future__ import annotations

import inspect
import json
import sys
import typing
from collections.abc import Iterator, Mapping, Sequence
from datetime import time, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace, UnionType
from typing import Any, Final
from unittest.mock import MagicMock
from zoneinfo import ZoneInfo

import click
from annotated_types import Ge, Le
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from safelight.alerts.condition import Condition
from safelight.alerts.rule import Escalation, Rule
from safelight.channels import Channel
from safelight.cli import safelight
from safelight.config.default_rules import DEFAULT_RULES
from safelight.config.model import (
    AlertSection,
    Config,
    Digest,
    Discover,
    QuietHours,
    RemedySection,
    Retention,
    Server,
    SpoolSection,
    StoreSection,
)
from safelight.event import _LEVEL_WORDS, ALIASES, FIELDS, LEVELS, Name, level_of
from safelight.locales import LANGUAGES, catalogue
from safelight.plugin import Plugin, kinds
from safelight.processors import Processor
from safelight.remedies import Often, Remedy
from safelight.sinks import Sink
from safelight.sources import Source
from safelight.sources.listen import Address
from safelight.units import Size, written
from safelight.web.metrics import exposition
from safelight.web.server import create

ROOT: Final = Path(__file__).parents[1]
FOLDERS: Final = {"en": "en", "zh-CN": "zh"}
ROOMS: Final[dict[str, type[Plugin]]] = {
    "sources": Source,
    "processors": Processor,
    "sinks": Sink,
    "channels": Channel,
}
SECTIONS: Final[dict[str, type[BaseModel]]] = {
    "server": Server,
    "store": StoreSection,
    "store.retention": Retention,
    "alerts": AlertSection,
    "alerts.quiet_hours": QuietHours,
    "alerts.digest": Digest,
    "remedies": RemedySection,
    "spool": SpoolSection,
    "discover": Discover,
}
FOUND_BY_LOADING: Final = {"path", "places", "left_out", "warnings", "notes"}
"""Fields of Config that are no keys of the file."""


@cache
def words() -> dict[str, Any]:
    """What `reference.json` holds."""
    return dict(json.loads(Path(__file__).with_name("reference.json").read_text(encoding="utf-8")))


class Pages:
    """The pages in one language, by file name. `untranslated` fills while they are made."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.untranslated: list[str] = []

    def all(self) -> dict[str, str]:
        """Every page."""
        pages = {
            "events.md": self.events(),
            "configuration.md": self.configuration(),
            "plugins.md": self.plugins(),
            "cli.md": self.commands(),
            "http.md": self.http(),
        }
        return {
            name: self.word("generated") + "\n\n" + "\n".join(lines).rstrip() + "\n" for name, lines in pages.items()
        }

    def word(self, key: str, group: str = "words") -> str:
        """A word of the pages themselves, or the meaning of a name."""
        return str(words()[group][key][LANGUAGES.index(self.language)])

    def sentence(self, english: str | None) -> str:
        """What the code says, in this language, on one line."""
        english = " ".join((english or "").split())
        if self.language == LANGUAGES[0] or not english:
            return english
        if english not in words()["sentences"]:
            self.untranslated.append(english)
        return str(words()["sentences"].get(english, english))

    def shown(self, printed: str | None) -> str:
        """What a command prints, in this language, whatever language this terminal has."""
        for language in LANGUAGES:
            for key, text in catalogue(language).items():
                if text == printed:
                    return catalogue(self.language)[key]
        return printed or ""

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
        """A table with the headings of these keys."""
        yield "| " + " | ".join(self.word(key) for key in head) + " |"
        yield "|" + "---|" * len(head)
        for row in rows:
            yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
        yield ""

    def events(self) -> Iterator[str]:
        """Fields, levels and names of events."""
        yield f"# {self.word('events')}\n"
        yield self.word("events.about") + "\n"
        yield f"## {self.word('fields')}\n"
        others = {name: [alias for alias, of in ALIASES.items() if of == name] for name in FIELDS}
        rows = [
            (code(name), self.word(kind.value), ", ".join(map(code, others[name])), self.word(name, "fields"))
            for name, kind in FIELDS.items()
        ]
        yield from self.table(("field", "type", "aliases", "meaning"), rows)
        yield f"## {self.word('levels')}\n"
        yield self.word("levels.about") + "\n"
        numbers = [number for number in range(51) if level_of(number)]
        by_level = [
            (
                code(level),
                ", ".join(code(word.lower()) for word, of in _LEVEL_WORDS.items() if of == level and word != level),
                ", ".join(str(number) for number in numbers if level_of(number) == level),
            )
            for level in LEVELS
        ]
        yield from self.table(("level", "spellings", "numbers"), by_level)
        yield f"## {self.word('names')}\n"
        yield self.word("names.about") + "\n"
        yield from self.table(("event", "meaning"), [(code(name), self.word(name, "names")) for name in Name])

    def configuration(self) -> Iterator[str]:
        """The sections of the file, and rules."""
        yield f"# {self.word('configuration')}\n"
        yield self.word("configuration.about") + "\n"
        yield f"## {self.word('top')}\n"
        rooms = {*ROOMS, "rules", *FOUND_BY_LOADING}
        own = {name: field for name, field in Config.model_fields.items() if name not in rooms | set(SECTIONS)}
        yield from self.fields(own)
        for name, section in SECTIONS.items():
            yield f"## `[{name}]`\n"
            yield self.sentence(inspect.getdoc(section)) + "\n"
            own = {key: field for key, field in section.model_fields.items() if f"{name}.{key}" not in SECTIONS}
            yield from self.fields(own)
        for room in ROOMS:
            yield f"## `[[{room}]]`\n"
            yield f"[{self.word('plugins')}](plugins.md#{room}).\n"
        yield "## `[[rules]]`\n"
        yield self.sentence(inspect.getdoc(Rule)) + "\n"
        yield from self.fields(Rule.model_fields)
        yield "### `escalate`\n"
        yield self.sentence(inspect.getdoc(Escalation)) + "\n"
        yield from self.fields(Escalation.model_fields)
        yield f"### {self.word('default_rules')}\n"
        rows = [(code(rule.id), code(str(rule.when)), str(rule.severity)) for rule in DEFAULT_RULES]
        yield from self.table(("field", "when", "severity"), rows)

    def plugins(self) -> Iterator[str]:
        """Every source, processor, sink, channel and remedy."""
        yield f"# {self.word('plugins')}\n"
        yield self.word("plugins.about") + "\n"
        for room, base in {**ROOMS, "remedies": Remedy}.items():
            yield f"## {room}\n"
            yield self.word(f"{room}.about") + "\n"
            common = {key: field for key, field in base.model_fields.items() if key != "type"}
            inner = tables(common)
            if common:
                yield f"### {self.word(f'{room}.every')}\n"
                yield from self.fields(common)
            for name, plugin in kinds(base).items():
                yield f"### {name}\n"
                yield self.sentence(inspect.getdoc(plugin)) + "\n"
                yield "```toml"
                yield from toml(room, name, plugin)
                yield "```\n"
                own = {key: field for key, field in plugin.model_fields.items() if key != "type"}
                inner |= tables(own)
                own = {key: field for key, field in own.items() if not same(field, common.get(key))}
                if own:
                    yield from self.fields(own)
            for key, table in inner.items():
                yield f"### `{key}`\n"
                yield self.sentence(inspect.getdoc(table)) + "\n"
                yield from self.fields(table.model_fields)

    def fields(self, fields: Mapping[str, FieldInfo]) -> Iterator[str]:
        """A table of settings."""
        rows = [
            (code(field.alias or name), self.kind(field), self.default(field), self.sentence(field.description))
            for name, field in fields.items()
        ]
        yield from self.table(("setting", "type", "default", "meaning"), rows)

    def kind(self, field: FieldInfo) -> str:
        """The type of a field as people write it."""
        bounds = {type(bound): bound for bound in field.metadata}
        if field.annotation is int and Ge in bounds and Le in bounds:
            return self.word("number_between").format(least=bounds[Ge].ge, most=bounds[Le].le)
        return self._kind(field.annotation)

    def _kind(self, annotation: Any) -> str:
        origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
        if annotation == Size:
            return self.word("size")
        if origin is typing.Annotated:
            return self._kind(parts[0])
        if origin is typing.Literal:
            return self.word("or").join(code(json.dumps(part)) for part in parts)
        if origin in {typing.Union, UnionType}:
            inner = [part for part in parts if part is not type(None)]
            return self._kind(inner[0])
        if origin in {tuple, list}:
            return self.word("list")
        names = {
            bool: "boolean",
            int: "number",
            float: "number",
            str: "text",
            Path: "path",
            SecretStr: "secret",
            timedelta: "duration",
            Often: "often",
            Address: "address",
            Remedy: "table",
            time: "time_of_day",
            ZoneInfo: "zone",
            Condition: "condition",
            dict: "table",
            Any: "table",
        }
        kind = origin or annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return self.word("table")
        return self.word(names[kind])

    def default(self, field: FieldInfo) -> str:
        """What holds when the setting is left out."""
        if field.is_required():
            return self.word("required")
        value = field.get_default(call_default_factory=True)
        if value is None or isinstance(value, BaseModel):
            return ""
        shown = written(value) if isinstance(value, timedelta) else value
        return code(json.dumps(shown, ensure_ascii=False, default=str))

    def commands(self) -> Iterator[str]:
        """The command line."""
        yield f"# {self.word('cli')}\n"
        yield self.word("cli.about") + "\n"
        with click.Context(safelight, info_name="safelight") as context:
            for name in safelight.list_commands(context):
                command = safelight.get_command(context, name)
                if command is not None:
                    yield from self.command(f"safelight {name}", command, context)

    def command(self, path: str, command: click.Command, above: click.Context) -> Iterator[str]:
        """One command, and those below it."""
        context = click.Context(command, parent=above, info_name=path.rsplit(" ", 1)[-1])
        help_text, _, example = self.shown(command.help).partition("\n\n")
        yield f"## {path}\n"
        yield help_text + "\n"
        if example:
            yield f"```sh\n{example.partition(': ' if ': ' in example else '：')[2]}\n```\n"
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                if below is not None:
                    yield from self.command(f"{path} {name}", below, context)
            return
        rows = [
            (
                code(" ".join((spelling(option), option.make_metavar(context) if takes_value(option) else "")).strip()),
                self.given(option),
                self.shown(option.help),
            )
            for option in command.params
            if isinstance(option, click.Option)
        ]
        arguments = [one.make_metavar(context) for one in command.params if isinstance(one, click.Argument)]
        if arguments:
            yield f"`{path} [OPTIONS] {' '.join(arguments)}`\n"
        yield from self.table(("option", "default", "meaning"), rows)

    def given(self, option: click.Option) -> str:
        """The default of an option, where it says something."""
        default = option.to_info_dict()["default"]
        shown = isinstance(default, str | int | float) and not isinstance(default, bool)
        return code(str(default)) if shown else ""

    def http(self) -> Iterator[str]:
        """The API, from its own description, and our metrics."""
        yield f"# {self.word('http')}\n"
        yield self.word("http.about") + "\n"
        # Routes and their parameters are the same for every server: none has to run.
        server = SimpleNamespace(version="-", sources=(), config=SimpleNamespace(server=SimpleNamespace(url=None)))
        schema = create(typing.cast("Any", server)).openapi()
        for path, methods in schema["paths"].items():
            for method, operation in methods.items():
                yield f"## {method.upper()} {path}\n"
                yield self.sentence(operation.get("description")) + "\n"
                rows = list(self.parameters(operation, schema))
                if rows:
                    yield from self.table(("parameter", "default", "meaning"), rows)
        yield "## GET /metrics\n"
        yield self.word("metrics.about") + "\n"
        yield from self.table(("metric", "type", "meaning"), list(self.metrics()))

    def parameters(self, operation: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        """Of the query string, and the keys of a JSON body."""
        for parameter in operation.get("parameters", ()):
            about = parameter["schema"]
            default = about.get("default")
            said = [self.sentence(parameter.get("description"))]
            if "minimum" in about and "maximum" in about:
                said.append(self.word("number_between").format(least=about["minimum"], most=about["maximum"]))
            shown = self.word("required") if parameter["required"] else code(str(default)) if default else ""
            yield code(parameter["name"]), shown, " ".join(filter(None, said))
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        reference = next((one["$ref"] for one in (body, *body.get("anyOf", ())) if "$ref" in one), "")
        named = schema.get("components", {}).get("schemas", {}).get(reference.rsplit("/", 1)[-1], {})
        for name, about in named.get("properties", {}).items():
            shown = self.word("required") if name in named.get("required", ()) else ""
            yield (
                code(name),
                shown,
                " ".join(filter(None, (self.sentence(about.get("description")), self.word("in_body")))),
            )

    def metrics(self) -> Iterator[tuple[str, str, str]]:
        """Name, type and meaning of what a scrape gets. A server in which every figure is 1 will do."""
        text = exposition(MagicMock(version="")).decode()
        types = dict(line.split(" ")[2:4] for line in text.splitlines() if line.startswith("# TYPE "))
        for line in text.splitlines():
            if line.startswith("# HELP "):
                _, _, name, meaning = line.split(" ", 3)
                yield code(name), types[name], self.sentence(meaning)


def same(field: FieldInfo, common: FieldInfo | None) -> bool:
    """Whether a plugin has this field as every other of its room has it."""
    return common is not None and (field.description, field.default) == (common.description, common.default)


def tables(fields: Mapping[str, FieldInfo]) -> dict[str, type[BaseModel]]:
    """What may stand in the fields that are tables, or lists of them, by the name of the field."""
    found = ((key, inner) for key, field in fields.items() for inner in _models(field.annotation))
    return {key: model for key, model in found if not issubclass(model, Remedy | Condition)}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models(part)


def code(text: str) -> str:
    """As code."""
    return f"`{text}`"


def spelling(option: click.Option) -> str:
    """`--json`, the longest of its spellings."""
    return max(option.opts, key=len)


def takes_value(option: click.Option) -> bool:
    """Whether something follows it."""
    return not option.is_flag


def toml(room: str, name: str, plugin: type[Plugin]) -> Iterator[str]:
    """The plugin's own example, as it stands in the file."""
    if room == "remedies":
        yield "[[rules]]"
        yield f'id = "{name.replace("_", "-")}"'
        yield 'when = "any event:run_stuck"'
        yield '[[rules]]\nid = "again"\nwhen = "any event:run_failed"'
        yield f"then = [{toml_value({name: plugin.example})}]"
        return
    yield f"[[{room}]]"
    for key, value in {"type": name, **plugin.example}.items():
        yield f"{key} = {toml_value(value)}"
    if room == "processors" and "to" in plugin.example:  # it speaks of sinks, which must be there
        for sink in plugin.example["to"]:
            yield from ("", *toml("sinks", sink, kinds(Sink)[sink]))


def toml_value(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def folder(language: str) -> Path:
    """Where the pages of a language lie."""
    return ROOT / "docs" / FOLDERS[language] / "reference"


def main() -> None:
    """Write all pages."""
    untranslated: list[str] = []
    for language in LANGUAGES:
        pages = Pages(language)
        folder(language).mkdir(parents=True, exist_ok=True)
        for name, text in pages.all().items():
            (folder(language) / name).write_text(text, encoding="utf-8")
        untranslated += pages.untranslated
    for sentence in dict.fromkeys(untranslated):
        sys.stderr.write(f"no Chinese in tools/reference.json: {json.dumps(sentence, ensure_ascii=False)}\n")
    sys.exit(1 if untranslated else 0)


if __name__ == "__main__":
    main()
