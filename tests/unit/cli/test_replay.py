"""`safelight replay` with the server down: from the data directory, or from a bundle."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from safelight.batch import Batch
from safelight.cli import replay as room
from safelight.cli.replay import command
from safelight.comfyui.pack.document import canonical, parts
from safelight.documents import Documents
from safelight.errors import InputError, PromptRejected, StoreError
from safelight.store.segments import SegmentStore
from support.studio_next_door import Studio, listening

PROMPT = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15.safetensors"}},
    "2": {"class_type": "Uploader", "inputs": {"api_key": "[REDACTED]"}},
}
CLASSES = {"CheckpointLoaderSimple": "nodes", "Uploader": "custom_nodes.darkroom"}


@pytest.fixture
def studio():
    with listening(Studio(classes=dict(CLASSES))) as opened:
        yield opened


@pytest.fixture
def data(tmp_path, studio):
    """A data directory with one lost run, and a configuration that knows where it ran."""
    text = canonical(PROMPT)
    sent = {"prompt_sha256": sha256(text.encode()).hexdigest()}
    told = [*({"event": "run_document"} | {"said": part} for part in parts("prompt", text))]
    told += [{"event": "run_queued", "said": sent}, {"event": "run_lost", "said": {"was": "queued"}}]
    rows = [
        {"id": str(n), "timestamp": datetime.now(UTC), "workflow_id": "run-1", "instance": "gpu-01"}
        | {"event": one["event"], "attributes": json.dumps(one["said"])}
        for n, one in enumerate(told)
    ]
    with SegmentStore.open(tmp_path / "data") as store:
        store.append(Documents(tmp_path / "data" / "documents").step()(Batch.of(rows)))
    config = f'[[sources]]\ntype = "comfyui"\ninstance = "gpu-01"\nurl = "{studio.url}"\n'
    (tmp_path / "safelight.toml").write_text(config)
    return tmp_path / "data"


def replay(*arguments, data=None, answer=None):
    more = ["--data", str(data), "--config", str(data.parent / "safelight.toml")] if data else []
    return CliRunner().invoke(command, [*arguments, *more], input=answer)


def bundle_of(data):
    path = data.parent / "run.zip"
    done = replay("run-1", "--bundle", str(path), data=data)
    assert done.exit_code == 0, done.output
    assert str(path) in done.output
    return str(path)


def test_a_run_is_submitted_again_with_its_secrets_given(data, studio):
    refused = replay("run-1", data=data)
    assert isinstance(refused.exception, InputError)
    assert "--set 2.api_key=" in str(refused.exception)
    done = replay("run-1", "--set", "2.api_key=a=b", "--json", data=data)
    assert json.loads(done.stdout) == {"run_id": "new-1", "to": studio.url}
    assert studio.submitted[0]["prompt"]["2"]["inputs"] == {"api_key": "a=b"}


def test_all_lost_runs_are_submitted_again_and_those_that_cannot_be_are_named(data):
    done = replay("--lost", data=data)
    assert done.exit_code == 1
    assert "run-1: Run run-1 cannot be submitted as it was" in done.stderr
    assert replay("--lost", "--instance", "gpu-02", data=data).stdout.startswith("No lost run")


def test_lost_runs_that_are_only_checked_stay_lost(data, studio, monkeypatch):
    done = replay("--lost", "--check", data=data)
    assert done.exit_code == 1
    assert "run-1: Run run-1 cannot be submitted as it was" in done.stderr
    monkeypatch.setattr(room, "running", lambda *_: Running({"would_submit": [{"run_id": "a", "to": "http://x"}]}))
    done = replay("--lost", "--check")
    assert (done.exit_code, done.stdout) == (0, "a would be submitted to http://x.\n")
    assert json.loads(replay("--lost", "--check", "--json").stdout)["would_submit"]
    assert not studio.submitted


class Running:
    """A server that knows two runs, and what `/runs/resubmit` answers."""

    def __init__(self, lost=None):
        self.lost, self.posted = {"failed": []} | (lost or {}), []

    def get(self, path, asked):
        assert (path, asked["from"]) == ("/runs", "1970-01-01")
        return {"runs": [{"id": one} for one in ("abc-1", "abd-2", "x-abc-1") if asked["q"] in one]}

    def post(self, path, body, _media_type):
        self.posted.append(path)
        if path == "/runs/resubmit":
            assert json.loads(body)["check"] is True
            return self.lost
        return {"run_id": "new-1", "to": "http://x"}


def test_the_beginning_of_an_id_is_enough_with_the_server_up(monkeypatch):
    server = Running()
    monkeypatch.setattr(room, "running", lambda *_: server)
    assert replay("abc").exit_code == 0
    assert replay("abd-2").exit_code == 0
    assert replay("unknown").exit_code == 0
    assert "Several runs" in str(replay("ab").exception)
    assert server.posted == ["/runs/abc-1/replay", "/runs/abd-2/replay", "/runs/unknown/replay"]


def test_the_beginning_of_an_id_is_enough_with_the_server_down(data, studio):
    assert replay("ru", "--set", "2.api_key=k", data=data).exit_code == 0
    assert len(studio.submitted) == 1
    row = {"id": "x", "timestamp": datetime.now(UTC), "workflow_id": "run-2", "event": "run_queued"}
    with SegmentStore.open(data) as store:
        store.append(Batch.of([row]))
    several = replay("run-", data=data).exception
    assert isinstance(several, InputError)
    assert "run-1, run-2" in str(several)
    assert replay("run-1", "--set", "2.api_key=k", data=data).exit_code == 0


def test_a_bundle_is_one_whatever_its_name(data):
    path = Path(bundle_of(data)).rename(data.parent / "soft")
    done = replay(str(path), "--check", "--set", "2.api_key=k", data=data)
    assert done.exit_code == 0, done.output


def test_a_name_that_no_file_can_have_is_that_of_a_run(data):
    assert "There is no run" in str(replay("x" * 5000, data=data).exception)


def test_a_bundle_overwrites_nothing(data):
    path = Path(bundle_of(data))
    written = path.read_bytes()
    again = replay("run-1", "--bundle", str(path), data=data)
    assert isinstance(again.exception, InputError)
    assert "exists already" in str(again.exception)
    assert path.read_bytes() == written


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("run-1", "--bundle", "no.zip", "--set", "2.api_key=k"), "--set"),
        (("run-1", "--bundle", "no.zip", "--to", "gpu-01"), "--to"),
        (("run-1", "--bundle", "no.zip", "--check"), "--check"),
        (("run-1", "--bundle", "no.zip", "--json"), "--json"),
        (("--lost", "--to", "gpu-01"), "--to"),
        (("--lost", "--bundle", "no.zip"), "--bundle"),
        (("--lost", "--set", "2.api_key=k"), "--set"),
        (("run-1", "--instance", "gpu-01"), "--instance"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-",
)
def test_an_option_that_would_be_ignored_is_refused(data, studio, arguments, named, monkeypatch):
    monkeypatch.chdir(data.parent)
    refused = replay(*arguments, data=data)
    assert isinstance(refused.exception, InputError)
    assert named in str(refused.exception)
    assert not Path("no.zip").exists()
    assert not studio.submitted


def test_what_a_comfyui_answers_cannot_act_on_the_terminal(data, studio, monkeypatch):
    monkeypatch.setattr(studio, "post", lambda *_: (200, {"prompt_id": "new\x1b[2J-1"}))
    done = replay("run-1", "--set", "2.api_key=k", data=data)
    assert done.exit_code == 0
    assert "new[2J-1" in done.stdout


def test_everything_that_is_wrong_with_the_prompt_is_said(data, studio):
    errors = [{"message": "no such model"}, {"message": "too small"}]
    studio.rejection = {"error": {"message": "no"}, "node_errors": {"1": {"class_type": "Load", "errors": errors}}}
    done = replay("run-1", "--set", "2.api_key=k", data=data)
    assert isinstance(done.exception, PromptRejected)
    assert done.stderr.splitlines() == ["Load 1: no such model", "Load 1: too small"]


def test_what_differs_elsewhere_is_listed_and_asked_about(data):
    bundle = bundle_of(data)
    with listening(Studio(version="0.3.64", classes=dict(CLASSES))) as other:
        given = ("--to", other.url, "--set", "2.api_key=k")
        assert replay(bundle, *given, "--check").exit_code == 0
        assert replay(bundle, *given, answer="n\n").exit_code == 1
        assert not other.submitted
        done = replay(bundle, *given, answer="y\n")
        assert "ComfyUI is 0.3.64 there, and was 0.27.0." in done.stderr
        assert "new-1" in done.stdout
        assert replay(bundle, *given, "--yes").exit_code == 0
        assert len(other.submitted) == 2


def test_what_stands_in_the_way_is_not_run_even_with_yes(data):
    bundle = bundle_of(data)
    with listening(Studio(classes={"CheckpointLoaderSimple": "nodes"})) as other:
        checked = replay(bundle, "--to", other.url, "--check", "--json")
        assert checked.exit_code == 1
        found = {one["key"] for one in json.loads(checked.stdout) if one["blocking"]}
        assert found == {"bundle.class_missing_of_pack", "bundle.secret_removed"}
        assert isinstance(replay(bundle, "--to", other.url, "--yes").exception, InputError)
        assert not other.submitted


def test_a_run_is_checked_without_writing_a_bundle(data):
    done = replay("run-1", "--check", "--set", "2.api_key=k", data=data)
    assert done.exit_code == 0, done.output
    assert "sd15.safetensors is the same cannot be told" in done.stdout


def test_a_bundle_is_checked_without_a_data_directory_or_a_configuration(data, studio, monkeypatch, tmp_path):
    bundle = bundle_of(data)
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "nobody"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "safelight.toml").write_text("broken = [")
    assert replay(bundle, "--to", studio.url, "--check", "--set", "2.api_key=k").exit_code == 0
    assert urlsplit(studio.url).port


@pytest.mark.parametrize(
    "arguments", [(), ("run-1", "--lost"), ("run-1", "--set", "nonsense"), ("run-1", "--set", "x=1")]
)
def test_wrong_usage_is_said(data, arguments):
    done = replay(*arguments, data=data)
    assert done.exit_code in {1, 2}
    assert done.exit_code == 2 or isinstance(done.exception, InputError)


def test_a_data_directory_that_is_not_there_is_said(tmp_path):
    assert isinstance(replay("run-1", "--to", "http://127.0.0.1:1", data=tmp_path / "none").exception, StoreError)


def test_a_bundle_without_an_answer_of_its_comfyui_says_what_it_lacks(data, tmp_path):
    (tmp_path / "safelight.toml").write_text("")
    done = replay("run-1", "--bundle", str(tmp_path / "run.zip"), data=data)
    assert done.exit_code == 0
    assert "did not answer" in done.stderr


def test_a_bundle_that_cannot_be_written_is_said(data, tmp_path):
    done = replay("run-1", "--bundle", str(tmp_path / "no" / "folder.zip"), data=data)
    assert isinstance(done.exception, InputError)
