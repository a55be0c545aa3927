"""A run is submitted again as it was, where it belongs, and each lost run once."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import anyio
import pytest

from safelight import answers
from safelight.app.ledger import Lost
from safelight.app.resubmit import Resubmitter
from safelight.app.targets import Targets
from safelight.batch import Batch
from safelight.comfyui import bundle
from safelight.comfyui import client as client_room
from safelight.comfyui.pack.document import canonical, parts
from safelight.documents import Documents
from safelight.errors import InputError, NoSuchEvent, PromptRejected, ServiceError
from safelight.sources.comfyui import ComfyUI
from safelight.store.segments import SegmentStore
from support.studio_next_door import Studio, listening

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC)
PROMPT = {"1": {"class_type": "EmptyImage", "inputs": {"seed": 7}}}
WORKFLOW = {"nodes": [{"id": 1, "pos": [0, 0]}]}
HOST = socket.gethostname()


@pytest.fixture
def store(tmp_path):
    with SegmentStore.open(tmp_path) as opened:
        yield opened


@pytest.fixture
def documents(tmp_path):
    return Documents(tmp_path / "documents")


@pytest.fixture
def studio():
    with listening(Studio(classes={"EmptyImage": "nodes"})) as opened:
        yield opened


class Notes(list):
    def __call__(self, event, /, **fields):
        self.append((event, fields))


def event(name, run, n=0, instance="gpu-01", **attributes):
    return {
        "id": f"{name}-{run}",
        "timestamp": NOW + timedelta(seconds=n),
        "event": name,
        "workflow_id": run,
        "instance": instance,
        "service": "comfyui",
        "attributes": json.dumps(attributes),
    }


@pytest.fixture
def tell(store, documents):
    step = documents.step()
    return lambda *events: store.append(step(Batch.of(events)))


def queued(run, prompt=PROMPT, n=0, instance="gpu-01", **more):
    """What the pack tells of a submission."""
    said, events = {}, []
    for kind, value in {"prompt": prompt, "workflow": WORKFLOW, "extra": {"note": "x"}}.items():
        text = canonical(value)
        said[f"{kind}_sha256"] = sha256(text.encode()).hexdigest()
        events += [event("run_document", run, n, **part) for part in parts(kind, text)]
    return [*events, event("run_queued", run, n, instance, **said, **more)]


def lost(run, was="queued", n=1, instance="gpu-01"):
    return [*queued(run, n=n, instance=instance), event("run_lost", run, n + 1, instance, was=was)]


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture
def resubmitter(store, documents, studio, notes):
    sources = [ComfyUI(url=studio.url, instance="gpu-01", headers={"X-Door": "open"}, resubmit_lost="queued")]
    return Resubmitter(store, documents, Targets(sources), notes)


async def test_a_run_goes_again_as_it_was_where_it_ran_and_that_is_noted(resubmitter, tell, studio, notes):
    tell(*queued("run-1"))
    again = await resubmitter.again("run-1")
    assert (again.run_id, again.to) == ("new-1", studio.url)
    (sent,) = studio.submitted
    assert json.dumps(sent["prompt"]) == json.dumps(PROMPT)
    assert sent["extra_data"] == {
        "note": "x",
        "extra_pnginfo": {"workflow": WORKFLOW},
        "safelight": {"replay_of": "run-1"},
    }
    ((name, fields),) = notes
    assert name == "run_resubmitted"
    assert fields["workflow_id"] == "run-1"
    assert fields["attributes"]["new_id"] == "new-1"


async def test_a_prompt_with_nan_goes_as_it_was_and_is_drawn(resubmitter, store, documents, tell, studio):
    prompt = {"1": {"class_type": "EmptyImage", "inputs": {"cfg": float("nan")}}}
    tell(*queued("run-1", prompt))
    await resubmitter.again("run-1")
    assert json.dumps(studio.submitted[0]["prompt"]) == json.dumps(prompt)
    page = answers.run(store, documents.get, "run-1")
    assert page["prompt"]["kept"]
    assert [node["id"] for node in page["graph"]["nodes"]] == ["1"]


async def test_a_run_goes_elsewhere_by_address_or_by_name(resubmitter, tell):
    tell(*queued("run-1"))
    with listening(Studio()) as other:
        assert (await resubmitter.again("run-1", other.url)).to == other.url
        assert len(other.submitted) == 1
    assert await resubmitter.again("run-1", "gpu-01")


@pytest.mark.parametrize(
    "to",
    [
        "ftp://x/",
        "http://",
        "http://[",
        "file:///etc/passwd",
        "nobody",
        "http://h:99999",
        "http://ä..b",
        "http://a\x01b",
    ],
)
async def test_an_address_that_is_none_is_refused(resubmitter, tell, to):
    tell(*queued("run-1"))
    with pytest.raises(InputError):
        await resubmitter.again("run-1", to)


async def test_a_run_that_nobody_knows_and_prompts_that_were_not_kept_say_so(resubmitter, tell):
    tell(
        event("run_queued", "without"),
        event("run_queued", "large", prompt_omitted="too large"),
        event("run_queued", "lost", prompt_sha256="0" * 64),
        event("run_started", "never queued"),
    )
    for run, said in {
        "nobody": "There is no run nobody",
        "never queued": "There is no run",
        "without": "was not kept",
        "lost": "was not kept",
        "large": "too large",
    }.items():
        with pytest.raises(NoSuchEvent, match=said):
            await resubmitter.again(run)


async def test_a_prompt_that_redaction_broke_says_so(resubmitter, tell):
    name = sha256(b"x").hexdigest()
    part = {"sha256": name, "kind": "prompt", "part": 0, "parts": 1, "text": '{"1": [REDACTED]'}
    tell(event("run_document", "run-1", **part), event("run_queued", "run-1", prompt_sha256=name))
    with pytest.raises(NoSuchEvent, match="can no longer be read"):
        await resubmitter.again("run-1")


async def test_removed_secrets_are_asked_for_and_taken(resubmitter, tell, studio):
    prompt = {"12": {"class_type": "Uploader", "inputs": {"api_key": "[REDACTED]"}}}
    tell(*queued("run-1", prompt, redacted=["12.inputs.api_key"]))
    with pytest.raises(InputError, match=r"12\.api_key"):
        await resubmitter.again("run-1")
    await resubmitter.again("run-1", values={"12.api_key": "k"})
    assert studio.submitted[0]["prompt"]["12"]["inputs"] == {"api_key": "k"}


async def test_a_rejection_is_nobodys_replay(resubmitter, tell, studio, notes):
    tell(*queued("run-1"))
    studio.rejection = {"error": {"message": "no"}, "node_errors": {}}
    with pytest.raises(PromptRejected):
        await resubmitter.again("run-1")
    assert not notes


async def test_an_instance_without_a_source_is_found_by_its_own_name_on_this_machine(store, documents, tell, studio):
    port = studio.url.rpartition(":")[2]
    tell(*queued("run-1", instance=f"{HOST}:{port}"), *queued("run-2", instance=f"elsewhere:{port}"))
    bare = Resubmitter(store, documents, Targets(()))
    assert (await bare.again("run-1")).to == studio.url
    with pytest.raises(InputError, match="elsewhere"):
        await bare.again("run-2")


@pytest.mark.parametrize("port", ["65536", "9" * 5000, "", "x", "-1"], ids=lambda port: port[:6] or "none")
async def test_a_name_of_this_machine_with_no_port_is_no_address(store, documents, tell, port):
    tell(*queued("run-1", instance=f"{HOST}:{port}"))
    with pytest.raises(InputError):
        await Resubmitter(store, documents, Targets([])).again("run-1")


async def test_an_instance_that_only_its_node_pack_calls_so_is_met(store, documents, tell, studio):
    studio.instance = "retouching"
    tell(*queued("run-1", instance="retouching"))
    there = Resubmitter(store, documents, Targets([ComfyUI(url=studio.url, resubmit_lost="all")]))
    assert (await there.again("run-1")).to == studio.url
    assert await there.wants(Lost("run-1", "retouching", NOW, was_running=True))


async def test_of_two_instances_of_one_name_none_is_taken_for_the_other(store, documents, tell, studio):
    tell(*queued("run-1"))
    with listening(Studio()) as other:
        targets = Targets([ComfyUI(url=one.url, instance="gpu-01") for one in (studio, other)])
        with pytest.raises(InputError, match="gpu-01"):
            await Resubmitter(store, documents, targets).again("run-1")
        assert (await Resubmitter(store, documents, targets).again("run-1", other.url)).to == other.url
    assert not studio.submitted


async def test_all_that_waited_is_submitted_again_once_in_order(resubmitter, tell, studio):
    tell(*lost("run-1", n=1), *lost("run-2", n=3), *lost("ran", "running", n=5), *lost("other", n=7, instance="gpu-02"))
    tell(*queued("fine"), event("run_finished", "fine"))
    answer = await resubmitter.lost("gpu-01")
    assert answer == {
        "resubmitted": [{"run_id": "run-1", "new_id": "new-1"}, {"run_id": "run-2", "new_id": "new-2"}],
        "failed": [],
    }
    assert await resubmitter.lost("gpu-01") == {"resubmitted": [], "failed": []}
    assert len(studio.submitted) == 2


async def test_runs_that_a_person_names_are_submitted_if_they_were_lost(resubmitter, tell):
    tell(*lost("ran", "running"), *queued("fine"))
    answer = await resubmitter.lost(ids=["ran", "fine", "nobody", "ran"])
    assert answer["resubmitted"] == [{"run_id": "ran", "new_id": "new-1"}]
    assert [(one["run_id"], one["reason"]) for one in answer["failed"]] == [
        ("fine", "Run fine was not lost; use replay for a run that ended."),
        ("nobody", "Run nobody was not lost; use replay for a run that ended."),
        ("ran", "Run ran was submitted again already."),
    ]


async def test_what_would_be_submitted_is_listed_and_stays_where_it_is(resubmitter, tell, studio, notes):
    secret = {"12": {"class_type": "Uploader", "inputs": {"api_key": "[REDACTED]"}}}
    tell(*lost("run-1", n=1), *lost("ran", "running", n=3), *lost("other", n=5, instance="gpu-02"))
    tell(*queued("secret", secret, n=7), event("run_lost", "secret", 8, was="queued"))
    answer = await resubmitter.would()
    assert answer["would_submit"] == [{"run_id": "run-1", "to": studio.url}]
    assert [one["run_id"] for one in answer["failed"]] == ["other", "secret"]
    assert "--set 12.api_key=" in answer["failed"][1]["reason"]
    assert not studio.submitted
    assert not notes


def of(run):
    return Lost(run, "gpu-01", NOW, was_running=False)


async def test_by_policy_a_lost_run_is_submitted_once_also_when_everybody_asks_at_once(resubmitter, tell, studio):
    tell(*lost("run-1"))
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(resubmitter.by_policy, of("run-1"))
        tasks.start_soon(resubmitter.lost, "gpu-01")
    assert len(studio.submitted) == 1


async def test_by_policy_what_is_in_the_queue_again_already_is_not_submitted(resubmitter, tell, studio):
    tell(*lost("run-1"))
    studio.queue = ["nonsense", [1, "x", {}, {"safelight": {"replay_of": "run-1"}}, []]]
    assert await resubmitter.by_policy(of("run-1"))
    assert not studio.submitted


async def test_by_policy_what_ran_again_while_nobody_looked_is_not_submitted(resubmitter, tell, studio):
    tell(*lost("run-1"))
    item = [1, "x", {}, {"safelight": {"replay_of": "run-1"}}, []]
    studio.history = {"w": "nonsense", "x": {"prompt": item, "status": {}}}
    assert await resubmitter.by_policy(of("run-1"))
    assert not studio.submitted


async def test_by_policy_the_history_is_not_asked_for_what_was_lost_since_we_started(resubmitter, tell, studio):
    tell(*lost("run-1"))
    studio.history = {"x": {"prompt": [1, "x", {}, {"safelight": {"replay_of": "run-1"}}, []]}}
    assert await resubmitter.by_policy(replace(of("run-1"), at=datetime.now(UTC)))
    assert len(studio.submitted) == 1


async def test_by_policy_a_history_that_is_too_large_to_be_read_is_no_obstacle(resubmitter, tell, studio, monkeypatch):
    monkeypatch.setattr(client_room, "ANSWER_LIMIT", 5_000)
    tell(*lost("run-1"))
    studio.history = {"x": {"outputs": "x" * 10_000}}
    assert await resubmitter.by_policy(of("run-1"))
    assert len(studio.submitted) == 1


async def test_by_policy_a_comfyui_that_does_not_answer_is_tried_later(store, documents, tell, notes):
    tell(*lost("run-1"))
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        sources = [ComfyUI(url=f"http://127.0.0.1:{nobody.getsockname()[1]}", instance="gpu-01")]
        there = Resubmitter(store, documents, Targets(sources), notes)
        assert not await there.by_policy(of("run-1"))
        with pytest.raises(ServiceError):
            await there.again("run-1")
    assert not notes


async def test_what_could_not_be_submitted_by_policy_people_may_still_submit(resubmitter, tell):
    tell(*lost("run-1"), event("run_resubmitted", "run-1", 9, new_id=None))
    assert (await resubmitter.lost())["resubmitted"] == [{"run_id": "run-1", "new_id": "new-1"}]


async def test_by_policy_what_cannot_be_submitted_is_noted(resubmitter, tell, studio, notes):
    tell(event("run_queued", "run-1"), *lost("run-2"))
    studio.rejection = {
        "error": {"message": "no"},
        "node_errors": {"1": {"class_type": "A", "errors": [{"message": "x"}]}},
    }
    assert await resubmitter.by_policy(of("run-1"))
    assert await resubmitter.by_policy(of("run-2"))
    assert [(name, fields["level"], fields["workflow_id"]) for name, fields in notes] == [
        ("run_resubmitted", "ERROR", "run-1"),
        ("run_resubmitted", "ERROR", "run-2"),
    ]


@pytest.mark.parametrize(
    ("policy", "queued", "running"), [("never", False, False), ("queued", True, False), ("all", True, True)]
)
async def test_what_is_submitted_again_is_as_configured(store, documents, policy, queued, running):
    sources = [ComfyUI(url="http://127.0.0.1:1", instance="gpu-01", resubmit_lost=policy)]
    there = Resubmitter(store, documents, Targets(sources))
    assert await there.wants(Lost("r", "gpu-01", NOW, was_running=False)) is queued
    assert await there.wants(Lost("r", "gpu-01", NOW, was_running=True)) is running
    assert not await there.wants(Lost("r", "nobody's", NOW, was_running=False))


async def test_a_bundle_has_what_its_comfyui_knows_and_without_it_what_was_kept(resubmitter, store, documents, tell):
    tell(*queued("run-1"))
    path = await resubmitter.bundle("run-1", documents.directory)
    opened = bundle.read(path)
    assert opened.submission.prompt == PROMPT
    assert opened.manifest.made_with.versions["ComfyUI"] == "0.27.0"
    alone = Resubmitter(store, documents, Targets(()))
    assert not bundle.read(await alone.bundle("run-1", documents.directory)).manifest.made_with.versions
