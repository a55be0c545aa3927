"""The frame and both pages, as every reader sees them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from support.ports import free_port
from web.downloads import Downloads
from web.readable import fits, violations
from web.reading import DESKTOP, PHONE, Reader, hold
from web.serving import ROOT, Server, serving

FIRST_LOAD = 100_000  # bytes on the wire, gzip
READY = {"/": ".tiles", "/logs": "[role=listitem] .row", "/logs?q=*%20|%20stats%20count()%20by%20node": "table"}


def ready(page: Page, path: str) -> None:
    """Wait for what the page is about."""
    page.wait_for_selector(READY[path])
    page.wait_for_load_state("load")


@pytest.mark.parametrize("path", ["/", "/logs"])
@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_page_follows_theme_language_and_screen(
    browser: Browser, server: Server, path: str, theme: str, language: str, size: dict[str, int]
) -> None:
    context = browser.new_context(viewport=size, color_scheme=theme, locale=language, has_touch=size is PHONE)
    try:
        reader = Reader(context.new_page())
        page = reader.open(server.url + path)
        ready(page, path)
        root = page.locator("html")
        expect(root).to_have_attribute("data-theme", theme)
        expect(root).to_have_attribute("lang", language)
        expect(page.locator("nav")).to_contain_text("日志" if language == "zh-CN" else "Logs")
        fits(page, "html", "main", ".page")
        assert reader.complaints == []
    finally:
        context.close()


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("path", list(READY))
def test_a_page_passes_the_accessibility_rules(browser: Browser, server: Server, path: str, theme: str) -> None:
    context = browser.new_context(viewport=DESKTOP, color_scheme=theme, locale="en", reduced_motion="reduce")
    try:
        page = context.new_page()
        page.goto(server.url + path)
        ready(page, path)
        assert violations(page) == []
    finally:
        context.close()


@pytest.mark.parametrize("path", ["/", "/runs", "/errors", "/alerts", "/alerts?tab=rules", "/logs"])
def test_the_first_load_is_small_and_in_one_language(reader: Reader, server: Server, path: str) -> None:
    downloads = Downloads(reader.page)
    page = reader.open(server.url + path)
    page.wait_for_selector("main :is(.tiles, .row, [data-run], [data-error], [data-rule], .calm, [data-alert])")
    assert 0 < downloads.weigh() < FIRST_LOAD
    assert downloads.languages() == {"en"}
    with page.expect_response(re.compile(r"/zh-CN-[\w-]+\.js$")):
        page.get_by_role("button", name="切换到中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("nav")).to_contain_text("日志")
    assert downloads.languages() == {"en", "zh-CN"}


def test_theme_and_language_are_kept(reader: Reader, server: Server) -> None:
    page = reader.open(server.url)
    page.get_by_role("button", name="Switch to the light theme").click()
    page.get_by_role("button", name="切换到中文").click()
    expect(page.locator("nav")).to_contain_text("概览")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.get_by_role("button", name="Switch to English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert page.evaluate("localStorage.getItem('safelight.language')") is None, "back at the browser's, it follows it"


def test_an_unknown_path_leads_back(reader: Reader, server: Server) -> None:
    page = reader.open(server.url + "/nowhere/at/all")
    expect(page.get_by_role("heading")).to_have_text("Nothing is developed here")
    page.get_by_role("link", name="Go to the overview").click()
    ready(page, "/")
    expect(page).to_have_url(server.url + "/")


def test_the_overview_leads_to_the_lines_behind_it(reader: Reader, server: Server) -> None:
    page = reader.open(server.url + "/?range=6h")
    ready(page, "/")
    expect(page.locator(".tiles a").nth(1)).to_contain_text(re.compile("6[0-9]"))
    chart = page.get_by_role("slider")
    chart.hover(position={"x": 500, "y": 40})
    page.mouse.down()
    chart.hover(position={"x": 800, "y": 40})
    page.mouse.up()
    page.wait_for_url("**/logs?*from=*to=*")
    page.go_back()
    page.wait_for_url("**/?range=6h")
    page.locator("section", has_text="Slowest nodes").get_by_role("link", name="LoadImage").click()
    page.wait_for_url("**/logs?q=node*LoadImage*")
    page.wait_for_selector(READY["/logs"])
    assert reader.complaints == []


def test_the_overview_is_renewed_in_another_range_too(reader: Reader, server: Server) -> None:
    asked = 0

    def counting(route: Route) -> None:
        nonlocal asked
        asked += 1
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"events": 700 + asked})

    reader.page.route("**/api/v1/overview?*", counting)
    reader.page.clock.install()
    page = reader.open(server.url)
    events = page.locator(".tiles a").first
    expect(events).to_contain_text("701")
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 5)
    page.get_by_role("group", name="Time range").get_by_role("button", name="6 hours").click()
    expect(events).to_contain_text("702")
    for _ in range(9):  # 18 s, but the server is there meanwhile: else the page asks again for its return
        page.clock.run_for(2_000)
        page.evaluate("fetch('/api/v1/status')")
    expect(events).to_contain_text("703")
    assert reader.complaints == []


def test_an_error_shows_up_by_itself(reader: Reader, server: Server) -> None:
    page = reader.open(server.url)
    ready(page, "/")
    expect(page.get_by_role("navigation").get_by_role("status")).to_have_text("Live")
    server.write(level="ERROR", message="the lamp went out", workflow_id="wf-new")
    latest = page.locator("section", has_text="Latest errors")
    expect(latest).to_contain_text("the lamp went out")
    latest.get_by_role("link", name="the lamp went out").click()
    page.wait_for_url("**/runs/wf-new*")
    expect(page.get_by_role("heading", level=1)).to_have_text("wf-new")
    page.keyboard.press("l")
    expect(page.get_by_role("list", name="Log lines").get_by_role("listitem")).to_have_count(1)


def test_the_empty_page_says_what_to_do_and_turns_green(reader: Reader, empty_server: Server) -> None:
    page = reader.open(empty_server.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("The lamp is on. Waiting for the first event.")
    for command in ("safelight comfyui install", "safelight_emit", "safelight ingest", "safelight up --demo"):
        expect(page.locator("pre", has_text=command)).to_be_visible()
    expect(page.get_by_role("navigation").get_by_role("status")).to_have_text("Live")
    hold(page)  # the green card
    empty_server.write(message="hello")
    expect(page.get_by_role("heading", level=1)).to_have_text("The first event has arrived")
    page.clock.resume()
    ready(page, "/")
    assert reader.complaints == []


def test_a_server_that_goes_and_comes_back_is_noticed(reader: Reader, tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, port=port) as first:
        page = reader.open(first.url + "/logs")
        expect(page.get_by_role("navigation").get_by_role("status")).to_have_text("Connected")
        first.write(message="before")
        first.running.until('message:"before"')
    expect(page.get_by_role("navigation").get_by_role("status")).to_have_text("Server gone", timeout=60_000)
    expect(page.get_by_role("alert").first).to_contain_text("does not answer")
    with serving(tmp_path, port=port):
        expect(page.get_by_role("navigation").get_by_role("status")).to_have_text("Connected", timeout=60_000)
        expect(page.get_by_role("list", name="Log lines")).to_contain_text("before")


@pytest.mark.skipif(
    os.environ.get("SAFELIGHT_WRITE_SCREENSHOTS") != "1", reason="SAFELIGHT_WRITE_SCREENSHOTS=1 asks for it"
)
def test_the_pictures_of_the_readme_are_taken(browser: Browser, tmp_path: Path) -> None:
    images = ROOT / "docs" / "images"
    images.mkdir(parents=True, exist_ok=True)
    with serving(tmp_path, "--demo") as demo:
        context = browser.new_context(
            viewport=DESKTOP, color_scheme="dark", locale="en", device_scale_factor=1.2, reduced_motion="reduce"
        )
        page = context.new_page()
        page.goto(f"{demo.url}/runs?from=now-15m")  # the studio tells its past first
        page.wait_for_selector("[data-run]", timeout=60_000)
        page.goto(demo.url)
        expect(page.get_by_text("Simulated data")).to_be_visible()
        page.wait_for_selector(".tiles", timeout=60_000)
        page.wait_for_selector("section:has-text('Slowest nodes') table", timeout=60_000)
        page.wait_for_selector("section:has(h2:text-is('Now')) svg[role=img]", timeout=60_000)
        page.screenshot(path=images / "overview.png")
        page.goto(f"{demo.url}/runs?state=failed")
        page.locator("[data-run]", has_text="OutOfMemoryError").first.click()
        page.wait_for_selector("[role=group] button[data-node]")
        page.mouse.move(0, 0)
        page.screenshot(path=images / "run.png")
        page.goto(f"{demo.url}/alerts?tab=rules&edit=%2B")
        page.get_by_role("button", name="24 hours").click()
        page.get_by_label("When", exact=True).fill("failure rate by service > 8% over 1h, at least 10 runs")
        page.get_by_label("Title of its messages").fill("Too many runs fail")
        page.wait_for_selector("dialog [role=img][aria-label='The measured value and the threshold']")
        page.wait_for_selector("dialog section[aria-busy=false] li:has-text('Too many runs fail')")
        page.mouse.move(0, 0)
        page.screenshot(path=images / "rule.png")
        context.close()
    for name in ("overview.png", "run.png", "rule.png"):
        assert 50_000 < (images / name).stat().st_size < 300_000, name
