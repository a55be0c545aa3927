"""Somebody who looks at the page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from playwright.sync_api import ConsoleMessage, Page, Request

DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 360, "height": 740}


@dataclass
class Reader:
    """Somebody looking at the page, and everything that went wrong meanwhile."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def open(self, url: str) -> Page:
        """Go to a page of `url`'s server, noting errors and requests to anywhere else."""
        origin = re.match(r"https?://[^/]+", url)
        assert origin is not None
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("request", lambda request: self._request(request, origin[0]))
        self.page.goto(url)
        return self.page

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Request, origin: str) -> None:
        if not request.url.startswith((origin + "/", "blob:")):
            self.complaints.append(f"request to {request.url}")


def hold(page: Page) -> None:
    """Stop the clock of a page: what it shows for a moment stays, until `page.clock.resume()`."""
    page.clock.install()
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 10)  # not the past, however long this takes
