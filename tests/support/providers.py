"""Peers of channels on loopback: one HTTP server that records what it gets and answers as it is told.

with Provider() as hook:                          # a plain webhook: 200 ok
    hook.answers(Answer(503), Answer(200))        # the next two answers, then ok again
    ...
    assert hook.wait(2)[0].json["status"] == "firing"

with DingTalk(secret="SEC1", keyword="oom") as team:   # checks what DingTalk checks; errors come with HTTP 200
    channel = {"type": "dingtalk", "url": team.url, "secret": "SEC1", "allow_private": True}
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Received:
    """One request, byte for byte."""

    method: str
    path: str
    query: dict[str, str]
    raw_query: str
    headers: dict[str, str]
    body: bytes
    answer: Answer

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def key(self) -> str:
        return self.headers.get("idempotency-key", "")


@dataclass(frozen=True)
class Answer:
    """What to answer. `hang`: say nothing and close; `delay_s`: answer late."""

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    delay_s: float = 0

    @classmethod
    def of(cls, value: Any, status: int = 200, **headers: str) -> Answer:
        return cls(status, json.dumps(value, ensure_ascii=False).encode(), headers)


class Provider:
    """A peer that accepts everything, or answers as scripted. Safe to ask from any thread."""

    path = "/alert"

    def __init__(self, *, tls: tuple[Path, Path] | None = None) -> None:
        self.received: list[Received] = []
        self._script: deque[Answer] = deque()
        self._arrived = Condition()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                provider._serve(self)

            do_GET = do_PUT = do_POST  # noqa: N815 - the names http.server looks for

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._scheme = "https" if tls else "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}{self.path}"

    def answers(self, *answers: Answer) -> None:
        """The next answers, in turn; after them the usual one."""
        self._script.extend(answers)

    def accepted(self) -> list[Received]:
        """What was answered with a yes."""
        return [request for request in self.received if self.is_yes(request.answer)]

    def is_yes(self, answer: Answer) -> bool:
        return answer.status < 300 and not answer.hang

    def wait(self, count: int, timeout_s: float = 10) -> list[Received]:
        """Everything received, once it is at least `count` requests."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.received) >= count, timeout_s):
                arrived = f"{len(self.received)} of {count} requests arrived within {timeout_s} s"
                raise AssertionError(arrived)
            return list(self.received)

    def judge(self, request: Received) -> Answer:
        """The usual answer."""
        return Answer()

    def __enter__(self) -> Provider:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        if len(body) < length:
            return  # the client died while it was speaking
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in handler.headers.items()}
        request = Received(handler.command, parts.path, query, parts.query, headers, body, Answer())
        with self._arrived:
            answer = self._script.popleft() if self._script else self.judge(request)
            self.received.append(Received(**{**vars(request), "answer": answer}))
            self._arrived.notify_all()
        if answer.hang:
            handler.close_connection = True
            return
        if answer.delay_s:
            time.sleep(answer.delay_s)
        try:
            handler.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(answer.body)
        except OSError:
            pass  # the client has gone, which is what some tests are about


class DingTalk(Provider):
    """A custom robot: signature, keyword, rate and size as DingTalk checks them, in its words."""

    path = "/robot/send"
    token = "d1ngta1k-token"
    OK = Answer.of({"errcode": 0, "errmsg": "ok"})
    BUSY = Answer.of({"errcode": -1, "errmsg": "系统繁忙"})
    TOO_FAST = Answer.of({"errcode": 130101, "errmsg": "send too fast, exceed 20 times per minute"})
    NO_KEYWORD = Answer.of({"errcode": 310000, "errmsg": "keywords not in content"})
    BAD_SIGN = Answer.of({"errcode": 310000, "errmsg": "sign not match"})
    BAD_TIME = Answer.of({"errcode": 310000, "errmsg": "invalid timestamp"})
    BAD_BODY = Answer.of({"errcode": 40035, "errmsg": "缺少参数 json"})
    TOO_LONG = Answer.of({"errcode": 460101, "errmsg": "message too long, exceed 20000 bytes"})
    BAD_TOKEN = Answer.of({"errcode": 300001, "errmsg": "token is not exist"})

    def __init__(self, secret: str | None = None, keyword: str = "", per_minute: int = 20) -> None:
        super().__init__()
        self._secret = secret
        self._keyword = keyword
        self._per_minute = per_minute
        self._taken: deque[float] = deque()

    @property
    def url(self) -> str:
        return f"{super().url}?access_token={self.token}"

    def is_yes(self, answer: Answer) -> bool:
        return answer == self.OK

    def judge(self, request: Received) -> Answer:
        if request.query.get("access_token") != self.token:
            return self.BAD_TOKEN
        if self._secret and (refusal := self._check_signature(request)):
            return refusal
        if len(request.body) > 20_000:
            return self.TOO_LONG
        try:
            message = request.json[request.json["msgtype"]]
            said = message.get("text") or message["content"]
        except (ValueError, KeyError, TypeError):
            return self.BAD_BODY
        if self._keyword not in said:
            return self.NO_KEYWORD
        now = time.monotonic()
        while self._taken and self._taken[0] <= now - 60:
            self._taken.popleft()
        if len(self._taken) >= self._per_minute:
            return self.TOO_FAST
        self._taken.append(now)
        return self.OK

    def _check_signature(self, request: Received) -> Answer | None:
        timestamp = request.query.get("timestamp", "")
        if not timestamp.isdigit() or abs(time.time() * 1000 - int(timestamp)) > 3_600_000:
            return self.BAD_TIME
        assert self._secret
        mac = hmac.new(self._secret.encode(), f"{timestamp}\n{self._secret}".encode(), hashlib.sha256)
        return None if request.query.get("sign") == base64.b64encode(mac.digest()).decode() else self.BAD_SIGN


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *about: Any) -> None:
        """A client that breaks off is what some tests are about: no traceback on the console for that."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(*about)
