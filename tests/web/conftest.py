"""A real server with a known log, and a real Chromium to look at it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from support.running import cli, environment
from web.reading import DESKTOP, Reader
from web.serving import Server, serving
from web.studio import studio

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE_MS = 30_000
"""How long a page may take to say what is expected: as long as Playwright waits for a button to be clicked."""

expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder drives a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.web)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that holds the studio's log."""
    folder = tmp_path_factory.mktemp("web")
    log = folder / "studio.ndjson"
    with log.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(event) + "\n" for event in studio(datetime.now(UTC)))
    cli("ingest", str(log), "--data", str(folder / "data"), environment=environment(folder))
    with serving(folder) as running:
        yield running


@pytest.fixture
def empty_server(tmp_path: Path) -> Iterator[Server]:
    """A server to which nothing has come yet."""
    with serving(tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    path = CHROMIUM if Path(CHROMIUM).exists() else shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def reader(browser: Browser) -> Iterator[Reader]:
    """An English reader in the dark, at a desk."""
    context = browser.new_context(viewport=DESKTOP, color_scheme="dark", locale="en-GB")
    yield Reader(context.new_page())
    context.close()
