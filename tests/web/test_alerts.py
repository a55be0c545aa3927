"""The Alerts page: what fires now and why, who was told, and rules, silences and channels, in a real browser."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from support.ports import free_port
from support.providers import Answer
from web.alarms import Studio, studio
from web.readable import fits, violations
from web.reading import DESKTOP, PHONE, Reader
from web.serving import serving

NARROW = {"width": 390, "height": 844}
SOON_MS = 30_000
REFUSED = Answer(401, b'{"error":"invalid token"}')
HOSTILE = '<img src=x onerror="window.hacked=1"> \u202egnp.exe'
ALERTS = {
    **dict.fromkeys(("gpu-memory", "paper", "ink", "on-trial", "oom", "failures-in-a-row"), 1),
    "any-error": 5,  # four services fail, and Safelight's own channel
    "new-error": 2,  # the card was full before, and the hostile message is known, too
}
"""By rule, those of the studio that the tests share."""


AGREED = """() => Number(document.querySelector('nav a[href="/alerts"] b')?.textContent)
    === document.querySelectorAll('[data-alert]:not(.over)').length"""
"""What the side bar counts is what is listed: both read at once, for another test's failure may only be told of now."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio whose printer is jammed, whose plotter nobody hears of, and whose card is full."""
    with studio(tmp_path_factory.mktemp("alarmed")) as running:
        running.pager.answers(REFUSED)
        running.fail("plotter", message="ink is out")
        running.fail(instance="tray-9", message=HOSTILE)
        running.fail("press", message="a sheet is torn")
        running.out_of_memory()
        running.server.running.until("service:safelight event:channel_disabled")
        running.settled(ALERTS, unheard="pager")
        yield running


def look(reader: Reader, house: Studio, more: str = "") -> Page:
    """Open the page and wait for what it is about."""
    page = reader.open(f"{house.url}/alerts{more}")
    expect(page.locator("[data-alert], [data-rule], [data-channel], [role=status].none").first).to_be_visible()
    return page


def row(page: Page, rule: str, text: str = "") -> Locator:
    """The alert of a rule in the list."""
    return page.locator("[data-alert]").filter(has=page.get_by_text(rule, exact=True)).filter(has_text=text)


def tell(house: Studio, how: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Ask the API itself."""
    data = json.dumps(body).encode() if body is not None else None
    asked = urllib.request.Request(f"{house.url}/api/v1{path}", data, {"Content-Type": "application/json"}, method=how)
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return json.load(answer)


@pytest.fixture
def quiet(house: Studio) -> Iterator[Studio]:
    """The studio, with no silence, acknowledgement or rule left behind by a test."""
    yield house
    running = house.server.running
    for silence in running.get("/silences")["silences"]:
        if silence["state"] != "over":
            tell(house, "DELETE", f"/silences/{silence['id']}")
    for rule in running.get("/rules")["rules"]:
        if rule["origin"] == "page":
            tell(house, "DELETE", f"/rules/{rule['id']}")
    for alert in running.get("/alerts", limit=200)["alerts"]:
        if alert["acknowledged"] and alert["status"] == "firing":
            tell(house, "DELETE", f"/alerts/{alert['id']}/acknowledge")


def test_the_list_says_what_fires_where_and_who_was_told(reader: Reader, house: Studio) -> None:
    page = look(reader, house)
    oom = row(page, "gpu-memory")
    for said in ("firing", "A card ran out of memory", "VAEDecode", "comfyui", "gpu-1", "team"):
        expect(oom).to_contain_text(said)
    expect(row(page, "on-trial")).to_contain_text("trial: tells nobody")
    expect(row(page, "on-trial")).to_contain_text("nobody told")
    expect(row(page, "ink").get_by_role("listitem").filter(has_text="pager")).to_contain_text("waiting")
    expect(row(page, "oom")).to_contain_text("part of another alert")
    expect(page.get_by_role("navigation").get_by_label(re.compile(r"^\d+ firing$"))).to_be_visible()
    page.wait_for_function(AGREED)
    assert reader.complaints == []


def test_a_failure_that_happens_now_is_in_the_list_a_moment_later(reader: Reader, house: Studio) -> None:
    page = look(reader, house)
    expect(page.get_by_role("navigation").get_by_role("status")).to_have_text("Live")
    expect(row(page, "paper", "tray-3")).to_have_count(0)
    house.fail(instance="tray-3")
    expect(row(page, "paper", "tray-3")).to_be_visible(timeout=SOON_MS)
    expect(row(page, "paper", "tray-3").get_by_title(re.compile("^sent"))).to_contain_text("team", timeout=SOON_MS)
    assert reader.complaints == []


def test_what_happened_before_the_stream_was_open_is_told_too(reader: Reader, quiet: Studio) -> None:
    told = "service:safelight event:silence_*"
    held: list[Route] = []

    def hold_back(route: Route) -> None:
        held.append(route)

    reader.page.route("**/api/v1/live?*", hold_back, times=1)
    page = look(reader, quiet, "?tab=silences")
    before = len(quiet.server.running.events(told))
    tell(quiet, "POST", "/silences", {"match": {"instance": "nobody"}, "for": "1h"})
    quiet.server.running.until(told, before + 1)
    held[0].continue_()
    expect(page.get_by_role("region", name="Silences now")).to_contain_text("nobody")
    assert reader.complaints == []


def test_the_list_is_narrowed_by_state_words_and_rule_and_the_address_holds_it(reader: Reader, house: Studio) -> None:
    page = look(reader, house)
    ink, paper = row(page, "ink"), row(page, "paper", "tray-9")
    page.get_by_role("button", name="pending").click()
    expect(page.get_by_text("No alert fits.")).to_be_visible()
    expect(page).to_have_url(re.compile("status=pending"))
    page.get_by_role("button", name="Clear filters").click()
    expect(ink).to_be_visible()
    expect(paper).to_be_visible()

    page.keyboard.press("/")
    page.keyboard.type("plotter")
    expect(paper).to_have_count(0)
    expect(page).to_have_url(re.compile("q=plotter"))
    page.reload()
    expect(ink).to_be_visible()
    expect(paper).to_have_count(0)

    page.goto(f"{house.url}/alerts?rule=ink")
    expect(page.locator("[data-alert]")).to_have_count(1)
    expect(ink).to_be_visible()
    page.get_by_role("button", name="ink").click()
    expect(paper).to_be_visible()
    expect(ink).to_be_visible()


def test_keys_lead_through_the_list_into_an_alert_and_back(reader: Reader, house: Studio) -> None:
    page = look(
        reader, house, "?rule=any-error"
    )  # all of a rule's come at once: nothing moves while the keys are pressed
    links = page.locator("[data-alert] a.title")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("k")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/alerts/[0-9a-f]+$"))
    page.get_by_role("link", name="All alerts").click()
    expect(links.first).to_be_visible()


def test_an_alert_says_why_what_to_do_and_what_became_of_it(reader: Reader, house: Studio) -> None:
    page = reader.open(f"{house.url}/alerts/{house.alert('gpu-memory', instance='gpu-1')['id']}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("A card ran out of memory")
    expect(page.get_by_text("any error_group:gpu_oom*", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="What to do")).to_contain_text("use tiled VAE")
    expect(page.get_by_role("figure")).to_contain_text("images = vae.decode")
    expect(page.get_by_role("region", name="Log lines around it")).to_contain_text("node_failed")
    expect(page.get_by_role("region", name="Course")).to_contain_text("firing")
    sent = page.get_by_role("region", name="What was sent where")
    expect(sent).to_contain_text("200 OK ok", timeout=SOON_MS)
    repairs = page.get_by_role("region", name="Repairs")
    expect(repairs).to_contain_text("A dry run: nothing was done", timeout=SOON_MS)
    expect(repairs.get_by_role("button", name="Do it now")).to_be_enabled()
    page.get_by_role("link", name="gpu-memory").click()
    expect(page.get_by_role("dialog")).to_contain_text("safelight.toml:")
    assert reader.complaints == []


def test_readings_before_an_alert_are_drawn_in_the_unit_a_person_can_picture(reader: Reader, tmp_path: Path) -> None:
    now_ms = datetime.now(UTC).timestamp() * 1000
    vram = [12_000 + 400 * n for n in range(30)]
    curve = {"at": [now_ms - 2_000 * (30 - n) for n in range(30)], "vram_mb": vram, "vram_total_mb": 24_576}
    of_the_run = {"service": "comfyui", "instance": "gpu-7", "workflow_id": "wf-gpu-7"}
    told = {"error_type": "torch.OutOfMemoryError", "message": "CUDA out of memory"}
    with studio(tmp_path) as house:  # its alert must not stand in the lists of the others
        house.server.write(event="resources_sampled", **of_the_run, curve=curve)
        house.server.running.until("instance:gpu-7 event:resources_sampled")
        house.server.write(level="ERROR", event="node_failed", node="KSampler", **of_the_run, **told)
        house.server.running.until("instance:gpu-7 event:node_failed")
        found = house.alert("gpu-memory", instance="gpu-7")
        page = reader.open(f"{house.url}/alerts/{found['id']}")
        chart = page.get_by_role("img", name="VRAM")
        expect(chart).to_contain_text("30.0 GB")
        expect(page.get_by_role("figure").filter(has=chart)).to_contain_text("23.1 GB")
        expect(page.get_by_role("link", name="Run", exact=True)).to_have_attribute("href", re.compile("/runs/wf-gpu-7"))
        assert reader.complaints == []


def test_an_alert_is_acknowledged_and_let_go(reader: Reader, quiet: Studio) -> None:
    page = look(reader, quiet, "?q=tray-9")
    paper = row(page, "paper")
    paper.get_by_role("button", name="Acknowledge", exact=True).click()
    expect(paper).to_contain_text("acknowledged")
    paper.get_by_role("link").first.click()
    page.get_by_role("button", name="Take back the acknowledgement").click()
    expect(page.get_by_role("button", name="Acknowledge", exact=True)).to_be_enabled()
    assert reader.complaints == []


def test_an_alert_is_silenced_from_where_it_is_read_and_the_silence_is_ended(reader: Reader, quiet: Studio) -> None:
    page = look(reader, quiet, "?q=tray-9")
    paper = row(page, "paper")
    paper.get_by_role("button", name="Silence").click()
    menu = page.get_by_role("dialog", name="Silence")
    menu.get_by_label("Why (optional)").fill("waiting for paper")
    menu.get_by_role("button", name="1 hour").click()
    expect(menu).to_be_hidden()
    expect(paper).to_contain_text("silenced")
    page.get_by_role("button", name="Silences").click()
    current = page.get_by_role("region", name="Silences now")
    for said in ("paper", "tray-9", "waiting for paper", "keeps 1 alert quiet"):
        expect(current).to_contain_text(said)
    current.get_by_role("button", name="End").click()
    expect(page.get_by_text("Nothing is silenced.")).to_be_visible()
    expect(page.get_by_role("region", name="Past")).to_contain_text("waiting for paper")
    assert reader.complaints == []


def test_a_silence_is_made_by_what_it_is_about(reader: Reader, quiet: Studio) -> None:
    page = look(reader, quiet, "?tab=silences")
    page.get_by_role("button", name="New silence").click()
    form = page.get_by_role("dialog")
    expect(form.get_by_role("button", name="Silence", exact=True)).to_be_disabled()
    form.get_by_label("instance").fill("tray-*")
    form.get_by_label("For how long").select_option("1d")
    form.get_by_role("button", name="Silence", exact=True).click()
    expect(page.get_by_role("region", name="Silences now")).to_contain_text("tray-*")
    expect(form).to_be_hidden()
    assert reader.complaints == []


def test_a_rule_of_the_file_is_only_read_here_and_the_mistaken_one_is_named(reader: Reader, house: Studio) -> None:
    page = look(reader, house, "?tab=rules")
    expect(page.get_by_role("alert")).to_contain_text("write a percentage such as `15%`")
    row = page.locator("[data-rule=gpu-memory]")
    expect(row).to_contain_text("urgent")
    row.get_by_role("link").first.click()
    editor = page.get_by_role("dialog", name="gpu-memory")
    expect(editor).to_contain_text(re.compile(r"safelight\.toml:\d+: change it there"))
    expect(editor.get_by_label("When", exact=True)).to_be_disabled()
    expect(editor.get_by_role("button", name="Save")).to_have_count(0)
    expect(editor.get_by_role("region", name="What it would have done")).to_contain_text("events matched")
    page.keyboard.press("Escape")
    expect(editor).to_be_hidden()
    assert reader.complaints == []


def test_a_rule_is_tried_on_the_past_while_it_is_typed_and_a_mistake_has_its_place(
    reader: Reader, quiet: Studio
) -> None:
    page = look(reader, quiet, "?tab=rules")
    page.get_by_role("button", name="New rule").click()
    editor = page.get_by_role("dialog", name="New rule")
    past = editor.get_by_role("region", name="What it would have done")
    when = editor.get_by_label("When", exact=True)
    when.fill("any error_group:missing_model*")
    expect(past.get_by_role("status")).to_contain_text("14 events matched", timeout=SOON_MS)
    when.fill("more than 2 level:ERROR by service over 1h")
    expect(past.get_by_role("img", name="The measured value and the threshold")).to_be_visible(timeout=SOON_MS)
    expect(past).to_have_attribute("aria-busy", "false")
    tried = past.get_by_role("status").inner_text()

    when.fill("failure rate > 15 over 15m")
    problem = editor.get_by_role("alert")
    expect(problem).to_contain_text("write a percentage such as `15%`")
    expect(problem.get_by_title("Mistake at character 16")).to_have_text("1")
    expect(when).to_have_attribute("aria-invalid", "true")
    expect(editor.get_by_role("button", name="Save")).to_be_disabled()
    expect(past.get_by_role("status"), "what was shown stays until there is a rule again").to_have_text(
        tried, use_inner_text=True
    )

    when.fill("more than 2 level:ERROR by service over 1h")
    editor.get_by_text("More settings").click()
    editor.get_by_label("Only after").fill("5 bananas")
    expect(problem).to_contain_text("must be a duration")
    expect(editor.get_by_label("Only after")).to_have_attribute("aria-invalid", "true")
    expect(when).to_have_attribute("aria-invalid", "false")


def test_a_rule_made_here_is_in_force_changed_and_removed(reader: Reader, quiet: Studio) -> None:
    page = look(reader, quiet, "?tab=rules")
    page.get_by_role("button", name="New rule").click()
    editor = page.get_by_role("dialog")
    editor.get_by_label("When", exact=True).fill("any service:scanner")
    editor.get_by_label("Name").fill("scanner")
    editor.get_by_label("Title of its messages").fill("The scanner")
    editor.get_by_label("What to do", exact=True).fill("Dust it off")
    editor.get_by_role("button", name="Save").click()
    made = page.get_by_role("region", name="Made on this page").locator("[data-rule=scanner]")
    expect(made).to_contain_text("any service:scanner")
    quiet.fail("scanner", message="dust on the glass")
    told = quiet.alert("scanner")
    assert "Dust it off" in told["text"]
    expect(made).to_contain_text("firing", timeout=SOON_MS)

    made.get_by_role("link").first.click()
    editor.get_by_role("group", name="How urgent").get_by_role("button", name="urgent", exact=True).click()
    editor.get_by_role("button", name="Save").click()
    expect(editor).to_be_hidden()
    expect(made).to_contain_text("urgent")

    page.locator("[data-rule=any-error]").get_by_role("link").first.click()
    expect(editor).to_contain_text("This rule came with Safelight")
    page.keyboard.press("Escape")
    expect(editor).to_be_hidden()

    made.get_by_role("link").first.click()
    editor.get_by_role("button", name="Remove").click()
    expect(made).to_have_count(0)
    assert reader.complaints == []


def test_rules_are_searched(reader: Reader, house: Studio) -> None:
    page = look(reader, house, "?tab=rules")
    everything = len(house.server.running.get("/rules")["rules"])
    expect(page.locator("[data-rule]")).to_have_count(everything)
    page.keyboard.press("/")
    page.keyboard.type("error_group")
    expect(page.locator("[data-rule=gpu-memory]")).to_be_visible()
    expect(page.locator("[data-rule=paper]")).to_have_count(0)
    page.get_by_role("searchbox").fill("no such rule")
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator("[data-rule]")).to_have_count(everything)


def test_a_channel_says_what_its_peer_answers_and_is_switched_on_again(reader: Reader, tmp_path: Path) -> None:
    with studio(tmp_path) as house:
        house.pager.answers(REFUSED)
        house.fail("plotter", message="ink is out")
        house.server.running.until("service:safelight event:channel_disabled")
        page = look(reader, house, "?tab=channels")
        pager = page.locator("[data-channel=pager]")
        expect(pager).to_contain_text("broken")
        expect(pager).to_contain_text("401")
        expect(pager).to_contain_text("waiting")
        house.pager.answers(REFUSED)
        pager.get_by_role("button", name="Send test").click()
        expect(pager.get_by_role("status")).to_contain_text("invalid token")
        pager.get_by_role("button", name="Send test").click()
        expect(pager.get_by_role("status")).to_contain_text("Arrived after")
        expect(pager).to_contain_text("works")
        expect(pager).not_to_contain_text("waiting", timeout=SOON_MS)
        night = page.locator("[data-channel=night]")
        expect(night).to_contain_text("Takes only what is urgent")
        expect(night).not_to_contain_text("daily digest")


def test_a_hostile_message_is_only_ever_text(reader: Reader, house: Studio) -> None:
    page = look(reader, house, "?q=tray-9")
    expect(row(page, "paper")).to_contain_text("<img src=x onerror=")
    row(page, "paper").get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("<img src=x")
    expect(page.get_by_role("region", name="Log lines around it")).to_contain_text("\\u202egnp.exe")
    assert page.evaluate("window.hacked") is None
    assert reader.complaints == []


def test_the_texts_of_the_server_follow_the_language_of_the_reader(reader: Reader, house: Studio) -> None:
    page = look(reader, house, "?rule=oom&q=VAEDecode")
    expect(row(page, "oom")).to_contain_text("Out of GPU memory")
    page.get_by_role("button", name="切换到中文").click()
    expect(row(page, "oom")).to_contain_text("显存不足")
    expect(page.get_by_role("heading", level=1)).to_have_text("告警")
    page.get_by_role("button", name="规则").click()
    expect(page.locator("[data-rule=oom]")).to_contain_text("显存不足")
    page.get_by_role("button", name="Switch to English").click()
    expect(page.locator("[data-rule=oom]")).to_contain_text("Out of GPU memory")
    assert reader.complaints == []


def test_where_nothing_fires_the_page_says_so(reader: Reader, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        page = reader.open(f"{server.url}/alerts")
        expect(page.get_by_text("No rule has fired. All is well.")).to_be_visible()
        page.get_by_role("button", name="Silences").click()
        expect(page.get_by_text("Nothing is silenced.")).to_be_visible()
        page.get_by_role("button", name="Channels").click()
        expect(page.get_by_text("No channel is configured.")).to_be_visible()
        expect(page.locator("pre")).to_contain_text("[[channels]]")
        page.goto(f"{server.url}/alerts/nobody")
        expect(page.get_by_role("heading", level=1)).to_have_text("There is no such alert.")
        page.get_by_role("link", name="All alerts").click()
        expect(page.get_by_text("No rule has fired. All is well.")).to_be_visible()


def test_what_was_shown_stays_when_the_server_goes_and_is_renewed_when_it_is_back(
    reader: Reader, tmp_path: Path
) -> None:
    port = free_port()
    with studio(tmp_path, port=port) as first:
        first.fail()
        first.alert("paper")
        page = look(reader, first)
        expect(row(page, "paper")).to_be_visible()
    expect(page.get_by_role("navigation").get_by_role("status")).to_have_text("Server gone", timeout=60_000)
    row(page, "paper").get_by_role("button", name="Acknowledge", exact=True).click()
    expect(page.get_by_text("The server does not answer").first).to_be_visible()
    expect(row(page, "paper")).to_be_visible()
    with studio(tmp_path, port=port) as second:
        second.fail(instance="tray-5")
        second.alert("paper", instance="tray-5")
        expect(row(page, "paper", "tray-5")).to_be_visible(timeout=60_000)


def test_the_overview_leads_to_the_alerts_and_the_errors(reader: Reader, house: Studio) -> None:
    page = reader.open(house.url)
    alerts = page.get_by_role("region", name="Alerts")
    expect(alerts).to_contain_text("firing")
    alerts.get_by_role("link", name="All alerts").click()
    expect(page.locator("[data-alert]").first).to_be_visible()
    page.go_back()
    page.get_by_role("region", name="Latest errors").get_by_role("link", name="All errors").click()
    expect(page.locator("[data-error]").first).to_be_visible()
    assert reader.complaints == []


PLACES = {
    "list": ("/alerts", "[data-alert]"),
    "rules": ("/alerts?tab=rules", "[data-rule]"),
    "editor": ("/alerts?tab=rules&edit=%2B", "dialog [role=img]"),
    "silences": ("/alerts?tab=silences", "main .none, main section[aria-label]"),
    "channels": ("/alerts?tab=channels", "[data-channel]"),
    "one": ("/alerts/{id}", "[data-alert], h1 bdi"),
}


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(("locale", "size"), [("en-GB", DESKTOP), ("zh-CN", NARROW)], ids=["en-desktop", "zh-phone"])
@pytest.mark.parametrize("where", list(PLACES))
def test_everybody_can_read_it(
    browser: Browser, house: Studio, theme: str, locale: str, size: dict[str, int], where: str
) -> None:
    path, ready = PLACES[where]
    context = browser.new_context(viewport=size, color_scheme=theme, locale=locale, reduced_motion="reduce")
    try:
        page = context.new_page()
        page.goto(house.url + path.format(id=house.alert("gpu-memory", instance="gpu-1")["id"]))
        expect(page.locator(ready).first).to_be_visible(timeout=SOON_MS)
        assert violations(page) == []
        fits(page, "html", "main", "dialog .body")
    finally:
        context.close()


def test_on_a_phone_everything_is_large_enough_to_touch(browser: Browser, house: Studio) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, locale="en-GB")
    try:
        page = context.new_page()
        page.goto(f"{house.url}/alerts")
        expect(page.locator("[data-alert]").first).to_be_visible()
        small = page.locator("main button, nav a").evaluate_all(
            "all => all.map(each => [each.innerText || each.title, each.getBoundingClientRect()])"
            ".filter(([, box]) => box.width && (box.height < 32 || box.width < 32)).map(([name]) => name)"
        )
        assert small == []
        page.locator("[data-alert] [aria-haspopup=dialog]").last.tap()
        expect(page.get_by_role("dialog", name="Silence")).to_be_in_viewport(ratio=0.99)
    finally:
        context.close()
