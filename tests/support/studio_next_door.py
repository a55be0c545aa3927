"""A ComfyUI as replay and bundles need it, small enough to be changed at will: what is installed, what is there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Studio:
    """Its state. `url` is set while it listens."""

    version: str = "0.27.0"
    classes: dict[str, str] = field(default_factory=dict)
    """Module by class."""
    models: tuple[str, ...] = ("sd15.safetensors",)
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """Content by folder and name."""
    inventory: dict[str, Any] | None = None
    """What the node pack answers; None when it is not installed."""
    instance: str | None = None
    """What the node pack says that it is called."""
    rejection: dict[str, Any] | None = None
    queue: list[Any] = field(default_factory=list)
    history: dict[str, Any] = field(default_factory=dict)
    submitted: list[dict[str, Any]] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)
    url: str = ""

    def get(self, path: str, asked: dict[str, str]) -> tuple[int, Any]:
        """An answer."""
        if path == "/queue":
            return 200, {"queue_running": [], "queue_pending": self.queue}
        if path == "/history":
            return 200, self.history
        if path == "/system_stats":
            return 200, {"system": {"comfyui_version": self.version, "python_version": "3.11.7 (main)"}, "devices": []}
        if path == "/safelight/state" and self.instance:
            return 200, {"instance": self.instance}
        if path.startswith("/object_info/"):
            name = path.rpartition("/")[2]
            module = self.classes.get(name)
            info = {"python_module": module, "input": {"required": {"ckpt_name": [list(self.models)]}}}
            return 200, {name: info} if module else {}
        if path == "/view":
            name = "/".join(filter(None, (asked.get("subfolder"), asked["filename"])))
            content = self.files.get((asked.get("type", "output"), name))
            return (200, content) if content is not None else (404, b"")
        return 404, {}

    def post(self, path: str, body: bytes, media_type: str) -> tuple[int, Any]:
        """An answer to a body."""
        if path == "/prompt":
            if self.rejection is not None:
                return 400, self.rejection
            self.submitted.append(json.loads(body))
            return 200, {"prompt_id": f"new-{len(self.submitted)}", "number": len(self.submitted), "node_errors": {}}
        if path == "/safelight/inventory" and self.inventory is not None:
            return 200, self.inventory
        if path == "/upload/image":
            return self._upload(body, media_type)
        return 404, {}

    def _upload(self, body: bytes, media_type: str) -> tuple[int, Any]:
        message = BytesParser().parsebytes(b"Content-Type: " + media_type.encode() + b"\r\n\r\n" + body)
        fields: dict[str, Any] = {}
        for part in message.get_payload():
            name = part.get_param("name", header="content-disposition")
            fields[name] = (part.get_filename(), part.get_payload(decode=True))
        subfolder, kind = (fields[name][1].decode() for name in ("subfolder", "type"))
        filename, content = fields["image"]
        full = "/".join(filter(None, (subfolder, filename)))
        assert fields["overwrite"][1] == b"false"
        assert self.files.get((kind, full), content) == content, "another file would have been replaced"
        self.files[kind, full] = content
        self.uploads.append(full)
        return 200, {"name": filename, "subfolder": subfolder, "type": kind}


@contextmanager
def listening(studio: Studio) -> Iterator[Studio]:
    """It answers until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self._answer(*studio.get(parts.path, asked))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self._answer(*studio.post(self.path, body, self.headers["content-type"]))

        def _answer(self, status: int, answer: Any) -> None:
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    studio.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield studio
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
