"""Remedies: verbs, named after what they do. A remedy is tried when a rule fires; `app.remedying` guards and tries it.

A remedy holds no state and looks nothing up: what it may touch is given to it as `Surroundings`. A step of `then` is a
table with one key, the type of a remedy: `{ restart = { service = "comfyui", else = "standby" } }`.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Annotated, Any, ClassVar, Final

import httpx
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    PlainSerializer,
    WithJsonSchema,
    create_model,
)
from pydantic_core import PydanticCustomError

from ..errors import InputError, QueryError, SafelightError
from ..plugin import Plugin, kinds
from ..query.times import duration
from ..units import Duration, written
from .cause import Cause, Said, Surroundings, without_password

_OFTEN: Final = re.compile(r"\s*(\d{1,3})\s+(?:per|in)\s+(\S+)\s*")


@dataclass(frozen=True, slots=True)
class Often:
    """`2 per 1h`."""

    times: int
    within: timedelta

    def __str__(self) -> str:
        return f"{self.times} per {written(self.within)}"


def mistake(error: SafelightError) -> PydanticCustomError:
    """A mistake in a field, in the words of the catalogue."""
    return PydanticCustomError("remedy", "{said}", {"said": str(error), "error": error})


def _often(value: Any) -> Any:
    if isinstance(value, Often):
        return value
    found = _OFTEN.fullmatch(value) if isinstance(value, str) else None
    try:
        within = duration(found[2]) if found else timedelta()
    except QueryError:
        within = timedelta()
    if not found or int(found[1]) < 1 or within <= timedelta():
        raise mistake(InputError("remedies.not_often", given=str(value)[:80]))
    return Often(int(found[1]), within)


def _url(value: str) -> str:
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host:
        raise mistake(InputError("remedies.not_a_url", given=value[:80]))
    return value


def step(value: Any) -> Remedy:
    """A remedy out of a table with one key, its type; of a type alone, the remedy as it is by default.

    For pydantic: raises its errors, below the key of the type.
    """
    if isinstance(value, Remedy):
        return value
    given = {value: {}} if isinstance(value, str) else value
    if not isinstance(given, dict) or len(given) != 1:
        raise mistake(InputError("remedies.not_a_step", known=", ".join(_known())))
    ((kind, settings),) = given.items()
    if kind not in _known():
        raise mistake(InputError("remedies.unknown", given=str(kind)[:80], known=", ".join(_known())))
    made: Remedy = getattr(_table(kind).model_validate({kind: settings}), kind)
    return made


def told(remedy: Remedy) -> Any:
    """A step as it stands in the file: what `step` reads."""
    settings = remedy.model_dump(mode="json", exclude_unset=True, exclude={"type"}, by_alias=True)
    return {remedy.kind(): settings}


def _told_else(remedy: Remedy | None) -> Any:
    if remedy is None:
        return None
    whole = told(remedy)
    return whole if whole[remedy.kind()] else remedy.kind()


@cache
def _known() -> dict[str, type[Remedy]]:
    return kinds(Remedy)  # type: ignore[type-abstract]


@cache
def _table(kind: str) -> type[BaseModel]:
    """A model whose one field is the remedy: its mistakes are then placed below that key."""
    fields: dict[str, Any] = {kind: (_known()[kind], ...)}
    return create_model("Step", __config__=ConfigDict(extra="forbid"), **fields)


HttpUrl = Annotated[str, AfterValidator(_url)]
Frequency = Annotated[
    InstanceOf[Often], BeforeValidator(_often), PlainSerializer(str), WithJsonSchema({"type": "string"})
]
Step = Annotated[Any, BeforeValidator(step), PlainSerializer(told), WithJsonSchema({"type": "object"})]
"""A remedy that stands in a rule."""
_Else = Annotated[
    Any,
    BeforeValidator(lambda value: None if value is None else step(value)),
    PlainSerializer(_told_else),
    WithJsonSchema({"type": ["object", "string", "null"]}),
]


class Remedy(Plugin):
    """Fields that every remedy has, and what it does."""

    model_config = ConfigDict(populate_by_name=True, hide_input_in_errors=True)

    undone: ClassVar[bool] = False
    """Whether it stays in force until the alert is over, and is then taken back by `undo`."""

    instance: str | None = None
    """The instance it is about; by default that of the alert."""
    url: HttpUrl | None = None
    """The address of the ComfyUI it is about, for one that is not among the sources."""
    max: Frequency = Often(2, timedelta(hours=1))
    """How often it may be tried for one instance, such as `2 per 1h`; beyond it the next step is tried, and people are
    told."""
    cool_down: Duration = timedelta(minutes=1)
    """At least this long between two tries for one instance; until then it counts as just done."""
    wait_for_health: Duration | None = None
    """How long the service may take until it answers again; without it, nothing is checked afterwards."""
    health_url: HttpUrl | None = None
    """What must answer without an error to be healthy, for a service that is not ComfyUI."""
    dry_run: bool | None = None
    """`true` only says what it would do, `false` does it; by default as `[remedies] dry_run` says."""
    otherwise: _Else = Field(default=None, alias="else")
    """Another remedy, tried when this one failed: its type, or a table such as `{ standby = { to = "gpu-2" } }`."""

    def where(self, cause: Cause) -> str | None:
        """The ComfyUI it is about: an address, the name of an instance, or None for the only one."""
        return self.url or self.instance or cause.labels.get("instance")

    def called(self, cause: Cause) -> str:
        """How people know it."""
        name = self.instance or cause.labels.get("instance")
        return name or without_password(self.url or cause.labels.get("service") or "ComfyUI")

    def subject(self) -> str:
        """What tells two uses of the same remedy at one place apart, when their tries are counted."""
        return self.kind()

    def at_most(self) -> timedelta:
        """How long `apply` may take before it is given up."""
        return timedelta(minutes=2)

    @abstractmethod
    def plan(self, cause: Cause) -> Said:
        """What it would do."""

    @abstractmethod
    async def apply(self, cause: Cause, around: Surroundings) -> Said:
        """Do it. Returns what was done. Raises RemedyError, ServiceError or InputError when it could not be done."""

    async def settle(self, cause: Cause, around: Surroundings) -> Said | None:
        """What is left to do once the service is healthy again. Raises as `apply` does."""
        return None

    async def keep_up(self, cause: Cause, around: Surroundings) -> None:
        """Called every second while it is in force. Raises as `apply` does."""

    async def undo(self, cause: Cause, around: Surroundings) -> Said:
        """Take it back, when the alert is over. Raises as `apply` does, and is then called again later."""
        raise NotImplementedError
