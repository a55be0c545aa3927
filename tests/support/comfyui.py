"""A ComfyUI that tests direct: its HTTP API and socket, answering as 0.3.64 and 0.27.0 were recorded to.

It executes nothing. A test queues prompts and says what becomes of them; a `manner` makes it hang, answer garbage and
the like. Everything runs in the test's own event loop.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

OLD, NEW = "0.3.64", "0.27.0"
VERSIONS = (OLD, NEW)

PROMPT: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 7}},
    "2": {"class_type": "LabRaise", "inputs": {"image": ["1", 0], "kind": "runtime", "salt": 7}},
    "5": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "portrait"}},
}
OUTPUT_CLASSES = {"SaveImage", "PreviewImage"}
_HTML = b"<!DOCTYPE html><html><body>Sign in</body></html>"


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Socket:
    client_id: str
    writer: asyncio.StreamWriter
    lines: bool = False

    async def send(self, kind: str, data: dict[str, Any]) -> None:
        text = json.dumps({"type": kind, "data": data}).encode()
        size = len(text)
        head = bytes([0x81, size]) if size < 126 else bytes([0x81, 126]) + struct.pack(">H", size)
        if size > 0xFFFF:
            head = bytes([0x81, 127]) + struct.pack(">Q", size)
        with suppress(ConnectionError):  # the listener has gone
            self.writer.write(head + text)
            await self.writer.drain()


@dataclass
class ComfyUI:
    version: str = NEW
    prefix: str = ""
    authorization: str | None = None
    """The `Authorization` header that it wants to see."""
    sockets_allowed: bool = True
    manner: str = ""
    """Of answering: "" properly, else hang, garbage, html, list, huge, hang_up, gateway, redirect, deep."""
    pack: dict[str, Any] | None = None
    """What its node pack says of itself; None without one."""
    asked: list[Request] = field(default_factory=list)
    sockets: list[Socket] = field(default_factory=list)
    accepts: dict[str, Any] | None = None
    """What POST /prompt refuses with; None when it takes everything."""
    uploads: list[bytes] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    argv: list[str] = field(default_factory=lambda: ["main.py", "--cpu"])
    broken_classes: tuple[str, ...] = ()
    """Of which it cannot say anything."""
    obeys: bool = False
    """Whether a run ends when it is interrupted."""
    port: int = 0

    def __post_init__(self) -> None:
        self.pending: list[list[Any]] = []
        self.running: list[list[Any]] = []
        self.history: dict[str, Any] = {}
        self.number = 0
        self.connected = asyncio.Event()
        self._started: dict[str, int] = {}
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def start(self) -> None:
        """With an empty memory, on the port it had."""
        self.__post_init__()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        """As SIGKILL does."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        self.sockets.clear()
        if self._server is not None:
            await self._server.wait_closed()
        self._server = None

    async def restart(self) -> None:
        await self.kill()
        await self.start()

    async def queue(self, prompt: dict[str, Any] | None = None, outputs: list[str] | None = None, **extra: Any) -> str:
        """A prompt waits."""
        run_id = str(uuid4())
        self.number += 1
        if self.version != OLD:
            extra["create_time"] = _now()
        self.pending.append([self.number, run_id, prompt or PROMPT, extra, outputs or ["5"]])
        await self.status()
        return run_id

    async def run(self, prompt: dict[str, Any] | None = None, **extra: Any) -> str:
        """A prompt runs."""
        run_id = await self.queue(prompt, **extra)
        await self.begin(run_id)
        return run_id

    async def begin(self, run_id: str) -> None:
        """The worker takes it."""
        item = next(item for item in self.pending if item[1] == run_id)
        self.pending.remove(item)
        self.running.append(item)
        self._started[run_id] = _now()
        await self.status()

    async def finish(self, run_id: str, cached: tuple[str, ...] = (), **outputs: Any) -> None:
        """It succeeds."""
        await self._end(run_id, cached, outputs, "success", "execution_success", {})

    async def fail(self, run_id: str, message: str = "lab failure\n", kind: str = "RuntimeError") -> None:
        """Its node 2 raises."""
        said = {"node_id": "2", "node_type": "LabRaise", "executed": ["1"], "exception_message": message}
        said |= {"exception_type": kind, "traceback": ['  File "/srv/ComfyUI/execution.py", line 496, in execute\n']}
        said |= {"current_inputs": {"image": ["tensor([[0.1]])"]}, "current_outputs": ["1"]}
        await self._end(run_id, (), {}, "error", "execution_error", said)

    async def interrupt(self, run_id: str) -> None:
        """Somebody stops it: an error, by its status."""
        said = {"node_id": "2", "node_type": "LabRaise", "executed": ["1"]}
        await self._end(run_id, (), {}, "error", "execution_interrupted", said)

    async def remove(self, run_id: str) -> None:
        """Somebody takes it out of the queue."""
        self.pending = [item for item in self.pending if item[1] != run_id]
        await self.status()

    async def status(self) -> None:
        """The queue changed: every socket hears it."""
        remaining = len(self.running) + len(self.pending)
        for socket in self.sockets:
            await socket.send("status", {"status": {"exec_info": {"queue_remaining": remaining}}})

    async def progress(self, run_id: str, **states: str) -> None:
        """`progress_state` of a run without a client id: every socket hears it."""
        nodes = {
            node_id.removeprefix("n"): {
                "value": 1.0,
                "max": 1.0,
                "state": state,
                "node_id": node_id.removeprefix("n"),
                "prompt_id": run_id,
                "display_node_id": node_id.removeprefix("n"),
                "parent_node_id": None,
                "real_node_id": node_id.removeprefix("n"),
            }
            for node_id, state in states.items()
        }
        for socket in self.sockets:
            await socket.send("progress_state", {"prompt_id": run_id, "nodes": nodes})

    async def say(self, *lines: str) -> None:
        """Console lines, to those who asked for them."""
        entries = [{"t": "2026-11-22T10:00:00.000000", "m": f"{line}\n"} for line in lines]
        for socket in self.sockets:
            if socket.lines:
                await socket.send("logs", {"entries": entries, "size": {"cols": 80, "rows": 24}})

    def paths(self) -> list[str]:
        """What was asked for."""
        return [f"{request.method} {urlsplit(request.path).path}" for request in self.asked]

    async def _end(
        self,
        run_id: str,
        cached: tuple[str, ...],
        outputs: dict[str, Any],
        status: str,
        event: str,
        said: dict[str, Any],
    ) -> None:
        item = next(item for item in self.running if item[1] == run_id)
        self.running.remove(item)
        started = {"prompt_id": run_id, "timestamp": self._started[run_id]}
        messages = [
            ["execution_start", started],
            ["execution_cached", {"nodes": list(cached), **started}],
            [event, {"prompt_id": run_id, **said, "timestamp": self._started[run_id] + 250}],
        ]
        entry = {"prompt": item, "outputs": {key.removeprefix("n"): value for key, value in outputs.items()}}
        entry |= {"status": {"status_str": status, "completed": status == "success", "messages": messages}, "meta": {}}
        self.history[run_id] = entry
        await self.status()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while (request := await _read(reader)) is not None:
                if urlsplit(request.path).path == f"{self.prefix}/ws":
                    await self._socket(request, reader, writer)
                    return
                self.asked.append(request)
                await self._answer(request, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if self.manner == "hang":
            await asyncio.Event().wait()
        if self.manner == "hang_up":
            writer.transport.abort()
            return
        if self.manner == "noise":
            writer.write(b"\x16\x03\x01 what is this\r\n\r\n")
            return
        if self.manner == "huge":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
            while not writer.is_closing():
                writer.write(b" " * 1024 * 1024)
                await writer.drain()
            return
        status, body, kind = self._manners(request) or self._reply(request)
        head = f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nLocation: /login\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    def _manners(self, request: Request) -> tuple[int, bytes, str] | None:
        if self.authorization is not None and request.headers.get("authorization") != self.authorization:
            return 401, b"401: Unauthorized", "text/plain"
        match self.manner:
            case "garbage":
                return 200, b'{"queue_running": [', "application/json"
            case "html":
                return 200, _HTML, "text/html"
            case "list":
                return 200, b"[1, 2]", "application/json"
            case "deep":
                return 200, b"[" * 100_000, "application/json"
            case "other":
                return 200, b'{"hello": "world"}', "application/json"
            case "gateway":
                return 502, b"<html>502 Bad Gateway</html>", "text/html"
            case "redirect":
                return 302, b"", "text/html"
            case "error":
                return 500, b"500 Internal Server Error", "text/plain"
        return None

    def _reply(self, request: Request) -> tuple[int, bytes, str]:
        parts = urlsplit(request.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        path = unquote(parts.path).removeprefix(self.prefix) if parts.path.startswith(f"{self.prefix}/") else ""
        room, _, rest = path.strip("/").partition("/")
        if request.method == "GET" and room == "view" and query.get("filename") in self.files:
            return 200, self.files[query["filename"]], "image/png"
        if request.method == "POST":
            return self._posted(room, rest, request)
        if request.method == "PATCH" and (room, rest) == ("internal", "logs/subscribe"):
            for socket in self.sockets:
                socket.lines |= socket.client_id == request.json["clientId"]
            return 200, b"", "application/octet-stream"
        if room == "object_info" and rest in self.broken_classes:
            return 500, b"500 Internal Server Error", "text/plain"
        said = self._known(room, rest, query)
        return (404, b"404: Not Found", "text/plain") if said is None else _as_json(said)

    def _known(self, room: str, rest: str, query: dict[str, str]) -> Any:
        system = {"os": "linux", "comfyui_version": self.version, "python_version": "3.11.7", "argv": self.argv}
        classes = {node["class_type"] for node in PROMPT.values()} | OUTPUT_CLASSES
        remaining = len(self.running) + len(self.pending)
        page = {"offset": 0, "limit": None, "total": 0, "has_more": False}
        entries = list(self.history.items())[-int(query.get("max_items", 0)) :]
        answers: dict[str, Any] = {
            "queue": {"queue_running": self.running, "queue_pending": self.pending},
            "history": {rest: self.history[rest]} if rest in self.history else {} if rest else dict(entries),
            "system_stats": {"system": system, "devices": []},
            "prompt": {"exec_info": {"queue_remaining": remaining}},
            "object_info": {rest: {"output_node": rest in OUTPUT_CLASSES}} if rest in classes else {},
            "api": {"jobs": [], "pagination": page} if self.version != OLD and rest == "jobs" else None,
            "safelight": self.pack if rest == "state" else None,
        }
        return answers.get(room)

    def _posted(self, room: str, rest: str, request: Request) -> tuple[int, bytes, str]:
        match room, rest:
            case "prompt", "":
                return self._submitted(request.json)
            case "upload", "image":
                self.uploads.append(request.body)
                return _as_json({"name": "in.png", "subfolder": "", "type": "input"})
            case "safelight", "inventory" if self.pack is not None:
                return _as_json({"models": [], "asked": request.json})
            case "queue", "":
                gone = set(request.json.get("delete", ()))
                self.pending = [item for item in self.pending if item[1] not in gone]
                return 200, b"", "application/octet-stream"
            case "interrupt", "" if self.obeys:
                stopped = request.json.get("prompt_id")
                self.running = [item for item in self.running if stopped not in {None, item[1]}]
                return 200, b"", "application/octet-stream"
            case "interrupt" | "free", "":
                return 200, b"", "application/octet-stream"
        return 405, b"405: Method Not Allowed", "text/plain"

    def _submitted(self, body: dict[str, Any]) -> tuple[int, bytes, str]:
        if self.accepts is not None:
            return _as_json(self.accepts, 400)
        run_id = body.get("prompt_id") or str(uuid4())
        self.number += 1
        outputs = body.get("partial_execution_targets", ["5"])
        self.pending.append([self.number, run_id, body["prompt"], body.get("extra_data", {}), outputs])
        return _as_json({"prompt_id": run_id, "number": self.number, "node_errors": {}})

    async def _socket(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wanted = self.authorization
        if not self.sockets_allowed or self.manner or (wanted and request.headers.get("authorization") != wanted):
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        magic = request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(magic.encode()).digest()).decode()
        head = f"HTTP/1.1 101 -\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        writer.write(head.encode())
        socket = Socket(parse_qs(urlsplit(request.path).query)["clientId"][0], writer)
        await socket.send("status", {"status": {"exec_info": {"queue_remaining": 0}}, "sid": socket.client_id})
        self.sockets.append(socket)
        self.connected.set()
        try:
            while data := await reader.read(65536):  # what a listener sends is pings and its good-bye
                if data[0] & 0x0F == 0x08:
                    writer.write(b"\x88\x00")
                    break
        finally:
            if socket in self.sockets:
                self.sockets.remove(socket)


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}
    method, path, _ = first.split(" ")
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)


def _as_json(said: Any, status: int = 200) -> tuple[int, bytes, str]:
    return status, json.dumps(said).encode(), "application/json"


def _now() -> int:
    return time.time_ns() // 1_000_000
