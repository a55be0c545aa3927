"""The Errors page: causes with what to do about them, one cause in full, and the way there from a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from support.runs import Story, fill, stories
from web import mishaps
from web.readable import fits, violations
from web.reading import DESKTOP, PHONE, Reader
from web.serving import Server, serving

OOM = "gpu_oom:VAEDecode"


@pytest.fixture(scope="module")
def oom_run() -> Story:
    """A run that failed for want of GPU memory."""
    return next(one for one in stories(datetime.now(UTC)) if one.kind == "oom")


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory, oom_run: Story) -> Iterator[Server]:
    """A server to which three weeks of mishaps came."""
    folder = tmp_path_factory.mktemp("troubled")
    (folder / "data").mkdir()
    fill(folder / "data", [oom_run])
    mishaps.fill(folder / "data")
    with serving(folder) as running:
        yield running


def look(reader: Reader, server: Server, more: str = "") -> Page:
    """Open the list and wait for it."""
    page = reader.open(f"{server.url}/errors{more}")
    expect(rows(page).first).to_be_visible()
    return page


def rows(page: Page) -> Locator:
    """The causes on the screen."""
    return page.locator("[data-error]")


def row(page: Page, group: str) -> Locator:
    """One cause."""
    return page.locator(f"[data-error='{group}']")


def chip(page: Page, name: str) -> Locator:
    """The button that asks for a family."""
    return page.get_by_role("group", name="Causes").get_by_role("button", name=re.compile(f"^{name}"))


def path(group: str) -> str:
    return f"/errors/{quote(group, safe='')}"


def test_each_cause_tells_what_it_is_how_often_and_whom_it_hit(reader: Reader, troubled: Server) -> None:
    page = look(reader, troubled)
    for group, said in {
        OOM: ("GPU memory ran out", "VAEDecode", "gpu-1", "New", "47", "47 runs"),
        "missing_model:portrait-film-xl.safetensors": ("A model file is missing", "portrait-film-xl.safetensors", "14"),
        "disk_full": ("The disk is full", "Back", "SaveImage", "2"),
        "bad_input_image": ("A picture cannot be read", "photo-restore", "ddcolor-1", "31"),
        mishaps.UNKNOWN: ("ValueError: mask must be of", "Not in the catalogue", "MaskGrow", "9"),
    }.items():
        for words in said:
            expect(row(page, group)).to_contain_text(words)
    expect(row(page, "disk_full")).not_to_contain_text("New")
    expect(page.get_by_text("The queue watcher stopped.")).to_be_visible()
    expect(page.locator("[data-error]", has_text="Safelight itself")).to_have_count(1)
    expect(row(page, OOM).get_by_role("img", name=re.compile("^47 times"))).to_be_visible()
    assert reader.complaints == []


def test_a_hostile_message_is_only_ever_text(reader: Reader, troubled: Server) -> None:
    page = look(reader, troubled)
    hostile = rows(page).filter(has_text="<img src=x")
    expect(hostile).to_contain_text("\\u202egnp.exe")
    hostile.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("<img src=x")
    assert page.evaluate("window.hacked") is None
    assert reader.complaints == []


def test_causes_are_asked_for_by_family_service_words_and_order_and_the_address_holds_it(
    reader: Reader, troubled: Server
) -> None:
    page = look(reader, troubled)
    everything = len(troubled.running.get("/errors", from_="now-7d")["errors"])
    expect(rows(page)).to_have_count(everything)
    chip(page, "Not in the catalogue").click()
    expect(page).to_have_url(re.compile("family=unknown"))
    expect(row(page, OOM)).to_have_count(0)
    chip(page, "Not in the catalogue").click()
    expect(rows(page)).to_have_count(everything)

    page.get_by_role("button", name=re.compile("^Service")).click()
    page.get_by_role("button", name=re.compile("photo-restore")).click()
    expect(rows(page)).to_have_count(1)
    page.go_back()
    expect(rows(page)).to_have_count(everything)

    page.keyboard.press("/")
    page.keyboard.type("disk is")
    expect(rows(page)).to_have_count(1)
    expect(page).to_have_url(re.compile("q=disk"))
    page.get_by_role("searchbox").fill("")
    expect(rows(page)).to_have_count(everything)

    expect(rows(page).first).to_have_attribute("data-error", OOM)
    page.get_by_role("button", name="Latest").click()
    expect(rows(page).first).to_have_attribute("data-error", "disk_full")
    page.reload()
    expect(rows(page).first).to_have_attribute("data-error", "disk_full")


def test_keys_lead_through_the_list_into_one_cause_and_back(reader: Reader, troubled: Server) -> None:
    page = look(reader, troubled)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(row(page, OOM).get_by_role("link")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("GPU memory ran out")
    page.go_back()
    expect(rows(page).first).to_be_visible()


def test_one_cause_says_why_what_to_do_and_shows_an_example_the_runs_and_the_alerts(
    reader: Reader, troubled: Server
) -> None:
    page = reader.open(troubled.url + path(OOM))
    expect(page.get_by_text("Why it happens")).to_be_visible()
    expect(page.get_by_text("use tiled VAE or fp8/GGUF weights")).to_be_visible()
    expect(page.get_by_role("figure")).to_contain_text("images = vae.decode")
    expect(page.get_by_text("ComfyUI's own code")).to_be_visible()
    expect(page.get_by_text("ComfyUI/nodes.py:295 decode")).to_be_visible()
    alerts = page.get_by_role("region", name="Alerts about it")
    expect(alerts.get_by_role("link")).to_have_attribute("href", "/alerts/a1b2c3")
    expect(alerts).to_contain_text("firing")
    recent = page.get_by_role("region", name="Last occurrences")
    expect(recent.get_by_role("listitem")).to_have_count(20)
    expect(recent.get_by_role("link").first).to_have_attribute("href", re.compile(r"/runs/decode-000\?node=8"))
    page.get_by_role("link", name="All its lines").click()
    expect(page).to_have_url(re.compile(r"/logs\?q=error_group"))
    expect(page.get_by_text("Allocation on device 0").first).to_be_visible()
    assert reader.complaints == []


def test_an_unknown_cause_names_the_node_pack_to_blame(reader: Reader, troubled: Server) -> None:
    page = reader.open(troubled.url + path(mishaps.UNKNOWN))
    code = page.get_by_role("region", name="Where in the code")
    expect(code).to_contain_text("was-node-suite/masks.py:212 grow")
    expect(page.get_by_text("not in the catalogue of known causes")).to_be_visible()


def test_a_cause_that_is_not_there_offers_the_whole_time(reader: Reader, troubled: Server) -> None:
    page = reader.open(troubled.url + path("none:such"))
    expect(page.get_by_role("heading", level=1)).to_have_text("No such error in this time")
    page.get_by_role("button", name="Look at all of the time").click()
    expect(page).to_have_url(re.compile("from=2000"))
    page.get_by_role("link", name="All errors").click()
    expect(rows(page).first).to_be_visible()


def test_a_failed_run_says_what_to_do_and_leads_to_errors_like_it(
    reader: Reader, troubled: Server, oom_run: Story
) -> None:
    page = reader.open(f"{troubled.url}/runs/{oom_run.id}")
    expect(page.get_by_text("What to do")).to_be_visible()
    expect(page.get_by_text("use tiled VAE or fp8/GGUF weights")).to_be_visible()
    page.get_by_role("link", name="All errors like this").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("GPU memory ran out")
    assert reader.complaints == []


def test_a_failure_that_happens_now_is_on_the_page_a_moment_later(reader: Reader, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        page = reader.open(f"{server.url}/errors")
        expect(page.get_by_text("Nothing went wrong in this time")).to_be_visible()
        expect(page.get_by_role("navigation").get_by_role("status")).to_have_text("Live")
        server.write(level="ERROR", event="node_failed", error_type="torch.OutOfMemoryError", node="KSampler")
        expect(row(page, "gpu_oom:KSampler")).to_be_visible(timeout=30_000)
        assert reader.complaints == []


def test_what_was_shown_stays_when_the_server_refuses(reader: Reader, troubled: Server) -> None:
    page = look(reader, troubled)
    problem = {"status": 503, "title": "No", "detail": "the store is being moved"}
    page.route(re.compile(r"/api/v1/errors\?"), lambda route: route.fulfill(status=503, json=problem))
    page.get_by_role("button", name="7 days").click()
    page.get_by_role("button", name="30 days").click()
    expect(page.get_by_role("alert")).to_contain_text("the store is being moved")
    expect(row(page, OOM)).to_be_visible()
    page.unroute(re.compile(r"/api/v1/errors\?"))


def test_the_api_speaks_the_language_of_the_reader_and_says_what_is_missing(reader: Reader, troubled: Server) -> None:
    ask = reader.page.request
    chinese = ask.get(f"{troubled.url}/api/v1/errors?q=显存", headers={"Accept-Language": "zh-CN"}).json()
    assert [group["title"] for group in chinese["errors"]] == ["显存不足"]
    one = ask.get(f"{troubled.url}/api/v1/errors/one", params={"group": OOM}, headers={"Accept-Language": "zh"}).json()
    assert "降低分辨率" in one["advice"]["advice"]
    missing = ask.get(f"{troubled.url}/api/v1/errors/one", params={"group": "none"})
    assert (missing.status, missing.json()["type"]) == (404, "urn:safelight:web.no_such_error")
    assert ask.get(f"{troubled.url}/api/v1/errors?limit=0").status == 400


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(("locale", "size"), [("en-GB", DESKTOP), ("zh-CN", PHONE)], ids=["en-desktop", "zh-phone"])
@pytest.mark.parametrize("where", ["/errors", path(OOM)], ids=["list", "one"])
def test_everybody_can_read_it(
    browser: Browser, troubled: Server, theme: str, locale: str, size: dict[str, int], where: str
) -> None:
    context = browser.new_context(viewport=size, color_scheme=theme, locale=locale)
    try:
        page = context.new_page()
        page.goto(troubled.url + where)
        expect(page.locator("[data-error], figure").first).to_be_visible()
        assert violations(page) == []
        fits(page, "html", "main")
    finally:
        context.close()
