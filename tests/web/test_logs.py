"""The Logs page: searching, choosing, reading, following."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from web.awaiting import heard, listen
from web.reading import Reader
from web.serving import Server
from web.studio import HOSTILE, STUDIO_ERRORS, STUDIO_EVENTS

STUDIO = "service:studio"


def look(reader: Reader, server: Server, q: str = STUDIO, more: str = "") -> Page:
    """Open the page with a query and wait for its lines."""
    page = reader.open(f"{server.url}/logs?q={q}{more}")
    page.wait_for_selector("[role=listitem] .row")
    return page


def lines(page: Page) -> Locator:
    """The lines that are painted."""
    return page.get_by_role("list", name="Log lines").get_by_role("listitem")


def total(page: Page) -> Locator:
    """How many events the search found."""
    return page.locator(".caption b")


def asks(page: Page, q: str) -> None:
    """Return when this is the query of the address."""
    page.wait_for_url(lambda url: parse_qs(urlsplit(url).query).get("q") == [q])


def test_facets_filter_exclude_and_take_back(reader: Reader, server: Server) -> None:
    page = look(reader, server)
    expect(total(page)).to_have_text(f"{STUDIO_EVENTS:,} events")
    fields = page.get_by_role("complementary", name="Fields")
    error = fields.get_by_role("button", name=re.compile("^ERROR"))
    error.click()
    expect(total(page)).to_have_text(f"{STUDIO_ERRORS} events")
    expect(error).to_have_attribute("aria-pressed", "true")
    fields.get_by_role("button", name=re.compile("^WARNING")).click()
    expect(total(page)).to_have_text(f"{STUDIO_ERRORS + 1} events")
    asks(page, f"{STUDIO} level:(ERROR OR WARNING)")
    fields.get_by_role("button", name="Without level: ERROR").click()
    expect(total(page)).to_have_text("1 event")
    asks(page, f"{STUDIO} level:WARNING -level:ERROR")
    page.go_back()
    expect(total(page)).to_have_text(f"{STUDIO_ERRORS + 1} events")
    page.locator(".legend").get_by_role("button", name="error").click()
    expect(total(page)).to_have_text("1 event")
    assert reader.complaints == []


def test_a_drag_over_the_chart_narrows_the_range(reader: Reader, server: Server) -> None:
    page = look(reader, server)
    chart = page.get_by_role("slider").bounding_box()
    assert chart is not None
    page.mouse.move(chart["x"] + chart["width"] * 0.5, chart["y"] + 30)
    page.mouse.down()
    page.mouse.move(chart["x"] + chart["width"] * 0.7, chart["y"] + 30, steps=5)
    page.mouse.up()
    page.wait_for_url("**from=*to=*")
    expect(total(page)).not_to_have_text(f"{STUDIO_EVENTS:,} events")
    found = int(total(page).inner_text().split()[0].replace(",", ""))
    assert STUDIO_EVENTS * 0.1 < found < STUDIO_EVENTS * 0.5
    page.get_by_role("button", name="Zoom out").click()
    expect(total(page)).not_to_have_text(f"{found:,} events")


def test_the_chart_answers_to_the_keyboard(reader: Reader, server: Server) -> None:
    page = look(reader, server, more="&from=now-4h")  # the oldest bars hold something for as long as a session lasts
    page.get_by_role("slider").focus()
    for key in ("ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight"):
        page.keyboard.press(key)
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", re.compile("info"))
    page.keyboard.press("Enter")
    page.wait_for_url("**from=*to=*")


def test_a_wrong_query_shows_where_and_keeps_the_results(reader: Reader, server: Server) -> None:
    page = look(reader, server)
    newest = lines(page).first.inner_text()
    page.keyboard.press("/")
    page.keyboard.type('level:ERROR "oops')
    page.keyboard.press("Enter")
    alert = page.get_by_role("alert")
    expect(alert.locator("em")).to_have_text('"')
    expect(alert.locator("pre")).to_have_text('level:ERROR "oops')
    expect(lines(page).first).to_have_text(newest, use_inner_text=True)
    expect(total(page)).to_have_text(f"{STUDIO_EVENTS:,} events")
    page.get_by_role("combobox").fill("level:ERROR")
    page.keyboard.press("Enter")
    expect(alert).to_have_count(0)
    assert [c for c in reader.complaints if "400" not in c] == []


def test_the_box_completes_fields_and_values(reader: Reader, server: Server) -> None:
    page = look(reader, server)
    box = page.get_by_role("combobox")
    box.fill("")
    box.press_sequentially("nod")
    expect(page.get_by_role("option")).to_have_text(["node:", "node_id:"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("option", name="VAEDecode")).to_be_visible()
    box.press_sequentially("VA")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(box).to_have_value("node:VAEDecode ")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=node*VAEDecode*")


def test_keys_walk_through_the_lines(reader: Reader, server: Server) -> None:
    page = look(reader, server)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    current = page.locator("[role=listitem][aria-current]")
    expect(current).to_have_attribute("aria-posinset", "1")
    page.keyboard.press("Enter")
    expect(current.get_by_role("button", name="Copy JSON")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Copy JSON")).to_have_count(0)
    page.keyboard.press("l")
    page.wait_for_url("**live=1*")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Keyboard shortcuts")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_every_leaf_can_be_asked_for(reader: Reader, server: Server) -> None:
    page = look(reader, server, "service:studio%20event:node_finished")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    leaf = page.locator(".leaf", has_text="steps")
    leaf.hover()
    leaf.get_by_role("button", name="Only steps: 30").click()
    asks(page, "service:studio event:node_finished attributes.sampler.steps:30")
    page.wait_for_selector("[role=listitem] .row")
    assert reader.complaints == []


def test_a_traceback_reads_as_text(reader: Reader, server: Server) -> None:
    page = look(reader, server, "service:studio%20level:ERROR")
    lines(page).first.click()
    trace = page.locator("figure pre")
    expect(trace.locator(".error")).to_contain_text("torch.OutOfMemoryError")
    expect(trace.locator(".frame")).to_have_count(2)


def test_a_link_to_a_line_shows_it_with_its_neighbours(reader: Reader, server: Server) -> None:
    page = look(reader, server)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.keyboard.press("j")
    page.keyboard.press("j")
    current = page.locator("[role=listitem][aria-current]")
    expect(current).to_have_attribute("aria-posinset", "2")
    page.keyboard.press("Enter")
    message = current.locator("bdi").inner_text()
    listen(page)
    page.get_by_role("button", name="Copy link").click()
    heard(page, "Copied")
    link = page.evaluate("navigator.clipboard.readText()")
    page.goto(link)
    sheet = page.get_by_role("dialog")
    expect(sheet.locator("li.here bdi")).to_have_text(message)
    expect(sheet.locator("li").nth(50)).to_be_attached()
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    expect(page).not_to_have_url(re.compile("event="))


def test_a_run_is_one_click_away(reader: Reader, server: Server) -> None:
    page = look(reader, server)
    lines(page).nth(2).get_by_role("link").click()
    page.wait_for_url("**/runs/*")
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_hostile_text_stays_text(reader: Reader, server: Server) -> None:
    page = look(reader, server, "service:studio%20level:WARNING")
    lines(page).first.click()
    shown = page.locator("[role=listitem] bdi").first
    expect(shown).to_have_text(HOSTILE.replace("\u202e", "\\u202e"), use_inner_text=True)
    expect(page.locator(".leaf .key", has_text="odd key: <b>")).to_be_visible()
    assert page.evaluate("window.hacked") is None
    assert page.locator("[role=list] img, [role=list] script").count() == 0
    assert reader.complaints == []


def test_the_oldest_of_many_lines_is_one_jump_away(reader: Reader, server: Server) -> None:
    page = look(reader, server)
    expect(total(page)).to_have_text(f"{STUDIO_EVENTS:,} events")
    box = page.get_by_role("list", name="Log lines")
    expect(lines(page).first).to_have_attribute("aria-setsize", str(STUDIO_EVENTS))
    box.evaluate("node => node.scrollTo(0, node.scrollHeight)")
    expect(lines(page).last).to_contain_text("step 0 of the night")
    expect(lines(page).last).to_have_attribute("aria-posinset", str(STUDIO_EVENTS))
    box.evaluate("node => node.scrollTo(0, node.scrollHeight / 2)")
    expect(page.locator(f'[aria-posinset="{STUDIO_EVENTS // 2}"]')).to_contain_text("step")
    expect(page.locator(".skeleton")).to_have_count(0)  # its neighbours may come with another answer
    painted = lines(page).evaluate_all("all => all.map(line => [Number(line.ariaPosInSet), line.innerText])")
    steps = [(place, int(found[1])) for place, text in painted if (found := re.search(r"step (\d+)", text))]
    assert len(steps) > 20
    assert all(step == STUDIO_EVENTS - place for place, step in steps), "every line is in its place"
    assert page.locator("[role=listitem]").count() < 80, "only what is seen is painted"


def test_live_tail_follows_a_file(reader: Reader, server: Server) -> None:
    page = look(reader, server, f"{STUDIO} OR service:tail", "&live=1")
    expect(page.get_by_role("navigation").get_by_role("status")).to_have_text("Live")
    server.write(service="tail", message="the first new line")
    expect(lines(page).first).to_contain_text("the first new line")
    page.get_by_role("list", name="Log lines").evaluate("node => node.scrollTo(0, 2000)")
    server.write(service="tail", message="one more")
    server.write(service="tail", message="and another")
    more = page.get_by_role("button", name="2 new")
    more.click()
    expect(lines(page).first).to_contain_text("and another")
    expect(lines(page).nth(1)).to_contain_text("one more")
    assert reader.complaints == []


def test_a_hidden_page_holds_no_stream_and_resumes(reader: Reader, server: Server) -> None:
    resumed: list[str | None] = []
    reader.page.on(
        "request",
        lambda request: resumed.append(request.headers.get("last-event-id")) if "/live" in request.url else None,
    )
    page = look(reader, server, f"{STUDIO} OR service:hidden", "&live=1")
    state = page.get_by_role("navigation").get_by_role("status")
    expect(state).to_have_text("Live")
    server.write(service="hidden", message="seen")
    expect(lines(page).first).to_contain_text("seen")  # by the stream, or by what is asked once it is open
    server.write(service="hidden", message="by the stream")
    expect(lines(page).first).to_contain_text("by the stream")
    show = "Object.defineProperty(document, 'hidden', {{ value: {}, configurable: true }});"
    show += "document.dispatchEvent(new Event('visibilitychange'))"
    page.evaluate(show.format("true"))
    expect(state).to_have_text("Connected")
    server.write(service="hidden", message="missed meanwhile")
    page.evaluate(show.format("false"))
    expect(lines(page).first).to_contain_text("missed meanwhile")
    assert resumed[0] is None
    assert resumed[-1] is not None


def test_statistics_are_a_table_that_sorts(reader: Reader, server: Server) -> None:
    page = reader.open(f"{server.url}/logs?q=service:studio node:* | stats avg(duration_ms) as mean, count() by node")
    names = page.locator("tbody td:nth-child(2)")
    expect(names).to_have_count(4)
    page.get_by_role("button", name="mean").click()
    expect(page.get_by_role("columnheader", name="mean")).to_have_attribute("aria-sort", "descending")
    values = page.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => Number(row.cells[row.closest('table').tHead.rows[0].cells.length - 2].innerText))"
    )
    assert values == sorted(values, reverse=True)
    page.get_by_role("button", name="Show these events").first.click()
    page.wait_for_selector("[role=listitem] .row")
    assert reader.complaints == []


@pytest.mark.parametrize("form", ["CSV", "NDJSON"])
def test_a_search_can_be_taken_away(reader: Reader, server: Server, form: str) -> None:
    page = look(reader, server, "service:studio%20level:ERROR")
    page.get_by_role("button", name="Download").click()
    with page.expect_download() as started:
        page.get_by_role("button", name=f"As {form}", exact=True).click()
    path = started.value.path()
    text = path.read_text(encoding="utf-8-sig")
    if form == "NDJSON":
        assert {json.loads(line)["level"] for line in text.splitlines()} == {"ERROR"}
        assert len(text.splitlines()) == STUDIO_ERRORS
    else:
        assert text.startswith("timestamp,level,")
        assert text.count("CUDA out of memory when decoding") == STUDIO_ERRORS


def test_a_range_can_be_written_and_shown_in_utc(reader: Reader, server: Server) -> None:
    page = look(reader, server)
    page.get_by_title("Time range").click()
    panel = page.get_by_role("dialog", name="Time range")
    panel.get_by_role("button", name="UTC").click()
    expect(panel.get_by_role("button", name="UTC")).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("localStorage.getItem('safelight.zone') === 'utc'")
    panel.get_by_label("From").fill("2026-01-02T03:04:05")
    panel.get_by_label("To").fill("2026-01-02T03:04:04")
    panel.get_by_role("button", name="Apply").click()
    expect(panel.get_by_role("alert")).to_be_visible()
    panel.get_by_label("To").fill("2026-01-02T04:04:05")
    panel.get_by_role("button", name="Apply").click()
    page.wait_for_url("**from=2026-01-02T03%3A04%3A05*")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.get_by_role("button", name="Look at the last 7 days").click()
    page.wait_for_selector("[role=listitem] .row")
