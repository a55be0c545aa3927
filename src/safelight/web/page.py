"""The built page: its files, and its entry for every path that is a page's."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

from ..locales import text
from .reply import language_of, problem

PAGE: Final = Path(__file__).parent / "page"
FOREVER: Final = "public, max-age=31536000, immutable"
"""Built files carry a hash of their content in their name."""
CHECKED: Final = {"Cache-Control": "no-cache"}
"""The others are asked for again, and answered with 304 while they are the same."""


class Assets(StaticFiles):
    """Built files, cached for good."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """As Starlette does, and immutable."""
        answer = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came
        answer.headers["Cache-Control"] = FOREVER
        return answer


def mount(app: FastAPI, root: Path = PAGE) -> None:
    """Serve the page under every path that nothing else took."""
    if (root / "assets").is_dir():
        app.mount("/assets", GZipMiddleware(Assets(directory=root / "assets")), name="assets")

    @app.get("/{path:path}", include_in_schema=False)
    def page(path: str, request: Request) -> Response:
        if path.startswith(("api/", "assets/")):
            language = language_of(request)
            title = text("web.status_404", language)
            return problem({"type": "about:blank", "title": title, "status": 404, "detail": f"/{path}"})
        named = root / path
        if path and named.parent == root and named.is_file():  # favicon and the like, never outside the folder
            return FileResponse(named, headers=CHECKED)
        if not (root / "index.html").is_file():
            return Response(text("web.no_page", language_of(request)), 503, media_type="text/plain; charset=utf-8")
        return FileResponse(root / "index.html", headers=CHECKED)
