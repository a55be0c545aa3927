"""Some events go no further."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pyarrow.compute as pc

from ..batch import Process
from . import Processor, Where
from .choosing import chosen
from .only import selection


class Drop(Processor):
    """Drop the events for which a query holds; they are counted, and never stored."""

    type: Literal["drop"] = "drop"
    where: Where
    """What goes, in the query language, such as `message:"GET /healthz"`."""

    example: ClassVar[dict[str, Any]] = {"where": 'message:"GET /healthz"'}

    def build(self) -> Process:
        """The step."""
        goes = selection(self.where)
        return chosen(lambda batch: pc.invert(goes(batch)))

    def step(self) -> Process:
        """The same: `where` is the whole step."""
        return self.build()
