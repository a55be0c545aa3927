"""A rule: a saved question whose answers are alerts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from ..errors import QueryError
from ..remedies import Step
from ..units import Duration
from .condition import Condition, clears
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
    InstanceOf[Condition],
    BeforeValidator(_reader("when", parse)),
    PlainSerializer(str),
    WithJsonSchema({"type": "string"}),
]


class Escalation(BaseModel):
    """`escalate = { after = "15m", severity = 3 }`: what becomes of an alert that nobody acknowledges."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    after: Duration
    """How long it may fire without being acknowledged."""
    severity: int = Field(default=3, ge=2, le=3)
    """What it is told as then."""


class Rule(BaseModel):
    """One `[[rules]]` of the configuration. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True)

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """Its name: letters, digits, `.`, `_` and `-`. The same id replaces a default rule."""
    when: When
    """The condition, in one line."""
    clear: When | None = None
    """When it is over, in the same form with another figure, or for `any FILTER` the events that end it: those about
    the same service and instance. By default when `when` no longer holds."""
    lasting: Duration | None = Field(default=None, alias="for")
    """How long the condition must hold without a break before there is an alert; until then it is pending."""
    severity: int = Field(default=2, ge=1, le=3)
    """1 is kept and shown, and sent only to channels that say `severity = 1`; 2 is for the team; 3 for everybody."""
    repeat: Duration = timedelta(minutes=5)
    """The same alert is told at most this often; what happens in between is counted."""
    resolve_after: Duration = timedelta(minutes=10)
    """A match without `clear` is over when nothing more happened for this long; a window when its condition no longer
    holds."""
    enabled: bool = True
    """`false` keeps the rule in the file without judging it."""
    shadow: bool = False
    """`true` judges and records without telling anybody: to try a rule on what comes."""
    title: str | None = Field(default=None, max_length=100)
    """Instead of the id, in the first line of a message."""
    text: str | None = Field(default=None, max_length=10_000)
    """A template for the body of its messages, in place of the usual text."""
    advice: str | None = Field(default=None, max_length=1000)
    """What to do: a name such as `gpu_oom`, for which every language has a text, or the text itself."""
    channels: tuple[str, ...] | None = None
    """Only these channels are told, by name; by default all that take its severity."""
    inhibit: tuple[str, ...] = ()
    """While this fires, alerts of these rules about the same thing (no label of both differs) are kept but not told."""
    escalate: Escalation | None = None
    """What becomes of an alert that nobody acknowledges."""
    then: tuple[Step, ...] = ()
    """Repairs to try when it fires, in order, each only if the one before did not help: `[{ free_memory = {} }]`."""

    @field_validator("clear")
    @classmethod
    def _fits(cls, clear: Condition | None, info: ValidationInfo) -> Condition | None:
        """Only what `clear` says of the figure may differ from `when`, and not both may hold; a match has a match."""
        when = info.data.get("when")  # absent when it is a mistake itself
        if clear is not None and when is not None and not clears(clear, when):
            error = QueryError("alerts.when_clear", query=str(clear))
            raise PydanticCustomError("clear", "{said}", {"said": str(error), "error": error})
        return clear
