"""Prompts leave a queue and come back as they were."""

from __future__ import annotations

import json
from contextlib import suppress
from uuid import uuid4

import pytest

from safelight.comfyui.client import Client
from safelight.errors import ServiceError
from safelight.remedies import queue
from support.comfyui import PROMPT, ComfyUI

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(comfyui):
    async with Client(comfyui.url, timeout_s=5) as opened:
        yield opened


def prompt(seed):
    return {**PROMPT, "7": {"class_type": "KSampler", "inputs": {"seed": seed, "名": "人像"}}}


async def test_prompts_are_put_back_in_order_with_their_ids_byte_for_byte(comfyui, client, around):
    ids = [await comfyui.queue(prompt(seed), ["5"], client_id="a-browser", note=seed) for seed in range(5)]
    before = json.dumps([[item[1], item[2], item[3]["note"], item[4]] for item in comfyui.pending])
    comfyui.pending.reverse()  # a heap has no order of its own
    assert await queue.take(client, around.held) == 5
    assert comfyui.pending == []
    assert await queue.put_back(client, around.held) == queue.Returned(5, 0)
    assert [item[1] for item in comfyui.pending] == ids
    assert json.dumps([[item[1], item[2], item[3]["note"], item[4]] for item in comfyui.pending]) == before
    assert await around.held.of(client.url) == []


async def test_what_came_meanwhile_goes_behind(comfyui, client, around):
    first = await comfyui.queue()
    await queue.take(client, around.held)
    second = await comfyui.queue()
    await queue.put_back(client, around.held)
    assert [item[1] for item in comfyui.pending] == [first, second]


async def test_a_prompt_that_began_to_run_is_not_held(comfyui, client, around):
    run = await comfyui.run()
    await around.held.add(client.url, [comfyui.running[0]])  # it was written down, and then it began
    assert await queue.take(client, around.held) == 0
    await queue.put_back(client, around.held)
    assert [item[1] for item in comfyui.running] == [run]
    assert comfyui.pending == []


async def test_what_had_ended_meanwhile_is_not_submitted_again(comfyui, client, around):
    run = await comfyui.run()
    item = comfyui.running[0]
    await comfyui.finish(run)
    await around.held.add(client.url, [item])
    assert await queue.put_back(client, around.held) == queue.Returned(0, 0)
    assert comfyui.pending == []


async def test_a_crash_between_keeping_and_taking_doubles_nothing(comfyui, client, around):
    await comfyui.queue()
    await around.held.add(client.url, [list(item) for item in comfyui.pending])
    assert await queue.put_back(client, around.held) == queue.Returned(1, 0)
    assert len(comfyui.pending) == 1


async def test_what_is_not_taken_any_more_is_counted_and_the_rest_goes_on(comfyui, client, around):
    await comfyui.queue()
    await queue.take(client, around.held)
    comfyui.accepts = {"error": {"message": "no such node"}, "node_errors": {}}
    assert await queue.put_back(client, around.held) == queue.Returned(0, 1)


async def test_without_an_answer_everything_stays_held(comfyui, client, around):
    await comfyui.queue()
    await queue.take(client, around.held)
    comfyui.manner = "error"
    with pytest.raises(ServiceError):
        await queue.put_back(client, around.held)
    assert len(await around.held.of(client.url)) == 1


async def test_an_id_that_another_version_would_refuse_is_left_out(comfyui, client, around):
    await around.held.add(client.url, [[1, "my own id", PROMPT, {}, ["5"]], [2, str(uuid4()), PROMPT, {}, ["5"]]])
    await queue.put_back(client, around.held)
    sent = [request.json for request in comfyui.asked if request.path == "/prompt"]
    assert ["prompt_id" in body for body in sent] == [False, True]


async def test_items_of_another_form_are_left_alone(comfyui, client, around):
    comfyui.pending = [["nonsense"], [1, "x", None, None]]
    assert await queue.take(client, around.held) == 0
    assert len(comfyui.pending) == 2


class Cut(Client):
    """Its connection breaks at one request: before ComfyUI hears of it, or before the answer comes."""

    def __init__(self, url, at, *, heard):
        super().__init__(url, timeout_s=5)
        self.left, self.heard = at, heard

    async def _send(self, request, path):
        self.left -= 1
        if self.left or self.heard:
            answer = await super()._send(request, path)
        if not self.left:
            raise ServiceError("comfyui.unreachable", url=self.url, reason="cut")
        return answer


@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize("at", range(1, 14))
async def test_wherever_the_connection_breaks_nothing_is_lost_doubled_or_out_of_order(comfyui, around, at, heard):
    ids = [await comfyui.queue(prompt(seed)) for seed in range(3)]
    async with Cut(comfyui.url, at, heard=heard) as cut:
        with suppress(ServiceError):
            await queue.take(cut, around.held)
            await queue.put_back(cut, around.held)
        kept = {item[1] for item in await around.held.of(comfyui.url)}
        assert kept | {item[1] for item in comfyui.pending} == set(ids)
    async with Client(comfyui.url, timeout_s=5) as client:
        await queue.put_back(client, around.held)
    assert [item[1] for item in comfyui.pending] == ids
    assert await around.held.of(comfyui.url) == []


@pytest.mark.parametrize("at", range(1, 9))
async def test_a_move_that_breaks_off_leaves_each_prompt_in_one_place(comfyui, client, around, at):
    ids = [await comfyui.queue(prompt(seed)) for seed in range(3)]
    await queue.take(client, around.held)
    async with ComfyUI() as second:
        async with Cut(second.url, at, heard=False) as cut:
            with suppress(ServiceError):
                await queue.put_back(cut, around.held, place=comfyui.url)
        await queue.put_back(client, around.held)  # the first one is well again
        moved, stayed = ([item[1] for item in one.pending] for one in (second, comfyui))
        assert moved + stayed == ids
