"""A rule: a saved question whose answers are alerts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from ..errors import QueryError
from ..units import Duration
from .condition import Count, Match
from .when import parse


def _reader(kind: str, read: Callable[[str], Any]) -> Callable[[Any], Any]:
    def validate(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return read(value)
        except QueryError as error:
            said = f"{error}\n{error.caret()}" if error.query else str(error)
            raise PydanticCustomError(kind, "{said}", {"said": said, "error": error}) from error

    return validate


When = Annotated[
    InstanceOf[Match] | InstanceOf[Count],
    BeforeValidator(_reader("when", parse)),
    PlainSerializer(str),
    WithJsonSchema({"type": "string"}),
]


class Rule(BaseModel):
    """One `[[rules]]` of the configuration. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """Its name: letters, digits, `.`, `_` and `-`. The same id replaces a default rule."""
    when: When
    """The condition, in one line."""
    severity: int = Field(default=2, ge=1, le=3)
    """1 is kept and shown, and sent only to channels that say `severity = 1`; 2 is for the team; 3 for everybody."""
    repeat: Duration = timedelta(minutes=5)
    """The same alert is told at most this often; what happens in between is counted."""
    resolve_after: Duration = timedelta(minutes=10)
    """A match is over when nothing more happened for this long; a window when its condition no longer holds."""
    enabled: bool = True
    """`false` keeps the rule in the file without judging it."""
    title: str | None = Field(default=None, max_length=100)
    """Instead of the id, in the first line of a message."""
    advice: str | None = Field(default=None, max_length=1000)
    """What to do: a name such as `out_of_memory`, for which every language has a text, or the text itself."""
