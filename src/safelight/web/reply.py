"""How we answer: JSON made in one pass, and RFC 9457 problems."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from ..buffer import BufferFull
from ..comfyui.replay import faults
from ..errors import (
    InputError,
    NoSuchEvent,
    PromptRejected,
    QueryError,
    QueryTooCostly,
    SafelightError,
    ServiceError,
    StoreError,
    StoreFull,
)
from ..locales import nearest, text
from ..rows import dump

_STATUS: Final[tuple[tuple[type[SafelightError], int], ...]] = (
    (QueryTooCostly, 422),
    (QueryError, 400),
    (NoSuchEvent, 404),
    (InputError, 400),
    (PromptRejected, 422),
    (ServiceError, 502),
    (StoreFull, 507),
    (BufferFull, 507),
    (StoreError, 503),
)


class Json(Response):
    """A JSON answer, encoded by msgspec: stored attributes pass through without being parsed."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """As bytes."""
        return dump(content)


def language_of(request: Request) -> str:
    """The reader's language, from Accept-Language."""
    return nearest(request.headers.get("accept-language", ""))


def problem_of(error: SafelightError, language: str) -> dict[str, Any]:
    """One of our errors as problem details."""
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    problem: dict[str, Any] = {
        "type": f"urn:safelight:{error.key}",
        "title": text(f"web.status_{status}", language),
        "status": status,
        "detail": error.render(language),
    }
    if isinstance(error, QueryError):
        problem |= {"position": error.position, "caret": error.caret()}
    if isinstance(error, PromptRejected):
        problem |= {"node_errors": error.node_errors}
        wrong = faults(error.node_errors)
        if len(wrong) > 1:
            problem["detail"] = "\n".join((problem["detail"], *wrong))
    return problem


def problem(content: dict[str, Any]) -> Response:
    """Problem details as an answer."""
    return Response(dump(content), status_code=content["status"], media_type="application/problem+json")


def refusal(key: str, status: int, language: str, **values: object) -> Response:
    """A problem of one sentence of the catalogue."""
    title = text(f"web.status_{status}", language)
    return problem(
        {"type": f"urn:safelight:{key}", "title": title, "status": status, "detail": text(key, language, **values)}
    )


async def ours(request: Request, error: Exception) -> Response:
    """Exception handler for the tree in `errors`."""
    if not isinstance(error, SafelightError):
        raise error
    return problem(problem_of(error, language_of(request)))


async def invalid(request: Request, error: Exception) -> Response:
    """Exception handler for parameters of the wrong shape."""
    if not isinstance(error, RequestValidationError):
        raise error
    told = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
    title = text("web.status_400", language_of(request))
    return problem({"type": "urn:safelight:web.parameters", "title": title, "status": 400, "detail": told})


async def no_text(request: Request, error: Exception) -> Response:
    """Exception handler for half of a surrogate pair, which JSON can write and nothing can keep."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return refusal("web.no_text", 400, language_of(request))


async def refused(request: Request, error: Exception) -> Response:
    """Exception handler for what the framework itself refuses."""
    if not isinstance(error, HTTPException):
        raise error
    detail = str(error.detail)
    return problem({"type": "about:blank", "title": detail, "status": error.status_code, "detail": detail})
