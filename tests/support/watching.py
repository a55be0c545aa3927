"""A `comfyui` source being read in the background, as the server reads it."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import anyio
import pytest

from safelight.sources.comfyui import ComfyUI as Source

QUICK = {"poll": "50ms", "poll_busy": "50ms", "timeout": "2s"}


class Report:
    def __init__(self) -> None:
        self.troubles: dict[str, str] = {}
        self.said: list[str] = []
        self.read = -1
        self.waits = ""

    def reading(self, what):
        self.read = what

    def waiting(self, why):
        self.read = 0
        self.waits = str(why)

    def trouble(self, what, error):
        self.troubles[what] = str(error)
        self.said.append(str(error))

    def recovered(self, what):
        self.troubles.pop(what, None)


class Reading:
    """A source being read; each arrival is durable at once, as in the store."""

    def __init__(self, source: Source, durable: dict[str, str]) -> None:
        self.source, self.durable, self.report = source, durable, Report()
        self.events: list[dict[str, Any]] = []
        self.looks = 0
        self._changed = asyncio.Condition()

    async def run(self) -> None:
        async with aclosing(self.source.arrivals(dict(self.durable), self.report)) as arrivals:
            async for arrival in arrivals:
                lines = [json.loads(line) for line in arrival.batch["raw"].to_pylist()]
                assert [line["id"] for line in lines] == arrival.batch["id"].to_pylist()
                async with self._changed:
                    self.events += lines
                    self.durable.update({key: value for key, value in arrival.checkpoint.items() if value is not None})
                    self._changed.notify_all()

    async def until(
        self, event: str, run_id: str | None = None, count: int = 1, within_s: float = 60
    ) -> dict[str, Any]:
        """The event, once it has come so often."""

        def found() -> list[dict[str, Any]]:
            return [e for e in self.events if e["event"] == event and run_id in {None, e.get("workflow_id")}]

        async with self._changed:
            with anyio.move_on_after(within_s):
                await self._changed.wait_for(lambda: len(found()) >= count)
        if len(found()) < count:
            told = [f"{one['event']} {one.get('workflow_id', '')[:6]}" for one in self.events if one["event"] != "log"]
            pytest.fail(
                f"no {count}. {event} within {within_s} s; told: {told[-30:]}; troubles: {self.report.troubles}"
            )
        return found()[count - 1]

    def names(self, run_id: str) -> list[str]:
        of = [event["event"] for event in self.events if event.get("workflow_id") == run_id]
        return [name for name in of if name not in {"run_document", "log"}]


@asynccontextmanager
async def reading(url: str, durable: dict[str, str] | None = None, **how: Any):
    source = Source.model_validate({"type": "comfyui", "url": url, **QUICK, **how})
    read = Reading(source, {} if durable is None else durable)
    task = asyncio.create_task(read.run())
    try:
        yield read
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def eventually(check) -> Any:
    with anyio.fail_after(60):
        while not (answer := check()):  # noqa: ASYNC110 - what is awaited happens in another's hands
            await anyio.sleep(0.01)
    return answer
