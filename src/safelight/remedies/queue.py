"""Prompts out of a ComfyUI's queue and back in, as they were: graph, extra data, outputs, id, order.

ComfyUI cannot pause, so its pending prompts are taken away and kept. What is written down first: an item is durable
before it leaves the queue, and is forgotten only once all are back in one; when that is cut short, those that were back
already are taken once more and keep their place, unless they run or have run.
0.27 shows the keys of ComfyUI's own API nodes to nobody, so prompts that carry one come back without it; 0.3.64 shows
them, so they are kept with the prompt, in a file that only our own user may read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from ..comfyui.client import Client
from ..errors import PromptRejected
from .cause import Held

_ROUNDS: Final = 5
"""Prompts may come while others are taken away."""


@dataclass(frozen=True, slots=True)
class Returned:
    """How many prompts are in a queue again, and how many it does not take any more."""

    count: int = 0
    rejected: int = 0


async def take(client: Client, held: Held) -> int:
    """Hold all that is pending. Returns how many. Raises ServiceError; what was held then is still held."""
    count = 0
    for _ in range(_ROUNDS):
        pending = _in_order((await client.queue())["queue_pending"])
        if not pending:
            break
        ids = {_id(item) for item in pending}
        await held.add(client.url, pending)
        await client.remove(sorted(ids))
        started = ids & {_id(item) for item in (await client.queue())["queue_running"]}
        await held.drop(client.url, started)
        count += len(ids - started)
    return count


async def put_back(client: Client, held: Held, place: str | None = None) -> Returned:
    """Submit what is held for `place`, by default this very ComfyUI, in order, before what came meanwhile.

    Raises ServiceError when it stops answering: the rest stays held.
    """
    place = place or client.url
    if not await held.of(place):
        return Returned()
    if place == client.url:
        await take(client, held)
    queue = await client.queue()
    there = {_id(item) for item in (*queue["queue_running"], *queue["queue_pending"])}
    count = rejected = 0
    items = await held.of(place)
    for item in items:
        if _id(item) not in there and await client.history_of(_id(item)) is None:
            try:
                await _submit(client, item)
                count += 1
            except PromptRejected:
                rejected += 1
        if place != client.url:  # it must not go back to the first one as well
            await held.drop(place, [_id(item)])
    await held.drop(place, map(_id, items))
    return Returned(count, rejected)


def is_item(item: Any) -> bool:
    """Whether it has the parts that are needed to submit it again."""
    return isinstance(item, list) and len(item) >= 4 and isinstance(item[2], dict) and isinstance(item[3], dict)


async def _submit(client: Client, item: Any) -> None:
    run_id = _id(item)
    outputs = item[4] if len(item) > 4 and isinstance(item[4], list) else None
    await client.submit(item[2], item[3], run_id=run_id if _is_uuid(run_id) else None, outputs=outputs)


def _in_order(pending: list[Any]) -> list[Any]:
    """As the worker would take them: the list is a heap."""
    return sorted(filter(is_item, pending), key=lambda item: (item[0], str(item[1])))


def _id(item: Any) -> str:
    return str(item[1])


def _is_uuid(text: str) -> bool:
    """0.27 takes no other id."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
