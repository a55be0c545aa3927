"""Runs of a real ComfyUI, again: the same prompt here, what differs elsewhere, and nothing forgotten after a SIGKILL.

SAFELIGHT_COMFYUI, SAFELIGHT_COMFYUI_PYTHON              see `support/comfyui_real.py`
SAFELIGHT_OTHER_COMFYUI, SAFELIGHT_OTHER_COMFYUI_PYTHON  one of another version
"""

from __future__ import annotations

import json
import os
import signal
import struct
import zlib
from contextlib import contextmanager

import httpx
import pytest

from support import comfyui_real
from support.comfyui_real import eventually, needs_comfyui, start, workflow
from support.running import running

pytestmark = [needs_comfyui, pytest.mark.timeout(400)]
OTHER = (os.environ.get("SAFELIGHT_OTHER_COMFYUI"), os.environ.get("SAFELIGHT_OTHER_COMFYUI_PYTHON"))
SOURCE = """
[alerts]
default_rules = false
[spool]
directory = "{spool}"
[[sources]]
type = "comfyui"
url = "{url}"
resubmit_lost = "{policy}"
"""
IMAGES = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "portrait.png"}},
    "2": {"class_type": "LabSleep", "inputs": {"image": ["1", 0], "seconds": 0.1, "steps": 2, "salt": 1}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "portrait"}},
}
DARKROOM = """
class DarkroomTint:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "tint"
    CATEGORY = "darkroom"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}}

    def tint(self, image):
        return (image,)


NODE_CLASS_MAPPINGS = {"DarkroomTint": DarkroomTint}
"""
EXTRA = {"extra_pnginfo": {"workflow": {"nodes": [{"id": 1, "pos": [10, 20]}], "links": []}}, "note": "for the archive"}


def png(colour: int) -> bytes:
    """An image of 8 by 8 points."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes([colour, 80, 160]) * 8) * 8
    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@contextmanager
def watched(root, comfyui, policy="never"):
    """A Safelight that reads this ComfyUI's spool."""
    root.mkdir(exist_ok=True)
    with running(root, SOURCE.format(spool=comfyui.spool, url=comfyui.url, policy=policy)) as server:
        yield server


def submit(comfyui, prompt, **more):
    answer = httpx.post(f"{comfyui.url}/prompt", json={"prompt": prompt, **more}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["prompt_id"]


def remembered(comfyui, run):
    """Number, id, prompt, extra_data, outputs, once it has ended."""
    return eventually(
        lambda: httpx.get(f"{comfyui.url}/history/{run}", timeout=30).json().get(run, {}).get("prompt"),
        within_s=60,
        what=f"{run} ends",
    )


def test_a_replay_is_the_same_prompt_and_says_whose(tmp_path):
    (tmp_path / "base" / "input").mkdir(parents=True)
    (tmp_path / "base" / "input" / "portrait.png").write_bytes(png(10))
    with start(tmp_path / "base") as comfyui, watched(tmp_path / "server", comfyui) as server:
        run = submit(comfyui, IMAGES, extra_data=EXTRA, client_id="a-browser")
        server.until(f'workflow_id:"{run}" event:run_finished')
        assert server.get(f"/runs/{run}/prompt") == IMAGES

        again = json.loads(server.cli("replay", run, "--json").stdout)
        first, second = remembered(comfyui, run), remembered(comfyui, again["run_id"])
        assert json.dumps(second[2]) == json.dumps(first[2])  # also in the order of its nodes
        assert second[3]["extra_pnginfo"] == EXTRA["extra_pnginfo"]
        assert second[3]["note"] == EXTRA["note"]
        assert second[3].get("client_id") is None
        server.until(f'workflow_id:"{again["run_id"]}" event:run_finished')
        (queued,) = server.events(f'workflow_id:"{again["run_id"]}" event:run_queued')
        assert queued["attributes"]["replay_of"] == run
        (noted,) = server.until(f'workflow_id:"{run}" event:run_resubmitted')
        assert noted["attributes"]["new_id"] == again["run_id"]
        assert not server.events("event:run_document")

        wrong = server.cli("replay", run, "--set", "1.image=nobody.png", check=False)
        assert wrong.returncode == 1
        assert "nobody.png" in wrong.stderr


@pytest.mark.skipif(not all(OTHER), reason="SAFELIGHT_OTHER_COMFYUI and its Python name no other ComfyUI")
def test_a_bundle_opens_in_another_version_and_says_what_differs(tmp_path, monkeypatch):
    (tmp_path / "base" / "input").mkdir(parents=True)
    (tmp_path / "base" / "input" / "portrait.png").write_bytes(png(10))
    bundle, tinted = tmp_path / "run.zip", tmp_path / "tinted.zip"
    with (
        start(tmp_path / "base", {"darkroom": DARKROOM}) as comfyui,
        watched(tmp_path / "server", comfyui) as server,
    ):
        run = submit(comfyui, IMAGES, extra_data=EXTRA)
        other = submit(comfyui, IMAGES | {"2": {"class_type": "DarkroomTint", "inputs": {"image": ["1", 0]}}})
        server.until(f'workflow_id:"{other}" event:run_finished')
        server.cli("replay", run, "--bundle", str(bundle))
        server.cli("replay", other, "--bundle", str(tinted))
        there = ("replay", str(bundle), "--to", comfyui.url, "--check", "--json")
        assert json.loads(server.cli(*there).stdout) == []
        assert json.loads(server.cli("replay", run, "--to", comfyui.url, "--check", "--json").stdout) == []
        version = httpx.get(f"{comfyui.url}/system_stats", timeout=30).json()["system"]["comfyui_version"]

    monkeypatch.setattr(comfyui_real, "COMFYUI", OTHER[0])
    monkeypatch.setattr(comfyui_real, "PYTHON", OTHER[1])
    base = tmp_path / "other"
    (base / "input").mkdir(parents=True)
    (base / "input" / "portrait.png").write_bytes(png(200))
    with start(base) as comfyui, watched(tmp_path / "elsewhere", comfyui) as server:
        blocked = server.cli("replay", str(tinted), "--to", comfyui.url, "--check", "--json", check=False)
        assert blocked.returncode == 1
        (missing,) = (one for one in json.loads(blocked.stdout) if one["blocking"])
        assert missing["text"] == "The node class DarkroomTint is not there: install the node pack darkroom."

        there = ("replay", str(bundle), "--to", comfyui.url)
        found = json.loads(server.cli(*there, "--check", "--json").stdout)
        assert [one["key"] for one in found] == ["bundle.version", "bundle.file_differs"]
        assert found[0]["text"].endswith(f"and was {version}.")
        again = json.loads(server.cli(*there, "--yes", "--json").stdout)
        prompt = remembered(comfyui, again["run_id"])[2]
        assert prompt["1"]["inputs"]["image"].endswith("/portrait.png")
        assert (base / "input" / prompt["1"]["inputs"]["image"]).read_bytes() == png(10)
        assert (base / "input" / "portrait.png").read_bytes() == png(200)
        server.until(f'workflow_id:"{again["run_id"]}" event:run_finished')


def test_what_a_killed_comfyui_was_doing_is_known_and_what_waited_is_submitted_again(tmp_path, monkeypatch):
    monkeypatch.setenv("SAFELIGHT_INSTANCE", "studio")
    root = tmp_path / "server"
    with start(tmp_path / "base") as comfyui, watched(root, comfyui) as server:
        run, waited = submit(comfyui, workflow("hang")), submit(comfyui, workflow("ok", salt=3), extra_data=EXTRA)
        server.until(f'workflow_id:"{run}" event:resources_sampled')
        server.until(f'workflow_id:"{waited}" event:run_queued')
        comfyui.process.send_signal(signal.SIGKILL)
        comfyui.process.wait()
        (lost,) = server.until(f'workflow_id:"{run}" event:run_lost', within_s=40)
        assert (lost["level"], lost["instance"], lost["node"], lost["node_id"]) == ("ERROR", "studio", "LabHang", "2")
        assert lost["ram_used_mb"] > 100
        assert lost["attributes"]["was"] == "running"
        (queued,) = server.until(f'workflow_id:"{waited}" event:run_lost', within_s=40)
        assert queued["attributes"]["was"] == "queued"

    # ComfyUI and Safelight come back; neither remembers but by what is stored.
    with start(tmp_path / "again") as comfyui, watched(root, comfyui, "queued") as server:
        (noted,) = server.until("event:run_resubmitted", within_s=40)
        assert noted["workflow_id"] == waited
        again = noted["attributes"]["new_id"]
        assert remembered(comfyui, again)[2] == workflow("ok", salt=3)
        server.until(f'workflow_id:"{again}" event:run_finished')
        assert json.loads(server.cli("replay", "--lost", "--json").stdout) == {"resubmitted": [], "failed": []}
        assert len(server.events("event:run_lost")) == 2
