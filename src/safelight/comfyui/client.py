"""ComfyUI's HTTP API, as asked by the watcher and by replay.

Runs on 0.3.64 and 0.27.0, and is careful about what any other version may leave out or add: an answer is a JSON value
of the agreed outermost type, or a ServiceError that says which of these it was: out of reach, refused, not ComfyUI,
garbage, too large. Answers are read as a stream up to 64 MiB. Nothing here retries.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import anyio.to_thread
import httpx

from ..errors import PromptRejected, ServiceError
from ..paths import is_loopback

ANSWER_LIMIT: Final = 64 * 1024 * 1024
"""Bytes. A queue holds whole prompts: 100 pending ones of 500 nodes are about 10 MB."""
_SLOW_TO_DECODE: Final = 1024 * 1024  # bytes: about 10 ms of the event loop
_NOT_THERE: Final = frozenset({404, 405})  # aiohttp says 405 for a POST where only files are served
_GATEWAY: Final = frozenset({502, 503, 504})
_HUNG_UP: Final = re.compile("server disconnected|peer closed", re.IGNORECASE)  # httpcore's words: it died meanwhile


class Client:
    """One ComfyUI. Every method raises ServiceError when there is no proper answer."""

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float = 10.0) -> None:
        """`url` may have a path prefix, and `user:password@` for basic authentication."""
        given = httpx.URL(url)
        base = given.copy_with(username=None, password=None, query=None, fragment=None)
        self.url: Final = str(base).rstrip("/")
        """As shown to people: without the password."""
        self._http = httpx.AsyncClient(
            auth=httpx.BasicAuth(given.username, given.password) if given.userinfo else None,
            headers=dict(headers or {}),
            timeout=timeout_s,
            trust_env=not is_loopback(given.host),  # a proxy of the environment cannot reach this machine's loopback
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def queue(self) -> dict[str, Any]:
        """`{"queue_running": [...], "queue_pending": [...]}` of `[number, run id, prompt, extra_data, outputs]`."""
        return await self._object("GET", "/queue", needs=("queue_running", "queue_pending"))

    async def history(self, limit: int) -> dict[str, Any]:
        """The last `limit` runs that ended, by id, oldest first: `{prompt, outputs, status, meta}`."""
        return await self._object("GET", "/history", params={"max_items": limit})

    async def history_of(self, run_id: str) -> dict[str, Any] | None:
        """What is remembered of one run; None when it has not ended, or is forgotten."""
        entry = (await self._object("GET", f"/history/{_in_path(run_id)}")).get(run_id)
        return entry if isinstance(entry, dict) else None

    async def jobs(self, limit: int = 200) -> dict[str, Any] | None:
        """`{"jobs": [...], "pagination": {...}}`, newest first; None before 0.6."""
        return await self._maybe("GET", "/api/jobs", params={"limit": limit})

    async def system_stats(self) -> dict[str, Any]:
        """`{"system": {...}, "devices": [...]}`. Its `argv` may hold secrets."""
        return await self._object("GET", "/system_stats", needs=("system",))

    async def object_info(self, class_type: str) -> dict[str, Any] | None:
        """What is known of a node class; None when it is not installed."""
        known = (await self._object("GET", f"/object_info/{_in_path(class_type)}")).get(class_type)
        return known if isinstance(known, dict) else None

    async def submit(
        self,
        prompt: Mapping[str, Any],
        extra_data: Mapping[str, Any],
        *,
        run_id: str | None = None,
        outputs: Sequence[str] | None = None,
    ) -> str:
        """Queue a prompt; the run's id. Raises PromptRejected when it does not validate.

        `run_id`: the id it is to have, a UUID. `outputs`: only these output nodes; a version that does not know this
        runs all.
        """
        body: dict[str, Any] = {"prompt": prompt, "extra_data": extra_data}
        if run_id is not None:
            body["prompt_id"] = run_id
        if outputs is not None:
            body["partial_execution_targets"] = list(outputs)
        status, answer = await self._ask("POST", "/prompt", json=body)
        said = _decoded(answer)
        if status == 400 and isinstance(said, dict):
            errors = said.get("node_errors")
            node_errors = errors if isinstance(errors, dict) else {}
            raise PromptRejected(
                "comfyui.rejected",
                node_errors=node_errors,
                url=self.url,
                reason=_reason(said.get("error"), node_errors),
            )
        self._check(status, "/prompt", answer)
        new_id = said.get("prompt_id") if isinstance(said, dict) else None
        if not isinstance(new_id, str):
            raise ServiceError("comfyui.garbage", url=self.url, path="/prompt", start=_start(answer))
        return new_id

    async def upload(
        self,
        name: str,
        data: bytes,
        subfolder: str = "",
        type: str = "input",  # noqa: A002 - as ComfyUI names it
        *,
        overwrite: bool = False,
    ) -> dict[str, Any]:
        """Put an input file there: `{"name", "subfolder", "type"}`. Another file of that name gets this one renamed,
        an equal one is kept."""
        form = {"type": type, "subfolder": subfolder, "overwrite": "true" if overwrite else "false"}
        return await self._object("POST", "/upload/image", data=form, files={"image": (name, data)}, needs=("name",))

    async def view(self, filename: str, subfolder: str = "", type: str = "output") -> tuple[bytes, str]:  # noqa: A002 - as ComfyUI
        """A file of the input, output or temp folder, and its media type."""
        path, params = "/view", {"filename": filename, "subfolder": subfolder, "type": type}
        request = self._http.build_request("GET", f"{self.url}{path}", params=params)
        status, body, headers = await self._send(request, path)
        if status == 404:
            raise ServiceError("comfyui.no_file", url=self.url, name=filename)
        self._check(status, path, body)
        return body, headers.get("content-type", "application/octet-stream").split(";")[0]

    async def interrupt(self, run_id: str | None = None) -> None:
        """Stop what runs; from 0.3.57 on only if it is `run_id`."""
        await self._do("/interrupt", {} if run_id is None else {"prompt_id": run_id})

    async def remove(self, run_ids: Sequence[str]) -> None:
        """Take these out of the queue, as far as they have not begun to run."""
        await self._do("/queue", {"delete": list(run_ids)})

    async def free(self, *, unload_models: bool = True, free_memory: bool = True) -> None:
        """Unload models, and forget cached results, once nothing runs."""
        await self._do("/free", {"unload_models": unload_models, "free_memory": free_memory})

    async def subscribe_logs(self, client_id: str) -> bool:
        """Have console lines sent to this client's socket. False where that is not offered."""
        status, _ = await self._ask("PATCH", "/internal/logs/subscribe", json={"clientId": client_id, "enabled": True})
        return status < 300

    async def pack_state(self) -> dict[str, Any] | None:
        """What the node pack says of itself; None where it is not installed."""
        return await self._maybe("GET", "/safelight/state")

    async def inventory(self, prompt: Mapping[str, Any]) -> dict[str, Any] | None:
        """Hashes of the files and packs a prompt needs, by the node pack; None where it is not installed."""
        return await self._maybe("POST", "/safelight/inventory", json={"prompt": prompt})

    async def _object(self, method: str, path: str, *, needs: tuple[str, ...] = (), **request: Any) -> dict[str, Any]:
        status, body = await self._ask(method, path, **request)
        self._check(status, path, body)
        return await self._understood(path, body, needs)

    async def _maybe(self, method: str, path: str, **request: Any) -> dict[str, Any] | None:
        status, body = await self._ask(method, path, **request)
        if status in _NOT_THERE:
            return None
        self._check(status, path, body)
        return await self._understood(path, body)

    async def _do(self, path: str, body: dict[str, Any]) -> None:
        status, answer = await self._ask("POST", path, json=body)
        self._check(status, path, answer)

    async def _understood(self, path: str, body: bytes, needs: tuple[str, ...] = ()) -> dict[str, Any]:
        if len(body) > _SLOW_TO_DECODE:
            said = await anyio.to_thread.run_sync(_decoded, body)
        else:
            said = _decoded(body)
        if not isinstance(said, dict):
            key = "comfyui.not_comfyui" if body.lstrip()[:1] == b"<" else "comfyui.garbage"  # somebody's page
            raise ServiceError(key, url=self.url, path=path, start=_start(body))
        if any(name not in said for name in needs):
            raise ServiceError("comfyui.not_comfyui", url=self.url, path=path, start=_start(body))
        return said

    def _check(self, status: int, path: str, body: bytes) -> None:
        if status < 300:
            return
        if status in {401, 403, 407}:
            raise ServiceError("comfyui.refused", url=self.url, status=status)
        if status in _NOT_THERE:
            raise ServiceError("comfyui.not_comfyui", url=self.url, path=path, start=_start(body))
        if status < 400:
            raise ServiceError("comfyui.redirected", url=self.url, status=status)
        if status in _GATEWAY:
            raise ServiceError("comfyui.unreachable", url=self.url, reason=f"{status} {_start(body)}".strip())
        raise ServiceError("comfyui.failed", url=self.url, path=path, status=status, start=_start(body))

    async def _ask(self, method: str, path: str, **request: Any) -> tuple[int, bytes]:
        if "json" in request:  # not by httpx, which refuses NaN; a prompt that holds one was taken before
            request["content"] = json.dumps(request.pop("json"))
            request["headers"] = {"Content-Type": "application/json"}
        status, body, _ = await self._send(self._http.build_request(method, f"{self.url}{path}", **request), path)
        return status, body

    async def _send(self, request: httpx.Request, path: str) -> tuple[int, bytes, httpx.Headers]:
        try:
            answer = await self._http.send(request, stream=True)
            try:
                body = bytearray()
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > ANSWER_LIMIT:
                        limit = ANSWER_LIMIT // 1024 // 1024
                        raise ServiceError("comfyui.too_large", url=self.url, path=path, limit=limit)
            finally:
                await answer.aclose()
        except httpx.DecodingError as error:
            raise ServiceError("comfyui.garbage", url=self.url, path=path, start=str(error)) from error
        except httpx.RemoteProtocolError as error:
            if _HUNG_UP.match(str(error)):
                raise ServiceError("comfyui.unreachable", url=self.url, reason=str(error)) from error
            raise ServiceError("comfyui.garbage", url=self.url, path=path, start=str(error)) from error
        except httpx.TimeoutException as error:
            raise ServiceError("comfyui.silent", url=self.url, path=path) from error
        except httpx.HTTPError as error:
            raise ServiceError(
                "comfyui.unreachable", url=self.url, reason=str(error) or type(error).__name__
            ) from error
        return answer.status_code, bytes(body), answer.headers


def _in_path(name: str) -> str:
    return quote(name, safe="", errors="replace")  # half of a surrogate pair has no UTF-8


def _decoded(body: bytes) -> Any:
    """The JSON value, or None. ComfyUI writes NaN where a node's input is NaN, which `json` reads."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _start(body: bytes) -> str:
    return " ".join(body[:400].decode(errors="replace").split())[:80]


def _reason(error: Any, node_errors: Mapping[str, Any]) -> str:
    """The first thing wrong with a node, else what ComfyUI says of the whole."""
    for node_id, node in node_errors.items():
        first = next(iter(node.get("errors") or ()), None) if isinstance(node, dict) else None
        if isinstance(first, dict):
            said = ": ".join(str(first[key]) for key in ("message", "details") if first.get(key))
            return f"{node.get('class_type')} {node_id}: {said}"
    if isinstance(error, dict):
        return ": ".join(str(error[key]) for key in ("message", "details") if error.get(key))
    return str(error)
