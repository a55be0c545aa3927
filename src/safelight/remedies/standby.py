"""Have another ComfyUI take over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar, Literal

from ..errors import InputError, RemedyError, ServiceError
from . import Remedy, health, queue
from .cause import Cause, Said, Surroundings, without_password


class Standby(Remedy):
    """Have a second ComfyUI take over: what is pending on the first one moves there in its order, and so do the prompts
    that were lost with its process. New prompts still go where people send them."""

    type: Literal["standby"] = "standby"
    to: str | None = None
    """The other one: the name of its instance, or its address; by default the only other one among the sources."""

    example: ClassVar[dict[str, Any]] = {"to": "gpu-2"}

    def at_most(self) -> timedelta:
        """A queue may be long."""
        return timedelta(minutes=5)

    def plan(self, cause: Cause) -> Said:
        """What it would do."""
        if self.to is None:
            return Said("remedies.standby.plan_other", {"where": self.called(cause)})
        return Said("remedies.standby.plan", {"where": self.called(cause), "to": without_password(self.to)})

    async def apply(self, cause: Cause, around: Surroundings) -> Said:
        """See that it is well, and move everything."""
        to = self.to or await around.other(self.where(cause))
        async with await _second(to, around) as second:
            await health.of_comfyui(second)
            async with await around.comfyui(self.where(cause)) as first:
                gone = not await _taken(first, around)
                moved = await queue.put_back(second, around.held, place=first.url)
            instance = self.instance or cause.labels.get("instance")
            gone_before = cause.since if gone else None
            lost = await around.resubmit_lost(instance, to=second.url, gone_before=gone_before)
        return Said(
            "remedies.standby.done",
            {
                "where": self.called(cause),
                "to": without_password(to),
                "count": moved.count,
                "lost": lost,
                "rejected": moved.rejected,
            },
        )


async def _second(to: str, around: Surroundings) -> Any:
    try:
        return await around.comfyui(to)
    except InputError as error:
        if error.key != "replay.no_address":
            raise
        raise RemedyError("remedies.no_address", instance=to, field="to") from None


async def _taken(first: Any, around: Surroundings) -> bool:
    """Whether it answered."""
    try:
        await queue.take(first, around.held)
    except ServiceError:
        return False
    return True
