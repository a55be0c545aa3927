"""What a page fetches before it can be used."""

from __future__ import annotations

import gzip
import re

from playwright.sync_api import Page, Response


class Downloads:
    """The scripts and styles that a page fetches from now on."""

    def __init__(self, page: Page) -> None:
        self._answers: list[Response] = []
        page.on("response", self._note)

    def _note(self, answer: Response) -> None:
        if answer.url.endswith((".js", ".css")):
            self._answers.append(answer)  # read later: a handler that waits for the body ends after the page is there

    def weigh(self) -> int:
        """Their bytes on the wire, gzip."""
        return sum(len(gzip.compress(answer.body())) for answer in self._answers)

    def languages(self) -> set[str]:
        """Those whose words were fetched."""
        names = (re.search(r"/(en|zh-CN)-[\w-]+\.js$", answer.url) for answer in self._answers)
        return {found[1] for found in names if found}
