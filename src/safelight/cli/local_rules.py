"""What `safelight rules` does itself: reading the file, and trying rules on the files of the store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..alerts.database import Database
from ..alerts.own_rules import OwnRules
from ..app.rulebook import Rulebook, written
from ..config import Config, load
from ..errors import InputError, NoSuchEvent, QueryError, ServerError
from ..paths import data_directory
from .local import reading
from .remote import Server

Listed = dict[str, Any]


def rules_of_file(file: Path | None, data: Path | None, language: str) -> tuple[list[Listed], Sequence[str]]:
    """The rules that a server would have with this file, without a file also those made on its page; and those that
    it would leave out, with their reasons. Raises ConfigError, StoreError."""
    config = load(file, language=language)
    book = _book(config, None if file is not None else data_directory(data))
    listed = [written(entry, language) for entry in book.entries()]
    return listed, [*config.left_out, *book.left_out]


def wanted(
    file: Path | None, server: Server | None, data: Path | None, only: Sequence[str], language: str
) -> list[Listed]:
    """The rules to try: of the file, else of the server, else those that it would have. Raises NoSuchEvent for one of
    `only` that is none of them."""
    if file is None and server is not None:
        rules: list[Listed] = server.get("/rules")["rules"]
    else:
        rules, _ = rules_of_file(file, data, language)
        if file is not None and not only:
            rules = [rule for rule in rules if rule["origin"] == "file"]
    known = {rule["id"]: rule for rule in rules}
    for id_ in only:
        if id_ not in known:
            raise NoSuchEvent("rules.no_such_rule", id=id_)
    return [known[id_] for id_ in only] if only else rules


def tried(
    rules: Sequence[Listed],
    span: Mapping[str, Any],
    server: Server | None,
    file: Path | None,
    data: Path | None,
    language: str,
) -> Iterator[tuple[Listed, dict[str, Any]]]:
    """Each rule and what came of it; `error` alone where it could not be tried."""
    if server is not None:
        for rule in rules:
            body = json.dumps({"rule": _fields(rule), **span}).encode()
            yield rule, _told(lambda body=body: server.post("/rules/backtest", body, "application/json"), language)
        return
    from ..alerts.rule import Rule  # noqa: PLC0415 - not where a server does the work
    from ..answers.backtest import rule_tried  # noqa: PLC0415
    from ..rows import dump  # noqa: PLC0415

    hours = load(file, language=language).alerts.quiet_hours
    quiet = hours.quiet() if hours else None
    with reading(data) as store:
        for rule in rules:
            parsed = Rule.model_validate(_fields(rule))

            def ask(parsed: Rule = parsed) -> Any:
                found = rule_tried(store, parsed, span["from"], span["to"], language=language, quiet=quiet)
                return json.loads(dump(found))

            yield rule, _told(ask, language)


def _told(ask: Any, language: str) -> dict[str, Any]:
    """A rule that cannot be tried does not stop the others."""
    try:
        answer: dict[str, Any] = ask()
    except (InputError, QueryError, ServerError) as error:
        return {"error": error.render(language)}
    return answer


def _fields(rule: Listed) -> dict[str, Any]:
    """As the file writes it. What it does to others and to machines is left out: nothing of that is tried."""
    fields = ("id", "when", "clear", "for", "severity", "repeat", "resolve_after", "escalate", "title")
    return {name: rule[name] for name in fields if rule.get(name) is not None}


def _book(config: Config, data: Path | None) -> Rulebook:
    path = data / "state.sqlite" if data is not None else None
    database = Database(path if path is not None and path.is_file() else None)
    try:
        return Rulebook(config, OwnRules(database), lambda *_, **__: None)
    finally:
        database.close()
