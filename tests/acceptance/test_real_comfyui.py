"""A real ComfyUI fails; its console file becomes one event, one signed DingTalk message, and an answer of the API.

Runs only where two environment variables say where to find ComfyUI (0.3.x or newer; a CPU is enough, no models needed):

    SAFELIGHT_COMFYUI         a ComfyUI checkout: the folder with main.py
    SAFELIGHT_COMFYUI_PYTHON  the Python that has its requirements

ComfyUI gets a base directory of its own with one node pack, written here, whose two nodes fail: nobody's models, nodes
or outputs are touched.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

COMFYUI = os.environ.get("SAFELIGHT_COMFYUI")
COMFYUI_PYTHON = os.environ.get("SAFELIGHT_COMFYUI_PYTHON")

pytestmark = [
    pytest.mark.skipif(
        not (COMFYUI and COMFYUI_PYTHON), reason="SAFELIGHT_COMFYUI and SAFELIGHT_COMFYUI_PYTHON name no ComfyUI"
    ),
    pytest.mark.timeout(400),  # ComfyUI alone takes 7 to 60 s to start
]

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

T = TypeVar("T")


def eventually(check: Callable[[], T | None], *, within_s: float, what: str) -> T:
    """The first answer of `check` that is not empty; the test fails when there is none in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if answer := check():
            return answer
        time.sleep(0.02)
    pytest.fail(f"not within {within_s:g} s: {what}")


@contextlib.contextmanager
def process(command: list[str], output: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A program whose output and errors are appended to a file, as `>> FILE 2>&1` does; ended with the block."""
    with (
        output.open("ab") as file,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, **options) as running,
    ):
        try:
            yield running
        finally:
            running.terminate()
            try:
                running.wait(timeout=20)
            except subprocess.TimeoutExpired:
                running.kill()


class DingTalk:
    """A robot as DingTalk's: checks the signature, answers HTTP 200 with an errcode inside, keeps what it was sent."""

    def __init__(self) -> None:
        self.accepted: list[dict[str, Any]] = []
        self.refused: list[str] = []
        robot = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                problem = robot.wrong_with(self.path)
                if problem:
                    robot.refused.append(problem)
                    answer = {"errcode": 310000, "errmsg": problem}
                else:
                    robot.accepted.append(json.loads(body))
                    answer = {"errcode": 0, "errmsg": "ok"}
                payload = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: object) -> None:
                """Nothing: the test's output is for the test."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/robot/send?access_token=darkroom"

    @staticmethod
    def wrong_with(path: str) -> str | None:
        """Why DingTalk would refuse this address, or None: sign = base64(HMAC-SHA256(secret, "timestamp\\nsecret")),
        at most an hour old.
        """
        query = parse_qs(urlsplit(path).query)
        if query.get("access_token") != ["darkroom"]:
            return "token is not exist"
        stamp, sign = query.get("timestamp", [""])[0], query.get("sign", [""])[0]
        if not stamp.isdigit() or abs(int(stamp) / 1000 - time.time()) > 3600:
            return "invalid timestamp"
        digest = hmac.new(SECRET.encode(), f"{stamp}\n{SECRET}".encode(), hashlib.sha256).digest()
        return None if hmac.compare_digest(sign, base64.b64encode(digest).decode()) else "sign not match"


@pytest.fixture
def dingtalk() -> Iterator[DingTalk]:
    robot = DingTalk()
    with robot.server:
        thread = threading.Thread(target=robot.server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield robot
        robot.server.shutdown()
        thread.join()


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
    assert COMFYUI
    assert COMFYUI_PYTHON
    base = tmp_path / "comfyui"
    pack = base / "custom_nodes" / "darkroom"
    pack.mkdir(parents=True)
    (pack / "__init__.py").write_text(NODES, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    console = tmp_path / "logs" / "comfyui.log"
    console.parent.mkdir()
    command = [COMFYUI_PYTHON, str(Path(COMFYUI, "main.py")), "--cpu", "--disable-auto-launch"]
    command += ["--listen", "127.0.0.1", "--port", str(port), "--base-directory", str(base)]
    command += ["--database-url", f"sqlite:///{base / 'comfyui.db'}"]
    server = ComfyUI(f"http://127.0.0.1:{port}", console)

    def ready() -> bool:
        if running.poll() is not None:
            pytest.fail(f"ComfyUI ended with status {running.returncode}:\n{server.said().decode(errors='replace')}")
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{server.url}/system_stats", timeout=5).status_code == 200
        return False

    with process(command, console, cwd=COMFYUI) as running:
        eventually(ready, within_s=180, what="ComfyUI answers")
        yield server


class Safelight:
    """A running `safelight up`."""

    def __init__(self, url: str, environment: dict[str, str]) -> None:
        self.url = url
        self.environment = environment
        self.http = httpx.Client(base_url=f"{url}/api/v1", timeout=30)

    def find(self, query: str) -> list[dict[str, Any]]:
        """What the API answers."""
        answer = self.http.get("/events", params={"q": query, "from": "now-1h", "limit": 100})
        assert answer.status_code == 200, answer.text
        events: list[dict[str, Any]] = answer.json()["events"]
        return events

    def query(self, query: str) -> list[dict[str, Any]]:
        """What the command prints."""
        command = [safelight_command(), "query", query, "--format", "ndjson", "--since", "1h", "--url", self.url]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


def safelight_command() -> str:
    """The command that was installed beside this Python."""
    return str(Path(sys.executable).with_name("safelight"))


@pytest.fixture
def safelight(tmp_path: Path, comfyui: ComfyUI, dingtalk: DingTalk) -> Iterator[Safelight]:
    config = tmp_path / "safelight.toml"
    config.write_text(
        f"""
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
        """,
        encoding="utf-8",
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SAFELIGHT_")}
    environment["SAFELIGHT_SPOOL"] = str(tmp_path / "spool")
    environment["DARKROOM_ROBOT_SECRET"] = SECRET
    said = tmp_path / "safelight.out"
    command = [safelight_command(), "up", "--config", str(config), "--data", str(tmp_path / "data"), "--port", "0"]

    def address() -> str | None:
        text = said.read_text(encoding="utf-8", errors="replace")
        if running.poll() is not None:
            pytest.fail(f"safelight up ended with status {running.returncode}:\n{text[-3000:]}")
        found = re.search(r"Safelight is at (http://127\.0\.0\.1:\d+)", text)
        return found and found[1]

    with process(command, said, env=environment) as running:
        url = eventually(address, within_s=30, what="safelight up says where it is")
        server = Safelight(url, environment)
        with server.http:
            eventually(lambda: server.find('"To see the GUI go to"'), within_s=30, what="the console has been read")
            yield server


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
    comfyui: ComfyUI, safelight: Safelight, dingtalk: DingTalk, expected: Failure
):
    with ThreadPoolExecutor(1) as watcher:
        printed = watcher.submit(first_seen, comfyui, f"\n{expected.last_line}\n")
        prompt_id = comfyui.submit(expected.node)
        condition = f'level:ERROR error_type:"{expected.error_type}"'
        eventually(lambda: safelight.find(condition), within_s=30, what="the API finds the failure")
        found_at = time.monotonic()
        assert found_at - printed.result() < 1.0  # seconds

    comfyui.wait_until_over(prompt_id)
    eventually(lambda: safelight.find('"Prompt executed"'), within_s=10, what="the last line has been read")
    failures = safelight.query("level:ERROR error_type:*")
    assert len(failures) == 1
    [failure] = failures
    assert failure["service"] == "comfyui"
    assert failure["error_type"] == expected.error_type
    assert failure["error_message"] == expected.error_message
    assert failure["traceback"].startswith("Traceback (most recent call last):\n")
    assert failure["traceback"].rstrip().endswith(f"\n{expected.last_line}")
    assert "darkroom/__init__.py" in failure["traceback"]
    assert "in turn_over" in failure["traceback"]
    assert "parse_error" not in failure
    assert "\x1b" not in "".join(str(value) for value in failure.values())  # newer versions colour their files

    eventually(lambda: dingtalk.accepted or dingtalk.refused, within_s=30, what="DingTalk hears of it")
    assert dingtalk.refused == []
    assert any(expected.error_message in json.dumps(message, ensure_ascii=False) for message in dingtalk.accepted)


def test_one_failure_adds_exactly_one_error(comfyui: ComfyUI, safelight: Safelight):
    earlier = {event["id"] for event in safelight.query("level:ERROR")}

    comfyui.wait_until_over(comfyui.submit("ImageThatFails"))
    eventually(lambda: safelight.find('"Prompt executed"'), within_s=10, what="the last line has been read")

    errors = [event for event in safelight.query("level:ERROR") if event["id"] not in earlier]
    assert [event.get("error_type") for event in errors] == ["ValueError"]
