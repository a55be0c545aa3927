"""Peers of channels on loopback: one HTTP server that records what it gets and answers as it is told.

with Provider() as hook:                          # a plain webhook: 200 ok
    hook.answers(Answer(503), Answer(200))        # the next two answers, then ok again
    ...
    assert hook.wait(2)[0].json["status"] == "firing"

with DingTalk(secret="SEC1", keyword="oom") as team:   # checks what DingTalk checks; errors come with HTTP 200
    channel = {"type": "dingtalk", "url": team.url, "secret": "SEC1", "allow_private": True}

Each of the others checks what its provider checks (key, signature, sizes, rate) and says it in the provider's words.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import ssl
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Event, Thread
from typing import Any, ClassVar
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
    """What to answer. `hang`: say nothing and close; `delay_s`: answer late; `after`: answer when that is set."""

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    delay_s: float = 0
    after: Event | None = None

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

    def wait(self, count: int, timeout_s: float = 60) -> list[Received]:
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
        if answer.after:
            answer.after.wait()
        try:
            handler.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(answer.body)
        except OSError:
            pass  # the client has gone, which is what some tests are about


def parts(request: Received) -> dict[str, bytes]:
    """The values of a multipart form by their names."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = message_from_bytes(head + request.body)
    found = {str(part.get_param("name", header="content-disposition")): part for part in message.get_payload()}
    return {name: part.get_payload(decode=True) for name, part in found.items()}


def is_png(content: bytes) -> bool:
    return content.startswith(b"\x89PNG\r\n\x1a\n")


class Rate:
    """So many in a minute."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._taken: deque[float] = deque()

    def over(self) -> bool:
        now = time.monotonic()
        while self._taken and self._taken[0] <= now - 60:
            self._taken.popleft()
        if len(self._taken) >= self._per_minute:
            return True
        self._taken.append(now)
        return False


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
        self._rate = Rate(per_minute)

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
        if not self._is_whole(request.json):
            return self.BAD_BODY
        return self.TOO_FAST if self._rate.over() else self.OK

    @staticmethod
    def _is_whole(message: Any) -> bool:
        """A card has buttons; who is mentioned stands in the text."""
        if message["msgtype"] == "actionCard":
            return all(button["title"] and button["actionURL"] for button in message["actionCard"]["btns"])
        at = message.get("at", {})
        called = [*at.get("atMobiles", ()), *at.get("atUserIds", ())]
        return all(f"@{who}" in message["markdown"]["text"] for who in called)

    def _check_signature(self, request: Received) -> Answer | None:
        timestamp = request.query.get("timestamp", "")
        if not timestamp.isdigit() or abs(time.time() * 1000 - int(timestamp)) > 3_600_000:
            return self.BAD_TIME
        assert self._secret
        mac = hmac.new(self._secret.encode(), f"{timestamp}\n{self._secret}".encode(), hashlib.sha256)
        return None if request.query.get("sign") == base64.b64encode(mac.digest()).decode() else self.BAD_SIGN


class WeCom(Provider):
    """A robot of a group: key, sizes in bytes, the picture's checksum and the rate, in its words."""

    path = "/cgi-bin/webhook/send"
    key = "693a91f6-7xxx-4bc4-97a0"
    OK = Answer.of({"errcode": 0, "errmsg": "ok"})
    BUSY = Answer.of({"errcode": -1, "errmsg": "system busy"})
    BAD_KEY = Answer.of({"errcode": 93000, "errmsg": "invalid webhook url, hint: [1], from ip: 1.2.3.4"})
    TOO_FAST = Answer.of({"errcode": 45009, "errmsg": "api freq out of limit, hint: [1], from ip: 1.2.3.4"})
    TOO_LONG = Answer.of(
        {"errcode": 40058, "errmsg": "markdown.content exceed max length 4096. invalid Request Parameter"}
    )
    EMPTY = Answer.of({"errcode": 44004, "errmsg": "empty content"})
    BAD_TYPE = Answer.of({"errcode": 40008, "errmsg": "invalid message type"})
    BAD_PICTURE = Answer.of({"errcode": 40009, "errmsg": "invalid image size"})
    BAD_SUM = Answer.of({"errcode": 301019, "errmsg": "media md5 not match"})

    def __init__(self, per_minute: int = 20) -> None:
        super().__init__()
        self._rate = Rate(per_minute)

    @property
    def url(self) -> str:
        return f"{super().url}?key={self.key}"

    def is_yes(self, answer: Answer) -> bool:
        return answer == self.OK

    def judge(self, request: Received) -> Answer:
        if request.query.get("key") != self.key:
            return self.BAD_KEY
        kind = request.json.get("msgtype")
        message = request.json.get(kind, {})
        if kind in {"markdown", "text"}:
            content = message.get("content", "").encode()
            if not content:
                return self.EMPTY
            if len(content) > {"markdown": 4096, "text": 2048}[kind]:
                return self.TOO_LONG
        elif kind == "image":
            picture = base64.b64decode(message["base64"], validate=True)
            if len(picture) > 2 * 1024 * 1024 or not is_png(picture):
                return self.BAD_PICTURE
            if hashlib.md5(picture).hexdigest() != message["md5"]:
                return self.BAD_SUM
        else:
            return self.BAD_TYPE
        return self.TOO_FAST if self._rate.over() else self.OK


class Feishu(Provider):
    """A custom bot: signature, keyword, size and card; and the app that takes its pictures."""

    path = "/open-apis/bot/v2/hook/1f2e3d4c-token"
    LOGIN = "/open-apis/auth/v3/tenant_access_token/internal"
    UPLOAD = "/open-apis/im/v1/images"
    image_key = "img_v3_02ab_0123456789"
    app = ("cli_a1b2c3", "app-s3cret-s3cret")
    OK = Answer.of({"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"})
    TOO_FAST = Answer.of({"code": 11232, "data": {}, "msg": "frequency limited psm[lark.oapi.app_platform_runtime]"})
    TOO_MANY = Answer.of({"code": 9499, "msg": "too many request", "data": {}}, 429)
    BAD_TOKEN = Answer.of({"code": 19001, "data": {}, "msg": "param invalid: incoming webhook access token invalid"})
    BAD_PARAMETER = Answer.of({"code": 19001, "data": {}, "msg": "param invalid"})
    BAD_SIGN = Answer.of(
        {"code": 19021, "msg": "sign match fail or timestamp is not within one hour from current time"}
    )
    BAD_IP = Answer.of({"code": 19022, "msg": "Ip Not Allowed"})
    NO_KEYWORD = Answer.of({"code": 19024, "msg": "Key Words Not Found"})
    BAD_BODY = Answer.of({"code": 9499, "msg": "Bad Request", "data": {}})
    BAD_APP = Answer.of({"code": 10003, "msg": "invalid param"})
    BAD_ACCESS = Answer.of({"code": 99991663, "msg": "Invalid access token for authorization."}, 400)

    def __init__(self, secret: str | None = None, keyword: str = "") -> None:
        super().__init__()
        self._secret = secret
        self._keyword = keyword

    def is_yes(self, answer: Answer) -> bool:
        return answer == self.OK

    def judge(self, request: Received) -> Answer:
        if request.path == self.LOGIN:
            known = (request.json["app_id"], request.json["app_secret"]) == self.app
            token = {"code": 0, "msg": "ok", "tenant_access_token": "t-g1044", "expire": 7200}
            return Answer.of(token) if known else self.BAD_APP
        if request.path == self.UPLOAD:
            if request.headers.get("authorization") != "Bearer t-g1044":
                return self.BAD_ACCESS
            form = parts(request)
            good = form["image_type"] == b"message" and is_png(form["image"])
            return (
                Answer.of({"code": 0, "msg": "success", "data": {"image_key": self.image_key}})
                if good
                else self.BAD_BODY
            )
        if request.path != self.path:
            return self.BAD_TOKEN
        if len(request.body) > 20 * 1024:
            return self.BAD_BODY
        if self._secret and not self._signed(request.json):
            return self.BAD_SIGN
        if self._keyword not in request.body.decode():
            return self.NO_KEYWORD
        return self.OK if self._is_card(request.json) else self.BAD_PARAMETER

    def _signed(self, message: Any) -> bool:
        timestamp = message.get("timestamp", "")
        if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > 3600:
            return False
        mac = hmac.new(f"{timestamp}\n{self._secret}".encode(), digestmod=hashlib.sha256)
        return bool(message.get("sign") == base64.b64encode(mac.digest()).decode())

    def _is_card(self, message: Any) -> bool:
        card = message.get("card", {})
        images = [element["img_key"] for element in card["elements"] if element["tag"] == "img"]
        known = {"div", "img", "action", "note"}
        return (
            message.get("msg_type") == "interactive"
            and card["header"]["template"] in {"red", "orange", "blue", "green"}
            and all(element["tag"] in known for element in card["elements"])
            and set(images) <= {self.image_key}
        )


class Slack(Provider):
    """An incoming webhook: the word is the answer."""

    path = "/services/T000/B000/s1ack-t0ken"
    OK = Answer(200, b"ok")
    TOO_FAST = Answer(429, b"rate_limited", {"Retry-After": "30"})
    ROLLUP = Answer(500, b"rollup_error")
    WORDS: ClassVar = {
        "no_service": 404,
        "no_team": 404,
        "invalid_token": 403,
        "action_prohibited": 403,
        "channel_not_found": 404,
        "channel_is_archived": 410,
        "invalid_payload": 400,
        "invalid_blocks": 400,
        "too_many_attachments": 400,
    }

    def word(self, word: str) -> Answer:
        return Answer(self.WORDS[word], word.encode())

    def judge(self, request: Received) -> Answer:
        if request.path != self.path:
            return self.word("no_service")
        try:
            blocks = [block for one in request.json["attachments"] for block in one["blocks"]]
        except (ValueError, KeyError):
            return self.word("invalid_payload")
        whole = sum(len(block.get("text", {}).get("text", "")) for block in blocks)
        limits = {"header": 150, "section": 3000}
        good = len(blocks) <= 50 and whole <= 13_000
        for block in blocks:
            if (limit := limits.get(block["type"])) and not 0 < len(block["text"]["text"]) <= limit:
                good = False
            if block["type"] == "actions":
                good &= all(len(one["text"]["text"]) <= 75 and len(one["url"]) <= 3000 for one in block["elements"])
        return self.OK if good else self.word("invalid_blocks")


class Telegram(Provider):
    """The Bot API: token, chat, HTML and sizes."""

    path = ""
    token = "123456:te1egram-t0ken"
    chat_id = "-1001234567890"
    TAGS = frozenset({"b", "i", "u", "s", "a", "code", "pre", "blockquote"})

    @staticmethod
    def error(code: int, description: str, **parameters: int) -> Answer:
        more = {"parameters": parameters} if parameters else {}
        return Answer.of({"ok": False, "error_code": code, "description": description, **more}, code)

    def judge(self, request: Received) -> Answer:
        if not request.path.startswith(f"/bot{self.token}/"):
            return self.error(401, "Unauthorized")
        photo = request.path.endswith("/sendPhoto")
        message = {name: value.decode("latin-1") for name, value in parts(request).items()} if photo else request.json
        if message["chat_id"] != self.chat_id:
            return self.error(400, "Bad Request: chat not found")
        if photo and (not is_png(parts(request)["photo"]) or len(message["caption"]) > 1024):
            return self.error(400, "Bad Request: IMAGE_PROCESS_FAILED")
        if not photo:
            shown = self.shown(message["text"])
            if shown is None:
                return self.error(400, "Bad Request: can't parse entities")
            if not shown:
                return self.error(400, "Bad Request: message text is empty")
            if len(shown.encode("utf-16-le")) // 2 > 4096:
                return self.error(400, "Bad Request: message is too long")
        return Answer.of({"ok": True, "result": {"message_id": len(self.received) + 1, "date": 0}})

    @classmethod
    def shown(cls, text: str) -> str | None:
        """What a reader sees; None when it is not the HTML that Telegram takes."""
        reader = _Html(cls.TAGS)
        reader.feed(text)
        reader.close()
        return None if reader.wrong or reader.open else "".join(reader.said)


class _Html(HTMLParser):
    def __init__(self, known: frozenset[str]) -> None:
        super().__init__()
        self.known = known
        self.open: list[str] = []
        self.said: list[str] = []
        self.wrong = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.wrong |= tag not in self.known
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.wrong |= not self.open or self.open.pop() != tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    def handle_comment(self, data: str) -> None:
        self.wrong = True

    handle_decl = handle_pi = unknown_decl = handle_comment


class Discord(Provider):
    """A webhook of a channel: embeds and their limits, a file beside them."""

    path = "/api/webhooks/1/d1scord-t0ken"
    OK = Answer.of({"id": "1443", "type": 0})
    UNKNOWN = Answer.of({"message": "Unknown Webhook", "code": 10015}, 404)
    BAD_TOKEN = Answer.of({"message": "Invalid Webhook Token", "code": 50027}, 401)
    TOO_FAST = Answer.of({"message": "You are being rate limited.", "retry_after": 0.457, "global": False}, 429)
    BAD_FORM = Answer.of({"message": "Invalid Form Body", "code": 50035, "errors": {}}, 400)

    def judge(self, request: Received) -> Answer:
        if request.path != self.path:
            return self.UNKNOWN
        message = self.message(request)
        (embed,) = message["embeds"]
        image = embed.get("image")
        files = {name: value for name, value in parts(request).items() if is_png(value)} if image else {}
        good = (
            0 < len(embed["title"]) <= 256
            and len(embed["description"]) <= 4096
            and bool(image) == bool(files)
            and request.query.get("wait") == "true"
        )
        return self.OK if good else self.BAD_FORM

    @staticmethod
    def message(request: Received) -> Any:
        if request.headers["content-type"].startswith("multipart/"):
            return json.loads(parts(request)["payload_json"])
        return request.json


class Ntfy(Provider):
    """A server with one topic, open or protected."""

    path = ""
    topic = "studio-n1ght-w4tch"

    def __init__(self, token: str | None = None) -> None:
        super().__init__()
        self._token = token

    @staticmethod
    def error(code: int, message: str) -> Answer:
        return Answer.of({"code": code, "http": code // 100, "error": message, "link": ""}, code // 100)

    def judge(self, request: Received) -> Answer:
        if self._token and request.headers.get("authorization") is None:
            return self.error(40301, "forbidden")
        if self._token and request.headers["authorization"] != f"Bearer {self._token}":
            return self.error(40101, "unauthorized")
        message = request.json
        if not re.fullmatch(r"[-_A-Za-z0-9]{1,64}", message["topic"]):
            return self.error(40009, "invalid request: topic invalid")
        if message["priority"] not in range(1, 6):
            return self.error(40007, "invalid priority parameter")
        if len(message.get("actions", [])) > 3:
            return self.error(40018, "invalid request: actions invalid")
        if len(message["message"].encode()) > 4096:
            return self.error(41303, "JSON body too large")
        return Answer.of({"id": "hwQ2YpKdmg", "event": "message", "topic": message["topic"]})


class Bark(Provider):
    """A server that knows one phone, and Apple behind it."""

    path = ""
    key = "ynJ5Ft4atkMkWeo2PAvFhF"

    @staticmethod
    def error(code: int, message: str) -> Answer:
        return Answer.of({"code": code, "message": message, "timestamp": 1}, code)

    def judge(self, request: Received) -> Answer:
        if request.path != "/push":
            return self.error(404, "Cannot POST")
        message = request.json
        if message["device_key"] != self.key:
            said = f"failed to get device token: failed to get [{message['device_key']}] device token from database"
            return self.error(400, said)
        if len(request.body) > 3_800 or message["level"] not in {"active", "timeSensitive", "passive", "critical"}:
            return self.error(500, "push failed: PayloadTooLarge")
        return Answer.of({"code": 200, "message": "success", "timestamp": 1})


class ServerChan(Provider):
    """What stands at sctapi.ftqq.com: refusals come with HTTP 400."""

    path = ""
    key = "SCT1234TserverchanKey"
    OK = Answer.of({"code": 0, "message": "", "data": {"pushid": "1", "error": "SUCCESS", "errno": 0}})
    BAD_KEY = Answer.of({"message": "[AUTH]错误的Key", "code": 40001, "info": "错误的Key", "scode": 461}, 400)
    USED_UP = Answer.of({"message": "[AUTH]超过当天的发送次数限制[5]，请稍后再试", "code": 40001, "scode": 465}, 400)
    NO_TITLE = Answer.of({"message": "[INPUT]title 不能为空", "code": 20001, "scode": 460}, 400)

    def is_yes(self, answer: Answer) -> bool:
        return answer == self.OK

    def judge(self, request: Received) -> Answer:
        if request.path != f"/{self.key}.send":
            return self.BAD_KEY
        form = self.form(request)
        good = 0 < len(form["title"]) <= 32 and len(form["desp"].encode()) <= 32 * 1024
        return self.OK if good else self.NO_TITLE

    @staticmethod
    def form(request: Received) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(request.body.decode(), keep_blank_values=True).items()}


class AliyunSms(Provider):
    """SendSms of Alibaba Cloud: signature version 3, and what a template's variables may be."""

    path = ""
    key = ("LTAI5tExampleKeyId", "aliyun-s3cret-s3cret")
    OK = Answer.of({"Code": "OK", "Message": "OK", "BizId": "9006197469364984^0", "RequestId": "F655A8D5"})

    @staticmethod
    def error(code: str, message: str = "", status: int = 200) -> Answer:
        return Answer.of({"Code": code, "Message": message, "RequestId": "F655A8D5"}, status)

    def is_yes(self, answer: Answer) -> bool:
        return answer == self.OK

    def judge(self, request: Received) -> Answer:
        found = re.fullmatch(
            r"ACS3-HMAC-SHA256 Credential=(\S+),SignedHeaders=(\S+),Signature=([0-9a-f]{64})",
            request.headers.get("authorization", ""),
        )
        if not found:
            return self.error("IncompleteSignature", status=400)
        key_id, names, signature = found.groups()
        if key_id != self.key[0]:
            return self.error("InvalidAccessKeyId.NotFound", "Specified access key is not found.", 404)
        at = datetime.strptime(request.headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        if abs((datetime.now(UTC) - at).total_seconds()) > 900:
            return self.error("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.", 400)
        lines = "".join(f"{name}:{request.headers[name]}\n" for name in names.split(";"))
        body = hashlib.sha256(request.body).hexdigest()
        canonical = f"POST\n/\n{request.raw_query}\n{lines}\n{names}\n{body}"
        to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        expected = hmac.new(self.key[1].encode(), to_sign.encode(), hashlib.sha256).hexdigest()
        if signature != expected or request.headers["x-acs-content-sha256"] != body:
            return self.error("SignatureDoesNotMatch", "Specified signature is not matched with our calculation.", 400)
        if request.headers["x-acs-action"] != "SendSms" or request.headers["x-acs-version"] != "2017-05-25":
            return self.error("InvalidAction.NotFound", status=404)
        for value in json.loads(request.query["TemplateParam"]).values():
            if not 0 < len(value) <= 35:
                return self.error("isv.PARAM_LENGTH_LIMIT", "参数超出长度限制")
            if re.search(r"https?:|\w\.\w", value):
                return self.error("isv.PARAM_NOT_SUPPORT_URL", "变量不支持传入URL")
        return self.OK


class TencentSms(Provider):
    """SendSms of Tencent Cloud: TC3-HMAC-SHA256, and HTTP 200 whatever is wrong."""

    path = ""
    key = ("AKIDExampleSecretId", "tencent-s3cret-s3cret")

    @staticmethod
    def error(code: str, message: str = "") -> Answer:
        return Answer.of({"Response": {"Error": {"Code": code, "Message": message}, "RequestId": "ed93f3cb"}})

    @staticmethod
    def sent(*codes: str) -> Answer:
        each = [
            {"SerialNo": "5000:1", "PhoneNumber": "+86138", "Fee": 1, "Code": code, "Message": code} for code in codes
        ]
        return Answer.of({"Response": {"SendStatusSet": each, "RequestId": "a0aabda6"}})

    def is_yes(self, answer: Answer) -> bool:
        return b'"Ok"' in answer.body

    def judge(self, request: Received) -> Answer:
        found = re.fullmatch(
            r"TC3-HMAC-SHA256 Credential=(\S+?)/(\S+), SignedHeaders=(\S+), Signature=([0-9a-f]{64})",
            request.headers.get("authorization", ""),
        )
        if not found:
            return self.error("AuthFailure.InvalidAuthorization")
        key_id, scope, names, signature = found.groups()
        if key_id != self.key[0]:
            return self.error("AuthFailure.SecretIdNotFound", "The SecretId is not found")
        timestamp = int(request.headers["x-tc-timestamp"])
        if abs(time.time() - timestamp) > 300:
            return self.error("AuthFailure.SignatureExpire")
        lines = "".join(f"{name}:{request.headers[name].lower()}\n" for name in names.split(";"))
        canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(request.body).hexdigest()}"
        to_sign = f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        derived = f"TC3{self.key[1]}".encode()
        for part in scope.split("/"):
            derived = hmac.new(derived, part.encode(), hashlib.sha256).digest()
        if signature != hmac.new(derived, to_sign.encode(), hashlib.sha256).hexdigest():
            return self.error("AuthFailure.SignatureFailure", "The provided credentials could not be validated.")
        message = request.json
        for value in message["TemplateParamSet"]:
            if re.search(r"https?:|\w\.\w", value):
                return self.sent("InvalidParameterValue.ProhibitedUseUrlInTemplateParameter")
            if len(value) > 12:
                return self.sent("InvalidParameterValue.TemplateParameterLengthLimit")
        return self.sent(*["Ok"] * len(message["PhoneNumberSet"]))


class Twilio(Provider):
    """Messages of one account."""

    path = ""
    account = "AC0123456789abcdef0123456789abcdef"
    token = "twi1io-t0ken-t0ken"

    @staticmethod
    def error(code: int, message: str, status: int = 400) -> Answer:
        more = f"https://www.twilio.com/docs/errors/{code}"
        return Answer.of({"code": code, "message": message, "more_info": more, "status": status}, status)

    def judge(self, request: Received) -> Answer:
        basic = base64.b64encode(f"{self.account}:{self.token}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {basic}":
            return self.error(20003, "Authenticate", 401)
        if request.path != f"/2010-04-01/Accounts/{self.account}/Messages.json":
            return self.error(20404, "The requested resource was not found", 404)
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if not form["To"].startswith("+"):
            return self.error(21211, f"Invalid 'To' Phone Number: {form['To']}")
        if len(form["Body"]) > 1600:
            return self.error(21617, "The concatenated message body exceeds the 1600 character limit")
        return Answer.of({"sid": "SM0123456789", "status": "queued", "body": form["Body"]}, 201)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *about: Any) -> None:
        """A client that breaks off is what some tests are about: no traceback on the console for that."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(*about)
