"""Let a paused ComfyUI go on."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from . import Remedy, queue
from .cause import Cause, Said, Surroundings


class ResumeQueue(Remedy):
    """Put back into the queue what `pause_queue` took out of it, before the alert that paused it is over: for a rule of
    its own, such as a temperature that is low enough."""

    type: Literal["resume_queue"] = "resume_queue"

    example: ClassVar[dict[str, Any]] = {"instance": "gpu-1"}

    def plan(self, cause: Cause) -> Said:
        """What it would do."""
        return Said("remedies.resume_queue.plan", {"where": self.called(cause)})

    async def apply(self, cause: Cause, around: Surroundings) -> Said:
        """Put it back."""
        async with await around.comfyui(self.where(cause)) as client:
            await around.held.pause(client.url, paused=False)
            returned = await queue.put_back(client, around.held)
        return Said(
            "remedies.resumed",
            {"where": self.called(cause), "count": returned.count, "rejected": returned.rejected},
        )
