"""The exact prompt goes again, and never with a mask where a secret was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.comfyui.client import Client
from safelight.comfyui.replay import Submission, faults, removed, submit
from safelight.errors import InputError, PromptRejected
from support.studio_next_door import Studio, listening

pytestmark = pytest.mark.anyio

PROMPT = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 156680208700286, "cfg": 8.0, "model": ["4", 0]}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15.safetensors"}},
    "12": {"class_type": "Uploader", "inputs": {"api_key": "[REDACTED]", "to": {"token": "[REDACTED]"}}},
    "12:1.5": {"class_type": "Uploader", "inputs": {"api_key": None, "on": True}},
}
WORKFLOW = {"nodes": [{"id": 3, "pos": [10, 20]}], "version": 0.4}
OPEN = {name: node for name, node in PROMPT.items() if name != "12"}


def run(prompt=None, **more):
    prompt = PROMPT if prompt is None else prompt
    return Submission("run-1", prompt, WORKFLOW, removed=removed(prompt), **more)


@pytest.fixture
def studio():
    with listening(Studio()) as opened:
        yield opened


async def test_the_prompt_goes_as_it_was_with_its_workflow_and_whose_replay_it_is(studio):
    extra = {"client_id": "a browser", "create_time": 1, "safelight": {"replay_of": "run-0"}, "note": "x"}
    async with Client(studio.url) as client:
        assert await submit(client, run(OPEN, extra=extra)) == "new-1"
    assert studio.submitted == [
        {
            "prompt": OPEN,
            "extra_data": {
                "note": "x",
                "extra_pnginfo": {"workflow": WORKFLOW},
                "safelight": {"replay_of": "run-1"},
            },
        }
    ]


async def test_what_else_stood_in_the_pictures_metadata_stays_and_masked_extras_do_not_go():
    extra = {"api_key_comfy_org": "[REDACTED]", "extra_pnginfo": {"parameters": "p"}}
    sent = run(OPEN, extra=extra).given({"extra_data.auth_token_comfy_org": "t"}).extra_data()
    assert sent["extra_pnginfo"] == {"parameters": "p", "workflow": WORKFLOW}
    assert "api_key_comfy_org" not in sent
    assert sent["auth_token_comfy_org"] == "t"


async def test_a_run_without_a_workflow_sends_none():
    assert Submission("run-1", OPEN).extra_data() == {"safelight": {"replay_of": "run-1"}}


async def test_removed_secrets_are_named_and_nothing_is_sent(studio):
    async with Client(studio.url) as client:
        with pytest.raises(InputError) as caught:
            await submit(client, run())
    assert "12.api_key, 12.to.token" in str(caught.value)
    assert not studio.submitted


async def test_secrets_that_are_given_again_go_in_their_places(studio):
    async with Client(studio.url) as client:
        await submit(client, run().given({"12.api_key": "k", "12.inputs.to.token": "t"}))
    (sent,) = studio.submitted
    assert sent["prompt"]["12"]["inputs"] == {"api_key": "k", "to": {"token": "t"}}
    assert PROMPT["12"]["inputs"]["api_key"] == "[REDACTED]"


async def test_a_secret_within_a_list_is_given_by_its_number():
    prompt = {"1": {"class_type": "X", "inputs": {"hooks": [{"url": "a"}, {"url": "[REDACTED]"}], "n": ["[REDACTED]"]}}}
    assert run(prompt).removed == ("1.hooks.1.url", "1.n.0")
    given = run(prompt).given({"1.hooks.1.url": "b", "1.n.0": "c"})
    assert given.removed == ()
    assert given.prompt["1"]["inputs"] == {"hooks": [{"url": "a"}, {"url": "b"}], "n": ["c"]}


async def test_a_given_value_may_itself_look_like_a_mask():
    assert run().given({"12.api_key": "[REDACTED]", "12.to.token": "t"}).removed == ()


@pytest.mark.parametrize(
    ("name", "given", "becomes"),
    [("3.seed", "5", 5), ("3.cfg", "7.5", 7.5), ("12:1.5.on", "false", False), ("4.ckpt_name", "7", "7")],
)
async def test_a_given_value_is_of_the_kind_that_stood_there(name, given, becomes):
    node, _, key = name.rpartition(".")
    assert run().given({name: given}).prompt[node]["inputs"][key] == becomes


@pytest.mark.parametrize(
    "name",
    ["99.seed", "3.nothing", "3", "12.to.token.deeper", "3.inputs", "3.model.2", "3.model.x", "3.model.9999999999", ""],
)
async def test_an_input_that_no_node_has_is_refused(name):
    with pytest.raises(InputError):
        run().given({name: "x"})


async def test_what_comfyui_finds_wrong_is_said_node_by_node(studio):
    wrong = [{"message": "Value not in list", "details": "ckpt_name: 'x' not in []"}, {"message": "Too small"}]
    studio.rejection = {
        "error": {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation"},
        "node_errors": {"4": {"class_type": "CheckpointLoaderSimple", "errors": wrong}},
    }
    async with Client(studio.url) as client:
        with pytest.raises(PromptRejected) as caught:
            await submit(client, run(OPEN))
    assert faults(caught.value.node_errors) == [
        "CheckpointLoaderSimple 4: Value not in list: ckpt_name: 'x' not in []",
        "CheckpointLoaderSimple 4: Too small",
    ]


async def test_nonsense_instead_of_errors_is_no_error_of_ours():
    assert faults({"1": None, "2": {"errors": None}, "3": {"errors": ["x"], "class_type": "A"}}) == ["A 3: "]


JSON = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(JSON)
def test_any_kept_value_is_looked_through_without_an_error(value):
    assert removed({"1": {"inputs": {"x": value}}, "2": value}) is not None
