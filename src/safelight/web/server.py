"""The HTTP application: routes, errors, headers."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ..app import App
from ..errors import SafelightError
from ..sources.endpoint import Endpoint
from ..sources.slashes import Slashes
from . import act, docs, health, live, page, reply
from .api import (
    alerts,
    arrivals,
    channels,
    errors,
    events,
    insight,
    pipeline,
    repairs,
    replay,
    rules,
    runs,
    silences,
    sql,
    status,
)
from .bodies import Bodies
from .security import Guard

API = "/api/v1"


def create(app: App) -> FastAPI:
    """The ASGI application that shows `app`."""
    web = FastAPI(
        title="Safelight", version=app.version, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json"
    )
    web.state.safelight = app
    sent_to = [route for source in app.sources if isinstance(source, Endpoint) for route in source.mounted()]
    web.add_middleware(Bodies, streamed=[*arrivals.routes, *sent_to])
    web.add_middleware(Guard, public=app.config.server.url)
    web.add_middleware(Slashes)
    web.add_exception_handler(SafelightError, reply.ours)
    web.add_exception_handler(RequestValidationError, reply.invalid)
    web.add_exception_handler(UnicodeEncodeError, reply.no_text)
    web.add_exception_handler(HTTPException, reply.refused)
    alerting = (alerts, silences, rules, channels, repairs, errors)
    for resource in (events, insight, replay, runs, *alerting, status, pipeline, sql, live):
        web.include_router(resource.router, prefix=API)
    web.include_router(health.router)
    web.router.routes.extend([*arrivals.routes, *sent_to])
    docs.mount(web)
    act.mount(web)
    page.mount(web)
    return web
