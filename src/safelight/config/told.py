"""A mistake that pydantic found, in our words: once a place, in the reader's language, without its secrets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..errors import QueryError, SafelightError
from ..locales import text

Location = tuple[str | int, ...]

_TOLD: Final = {
    "missing": "config.missing",
    "extra_forbidden": "config.unknown_key",
    "duration": "config.not_a_duration",
    "size": "config.not_a_size",
    "time_of_day": "config.not_a_time_of_day",
    "zone": "config.not_a_zone",
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
    "string_pattern_mismatch url": "config.not_a_url",
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


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something wrong at a place. `cause`: where in a line, if it is a condition or a filter."""

    location: Location
    said: str
    cause: QueryError | None = None


def mistakes(
    error: ValidationError,
    language: str,
    *,
    known: Collection[str] = (),
    secret: Callable[[str], bool] = lambda _: False,
) -> Iterator[Mistake]:
    """Once for each place, without the keys whose mistake is `known`. `secret`: keys whose values are not repeated."""
    told: set[Location] = set()
    for detail in error.errors():
        inner = tuple(part for part in detail["loc"] if not str(part).startswith(_INNER))
        if inner in told or (inner and inner[0] in known):
            continue
        told.add(inner)
        cause = (detail.get("ctx") or {}).get("error")
        name = str(inner[-1]) if inner else ""
        said = _sentence(detail, name, language, secret=secret(name))
        yield Mistake(inner, said, cause if isinstance(cause, QueryError) else None)


def _sentence(detail: ErrorDetails, name: str, language: str, *, secret: bool) -> str:
    context: dict[str, Any] = detail.get("ctx") or {}
    if isinstance(cause := context.get("error"), SafelightError):
        return cause.render(language)
    key = _TOLD.get(f"{detail['type']} {name}") or _TOLD.get(detail["type"])
    if key is None:
        return detail["msg"].removeprefix("Value error, ")
    return text(
        key,
        language,
        name=name,
        given="***" if secret else repr(detail.get("input"))[:80],
        expected=context.get("expected", ""),
        limit=next((context[limit] for limit in _LIMITS if limit in context), ""),
    )
