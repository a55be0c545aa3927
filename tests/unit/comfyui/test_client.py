"""What ComfyUI answers, and what it is called when it does not."""

from __future__ import annotations

import base64

import pytest

from safelight.comfyui import client as module
from safelight.comfyui.client import Client
from safelight.errors import PromptRejected, ServiceError
from support.comfyui import NEW, OLD, PROMPT, VERSIONS, ComfyUI

pytestmark = pytest.mark.anyio

REFUSAL = {
    "error": {
        "type": "prompt_outputs_failed_validation",
        "message": "Prompt outputs failed validation",
        "details": "",
        "extra_info": {},
    },
    "node_errors": {
        "4": {
            "errors": [
                {"type": "value_not_in_list", "message": "Value not in list", "details": "ckpt_name: 'a' not in []"}
            ],
            "dependent_outputs": ["9"],
            "class_type": "CheckpointLoaderSimple",
        }
    },
}


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_question_has_its_answer_in_both_versions(version):
    async with ComfyUI(version) as comfyui, Client(comfyui.url) as client:
        waiting = await comfyui.queue()
        ended = await comfyui.run()
        await comfyui.finish(ended)

        assert [item[1] for item in (await client.queue())["queue_pending"]] == [waiting]
        assert list(await client.history(5)) == [ended]
        assert (await client.history_of(ended) or {})["status"]["completed"]
        assert await client.history_of(waiting) is None
        assert (await client.jobs() is None) == (version == OLD)
        assert (await client.system_stats())["system"]["comfyui_version"] == version
        assert (await client.object_info("SaveImage") or {})["output_node"]
        assert await client.object_info("NoSuchNode") is None
        assert await client.pack_state() is None
        assert await client.inventory(PROMPT) is None


async def test_a_prompt_is_submitted_as_it_is_and_its_run_named():
    async with ComfyUI() as comfyui, Client(comfyui.url) as client:
        run_id = await client.submit(PROMPT, {"safelight": {"replay_of": "x"}})
        [waiting] = comfyui.pending
        assert waiting[1:4] == [run_id, PROMPT, {"safelight": {"replay_of": "x"}}]
        assert "client_id" not in comfyui.asked[-1].json


async def test_a_prompt_that_does_not_validate_says_which_node_is_wrong():
    async with ComfyUI(accepts=REFUSAL) as comfyui, Client(comfyui.url) as client:
        with pytest.raises(PromptRejected, match="CheckpointLoaderSimple 4: Value not in list: ckpt_name") as caught:
            await client.submit(PROMPT, {})
        assert caught.value.node_errors == REFUSAL["node_errors"]


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        ({"error": {"type": "missing_node_type", "message": "Node 'X' not found."}, "node_errors": {}}, "Node 'X' not"),
        ({"error": "no prompt", "node_errors": []}, "no prompt"),
        ({}, "None"),
    ],
    ids=["unknown node", "old text", "nothing"],
)
async def test_a_refusal_of_any_shape_is_told(refusal, said):
    async with ComfyUI(accepts=refusal) as comfyui, Client(comfyui.url) as client:
        with pytest.raises(PromptRejected, match=said):
            await client.submit(PROMPT, {})


async def test_files_go_up_and_come_down():
    async with ComfyUI(files={"a b.png": b"\x89PNG"}) as comfyui, Client(comfyui.url) as client:
        assert (await client.upload("in.png", b"pixels", "sub"))["name"] == "in.png"
        assert b"pixels" in comfyui.uploads[0]
        assert b'name="subfolder"\r\n\r\nsub' in comfyui.uploads[0]
        assert await client.view("a b.png") == (b"\x89PNG", "image/png")
        with pytest.raises(ServiceError, match=r"has no file gone\.png"):
            await client.view("gone.png")
        await client.interrupt("some-run")
        assert comfyui.asked[-1].json == {"prompt_id": "some-run"}
        await client.free()


async def test_the_pack_answers_where_it_is_installed():
    async with ComfyUI(pack={"worker_alive": True}) as comfyui, Client(comfyui.url) as client:
        assert await client.pack_state() == {"worker_alive": True}
        assert (await client.inventory(PROMPT) or {})["asked"] == {"prompt": PROMPT}


@pytest.mark.parametrize(
    ("manner", "key"),
    [
        ("garbage", "garbage"),
        ("deep", "garbage"),
        ("list", "garbage"),
        ("noise", "garbage"),
        ("html", "not_comfyui"),
        ("other", "not_comfyui"),
        ("hang", "silent"),
        ("hang_up", "unreachable"),
        ("gateway", "unreachable"),
        ("redirect", "redirected"),
        ("error", "failed"),
    ],
)
async def test_an_answer_that_is_none_is_called_what_it_is(manner, key):
    # Only the one that never answers is waited for briefly; a busy machine may take its time over the others.
    timeout_s = 0.3 if manner == "hang" else 30.0
    async with ComfyUI(manner=manner) as comfyui, Client(comfyui.url, timeout_s=timeout_s) as client:
        with pytest.raises(ServiceError) as caught:
            await client.queue()
        assert caught.value.key == f"comfyui.{key}"
        assert comfyui.url in str(caught.value)


async def test_an_answer_without_end_is_read_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(module, "ANSWER_LIMIT", 4 * 1024 * 1024)
    async with ComfyUI(manner="huge") as comfyui, Client(comfyui.url) as client:
        with pytest.raises(ServiceError, match="more than 4 MB"):
            await client.queue()


async def test_nobody_there_is_unreachable():
    async with ComfyUI() as comfyui:
        url = comfyui.url
    async with Client(url) as client:
        with pytest.raises(ServiceError, match="cannot be reached"):
            await client.queue()


async def test_a_name_and_password_in_the_address_are_sent_and_never_shown():
    secret = "Basic " + base64.b64encode(b"me:p@ss").decode()
    async with ComfyUI(NEW, prefix="/comfy/one", authorization=secret) as comfyui:
        address = comfyui.url.replace("//", "//me:p%40ss@")
        async with Client(address + "/") as client:
            assert client.url == comfyui.url
            await client.queue()
        async with Client(comfyui.url) as client:
            with pytest.raises(ServiceError, match="HTTP 401") as caught:
                await client.queue()
            assert "p%40ss" not in str(caught.value)


async def test_headers_are_sent_with_every_request():
    sent = {"Authorization": "Bearer t"}
    async with ComfyUI(authorization="Bearer t") as comfyui, Client(comfyui.url, headers=sent) as client:
        await client.queue()


async def test_a_path_prefix_that_is_wrong_is_not_comfyui():
    async with ComfyUI(prefix="/comfy") as comfyui, Client(comfyui.url + "/other") as client:
        with pytest.raises(ServiceError, match=r"not ComfyUI.*404"):
            await client.queue()


async def test_a_prompt_with_nan_and_half_a_surrogate_pair_goes_as_it_is():
    prompt = {"1": {"class_type": "X", "inputs": {"a": float("inf"), "b": "\ud800"}}}
    async with ComfyUI() as comfyui, Client(comfyui.url) as client:
        await client.submit(prompt, {})
        assert comfyui.pending[0][2] == prompt
        assert await client.history_of("\ud800") is None


async def test_prompts_are_taken_out_of_the_queue_and_put_back_with_their_id_and_outputs():
    async with ComfyUI() as comfyui, Client(comfyui.url) as client:
        first, second = await comfyui.queue(), await comfyui.queue()
        await client.remove([first, "nobody"])
        assert [item[1] for item in comfyui.pending] == [second]
        assert await client.submit({"1": {}}, {"note": 1}, run_id=first, outputs=["1"]) == first
        assert comfyui.pending[-1][1:] == [first, {"1": {}}, {"note": 1}, ["1"]]
        await client.submit({"1": {}}, {})
        assert comfyui.asked[-1].json == {"prompt": {"1": {}}, "extra_data": {}}
