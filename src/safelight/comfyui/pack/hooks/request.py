"""POST /prompt: the middleware knows who asks and what was answered, the validation why.

The request travels in a context variable, so that the queue, which is called by the same task, finds it.
"""

from __future__ import annotations

import json

from ..guard import note
from ..submission import Request, Submissions, request
from .patch import Patch, Unavailable, module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PATHS = frozenset({"/prompt", "/api/prompt"})
USERS = ("comfy-user", "x-forwarded-user", "x-auth-request-user", "x-remote-user", "remote-user")
"""Headers that name the user: ComfyUI's own (with --multi-user), and those of proxies that ask for passwords."""
LONGEST_NAME = 200
LONGEST_ANSWER = 2_000_000  # characters of an answer, and bytes of a refused request, that are parsed

_middleware: _Middleware | None = None


def install(submissions: Submissions) -> list[Any]:
    """Adds the middleware, and listens to the validation where there is one."""
    global _middleware  # noqa: PLW0603 - one PromptServer a process
    app = getattr(getattr(module("server").PromptServer, "instance", None), "app", None)
    middlewares = getattr(app, "middlewares", None)
    if middlewares is None:
        raise Unavailable("no PromptServer")
    if _middleware is None or _middleware.of is not middlewares:
        if getattr(middlewares, "frozen", False):
            raise Unavailable("PromptServer takes no middleware any more")
        _middleware = _Middleware(middlewares)
    _middleware.submissions = submissions
    patches: list[Any] = [_middleware]
    try:
        patches.append(Patch(module("execution"), "validate_prompt", _listen))
    except Unavailable as reason:  # the answers say most of it
        note("validation", reason)
    return patches


class _Middleware:
    """Ours stays in the list for good once ComfyUI serves; without `submissions` it only passes on."""

    def __init__(self, middlewares: Any) -> None:
        self.of = middlewares
        self.submissions: Submissions | None = None

        async def middleware(asked: Any, handler: Callable[..., Any]) -> Any:
            if self.submissions is None or asked.method != "POST" or asked.path not in PATHS:
                return await handler(asked)
            return await self._answer(asked, handler)

        middleware.__middleware_version__ = 1  # type: ignore[attr-defined] # what aiohttp.web.middleware sets
        middlewares.append(middleware)

    def remove(self) -> bool:
        self.submissions = None
        return True

    async def _answer(self, asked: Any, handler: Callable[..., Any]) -> Any:
        ours = _read(asked)
        token = request.set(ours)
        try:
            response = await handler(asked)
        except Exception as error:
            if not ours.queued:
                self._reject(ours, getattr(error, "status", 500), _told(error), {})
            raise
        finally:
            request.reset(token)
        if not ours.queued and response.status >= 400:
            answer = _body(response) if ours.error is None else None
            self._reject(ours, response.status, answer, await _extra_data(asked))
        return response

    def _reject(self, ours: Request, status: int, answer: Any, extra_data: dict[str, Any]) -> None:
        try:
            if self.submissions is not None:
                self.submissions.rejected(ours, status, answer, extra_data)
        except Exception as error:  # noqa: BLE001 - the answer is more important
            note("request", error)


def _read(asked: Any) -> Request:
    try:
        headers = asked.headers
        user = next((headers[name] for name in USERS if headers.get(name)), None)
        traceparent = headers.get("traceparent")
        return Request(user and user[:LONGEST_NAME], traceparent and traceparent[:LONGEST_NAME])
    except Exception as error:  # noqa: BLE001 - a request without them
        note("request", error)
        return Request()


async def _extra_data(asked: Any) -> dict[str, Any]:
    """What came with the prompt: its workflow, whose client. aiohttp keeps the body that ComfyUI has read."""
    try:
        body = await asked.read()
        said = json.loads(body) if len(body) <= LONGEST_ANSWER else None
    except ValueError:  # no JSON: which may be just why it was refused
        return {}
    except Exception as error:  # noqa: BLE001 - the answer is more important
        note("request", error)
        return {}
    extra_data = said.get("extra_data") if isinstance(said, dict) else None
    return extra_data if isinstance(extra_data, dict) else {}


def _body(response: Any) -> Any:
    try:
        text = response.text
        return json.loads(text) if text and len(text) <= LONGEST_ANSWER else None
    except (AttributeError, TypeError, ValueError):
        return None


def _told(error: Exception) -> dict[str, Any]:
    return {"error": {"type": type(error).__name__, "message": str(error)}}


def _listen(original: Callable[..., Any]) -> Callable[..., Any]:
    if not original.__code__.co_flags & 0x80:  # CO_COROUTINE: asynchronous since 0.3.39

        def validate(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            _keep(args, result)
            return result

        return validate

    async def validate_async(*args: Any, **kwargs: Any) -> Any:
        result = await original(*args, **kwargs)
        _keep(args, result)
        return result

    return validate_async


def _keep(args: tuple[Any, ...], result: Any) -> None:
    """What the validation was asked and said: id and prompt; (valid, error, outputs, node errors)."""
    try:
        ours = request.get()
        if ours is not None:
            ours.workflow_id = next((one for one in args if isinstance(one, str)), ours.workflow_id)
            ours.prompt = next((one for one in args if isinstance(one, dict)), None)
            ours.error = None if result[0] else result[1]
            ours.node_errors = result[3]
    except Exception as error:  # noqa: BLE001 - another form of it
        note("validation", error)
