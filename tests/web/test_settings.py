"""Settings → Pipeline: why nothing is arriving, and everything between a source and a sink, in a real browser."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from support.running import running
from web import pipework
from web.downloads import Downloads
from web.readable import fits, violations
from web.reading import DESKTOP, PHONE, Reader, hold
from web.serving import ROOT, Server
from web.studio import studio

NARROW = {"width": 390, "height": 844}
FIRST_LOAD = 100_000  # bytes on the wire, gzip
SOON_MS = 30_000
API = "**/api/v1/pipeline"
FOLDED = "file /var/log/comfyui/*.log"

AWAY = """() => {
    Object.defineProperty(document, 'hidden', { get: () => true })
    Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' })
    document.dispatchEvent(new Event('visibilitychange'))
}"""

Telling = Callable[[], dict[str, Any]]


def pretend(page: Page, tell: Telling) -> None:
    """Have the server tell of this pipeline."""
    page.route(API, lambda route: route.fulfill(json=tell()))


def look(reader: Reader, server: Server, tell: Telling, more: str = "") -> Page:
    """Open the page on this pipeline."""
    pretend(reader.page, tell)
    page = reader.open(f"{server.url}/settings/pipeline{more}")
    expect(page.get_by_role("group", name="The pipeline, from sources to sinks")).to_be_visible()
    return page


def source(page: Page, name: str) -> Locator:
    """A source in its list."""
    return page.locator("[data-source]").filter(has=page.get_by_title(name, exact=True))


def sink(page: Page, name: str) -> Locator:
    """A sink in its list."""
    return page.locator("[data-sink]").filter(has=page.get_by_title(name, exact=True))


def test_why_nothing_arrives_is_said_first_and_what_to_do(reader: Reader, server: Server) -> None:
    page = look(reader, server, pipework.studio)
    problems = page.locator("[data-problem]")
    expect(problems).to_have_count(4)
    expect(problems.first).to_contain_text("error")
    expect(problems.first).to_contain_text("Connection refused")
    expect(problems.first).to_contain_text("Start ComfyUI")
    first, flow = problems.first.bounding_box(), page.locator("[data-source]").first.bounding_box()
    assert first is not None
    assert flow is not None
    assert first["y"] < flow["y"]
    assert reader.complaints == []


def test_where_all_is_well_there_is_one_calm_line(reader: Reader, server: Server) -> None:
    page = look(reader, server, pipework.agent)
    expect(page.locator("main [role=status]")).to_have_text("All is well: every part does its work.")
    expect(page.locator("[data-problem]")).to_have_count(0)


def test_a_problem_leads_to_what_it_is_about(reader: Reader, server: Server) -> None:
    page = look(reader, server, pipework.studio)
    page.get_by_role("link", name="comfyui http://127.0.0.1:8188").click()
    expect(source(page, "http://127.0.0.1:8188").get_by_role("button")).to_have_attribute("aria-expanded", "true")
    page.get_by_role("link", name="elasticsearch").click()
    expect(page).to_have_url(re.compile("sink=elasticsearch"))
    expect(sink(page, "elasticsearch")).to_be_in_viewport()
    assert reader.complaints == []


def test_the_flow_says_how_much_comes_and_how_far_it_is_behind(reader: Reader, server: Server) -> None:
    page = look(reader, server, pipework.studio)
    logs = source(page, "/var/log/comfyui/*.log")
    for said in ("reading", "file · comfyui", "128", "1,284,067", "400ms", "sec. ago", "12 not understood"):
        expect(logs).to_contain_text(said)
    expect(source(page, pipework.LONG)).to_contain_text("3m 34s")
    expect(source(page, "forward 127.0.0.1:24224")).to_contain_text("3 refused")
    expect(page.locator("[data-source]").first, "what failed comes first").to_contain_text("Connection refused")
    store = page.get_by_role("region", name="Store")
    for said in ("2.3M", "140/s", "412MB on disk", "works"):
        expect(store).to_contain_text(said)
    expect(page.get_by_title("174 events a second")).to_be_visible()
    assert reader.complaints == []


def test_a_source_unfolds_into_its_files_and_steps_and_the_address_holds_it(reader: Reader, server: Server) -> None:
    page = look(reader, server, pipework.studio)
    logs = source(page, "/var/log/comfyui/*.log")
    logs.get_by_role("button").click()
    files = logs.get_by_role("group", name="Files")
    expect(files.get_by_role("row")).to_have_count(3)
    expect(files).to_contain_text("1 line over the limit")
    sampled = logs.locator("[data-step='3 sample']").get_by_role("cell")
    expect(sampled).to_have_text(["3 sample", "1,284,067", "1,027,254", re.compile("256,813.*20%"), "0.39"])
    page.reload()
    expect(files).to_be_visible()
    logs.get_by_role("button").press("Enter")
    expect(files).to_have_count(0)
    assert reader.complaints == []


def test_a_source_tells_of_what_it_turned_away_and_of_the_files_furthest_behind(reader: Reader, server: Server) -> None:
    page = look(reader, server, pipework.crowd, f"?source={quote('file /srv/farm/host-40/**/*.log')}")
    unfolded = source(page, "/srv/farm/host-40/**/*.log")
    expect(unfolded).to_contain_text("the 100 of 1,204 that are furthest behind")
    expect(unfolded).to_contain_text(re.compile(r"Refused: malformed\s*40"))
    expect(unfolded).to_contain_text(re.compile(r"Refused: too large\s*12"))
    assert reader.complaints == []


def test_a_sink_tells_what_waits_for_it_and_what_was_lost(reader: Reader, server: Server) -> None:
    page = look(reader, server, pipework.studio)
    far = sink(page, "elasticsearch")
    expect(far.get_by_role("meter", name="Queue")).to_have_attribute("aria-valuenow", "32")
    waiting = ("retrying", "only tag:comfyui.raw", "171MB of 537MB", "389,120 events wait", "oldest from 51 min. ago")
    lost = ("Not queued yet", "412", "Dropped: queue full", "1,204", "attempt 9, next in 1m", "Dead letters")
    for said in waiting + lost:
        expect(far).to_contain_text(said)
    expect(far.get_by_role("group", name="Last error")).to_contain_text("read-only-allow-delete block]; <b>bold</b>")
    expect(sink(page, "archive")).to_contain_text("empty, room for 537MB")
    assert reader.complaints == []


def test_the_last_error_is_copied_as_it_came(browser: Browser, server: Server) -> None:
    context = browser.new_context(viewport=DESKTOP, locale="en", permissions=["clipboard-read", "clipboard-write"])
    try:
        page = look(Reader(context.new_page()), server, pipework.studio)
        hold(page)  # what is said of it
        page.get_by_role("button", name="Copy the error").click()
        expect(page.get_by_text("Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == pipework.ERROR
    finally:
        context.close()


def test_dead_letters_are_sent_again_only_after_a_question(reader: Reader, server: Server) -> None:
    asked: list[str] = []

    def again(route: Route) -> None:
        asked.append(f"{route.request.method} {route.request.url}")
        if len(asked) == 1:
            title = {"title": "Conflict", "status": 409, "detail": "The queue of elasticsearch is full."}
            route.fulfill(status=409, body=json.dumps(title), content_type="application/problem+json")
        else:
            route.fulfill(json={"events": 7})

    reader.page.route("**/api/v1/sinks/*/retry", again)
    page = look(reader, server, pipework.studio)
    sink(page, "elasticsearch").get_by_role("button", name="Send again").click()
    sheet = page.get_by_role("dialog", name="Send dead letters again")
    expect(sheet).to_contain_text("7 events of elasticsearch go to the end of its queue.")
    assert asked == []
    hold(page)  # what is said of it
    sheet.get_by_role("button", name="Send again").click()
    expect(sheet.get_by_role("alert")).to_have_text("The queue of elasticsearch is full.")
    sheet.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("7 events are in the queue again.")).to_be_visible()
    expect(sheet).to_be_hidden()
    assert asked == [f"POST {server.url}/api/v1/sinks/elasticsearch/retry"] * 2


def test_the_figures_are_renewed_while_somebody_looks(reader: Reader, server: Server) -> None:
    told = 0

    def counting() -> dict[str, Any]:
        nonlocal told
        told += 1
        return pipework.agent() | {"sources": [pipework.source("host", "host", 1_000 + told)]}

    reader.page.clock.install()
    page = look(reader, server, counting)
    with page.expect_response(API, timeout=SOON_MS):
        page.clock.run_for(2_500)
    expect(source(page, "host").get_by_title("1,001")).to_have_count(0)
    page.evaluate(AWAY)
    page.evaluate("fetch('/api/v1/status')")  # whatever was under way has come by now
    seen = told
    page.clock.run_for(20_000)
    page.evaluate("fetch('/api/v1/status')")
    assert told == seen, "nobody looks"


def test_figures_of_a_server_that_is_gone_stay_and_are_called_old(reader: Reader, server: Server) -> None:
    page = look(reader, server, pipework.studio)
    page.unroute(API)
    page.route(API, lambda route: None)  # it takes the question, and never answers
    expect(page.get_by_role("alert").filter(has_text="These figures are from")).to_be_visible(timeout=2 * SOON_MS)
    expect(source(page, "/var/log/comfyui/*.log")).to_be_visible()
    page.unroute(API)
    pretend(page, pipework.agent)
    expect(page.get_by_text("All is well")).to_be_visible(timeout=SOON_MS)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_crowd_stays_readable_and_hostile_text_is_text(reader: Reader, server: Server) -> None:
    page = look(reader, server, pipework.crowd)
    expect(page.locator("[data-source]")).to_have_count(40)
    expect(page.locator("[data-sink]")).to_have_count(10)
    expect(page.get_by_role("region", name="Sinks")).to_contain_text("2 in trouble")
    rows = page.locator("[data-source] button").evaluate_all("all => all.map(each => each.offsetHeight)")
    assert max(rows) < 60, "two lines each"
    assert page.locator("main img").count() == 0
    assert page.evaluate("window.hacked") is None
    expect(page.locator("[data-source]").first).to_contain_text("\\u202egol.<img")
    assert reader.complaints == []


@pytest.mark.parametrize("size", [DESKTOP, NARROW], ids=["desktop", "phone"])
def test_a_long_path_keeps_its_end_and_its_title_has_it_all(
    browser: Browser, server: Server, size: dict[str, int]
) -> None:
    context = browser.new_context(viewport=size, locale="en")
    try:
        page = look(Reader(context.new_page()), server, pipework.studio)
        path = source(page, pipework.LONG).get_by_title(pipework.LONG)
        expect(path).to_have_text(pipework.LONG)
        head, tail = path.locator("span").evaluate_all("all => all.map(each => each.scrollWidth - each.clientWidth)")
        assert tail <= 1, "its name is whole"
        assert head > 1, "its folders are cut"
    finally:
        context.close()


def test_an_agent_has_no_store(reader: Reader, server: Server) -> None:
    page = look(reader, server, pipework.agent)
    expect(page.get_by_role("region", name="Store")).to_have_count(0)
    expect(page.get_by_title("0.9 events a second")).to_have_count(1)
    expect(sink(page, "safelight")).to_contain_text("works")


def test_without_sinks_the_page_shows_the_lines_that_add_one(reader: Reader, server: Server) -> None:
    page = look(reader, server, pipework.alone)
    sinks = page.get_by_role("region", name="Sinks")
    expect(sinks).to_contain_text("go nowhere else")
    expect(sinks.locator("pre")).to_have_text(re.compile(r'^\[\[sinks\]\]\ntype = "\w+"\nurl = "[^"\n]+"$'))
    expect(page.get_by_text("No source is set up.")).to_be_visible()


def test_a_real_server_tells_of_its_sources_and_of_what_they_read(reader: Reader, server: Server) -> None:
    server.write(message="a line for the pipeline")
    server.running.until('message:"a line for the pipeline"')
    page = reader.open(f"{server.url}/settings")
    read = source(page, str(server.followed))
    expect(read).to_contain_text("reading", timeout=SOON_MS)
    read.get_by_role("button").click()
    expect(read.get_by_role("group", name="Files")).to_contain_text("100%")
    expect(read.locator("[data-step]").first).to_contain_text("parse")
    expect(page.get_by_role("region", name="Store")).to_contain_text("works")
    assert reader.complaints == []


def test_the_overview_and_the_frame_lead_here(reader: Reader, server: Server) -> None:
    pretend(reader.page, pipework.studio)
    page = reader.open(server.url)
    page.get_by_role("region", name="Collecting from").get_by_role("link", name="Pipeline").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Pipeline")
    expect(page.get_by_role("navigation").get_by_role("link", name="Settings")).to_have_attribute(
        "aria-current", "page"
    )
    page.get_by_role("navigation").get_by_role("link", name="Settings").click()
    expect(page).to_have_url(f"{server.url}/settings")
    expect(page.locator("[data-sink]")).to_have_count(3)
    assert reader.complaints == []


def test_the_first_load_is_small(reader: Reader, server: Server) -> None:
    downloads = Downloads(reader.page)
    look(reader, server, pipework.studio)
    assert 0 < downloads.weigh() < FIRST_LOAD


STATES: dict[str, tuple[Telling, str]] = {
    "studio": (pipework.studio, ""),
    "unfolded": (pipework.studio, f"?source={quote(FOLDED)}&sink=elasticsearch"),
    "crowd": (pipework.crowd, f"?source={quote('file /srv/farm/host-40/**/*.log')}"),
    "agent": (pipework.agent, ""),
    "alone": (pipework.alone, ""),
}


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(("locale", "size"), [("en-GB", DESKTOP), ("zh-CN", NARROW)], ids=["en-desktop", "zh-phone"])
@pytest.mark.parametrize("state", list(STATES))
def test_everybody_can_read_it(
    browser: Browser, server: Server, theme: str, locale: str, size: dict[str, int], state: str
) -> None:
    tell, more = STATES[state]
    context = browser.new_context(viewport=size, color_scheme=theme, locale=locale, reduced_motion="reduce")
    try:
        page = context.new_page()
        pretend(page, tell)
        page.goto(f"{server.url}/settings/pipeline{more}")
        expect(page.locator(".flow")).to_be_visible(timeout=SOON_MS)
        assert violations(page) == []
        fits(page, "html", "main", ".flow")
    finally:
        context.close()


def test_on_a_phone_it_stands_behind_more_and_runs_from_top_to_bottom(browser: Browser, server: Server) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, locale="en-GB")
    try:
        page = context.new_page()
        pretend(page, pipework.studio)
        page.goto(server.url)
        page.get_by_role("button", name="More").tap()
        page.get_by_role("dialog").get_by_role("link", name="Settings").tap()
        expect(page.get_by_role("dialog")).to_be_hidden()
        parts = [page.get_by_role("region", name=name) for name in ("Sources", "Store", "Sinks")]
        for part in parts:
            expect(part).to_be_visible()
        boxes = [part.bounding_box() for part in parts]
        assert [box["x"] for box in boxes if box] == [boxes[0]["x"] if boxes[0] else None] * 3
        assert sorted(box["y"] for box in boxes if box) == [box["y"] for box in boxes if box]
        small = page.locator("main button, nav a").evaluate_all(
            "all => all.map(each => [each.innerText || each.title, each.getBoundingClientRect()])"
            ".filter(([, box]) => box.width && (box.height < 32 || box.width < 32)).map(([name]) => name)"
        )
        assert small == []
    finally:
        context.close()


PICTURED = """
[[sources]]
type = "file"
paths = ["logs/comfyui/*.log"]

[[sources]]
type = "comfyui"
url = "http://127.0.0.1:9"

[[sinks]]
type = "safelight"
name = "head-office"
url = "{there}"

[[sinks]]
type = "elasticsearch"
url = "http://127.0.0.1:9"
where = "service:studio"
"""


@pytest.mark.skipif(
    os.environ.get("SAFELIGHT_WRITE_SCREENSHOTS") != "1", reason="SAFELIGHT_WRITE_SCREENSHOTS=1 asks for it"
)
def test_the_picture_of_the_manual_is_taken(browser: Browser, tmp_path: Path) -> None:
    picture = ROOT / "docs" / "images" / "settings-pipeline.png"
    here, there = tmp_path / "here", tmp_path / "there"
    logs = here / "logs" / "comfyui"
    logs.mkdir(parents=True)
    there.mkdir()
    with (
        running(there) as office,
        running(here, PICTURED.format(there=office.url), SAFELIGHT_SPOOL="spool") as server,
    ):
        context = browser.new_context(
            viewport=DESKTOP, color_scheme="dark", locale="en", device_scale_factor=1.2, reduced_motion="reduce"
        )
        page = context.new_page()
        page.goto(f"{server.url}/settings/pipeline?source={quote('file logs/comfyui/*.log')}")
        expect(page.locator("[data-sink]")).to_have_count(2)
        with (logs / "gpu-1.log").open("w", encoding="utf-8") as lines:
            lines.writelines(json.dumps(event) + "\n" for event in studio(datetime.now(UTC)))
        expect(sink(page, "head-office")).to_contain_text("works", timeout=SOON_MS)
        expect(sink(page, "elasticsearch")).to_contain_text("attempt", timeout=SOON_MS)
        expect(page.locator("[data-problem]").first).to_contain_text("ComfyUI", timeout=SOON_MS)
        page.locator("main").evaluate("node => node.scrollTo(0, 0)")
        page.mouse.move(0, 0)
        page.screenshot(path=picture)
        context.close()
    assert 50_000 < picture.stat().st_size < 300_000
