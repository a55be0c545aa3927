"""Only some events go on."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from ..batch import Process
from . import Processor, Where
from .choosing import chosen
from .only import selection


class Keep(Processor):
    """Let only events through for which a query holds; all others are dropped and counted."""

    type: Literal["keep"] = "keep"
    where: Where
    """What stays, in the query language, such as `level:>=INFO OR workflow_id:*`."""

    example: ClassVar[dict[str, Any]] = {"where": "NOT level:DEBUG OR workflow_id:*"}

    def build(self) -> Process:
        """The step."""
        return chosen(selection(self.where))

    def step(self) -> Process:
        """The same: `where` is the whole step."""
        return self.build()
