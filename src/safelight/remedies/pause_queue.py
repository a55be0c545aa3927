"""Let a ComfyUI rest."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from . import Remedy, queue
from .cause import Cause, Said, Surroundings


class PauseQueue(Remedy):
    """Let the run that is being executed end, and start no other until the alert is over: for a GPU that is too hot.
    ComfyUI cannot pause, so its pending prompts are taken out of its queue, kept, and put back in their order, with
    their ids; prompts that come meanwhile too, within about a second."""

    type: Literal["pause_queue"] = "pause_queue"

    undone: ClassVar[bool] = True
    example: ClassVar[dict[str, Any]] = {}

    def plan(self, cause: Cause) -> Said:
        """What it would do."""
        return Said("remedies.pause_queue.plan", {"where": self.called(cause)})

    async def apply(self, cause: Cause, around: Surroundings) -> Said:
        """Take what is pending."""
        async with await around.comfyui(self.where(cause)) as client:
            await client.queue()  # it answers: else there is nothing to pause
            await around.held.pause(client.url, paused=True)
            count = await queue.take(client, around.held)
        return Said("remedies.pause_queue.done", {"where": self.called(cause), "count": count})

    async def keep_up(self, cause: Cause, around: Surroundings) -> None:
        """Take what came meanwhile."""
        async with await around.comfyui(self.where(cause)) as client:
            if await around.held.is_paused(client.url):
                await queue.take(client, around.held)

    async def undo(self, cause: Cause, around: Surroundings) -> Said:
        """Put it back."""
        async with await around.comfyui(self.where(cause)) as client:
            await around.held.pause(client.url, paused=False)
            returned = await queue.put_back(client, around.held)
        return Said(
            "remedies.resumed",
            {"where": self.called(cause), "count": returned.count, "rejected": returned.rejected},
        )
