"""What the page's buttons ask for: the prompt, a bundle, a run again; and how a refusal reads."""

from __future__ import annotations

import io
import zipfile
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI

from safelight.app.resubmit import Again
from safelight.comfyui.replay import Submission
from safelight.errors import InputError, NoSuchEvent, PromptRejected, SafelightError, ServiceError
from safelight.web import reply
from safelight.web.api import replay

pytestmark = pytest.mark.anyio
PROMPT = {"9": {"class_type": "B"}, "10": {"class_type": "A"}}


class Resubmitter:
    def __init__(self, tmp_path):
        self.tmp_path, self.asked, self.error = tmp_path, [], None

    async def find(self, run_id):
        if run_id != "run-1":
            raise NoSuchEvent("replay.prompt_not_kept", run=run_id)
        return Submission(run_id, PROMPT)

    async def again(self, *asked):
        self.asked.append(asked)
        if self.error:
            raise self.error
        return Again("new-1", "http://127.0.0.1:8188")

    async def lost(self, *asked):
        self.asked.append(asked)
        return {"resubmitted": [], "failed": []}

    async def would(self, *asked):
        self.asked.append(("would", *asked))
        return {"would_submit": [], "failed": []}

    async def bundle(self, run_id, _folder):
        path = self.tmp_path / "x.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("prompt.json", run_id)
        return path


@pytest.fixture
def resubmitter(tmp_path):
    return Resubmitter(tmp_path)


@pytest.fixture
async def client(resubmitter):
    web = FastAPI()
    web.state.safelight = SimpleNamespace(resubmitter=resubmitter)
    web.add_exception_handler(SafelightError, reply.ours)
    web.include_router(replay.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://127.0.0.1") as opened:
        yield opened


async def test_the_prompt_comes_in_its_own_order(client):
    answer = await client.get("/runs/run-1/prompt")
    assert list(answer.json().items()) == list(PROMPT.items())


async def test_a_prompt_that_was_not_kept_is_not_found(client):
    answer = await client.get("/runs/run-2/prompt")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "was not kept" in answer.json()["detail"]


async def test_a_bundle_is_a_download_and_leaves_nothing_behind(client, resubmitter):
    answer = await client.get("/runs/run-1/bundle")
    assert answer.headers["content-disposition"] == 'attachment; filename="run-run-1.zip"'
    assert zipfile.ZipFile(io.BytesIO(answer.content)).read("prompt.json") == b"run-1"
    assert not list(resubmitter.tmp_path.iterdir())


async def test_a_run_is_submitted_again_with_and_without_a_body(client, resubmitter):
    answer = await client.post("/runs/run-1/replay")
    assert answer.json() == {"run_id": "new-1", "to": "http://127.0.0.1:8188"}
    await client.post("/runs/run-1/replay", json={"to": "gpu-01", "set": {"1.key": "k"}})
    assert resubmitter.asked == [("run-1", None, {}), ("run-1", "gpu-01", {"1.key": "k"})]


async def test_a_key_that_does_not_exist_is_refused(client):
    assert (await client.post("/runs/run-1/replay", json={"too": "x"})).status_code == 422


async def test_lost_runs_are_submitted_again(client, resubmitter):
    assert (await client.post("/runs/resubmit", json={"ids": ["a"]})).json() == {"resubmitted": [], "failed": []}
    await client.post("/runs/resubmit")
    assert resubmitter.asked == [(None, ["a"]), (None, None)]


async def test_lost_runs_are_only_listed_when_asked_so(client, resubmitter):
    answer = await client.post("/runs/resubmit", json={"instance": "gpu-01", "check": True})
    assert answer.json() == {"would_submit": [], "failed": []}
    assert resubmitter.asked == [("would", "gpu-01", None)]


async def test_what_comfyui_found_wrong_is_all_there(client, resubmitter):
    errors = {"4": {"class_type": "Load", "errors": [{"message": "no such model"}, {"message": "too small"}]}}
    resubmitter.error = PromptRejected("comfyui.rejected", node_errors=errors, url="http://x", reason="Load 4: no")
    answer = await client.post("/runs/run-1/replay")
    assert answer.status_code == 422
    assert answer.json()["node_errors"] == errors
    assert "Load 4: too small" in answer.json()["detail"]


async def test_a_comfyui_that_does_not_answer_is_a_bad_gateway(client, resubmitter):
    resubmitter.error = ServiceError("comfyui.unreachable", url="http://x", reason="refused")
    assert (await client.post("/runs/run-1/replay")).status_code == 502


async def test_a_run_with_removed_secrets_is_a_bad_request(client, resubmitter):
    resubmitter.error = InputError("replay.secrets_removed", run="run-1", inputs="12.api_key", example="12.api_key")
    answer = await client.post("/runs/run-1/replay", headers={"Accept-Language": "zh-CN"})
    assert answer.status_code == 400
    assert "密钥从不保存" in answer.json()["detail"]
