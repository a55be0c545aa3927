"""A real ComfyUI fails; its console file becomes one event, one signed DingTalk message, and an answer of the API.

Runs only where two environment variables say where to find ComfyUI (0.3.x or newer; a CPU is enough, no models needed):

    SAFELIGHT_COMFYUI         a ComfyUI checkout: the folder with main.py
    SAFELIGHT_PYTHON  the Python that has its requirements

ComfyUI gets a base directory of its own with one node pack, written here, whose two nodes fail: nobody's models, nodes
or outputs are touched.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.comfyui_real import COMFYUI, PYTHON, eventually, needs_comfyui
from support.ports import free_port
from support.providers import DingTalk
from support.running import Running, running

pytestmark = [needs_comfyui, pytest.mark.timeout(400)]  # ComfyUI alone takes 7 to 60 s to start

SECRET = "SECdarkroom"
"""A robot's signing secret, as DingTalk hands them out."""

NODES = '''
"""Two nodes that cannot do their work."""

import torch


class ImageThatFails:
    RETURN_TYPES = ()
    FUNCTION = "turn_over"
    OUTPUT_NODE = True
    CATEGORY = "darkroom"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}}

    def turn_over(self, image):
        raise ValueError("the picture is upside down")


class ImageThatIsTooLarge(ImageThatFails):
    def turn_over(self, image):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


NODE_CLASS_MAPPINGS = {"ImageThatFails": ImageThatFails, "ImageThatIsTooLarge": ImageThatIsTooLarge}
'''


@contextlib.contextmanager
def process(command: list[str], output: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A program whose output and errors are appended to a file, as `>> FILE 2>&1` does; ended with the block."""
    with (
        output.open("ab") as file,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, **options) as started,
    ):
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(timeout=20)
            except subprocess.TimeoutExpired:
                started.kill()


@pytest.fixture
def dingtalk() -> Iterator[DingTalk]:
    with DingTalk(secret=SECRET) as robot:
        yield robot


class ComfyUI:
    """A running ComfyUI and its console file."""

    def __init__(self, url: str, console: Path) -> None:
        self.url = url
        self.console = console

    def said(self) -> bytes:
        """The console so far."""
        return self.console.read_bytes()

    def submit(self, node: str) -> str:
        """Queue a prompt that ends in `node`; its id."""
        image = {"width": 64, "height": 64, "batch_size": 1, "color": 0}
        prompt = {
            "1": {"class_type": "EmptyImage", "inputs": image},
            "2": {"class_type": node, "inputs": {"image": ["1", 0]}},
        }
        answer = httpx.post(f"{self.url}/prompt", json={"prompt": prompt}, timeout=30)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["prompt_id"])

    def wait_until_over(self, prompt_id: str) -> None:
        """Until the prompt has failed, as all of ours do."""

        def history() -> dict[str, Any] | None:
            entry: dict[str, Any] | None = (
                httpx.get(f"{self.url}/history/{prompt_id}", timeout=30).json().get(prompt_id)
            )
            return entry

        assert eventually(history, within_s=30, what="the prompt ends")["status"]["status_str"] == "error"


@pytest.fixture
def comfyui(tmp_path: Path) -> Iterator[ComfyUI]:
    base = tmp_path / "comfyui"
    pack = base / "custom_nodes" / "darkroom"
    pack.mkdir(parents=True)
    (pack / "__init__.py").write_text(NODES, encoding="utf-8")
    port = free_port()
    console = tmp_path / "logs" / "comfyui.log"
    console.parent.mkdir()
    command = [PYTHON, str(Path(COMFYUI, "main.py")), "--cpu", "--disable-auto-launch"]
    command += ["--listen", "127.0.0.1", "--port", str(port), "--base-directory", str(base)]
    command += ["--database-url", f"sqlite:///{base / 'comfyui.db'}"]
    server = ComfyUI(f"http://127.0.0.1:{port}", console)

    def ready() -> bool:
        if started.poll() is not None:
            pytest.fail(f"ComfyUI ended with status {started.returncode}:\n{server.said().decode(errors='replace')}")
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{server.url}/system_stats", timeout=5).status_code == 200
        return False

    with process(command, console, cwd=COMFYUI) as started:
        eventually(ready, within_s=180, what="ComfyUI answers")
        yield server


@pytest.fixture
def safelight(tmp_path: Path, comfyui: ComfyUI, dingtalk: DingTalk) -> Iterator[Running]:
    config = f"""
        [alerts]
        default_rules = false

        [[sources]]
        type = "file"
        paths = ["{comfyui.console.parent}/*.log"]
        service = "comfyui"

        [[channels]]
        type = "dingtalk"
        name = "team"
        url = "{dingtalk.url}"
        secret = "env:DARKROOM_ROBOT_SECRET"
        allow_private = true

        [[rules]]
        id = "any-error"
        when = "any level:ERROR"
        """
    with running(tmp_path, config, DARKROOM_ROBOT_SECRET=SECRET) as server:
        server.until('"To see the GUI go to"', within_s=30)
        yield server


def query(server: Running, text: str) -> list[dict[str, Any]]:
    """What the command prints."""
    return [json.loads(line) for line in server.cli("query", text, "--format", "ndjson").stdout.splitlines()]


def first_seen(comfyui: ComfyUI, text: str) -> float:
    """When `text` was in the console file, in monotonic seconds, give or take 20 ms."""
    eventually(lambda: text.encode() in comfyui.said(), within_s=60, what=f"{text!r} in the console")
    return time.monotonic()


@dataclass(frozen=True)
class Failure:
    """A node of ours, and what it raises."""

    node: str
    error_type: str
    error_message: str

    @property
    def last_line(self) -> str:
        """How its traceback ends."""
        return f"{self.error_type}: {self.error_message}"


FAILURES = [
    Failure("ImageThatFails", "ValueError", "the picture is upside down"),
    Failure("ImageThatIsTooLarge", "torch.OutOfMemoryError", "CUDA out of memory. Tried to allocate 2.00 GiB."),
]


@pytest.mark.parametrize("expected", FAILURES, ids=lambda failure: failure.node)
def test_a_failed_node_is_one_event_with_its_traceback_found_within_a_second_and_told_to_the_team(
    comfyui: ComfyUI, safelight: Running, dingtalk: DingTalk, expected: Failure
):
    with ThreadPoolExecutor(1) as watcher:
        printed = watcher.submit(first_seen, comfyui, f"\n{expected.last_line}\n")
        prompt_id = comfyui.submit(expected.node)
        condition = f'level:ERROR error_type:"{expected.error_type}"'
        eventually(lambda: safelight.events(condition), within_s=30, what="the API finds the failure")
        found_at = time.monotonic()
        assert found_at - printed.result() < 1.0  # seconds

    comfyui.wait_until_over(prompt_id)
    safelight.until('"Prompt executed"')
    failures = query(safelight, "level:ERROR error_type:*")
    assert len(failures) == 1
    [failure] = failures
    assert failure["service"] == "comfyui"
    assert failure["node"] == expected.node
    assert failure["error_type"] == expected.error_type
    assert failure["error_message"] == expected.error_message
    assert failure["traceback"].startswith("Traceback (most recent call last):\n")
    assert failure["traceback"].rstrip().endswith(f"\n{expected.last_line}")
    assert "darkroom/__init__.py" in failure["traceback"]
    assert "in turn_over" in failure["traceback"]
    assert "parse_error" not in failure
    assert "\x1b" not in "".join(str(value) for value in failure.values())  # newer versions colour their files

    (told,) = dingtalk.wait(1)
    assert dingtalk.accepted() == [told]  # signed as DingTalk checks it
    message = told.json[told.json["msgtype"]]["text"]
    assert expected.error_message in message
    assert expected.node in message


def test_one_failure_adds_exactly_one_error(comfyui: ComfyUI, safelight: Running):
    earlier = {event["id"] for event in query(safelight, "level:ERROR")}

    comfyui.wait_until_over(comfyui.submit("ImageThatFails"))
    safelight.until('"Prompt executed"')

    errors = [event for event in query(safelight, "level:ERROR") if event["id"] not in earlier]
    assert [event.get("error_type") for event in errors] == ["ValueError"]
