"""Asking ComfyUI just enough to know what happened: the queue each time, of the history only the end that is news."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from typing import Any, Final

from ...errors import ServiceError
from ..client import Client
from .snapshot import Ended, Pack, Prompt, Snapshot
from .state import State

AT_FIRST: Final = 100
"""Runs of the history that are told when a ComfyUI is first met: what its user still sees."""
MOST_REMEMBERED: Final = 10_000
"""ComfyUI keeps no more."""
_GROWTH: Final = 8
_MOST_CLASSES: Final = 20  # that are asked for in one look
_MOST_SINGLY: Final = 100  # runs that are asked for by id in one look


class Looker:
    """One ComfyUI, asked. Raises ServiceError when an answer is missing."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._is_output: dict[str, bool] = {}
        self.pack: Pack | None = None
        """As last heard."""

    async def meet(self, *, with_pack: bool) -> str:
        """Which process this is, as far as one can tell; also finds out whether the node pack is in it, if wanted."""
        stats = await self._client.system_stats()
        system = stats["system"] if isinstance(stats["system"], dict) else {}
        names = ("comfyui_version", "python_version", "pytorch_version", "argv", "os")
        build = json.dumps([system.get(name) for name in names], default=str)
        if with_pack:
            await self.ask_pack()
        return hashlib.sha256(build.encode()).hexdigest()[:16]  # argv may hold secrets

    async def ask_pack(self) -> None:
        """What the node pack says now."""
        try:
            state = await self._client.pack_state()
        except ServiceError as error:
            if error.key not in {"comfyui.garbage", "comfyui.not_comfyui", "comfyui.failed"}:
                raise
            if self.pack is not None and error.key == "comfyui.failed":
                return  # it stumbles: what it tells of the runs is not ours to tell for that
            state = None  # a proxy that answers every path
        self.pack = None if state is None else Pack.of(state)

    async def look(self, state: State, *, build: str | None, news: bool, silent: bool) -> Snapshot:
        """What there is now. `news`: runs may have come and gone unseen; `silent`: the pack tells of them."""
        at_ms = time.time_ns() // 1_000_000
        queue = await self._client.queue()
        running, pending = _prompts(queue["queue_running"]), _prompts(queue["queue_pending"])
        here = {prompt.run_id for prompt in (*running, *pending)}
        missing = [run_id for run_id, run in state.active.items() if run.told and run_id not in here]
        ended: list[Ended] = []
        continues = True
        if missing or (not silent and (news or state.silent or not state.seen)):
            ended, continues = await self._ended(state, missing)
        new = (*running, *pending, *(run.prompt for run in ended))
        outputs = await self._outputs(prompt for prompt in new if prompt.run_id not in state.active)
        return Snapshot(at_ms, running, pending, tuple(ended), continues, build, self.pack, outputs)

    async def _ended(self, state: State, missing: list[str]) -> tuple[list[Ended], bool]:
        entries, continues, complete = await self._news(state, missing)
        others = [] if complete else [run_id for run_id in missing if run_id not in entries][:_MOST_SINGLY]
        found = [(run_id, await self._client.history_of(run_id)) for run_id in others]
        read = (Ended.of(run_id, entry) for run_id, entry in (*found, *entries.items()))
        return [ended for ended in read if ended], continues

    async def _news(self, state: State, missing: list[str]) -> tuple[dict[str, Any], bool, bool]:
        """The history since the last run known to have ended, whether that one is still in it, and whether this is all
        that ended since."""
        known = set(state.ended)
        limit, most = min(len(missing), 500) + 2, MOST_REMEMBERED
        if not state.seen or state.silent:  # what the pack told is only remembered
            limit = most = AT_FIRST
        while True:
            try:
                entries = await self._client.history(limit)
            except ServiceError as error:
                if error.key != "comfyui.too_large" or limit == 1:
                    raise
                limit = most = max(1, limit // 4)
                continue
            last = max((at for at, run_id in enumerate(entries) if run_id in known), default=None)
            if last is not None or len(entries) < limit or limit >= most:
                news = {
                    run_id: entry for at, (run_id, entry) in enumerate(entries.items()) if last is None or at > last
                }
                whole = len(entries) < limit
                return news, not known or last is not None or not whole, last is not None or whole
            limit = min(limit * _GROWTH, most)

    async def _outputs(self, prompts: Iterable[Prompt]) -> frozenset[str]:
        """Which classes at the loose ends of these prompts are output nodes. Each class is asked for once."""
        ends = ((prompt, node_id) for prompt in prompts for node_id in prompt.loose_ends())
        loose = {class_type for prompt, node_id in ends if (class_type := prompt.class_of(node_id))}
        for class_type in sorted(loose - self._is_output.keys())[:_MOST_CLASSES]:
            self._is_output[class_type] = await self._asks_to_run(class_type)
        return frozenset(class_type for class_type in loose if self._is_output.get(class_type))

    async def _asks_to_run(self, class_type: str) -> bool:
        try:
            info = await self._client.object_info(class_type)
        except ServiceError as error:
            if error.key in {"comfyui.unreachable", "comfyui.silent"}:
                raise
            return False  # a node that cannot describe itself: HTTP 500
        return bool(info and info.get("output_node"))


def _prompts(items: Any) -> tuple[Prompt, ...]:
    read = (Prompt.of(item) for item in (items if isinstance(items, list) else ()))
    return tuple(prompt for prompt in read if prompt)
