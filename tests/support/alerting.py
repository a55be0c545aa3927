"""What a server that alerts is given and asked: configuration, lines of a log that it follows, messages, its API.

log = Log(tmp_path / "photos.log", service="comfyui")
config = log.source + channel("webhook", "hook", hook.url) + rule("oom", "any error_group:gpu_oom*", severity=3)
with running(tmp_path, config) as server:
    log.write(failed("VAEDecode", error_message="CUDA out of memory"))
"""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .providers import DingTalk, Feishu, Provider, WeCom
from .running import Running

PATIENCE_S = 60.0
"""However loaded the machine is, it should have happened by then."""


def toml(value: Any) -> str:
    """A value as TOML; tables are inline ones."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def table(head: str, **fields: Any) -> str:
    """`[head]` or `[[head]]` with these fields."""
    return "".join([f"{head}\n", *(f"{name} = {toml(value)}\n" for name, value in fields.items())])


def channel(kind: str, name: str, url: str, **fields: Any) -> str:
    """A channel to a provider on this machine."""
    return table("[[channels]]", type=kind, name=name, url=url, allow_private=True, **fields)


def rule(id_: str, when: str, **fields: Any) -> str:
    """A rule of the file."""
    return table("[[rules]]", id=id_, when=when, **fields)


class Log:
    """A file that a service writes and the server follows."""

    def __init__(self, path: Path, **source: Any) -> None:
        self.path = path
        self.source = table("[[sources]]", type="file", paths=[str(path)], **source)
        path.touch()

    def write(self, *events: Mapping[str, Any]) -> None:
        """Events as lines of JSON."""
        self.say(*(json.dumps(event, ensure_ascii=False) for event in events))

    def say(self, *lines: str) -> None:
        """Lines as they are."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))


def failed(node: str = "KSampler", run: str = "run-1", **fields: Any) -> dict[str, Any]:
    """A node that fails."""
    return {
        "event": "node_failed",
        "level": "ERROR",
        "message": f"{node} failed",
        "node": node,
        "node_id": "8",
        "workflow_id": run,
        "error_type": "RuntimeError",
        "error_message": "lab failure",
        **fields,
    }


def ago(seconds: float = 0, **span: float) -> str:
    """An ISO time that has passed."""
    return (datetime.now(UTC) - timedelta(seconds=seconds, **span)).isoformat()


def said(provider: Provider) -> list[str]:
    """What a reader of this group sees, message by message; pictures are none."""
    messages = [request.json for request in provider.accepted()]
    if isinstance(provider, DingTalk):
        return [
            f"{message[kind]['title']}\n{message[kind]['text']}" for message in messages if (kind := message["msgtype"])
        ]
    if isinstance(provider, WeCom):
        return [message[kind]["content"] for message in messages if (kind := message["msgtype"]) != "image"]
    if isinstance(provider, Feishu):
        return [json.dumps(message["card"], ensure_ascii=False) for message in messages]
    return [f"{message['title']}\n{message['text']}" for message in messages]


def addresses(provider: Provider) -> set[str]:
    """Every address in what it was sent."""
    texts = [json.dumps(request.json, ensure_ascii=False) for request in provider.received]
    return {found for one in texts for found in re.findall(r"https?://[^\s\"\\)>]+", one)}


def eventually(check: Callable[[], Any], what: str, within_s: float = PATIENCE_S) -> Any:
    """What `check` says as soon as that is something."""
    deadline = time.monotonic() + within_s
    while not (found := check()):
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.05)
    return found


def ask(server: Running, method: str, path: str, body: Any = None, *, form: str | None = None) -> tuple[int, Any]:
    """Status and JSON of an answer of the API, or the text of a page; `path` may be a whole address of the server."""
    where = urlsplit(path if "://" in path else f"{server.url}/api/v1{path}")
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=PATIENCE_S)
    try:
        content, kind = (
            (form, "application/x-www-form-urlencoded") if form is not None else (json.dumps(body), "application/json")
        )
        target = f"{where.path}?{where.query}" if where.query else where.path
        connection.request(method, target, content if method != "GET" else None, {"Content-Type": kind})
        answer = connection.getresponse()
        read = answer.read().decode()
        is_json = "json" in answer.getheader("Content-Type", "")
        return answer.status, json.loads(read) if is_json else read
    finally:
        connection.close()


def alerts(server: Running, **wanted: Any) -> list[dict[str, Any]]:
    """Those that there are, as the API shows them."""
    return list(server.get("/alerts", limit=200, **wanted)["alerts"])


def alert(server: Running, rule_id: str, check: Callable[[dict[str, Any]], Any] = lambda _: True) -> dict[str, Any]:
    """The newest alert of this rule, as soon as it is as `check` wants it."""
    return dict(
        eventually(
            lambda: next((one for one in alerts(server, rule=rule_id) if check(one)), None),
            f"an alert of {rule_id}",
        )
    )
