"""What is told of a prompt when it is queued or refused."""

from __future__ import annotations

import asyncio
import json
import sys
from types import SimpleNamespace

import pytest

from support.comfyui_process import ComfyUI

KEY = "sk-canary93hGqLm20ZrTb"
SECRET = "correct-horse-battery"
PROMPT = {
    "1": {"class_type": "Load", "inputs": {"ckpt_name": "base.safetensors", "api_key": SECRET}},
    "2": {"class_type": "Save", "inputs": {"images": ["1", 0], "filename_prefix": "portraits"}},
}
ERRORS = {
    "1": {"class_type": "Load", "errors": [{"type": "value_not_in_list", "message": "Not there", "details": KEY}]},
    "9": {"class_type": "Other", "errors": []},
}


@pytest.fixture
def submissions(pack, told):
    return pack.submission.Submissions(told, {})


def queued(submissions, told, prompt=PROMPT, extra_data=None, keys=None, prompt_id="run-1"):
    del told[:]
    item = (3, prompt_id, prompt, extra_data or {}, ["2"])
    submissions.queued(item if keys is None else (*item, keys), 2)
    return told.of("run_queued")[0]


def test_a_queued_prompt_says_what_it_is(submissions, told):
    extra = {
        "client_id": "c1",
        "create_time": 5,
        "team": "shop",
        "safelight": {"replay_of": "run-0"},
        "extra_pnginfo": {"workflow": {"name": "Portraits"}},
    }
    fields = queued(submissions, told, extra_data=extra)
    assert fields["workflow_name"] == "Portraits"
    assert (fields["node_count"], fields["number"], fields["queue_remaining"]) == (2, 3, 2)
    assert (fields["client_id"], fields["replay_of"], fields["extra"]) == ("c1", "run-0", {"team": "shop"})
    assert [model["name"] for model in fields["models"]] == ["base.safetensors"]
    assert fields["redacted"] == ["1.inputs.api_key"]
    kinds = [document["kind"] for document in told.of("run_document")]
    assert kinds == ["prompt", "workflow", "extra"]
    assert [one.event for one in told][-1] == "run_queued"  # the documents are there before it


def test_keys_are_hidden_wherever_they_stand(submissions, told):
    extra = {
        "api_key_comfy_org": "their-key-1",
        "token": SECRET,
        "note": f"a {KEY} b",
        "extra_pnginfo": {
            "workflow": {"nodes": [{"widgets_values": [SECRET, "item-key-22"]}]},
            "other": ["their-key-1"],
        },
    }
    queued(submissions, told, extra_data=extra, keys={"auth_token_comfy_org": "item-key-22"})
    said = json.dumps([one.fields for one in told])
    for secret in (SECRET, KEY, "their-key-1", "item-key-22"):
        assert secret not in said


def test_a_document_is_told_once_an_hour(submissions, told, pack, monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr(pack.submission, "monotonic", lambda: now[0])
    shas = set()
    for hours, expected in ((0, 1), (0.9, 0), (1.1, 1), (2.0, 0)):
        now[0] = 1_000.0 + hours * 3600
        shas.add(queued(submissions, told)["prompt_sha256"])
        assert len(told.of("run_document")) == expected
    assert len(shas) == 1


def test_what_is_remembered_is_bounded(submissions, told, pack, monkeypatch):
    monkeypatch.setattr(pack.submission, "DOCUMENTS", 3)
    monkeypatch.setattr(pack.submission, "WAITING", 3)
    for number in range(10):
        queued(submissions, told, prompt={"1": {"class_type": str(number), "inputs": {}}}, prompt_id=str(number))
    assert len(submissions._documents) == 3
    assert list(submissions._queued) == ["7", "8", "9"]


def test_a_prompt_that_is_too_large_is_left_out(submissions, told):
    prompt = {**PROMPT, "3": {"class_type": "Text", "inputs": {"text": "x" * 9_000_000}}}
    fields = queued(submissions, told, prompt=prompt)
    assert fields["prompt_omitted"] == "too large"
    assert "prompt_sha256" not in fields
    assert told.of("run_document") == []
    assert fields["node_count"] == 3


@pytest.mark.parametrize("extra", [None, [], {"extra_pnginfo": 5}, {"extra_pnginfo": {"workflow": None}}, {1: 2}])
def test_odd_extra_data_is_taken_as_it_is(submissions, told, extra):
    assert queued(submissions, told, extra_data=extra)["node_count"] == 2


class Headers(dict):
    """As aiohttp's: names in small letters here."""


def request(path="/prompt", method="POST", body=b"{}", **headers):
    async def read():
        return body

    return SimpleNamespace(path=path, method=method, headers=Headers(headers), read=read)


@pytest.fixture
def answer(monkeypatch, pack, told, submissions):
    """Sends a request through the middleware, to a server that does what it is told."""
    comfyui = ComfyUI(monkeypatch)
    monkeypatch.setattr(pack.hooks.request, "_middleware", None)
    patches = pack.hooks.request.install(submissions) + pack.hooks.queue.install(submissions)
    [middleware] = comfyui.instance.app.middlewares

    def answer(asked, verdict=(True, None, ["2"], {}), status=200, text="{}", error=None, prompt=PROMPT):
        comfyui.verdict = verdict

        async def handler(_):
            if error:
                raise error
            await comfyui.execution.validate_prompt("run-1", prompt)
            if status == 200:
                comfyui.put(prompt)
            return SimpleNamespace(status=status, text=text)

        return asyncio.run(middleware(asked, handler))

    yield answer
    for patch in patches:
        assert patch.remove()
    del told[:]
    answer(request())
    assert list(told) == []  # taken back, it only passes on
    assert sys.modules["execution"].validate_prompt.__name__ == "validate_prompt"


def test_a_request_says_who_asks(answer, told):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer(request(**{"comfy-user": "ada", "traceparent": trace}))
    fields = told.of("run_queued")[0]
    assert (fields["user_id"], fields["traceparent"]) == ("ada", trace)
    assert "node_errors" not in fields


def test_a_proxy_may_say_who_asks(answer, told):
    answer(request("/api/prompt", **{"x-forwarded-user": "b" * 999}))
    assert told.of("run_queued")[0]["user_id"] == "b" * 200


def test_errors_of_a_part_come_with_the_queued_prompt(answer, told):
    answer(request(), verdict=(True, None, ["2"], ERRORS))
    assert told.of("run_queued")[0]["node_errors"]["1"]["errors"][0]["type"] == "value_not_in_list"
    assert told.of("run_rejected") == []


def test_a_refused_prompt_names_the_first_node_to_blame(answer, told):
    whole = {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation", "details": ""}
    answer(request(), verdict=(False, whole, [], ERRORS), status=400)
    fields = told.of("run_rejected")[0]
    assert (fields["workflow_id"], fields["status"]) == ("run-1", 400)
    assert (fields["node_id"], fields["node"], fields["error_type"]) == ("1", "Load", "value_not_in_list")
    assert fields["error_message"] == "Not there: [REDACTED]"
    assert fields["prompt_sha256"]
    assert KEY not in json.dumps([one.fields for one in told])


@pytest.mark.parametrize(
    ("error", "node"),
    [
        ({"type": "invalid_prompt", "message": "No node Load.", "details": "Node ID '#1'"}, ("1", "Load")),
        ({"type": "missing_node_type", "message": "?", "extra_info": {"node_id": "1", "class_type": "L"}}, ("1", "L")),
        ({"type": "invalid_prompt", "message": "Cannot execute", "details": "Node ID '#9'"}, ("9", "")),
        ({"type": "no_outputs", "message": "Prompt has no outputs", "details": ""}, (None, None)),
        ("text", (None, None)),
    ],
)
def test_a_node_that_does_not_exist_is_named(answer, told, error, node):
    answer(request(), verdict=(False, error, [], []), status=400)
    fields = told.of("run_rejected")[0]
    assert (fields.get("node_id"), fields.get("node")) == node


def test_what_never_reached_the_validation_is_read_from_the_answer(answer, told, monkeypatch, pack):
    monkeypatch.setattr(pack.hooks.request, "_keep", lambda *_: None)
    text = json.dumps({"error": {"type": "no_prompt", "message": "No prompt provided"}, "node_errors": {}})
    answer(request(), status=400, text=text)
    fields = told.of("run_rejected")[0]
    assert fields["error_type"] == "no_prompt"
    assert len(fields["workflow_id"]) == 36


@pytest.mark.parametrize("text", ["", "no json", "[1]", '{"error": 5, "node_errors": [7]}', None])
def test_an_answer_of_another_form_is_still_a_refusal(answer, told, monkeypatch, pack, text):
    monkeypatch.setattr(pack.hooks.request, "_keep", lambda *_: None)
    answer(request(), status=413, text=text)
    assert told.of("run_rejected")[0]["status"] == 413


@pytest.mark.parametrize("body", [b"", b"[]", b"3", b'{"prompt": {', b"\xff" * 9])
def test_a_body_that_is_no_prompt_is_no_mistake_of_ours(answer, told, monkeypatch, pack, body):
    monkeypatch.setattr(pack.hooks.request, "_keep", lambda *_: None)
    pack.guard.mistakes.clear()
    answer(request(body=body), status=400)
    assert told.of("run_rejected")[0]["status"] == 400
    assert pack.guard.mistakes == {}


def test_what_the_server_raises_is_told_and_goes_on(answer, told):
    with pytest.raises(ValueError, match="no JSON"):
        answer(request(), error=ValueError("no JSON"))
    fields = told.of("run_rejected")[0]
    assert (fields["status"], fields["error_type"]) == (500, "ValueError")


def test_a_client_that_left_is_no_refusal(answer, told):
    with pytest.raises(asyncio.CancelledError):
        answer(request(), error=asyncio.CancelledError())
    assert told.of("run_rejected") == []


@pytest.mark.parametrize("asked", [request("/queue"), request(method="GET")])
def test_other_requests_pass_by(answer, told, asked):
    assert answer(asked, status=400).status == 400
    assert list(told) == []


def test_a_refused_prompt_has_its_name_and_workflow_all_the_same(answer, told):
    workflow = {"name": "Portraits", "nodes": []}
    extra = {"extra_pnginfo": {"workflow": workflow}, "auth_token_comfy_org": SECRET, "client_id": "c1"}
    refused = (False, {"type": "prompt_outputs_failed_validation", "message": "No"}, [], ERRORS)
    answer(request(body=json.dumps({"prompt": PROMPT, "extra_data": extra}).encode()), refused, 400)
    fields = told.of("run_rejected")[0]
    assert fields["workflow_name"] == "Portraits"
    assert [document["kind"] for document in told.of("run_document")] == ["prompt", "workflow", "extra"]
    assert SECRET not in json.dumps(list(told), default=str)
