"""An Elasticsearch as far as a sender sees it: indices, templates, the bulk protocol, and the ways it says no.

with Elastic() as elastic:
    elastic.refuses(lambda source: "bad" in source.get("message", ""))      # a mapping error, item by item
    elastic.answers(busy(3), whole(503))                                      # of the next bulk requests
    ...
    assert elastic.count("logs-2026.11.22") == 100

Its answers have the form of those in `tests/golden/elasticsearch`: of Elasticsearch as its documentation gives them, of
VictoriaLogs as it sent them.
"""

from __future__ import annotations

import gzip
import json
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

GOLDEN = Path(__file__).parents[1] / "golden" / "elasticsearch"
MAPPING_ERROR = json.loads((GOLDEN / "item-refused.json").read_text())
BUSY = json.loads((GOLDEN / "item-busy.json").read_text())
CONFLICT = json.loads((GOLDEN / "item-conflict.json").read_text())

ELASTICSEARCH = {"number": "8.19.3", "build_flavor": "default"}
OPENSEARCH = {"distribution": "opensearch", "number": "3.2.0", "build_flavor": None}
VICTORIALOGS = {"number": "8.9.0"}


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def items(self) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
        """Operation, its action, the document."""
        lines = [json.loads(line) for line in self.body.split(b"\n") if line]
        return [(*next(iter(action.items())), source) for action, source in zip(lines[::2], lines[1::2], strict=True)]


Bulk = Callable[["Elastic", Asked], tuple[int, bytes, dict[str, str]]]


def whole(status: int, body: bytes = b'{"error":"no","status":0}', **headers: str) -> Bulk:
    """The request as a whole is answered so."""
    return lambda _elastic, _asked: (status, body, headers)


def busy(most: int) -> Bulk:
    """So many items are taken, the others are refused for now."""
    return lambda elastic, asked: elastic.take(asked, most)


@dataclass
class Elastic:
    """On loopback, on a port of its own."""

    version: dict[str, Any] = field(default_factory=lambda: dict(ELASTICSEARCH))
    most_bytes: int = 100 * 1024 * 1024
    authorization: str | None = None
    """Without this header every request is answered 401."""
    path: str = ""
    tls: tuple[Path, Path] | None = None

    def __post_init__(self) -> None:
        self.asked: list[Asked] = []
        self.templates: dict[str, Any] = {}
        self.indices: dict[str, dict[str, dict[str, Any]]] = {}
        self.writes = 0
        self._lock = Lock()
        self._script: deque[Bulk] = deque()
        self._refuses: Callable[[dict[str, Any]], bool] = lambda _source: False

    def __enter__(self) -> Elastic:
        elastic = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                url = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                if headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                asked = Asked(self.command, url.path.removeprefix(elastic.path), parse_qs(url.query), headers, body)
                with elastic._lock:
                    elastic.asked.append(asked)
                    status, answer, more = elastic._answer(asked)
                self.send_response(status)
                for name, value in ({"Content-Type": "application/json"} | more).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer)

            do_GET = do_HEAD = do_PUT = do_POST = _handle  # noqa: N815 - http.server finds them by name

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http{'s' * (self.tls is not None)}://127.0.0.1:{self._server.server_port}{self.path}"

    @property
    def bulks(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.path.endswith("/_bulk")]

    def answers(self, *bulks: Bulk) -> None:
        """What the next bulk requests are answered."""
        self._script.extend(bulks)

    def refuses(self, when: Callable[[dict[str, Any]], bool]) -> None:
        """Which documents cannot be mapped."""
        self._refuses = when

    def count(self, index: str) -> int:
        return len(self.indices.get(index, {}))

    def ids(self) -> set[str]:
        return {id_ for documents in self.indices.values() for id_ in documents}

    def _answer(self, asked: Asked) -> tuple[int, bytes, dict[str, str]]:
        if self.authorization is not None and asked.headers.get("authorization") != self.authorization:
            return 401, (GOLDEN / "unauthorized.json").read_bytes(), {"WWW-Authenticate": 'Basic realm="security"'}
        if asked.method == "PUT" and asked.path.startswith("/_index_template/"):
            self.templates[asked.path.rsplit("/", 1)[1]] = asked.json
            return 200, b'{"acknowledged":true}', {}
        if asked.path.endswith("/_bulk"):
            if self._script:
                return self._script.popleft()(self, asked)
            if len(asked.body) > self.most_bytes:
                return 413, b"", {}
            return self.take(asked)
        if asked.path in {"", "/"}:
            return 200, json.dumps({"name": "fake", "version": self.version}).encode(), {}
        return 404, b'{"error":"no handler found"}', {}

    def take(self, asked: Asked, most: int | None = None) -> tuple[int, bytes, dict[str, str]]:
        """What `_bulk` does: every item by itself."""
        items, errors = [], False
        for number, (operation, action, source) in enumerate(asked.items):
            documents = self.indices.setdefault(action["_index"], {})
            id_ = action.get("_id") or f"auto-{self.writes}"
            answer: dict[str, Any] = {"status": 200 if id_ in documents else 201}
            if most is not None and number >= most:
                answer = BUSY
            elif self._refuses(source):
                answer = MAPPING_ERROR
            elif operation == "create" and id_ in documents:
                answer = CONFLICT
            else:
                documents[id_] = source
                self.writes += 1
            errors |= "error" in answer
            items.append({operation: answer})
        return 200, json.dumps({"errors": errors, "took": 3, "items": items}).encode(), {}
