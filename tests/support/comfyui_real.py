"""A real ComfyUI with the node pack, in a process and a base directory of its own.

SAFELIGHT_COMFYUI         a ComfyUI checkout: the folder with main.py
SAFELIGHT_COMFYUI_PYTHON  the Python that has its requirements
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from safelight.comfyui.install import install
from support.ports import free_port

COMFYUI = os.environ.get("SAFELIGHT_COMFYUI", "")
PYTHON = os.environ.get("SAFELIGHT_COMFYUI_PYTHON", "")
HERE = Path(__file__).parent
WORKFLOWS = HERE.parent / "golden" / "comfyui" / "workflows"

needs_comfyui = pytest.mark.skipif(
    not (COMFYUI and PYTHON), reason="SAFELIGHT_COMFYUI and SAFELIGHT_COMFYUI_PYTHON name no ComfyUI"
)

T = TypeVar("T")


def eventually(check: Callable[[], T | None], *, within_s: float, what: str) -> T:
    """The first answer of `check` that is not empty; the test fails when there is none in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if answer := check():
            return answer
        time.sleep(0.02)
    pytest.fail(f"not within {within_s:g} s: {what}")


def workflow(name: str, salt: int = 0) -> dict[str, Any]:
    """A recorded prompt; another `salt`, and nothing of it is cached."""
    prompt: dict[str, Any] = json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))
    for node in prompt.values():
        inputs = node["inputs"]
        if "salt" in inputs:
            inputs["salt"] += salt * 100
        if node["class_type"] == "EmptyImage":
            inputs["color"] = salt
        if node["class_type"] == "LabTrivial" and isinstance(inputs.get("x"), int):
            inputs["x"] += salt * 100_000
    return prompt


class ComfyUI:
    """The process, and what can be asked of it."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, base: Path) -> None:
        self.process, self.url, self.base = process, url, base
        self.console, self.spool = base / "console.log", base / "spool"

    def client(
        self,
        prompt: Any,
        *,
        listen: bool = True,
        headers: dict[str, str] | None = None,
        extra_data: dict[str, Any] | None = None,
        interrupt_after_s: float | None = None,
        **body: Any,
    ) -> subprocess.Popen[str]:
        """Somebody submits a prompt; `answer` waits for what became of it."""
        client = subprocess.Popen(
            [PYTHON, str(HERE / "comfyui_client.py"), self.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert client.stdin
        said = {"prompt": prompt, "extra_data": extra_data or {}} | body
        asked = {"body": said, "headers": headers, "listen": listen, "interrupt_after_s": interrupt_after_s}
        client.stdin.write(json.dumps(asked))
        client.stdin.close()
        client.stdin = None
        return client

    @staticmethod
    def answer(client: subprocess.Popen[str]) -> dict[str, Any]:
        """Status, answer and messages, once the prompt is over."""
        said: dict[str, Any] = json.loads(client.communicate(timeout=120)[0])
        return said

    def submit(self, prompt: Any, **how: Any) -> dict[str, Any]:
        """Both at once."""
        return self.answer(self.client(prompt, **how))

    def events(self) -> list[dict[str, Any]]:
        """Everything in the spool, in the order it was written."""
        files = sorted(self.spool.glob("*/*.ndjson"))
        lines = [line for file in files for line in file.read_bytes().split(b"\n")[:-1]]
        return [json.loads(line) for line in lines]

    def run(self, workflow_id: str) -> list[dict[str, Any]]:
        """The events of one run."""
        return [event for event in self.events() if event.get("workflow_id") == workflow_id]


@contextmanager
def start(base: Path, packs: dict[str, str] | None = None, *, arguments: tuple[str, ...] = ()) -> Iterator[ComfyUI]:
    """A ComfyUI with our pack and the lab's nodes; `packs`: more of them, name and code. Ended with the block."""
    custom_nodes = base / "custom_nodes"
    custom_nodes.mkdir(parents=True)
    install(custom_nodes, "0", spool=str(base / "spool"))
    for name, code in {"lab": (HERE / "lab_nodes.py").read_text(encoding="utf-8"), **(packs or {})}.items():
        (custom_nodes / name).mkdir()
        (custom_nodes / name / "__init__.py").write_text(code, encoding="utf-8")
    port = free_port()
    command = [PYTHON, str(Path(COMFYUI, "main.py")), "--cpu", "--disable-auto-launch"]
    command += ["--listen", "127.0.0.1", "--port", str(port), "--base-directory", str(base)]
    command += ["--database-url", f"sqlite:///{base / 'comfyui.db'}", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    environment.pop("SAFELIGHT_SPOOL", None)  # which would overrule what was installed
    console = base / "console.log"
    with (
        console.open("ab") as output,
        subprocess.Popen(
            command, cwd=COMFYUI, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        ) as process,
    ):
        comfyui = ComfyUI(process, f"http://127.0.0.1:{port}", base)

        def ready() -> bool:
            if process.poll() is not None:
                pytest.fail(f"ComfyUI ended with status {process.returncode}:\n{console.read_text(errors='replace')}")
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"{comfyui.url}/system_stats", timeout=5).status_code == 200
            return False

        try:
            eventually(ready, within_s=180, what="ComfyUI answers")
            yield comfyui
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
