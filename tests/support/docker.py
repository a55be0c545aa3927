"""A Docker daemon on a unix socket that answers as the Engine API's documentation shows, and notes what it is asked.

with Daemon(tmp_path) as daemon:
    daemon.run("comfyui", memory=3 << 30)      # a container that runs
    daemon.end("comfyui", 137, oom_killed=True)
    ... daemon.socket ...
    assert all(asked.startswith("GET /v1.43/") for asked in daemon.asked[1:])
"""

from __future__ import annotations

import hashlib
import json
import socketserver
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    daemon: Daemon


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.server.daemon.asked.append(f"{self.command} {self.path}")
        answer = self.server.daemon.answer(url.path, parse_qs(url.query))
        body = b'{"message":"page not found"}' if answer is None else answer
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        daemon = self.server.daemon
        daemon.asked.append(f"{self.command} {self.path}")
        _, _, room, name, verb = url.path.split("/")
        status, body = daemon.restart(name) if (room, verb) == ("containers", "restart") else (404, b"{}")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Silent."""

    def address_string(self) -> str:
        return "unix"


class Daemon:
    """Containers by name; `asked` are the requests; `garbage` is answered instead of everything when it is set;
    `stubborn`: it restarts nothing."""

    def __init__(self, folder: Path, version: str = "1.43", oldest: str = "1.24") -> None:
        self.socket = folder / "docker.sock"
        self.asked: list[str] = []
        self.garbage: bytes | None = None
        self.stubborn = False
        self._version = {"Version": "24.0.7", "ApiVersion": version, "MinAPIVersion": oldest}
        self._containers: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Daemon:
        self._server = _Server(str(self.socket), _Handler)
        self._server.daemon = self
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.socket.unlink()

    @staticmethod
    def id_of(name: str) -> str:
        """64 hexadecimal digits, as Docker gives."""
        return hashlib.sha256(name.encode()).hexdigest()

    def run(self, name: str, *, memory: int = 1 << 30, limit: int = 4 << 30, cpu_s: float = 1.0, **more: Any) -> None:
        """Start a container, or say what one uses now. `started`, `restarts`, `labels`, `traffic` in bytes."""
        self._containers[name] = {
            "memory": memory,
            "limit": limit,
            "cpu_s": cpu_s,
            "state": {"Status": "running", "Running": True, "OOMKilled": False, "ExitCode": 0},
            "started": "2024-01-06T05:59:35.5Z",
            "restarts": 0,
            "labels": {},
            "traffic": (5338, 5338),
            **more,
        }

    def end(self, name: str, code: int, *, oom_killed: bool = False) -> None:
        """A container's first process ends."""
        self._containers[name]["state"] = {
            "Status": "exited",
            "Running": False,
            "OOMKilled": oom_killed,
            "ExitCode": code,
        }

    def remove(self, name: str) -> None:
        """As `docker rm` does."""
        del self._containers[name]

    def restart(self, name: str) -> tuple[int, bytes]:
        """Status and body of `POST /containers/{name}/restart`."""
        if self.stubborn:
            return 500, b'{"message":"Cannot restart container: permission denied"}'
        if name not in self._containers:
            return 404, f'{{"message":"No such container: {name}"}}'.encode()
        self._containers[name]["restarts"] += 1
        return 204, b""

    def answer(self, path: str, asked: dict[str, list[str]]) -> bytes | None:
        """The body for a request; None is 404."""
        if self.garbage is not None:
            return self.garbage
        if path == "/version":
            return json.dumps(self._version).encode()
        _, version, room, *rest = path.split("/")
        if version.removeprefix("v") != self._agreed() or room != "containers":
            return None
        if rest == ["json"]:
            wanted = json.loads(asked.get("filters", ["{}"])[0]).get("label", [])
            return json.dumps([self._listed(name) for name in self._having(wanted)]).encode()
        name = next((name for name in self._containers if self.id_of(name) == rest[0]), None)
        if name is None:
            return None
        return json.dumps(self._inspected(name) if rest[1] == "json" else self._stats(name)).encode()

    def _agreed(self) -> str:
        """What a client that speaks up to 1.51 should use."""
        return min(self._version["ApiVersion"], "1.51", key=lambda version: int(version.split(".")[1]))

    def _having(self, labels: list[str]) -> list[str]:
        found = []
        for name, container in self._containers.items():
            own = {f"{key}={value}" for key, value in container["labels"].items()} | set(container["labels"])
            if set(labels) <= own:
                found.append(name)
        return found

    def _listed(self, name: str) -> dict[str, Any]:
        container = self._containers[name]
        return {
            "Id": self.id_of(name),
            "Names": [f"/{name}"],
            "Image": "studio/comfyui:latest",
            "State": container["state"]["Status"],
            "Labels": container["labels"],
        }

    def _inspected(self, name: str) -> dict[str, Any]:
        container = self._containers[name]
        return {
            "Id": self.id_of(name),
            "Name": f"/{name}",
            "RestartCount": container["restarts"],
            "State": {**container["state"], "StartedAt": container["started"]},
            "Config": {"Image": "studio/comfyui:latest", "Labels": container["labels"]},
        }

    def _stats(self, name: str) -> dict[str, Any]:
        container = self._containers[name]
        received, sent = container["traffic"]
        return {
            "read": "2024-01-08T22:57:31.547920715Z",
            "memory_stats": {
                "usage": container["memory"] + (64 << 20),
                "limit": container["limit"],
                "stats": {"inactive_file": 64 << 20},
            },
            "cpu_stats": {"cpu_usage": {"total_usage": int(container["cpu_s"] * 1e9)}, "online_cpus": 4},
            "precpu_stats": {"cpu_usage": {"total_usage": 0}},
            "networks": {"eth0": {"rx_bytes": received, "tx_bytes": sent}},
        }
