"""Which events go to which sink.

A route moves nothing by itself: sinks are fed what is committed, and what a sink is fed is one filter, made of its own
`where` and of the routes that name it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ..batch import Process
from ..query.ast import And, Filter, Or
from ..query.condition import condition
from . import Processor, Where


class Route(Processor):
    """Send some events to some sinks. A sink that a route names gets only what routes send it; the others get all."""

    type: Literal["route"] = "route"
    where: Where
    """What is sent there, in the query language, such as `tag:comfyui.* OR user_id:li`, asked of the event as it is
    stored, after all steps."""
    to: Annotated[tuple[str, ...], Field(min_length=1)]
    """The sinks, by their `name` (or their `type`, if they have none)."""

    example: ClassVar[dict[str, Any]] = {"where": "level:>=ERROR", "to": ["elasticsearch"]}

    def build(self) -> Process:
        """The step: nothing, for the store keeps every event."""
        return lambda batch: batch

    def step(self) -> Process:
        """The same: `where` speaks of the sinks."""
        return self.build()


def filter_of(sink: str, where: str | None, processors: Sequence[Processor]) -> str | None:
    """What a sink of this name is fed, as a query; None is everything."""
    routes = [condition(one.where) for one in processors if isinstance(one, Route) and sink in one.to]
    asked: list[Filter] = []
    if routes:
        asked.append(routes[0] if len(routes) == 1 else Or(tuple(routes)))
    if where is not None:
        asked.append(condition(where))
    if not asked:
        return None
    return str(asked[0] if len(asked) == 1 else And(tuple(asked)))
