"""Stop the run that hangs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar, Final, Literal

import anyio

from ..comfyui.client import Client
from ..errors import RemedyError
from ..units import Duration, written
from . import Remedy
from .cause import Cause, Said, Surroundings

_LOOK_EVERY_S: Final = 0.5


class Interrupt(Remedy):
    """Stop the runs of the alert if they still run; of an alert without runs, whatever runs on its instance. A node
    that is deep in a computation notices late or never: then it has failed, and the next step is tried."""

    type: Literal["interrupt"] = "interrupt"
    within: Duration = timedelta(seconds=30)
    """How long the run may take to end."""

    example: ClassVar[dict[str, Any]] = {"within": "20s"}

    def at_most(self) -> timedelta:
        """The time the run has, and some for asking."""
        return self.within + timedelta(seconds=30)

    def plan(self, cause: Cause) -> Said:
        """What it would do."""
        return Said("remedies.interrupt.plan", {"where": self.called(cause)})

    async def apply(self, cause: Cause, around: Surroundings) -> Said:
        """Interrupt, and see it end."""
        where = self.called(cause)
        async with await around.comfyui(self.where(cause)) as client:
            wanted = await _running(client)
            if cause.runs:
                wanted &= set(cause.runs)
            if not wanted:
                return Said("remedies.interrupt.nothing", {"where": where})
            for run in sorted(wanted):
                await client.interrupt(run)
            with anyio.move_on_after(self.within.total_seconds()):
                while wanted & await _running(client):  # noqa: ASYNC110 - another process is asked
                    await anyio.sleep(_LOOK_EVERY_S)
                return Said("remedies.interrupt.done", {"where": where, "runs": ", ".join(sorted(wanted))})
        raise RemedyError("remedies.interrupt.goes_on", where=where, within=written(self.within))


async def _running(client: Client) -> set[str]:
    return {str(item[1]) for item in (await client.queue())["queue_running"]}
