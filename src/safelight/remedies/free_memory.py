"""Have ComfyUI unload its models and forget what it cached."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from ..errors import RemedyError
from . import Remedy
from .cause import Cause, Said, Surroundings


class FreeMemory(Remedy):
    """Have ComfyUI unload its models and forget the results it keeps. What runs is not disturbed: ComfyUI does it when
    the run has ended."""

    type: Literal["free_memory"] = "free_memory"
    unload_models: bool = True
    """Models leave the memory of the GPU; the next run loads them again."""
    clear_cache: bool = True
    """Results of nodes are forgotten, so that the next run computes everything anew; this unloads models too."""
    only_when_idle: bool = False
    """Not while something runs: then it counts as failed, and the next step is tried."""

    example: ClassVar[dict[str, Any]] = {"only_when_idle": True, "max": "6 per 1h"}

    def plan(self, cause: Cause) -> Said:
        """What it would do."""
        return Said("remedies.free_memory.plan", {"where": self.called(cause)})

    async def apply(self, cause: Cause, around: Surroundings) -> Said:
        """Ask for it."""
        async with await around.comfyui(self.where(cause)) as client:
            queue = await client.queue()
            if self.only_when_idle and queue["queue_running"]:
                raise RemedyError("remedies.free_memory.busy", where=self.called(cause))
            await client.free(unload_models=self.unload_models, free_memory=self.clear_cache)
        return Said("remedies.free_memory.done", {"where": self.called(cause)})
