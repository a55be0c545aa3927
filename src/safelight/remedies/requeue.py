"""Submit what was lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar, Literal

from . import Remedy
from .cause import Cause, Said, Surroundings


class Requeue(Remedy):
    """Submit again the prompts that waited in the queue when ComfyUI ended, each once, in their order. The run that was
    being executed is left to people: it may be what ended ComfyUI."""

    type: Literal["requeue"] = "requeue"

    example: ClassVar[dict[str, Any]] = {"instance": "gpu-1"}

    def at_most(self) -> timedelta:
        """A queue may be long."""
        return timedelta(minutes=5)

    def plan(self, cause: Cause) -> Said:
        """What it would do."""
        return Said("remedies.requeue.plan", {"where": self.called(cause)})

    async def apply(self, cause: Cause, around: Surroundings) -> Said:
        """Submit them."""
        instance = self.instance or cause.labels.get("instance")
        count = await around.resubmit_lost(instance, to=self.url, gone_before=None)
        return Said("remedies.requeue.done", {"where": self.called(cause), "count": count})
