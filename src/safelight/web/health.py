"""`/healthz`, `/readyz` and `/metrics`: for load balancers, systemd and Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ..app.status import checks as readiness
from .metrics import CONTENT_TYPE, exposition
from .reply import Json

router = APIRouter(tags=["self"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
def healthz() -> Json:
    """Alive: the process answers."""
    return Json({"status": "ok"})


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz")
def readyz(request: Request) -> Json:
    """Ready to collect: 503 with the failing check when not."""
    checks = readiness(request.app.state.safelight)
    ready = all(check["ok"] for check in checks.values())
    return Json({"status": "ok" if ready else "unavailable", "checks": checks}, status_code=200 if ready else 503)


@router.get("/metrics", include_in_schema=False)
def metrics(request: Request) -> Response:
    """Our own figures in Prometheus' text format."""
    return Response(exposition(request.app.state.safelight), media_type=CONTENT_TYPE)
