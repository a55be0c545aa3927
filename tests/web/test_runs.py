"""The Runs page, and what runs now on the overview."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from support.runs import Story, fill, stories
from web.readable import fits, violations
from web.reading import DESKTOP, PHONE, Reader
from web.serving import Server, serving


@pytest.fixture(scope="module")
def told() -> list[Story]:
    """A day of runs, one of every kind at its end."""
    return stories(datetime.now(UTC))


@pytest.fixture(scope="module")
def ids(told: list[Story]) -> dict[str, str]:
    """The id of the newest run of each kind."""
    return {one.kind: one.id for one in told}


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory, told: list[Story]) -> Iterator[Server]:
    """A server that knows these runs."""
    folder = tmp_path_factory.mktemp("farm")
    (folder / "data").mkdir()
    fill(folder / "data", told)
    with serving(folder) as running:
        yield running


def look(reader: Reader, server: Server, more: str = "") -> Page:
    """Open the page and wait for its runs."""
    page = reader.open(f"{server.url}/runs{more}")
    expect(rows(page).first).to_be_visible()
    return page


def rows(page: Page) -> Locator:
    """The runs on the screen, as rows or as cards."""
    return page.locator("[data-run]")


def chip(page: Page, state: str) -> Locator:
    """The button that asks for a state."""
    return page.get_by_role("group", name="State").get_by_role("button", name=re.compile(f"^{state}"))


def strip(page: Page, instance: str) -> Locator:
    """The bars of an instance."""
    return page.get_by_role("group", name=f"Latest runs of {instance}").get_by_role("link")


def run(number: int, **more: Any) -> dict[str, Any]:
    """A run as the API answers it; the higher the number, the newer."""
    at = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)).isoformat()
    nodes = {"total": 9, "finished": 9, "cached": 0, "failed": 0}
    known: dict[str, Any] = dict.fromkeys(
        ("graph_hash", "user_id", "host", "vram_peak_mb", "ram_peak_mb", "error", "current", "usual_ms", "replay_of")
    )
    return known | {
        "id": f"{number:08d}-run",
        "state": "finished",
        "workflow_name": f"workflow {number}",
        "instance": "gpu-1:8188",
        "service": "comfyui",
        "queued_at": at,
        "started_at": at,
        "ended_at": at,
        "queue_ms": 5.0,
        "duration_ms": 1000.0,
        "nodes": nodes,
        "outputs": 1,
        **more,
    }


class Answers:
    """Runs that a test makes up, in the place of those of the server."""

    def __init__(self, page: Page, runs: list[dict[str, Any]]) -> None:
        self.runs = runs
        self.status = 200
        self.asked = 0
        page.route(re.compile(r"/api/v1/runs(\?|$)"), self._answer)

    def _answer(self, route: Route) -> None:
        self.asked += 1
        if self.status != 200:
            problem = {"status": self.status, "title": "No", "detail": "the store is being moved"}
            return route.fulfill(status=self.status, json=problem)
        asked = {name: values[0] for name, values in parse_qs(urlsplit(route.request.url).query).items()}
        states = asked["state"].split(",") if "state" in asked else None
        found = [each for each in self.runs if states is None or each["state"] in states]
        start, limit = int(asked.get("cursor", 0)), int(asked["limit"])
        counts: dict[str, int] = {}
        for each in self.runs:
            counts[each["state"]] = counts.get(each["state"], 0) + 1
        return route.fulfill(
            json={
                "runs": found[start : start + limit],
                "cursor": str(start + limit) if start + limit < len(found) else None,
                "counts": counts,
                "facets": {"instance": [{"value": "gpu-1:8188", "count": len(self.runs)}], "user": [], "workflow": []},
                "took_ms": 1.0,
            }
        )


def test_every_kind_of_run_tells_its_story(reader: Reader, farm: Server, ids: dict[str, str]) -> None:
    page = look(reader, farm)
    for kind, said in {
        "ok": ("Finished", "product-photo", "lin.wei", "gpu-1:8188", "8.59s", "7.3 GB"),
        "oom": ("Failed", "VAEDecode", "torch.OutOfMemoryError: Allocation on device 0", "1 failed"),
        "rejected": ("Rejected", "CheckpointLoaderSimple"),
        "interrupted": ("Interrupted", "4 / 7"),
        "cached": ("Finished", "4 cached"),
        "lost": ("Lost", "KSampler"),
        "running": ("Running", "KSampler", "11/20"),
        "queued": ("Queued", "waiting"),
        "many": ("Finished", "500"),
    }.items():
        row = page.locator(f"[data-run='{ids[kind]}']")
        for words in said:
            expect(row).to_contain_text(words)
    assert reader.complaints == []


def test_states_add_up_and_the_address_keeps_them(reader: Reader, farm: Server, told: list[Story]) -> None:
    page = look(reader, farm)
    expect(rows(page)).to_have_count(len(told))
    expect(chip(page, "Failed").locator(".n")).to_have_text("2")
    chip(page, "Failed").click()
    expect(rows(page)).to_have_count(2)
    chip(page, "Lost").click()
    expect(page).to_have_url(re.compile(r"state=failed%2Clost$"))
    expect(rows(page)).to_have_count(4)
    page.reload()
    expect(rows(page)).to_have_count(4)
    expect(chip(page, "Lost")).to_have_attribute("aria-pressed", "true")
    page.go_back()
    expect(rows(page)).to_have_count(2)
    page.go_back()
    expect(rows(page)).to_have_count(len(told))
    assert reader.complaints == []


def test_the_fields_choose_one_value_and_take_it_back(reader: Reader, farm: Server) -> None:
    page = look(reader, farm)
    page.get_by_role("button", name="User").click()
    page.get_by_role("dialog").get_by_role("button", name="maria").click()
    page.wait_for_url("**user=maria")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="User").click()
    page.get_by_role("dialog").get_by_role("button", name="All").click()
    expect(page).not_to_have_url(re.compile("user="))
    page.get_by_role("button", name="Workflow").click()
    page.get_by_role("dialog").get_by_role("button", name="海报 4K").click()
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("海报 4K")


def test_a_name_or_a_part_of_an_id_is_found(reader: Reader, farm: Server, ids: dict[str, str]) -> None:
    page = look(reader, farm)
    page.keyboard.press("/")
    page.keyboard.type("tiled")
    page.wait_for_url("**q=tiled")
    expect(rows(page)).to_have_count(1)
    wanted = ids["oom"]
    page.get_by_role("searchbox").fill(wanted[:8])
    expect(rows(page)).to_have_attribute("data-run", wanted)


def test_the_range_is_chosen_as_on_the_logs(reader: Reader, farm: Server, told: list[Story]) -> None:
    page = look(reader, farm)
    expect(rows(page)).to_have_count(len(told))
    page.get_by_role("button", name="24 hours").click()
    page.get_by_role("dialog").get_by_role("button", name="15 min").click()
    page.wait_for_url("**from=now-15m")
    expect(rows(page)).not_to_have_count(len(told))
    page.go_back()
    expect(rows(page)).to_have_count(len(told))


def test_nothing_found_leads_out_again(reader: Reader, farm: Server) -> None:
    page = reader.open(farm.url + "/runs?q=nobody-called-it-so")
    expect(page.get_by_text("No run matches these filters")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    expect(rows(page).first).to_be_visible()
    page.wait_for_url(farm.url + "/runs")


def test_keys_walk_through_the_runs_and_open_one(reader: Reader, farm: Server) -> None:
    page = look(reader, farm)
    expect(rows(page).nth(1)).to_be_visible()
    second = rows(page).nth(1).get_attribute("data-run")
    for key in ("j", "j", "j", "k"):
        page.keyboard.press(key)
    expect(rows(page).nth(1).get_by_role("link")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/{second}")
    expect(page.get_by_role("navigation").get_by_role("link", name="Runs")).to_have_attribute("aria-current", "page")


def test_a_click_anywhere_on_a_row_opens_the_run(reader: Reader, farm: Server, ids: dict[str, str]) -> None:
    page = look(reader, farm)
    page.locator(f"[data-run='{ids['ok']}'] td").last.click()
    page.wait_for_url(f"**/runs/{ids['ok']}")
    page.go_back()
    expect(rows(page).first).to_be_visible()


def test_the_strip_shows_how_an_instance_did_and_opens_its_runs(
    reader: Reader, farm: Server, ids: dict[str, str]
) -> None:
    page = look(reader, farm)
    bars = strip(page, "gpu-2:8188")
    expect(bars).to_have_count(3)
    expect(bars.last).to_have_attribute("aria-label", re.compile(r"海报 4K · Failed · 13\.7s · \d{4}-"))
    bars.last.focus()
    page.keyboard.press("ArrowLeft")
    expect(bars.nth(1)).to_be_focused()
    expect(bars.nth(1)).to_have_attribute("tabindex", "0")
    page.get_by_role("button", name="gpu-2:8188").click()
    expect(rows(page)).to_have_count(3)
    expect(strip(page, "gpu-1:8188").first).to_be_visible()
    bars.last.click()
    page.wait_for_url(f"**/runs/{ids['oom']}")


def test_what_is_new_waits_while_the_reader_looks_further_down(reader: Reader, empty_server: Server) -> None:
    answers = Answers(reader.page, [run(number) for number in range(60, 0, -1)])
    page = look(reader, empty_server)
    expect(page.get_by_role("navigation").get_by_role("status")).to_have_text("Live")
    page.locator("main").evaluate("main => main.scrollTo(0, 900)")
    answers.runs = [run(62, state="running", duration_ms=None), run(61), *answers.runs]
    answers.runs[4] = run(58, state="failed")
    empty_server.write(event="run_finished", workflow_id="unseen", instance="gpu-1:8188")
    new = page.get_by_role("button", name="2 new")
    expect(new).to_be_visible()
    expect(rows(page)).to_have_count(50)
    expect(rows(page).nth(2)).to_contain_text("Failed")
    new.click()
    expect(rows(page).first).to_contain_text("workflow 62")
    expect(new).to_have_count(0)
    page.wait_for_function("document.querySelector('main').scrollTop === 0")


def test_at_the_top_runs_show_up_by_themselves(reader: Reader, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        page = reader.open(server.url + "/runs")
        expect(page.get_by_role("heading", name="No run has been seen yet")).to_be_visible()
        expect(page.get_by_text("safelight comfyui install PATH")).to_be_visible()
        expect(page.get_by_role("navigation").get_by_role("status")).to_have_text("Live")
        about = {"workflow_id": "fresh-run", "instance": "gpu-9:8188", "service": "comfyui"}
        server.write(event="run_queued", **about, workflow_name="first light", node_count=3)
        expect(rows(page)).to_contain_text("first light")
        expect(rows(page)).to_contain_text("Queued")
        server.write(event="run_started", **about, queue_ms=20)
        expect(rows(page)).to_contain_text("Running")
        server.write(event="run_finished", **about, duration_ms=1234)
        expect(rows(page)).to_contain_text("Finished")
        expect(rows(page)).to_contain_text("1.23s")
        expect(strip(page, "gpu-9:8188")).to_have_count(1)
        assert reader.complaints == []


def test_older_runs_are_a_click_away(reader: Reader, farm: Server) -> None:
    Answers(reader.page, [run(number) for number in range(120, 0, -1)])
    page = look(reader, farm)
    expect(page.get_by_text("50 of 120 runs")).to_be_visible()
    more = page.get_by_role("button", name="Show more")
    more.click()
    expect(rows(page)).to_have_count(100)
    more.click()
    expect(rows(page)).to_have_count(120)
    expect(more).to_have_count(0)
    expect(rows(page).last).to_contain_text("workflow 1")


def test_a_refused_question_keeps_what_was_found(reader: Reader, farm: Server) -> None:
    answers = Answers(reader.page, [run(1), run(2, state="failed")])
    page = look(reader, farm)
    answers.status = 503
    chip(page, "Failed").click()
    expect(page.get_by_role("alert")).to_contain_text("the store is being moved")
    expect(rows(page)).to_have_count(2)
    answers.status = 200
    chip(page, "Finished").click()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_lost_runs_are_listed_before_they_are_sent_again(reader: Reader, farm: Server) -> None:
    lost = [run(number, state="lost", duration_ms=None) for number in (9, 8, 7)]
    lost[0]["started_at"] = None
    Answers(reader.page, [run(10, replay_of=lost[2]["id"]), *lost])
    sent: list[Any] = []

    def resubmit(route: Route) -> None:
        sent.append(json.loads(route.request.post_data or ""))
        done = [{"run_id": lost[0]["id"], "new_id": "aaaaaaaa-new"}]
        refused = [{"run_id": lost[1]["id"], "reason": "gpu-1:8188 does not answer"}]
        route.fulfill(json={"resubmitted": done, "failed": refused})

    reader.page.route("**/api/v1/runs/resubmit", resubmit)
    page = look(reader, farm)
    page.get_by_role("button", name="Resubmit lost runs").click()
    sheet = page.get_by_role("dialog", name="Resubmit lost runs")
    expect(sheet.get_by_role("checkbox")).to_have_count(3)
    expect(sheet.get_by_role("checkbox", name="workflow 7")).not_to_be_checked()
    expect(sheet.locator("li").last).to_contain_text("already resubmitted")
    expect(sheet.locator("li").first).to_contain_text("was waiting")
    expect(sheet.get_by_role("checkbox", name="workflow 9")).to_be_checked()
    expect(sheet.get_by_role("checkbox", name="workflow 8")).not_to_be_checked()
    expect(sheet.locator("li").nth(1)).to_contain_text("it may be what ended ComfyUI")
    assert sent == []
    sheet.get_by_role("checkbox", name="workflow 8").check()
    sheet.get_by_role("button", name="Resubmit 2 runs").click()
    expect(sheet.get_by_text("1 run was resubmitted.")).to_be_visible()
    expect(sheet.get_by_text("gpu-1:8188 does not answer")).to_be_visible()
    assert sent == [{"instance": None, "ids": [lost[1]["id"], lost[0]["id"]]}]
    sheet.get_by_role("link", name="aaaaaaaa").click()
    page.wait_for_url("**/runs/aaaaaaaa-new")


def test_nothing_is_offered_once_every_lost_run_was_sent_again(reader: Reader, farm: Server) -> None:
    lost = run(1, state="lost", duration_ms=None)
    Answers(reader.page, [run(2, replay_of=lost["id"]), lost])
    page = look(reader, farm)
    expect(chip(page, "Lost")).to_be_visible()
    expect(page.get_by_role("button", name="Resubmit lost runs")).to_have_count(0)


def test_a_state_that_there_is_none_of_leaves_the_address(reader: Reader, farm: Server) -> None:
    page = reader.open(farm.url + "/runs?state=bogus,failed&q=a")
    page.wait_for_url("**/runs?state=failed&q=a")
    expect(chip(page, "Failed")).to_have_attribute("aria-pressed", "true")
    page.goto(farm.url + "/runs?state=bogus")
    page.wait_for_url(farm.url + "/runs")


def test_the_strip_counts_what_is_red_among_its_bars(reader: Reader, farm: Server) -> None:
    ends = ["failed", "failed", "lost"] + ["finished"] * 57 + ["rejected"] * 9
    Answers(reader.page, [run(100 - n, state=end) for n, end in enumerate(ends)])
    page = look(reader, farm)
    expect(strip(page, "gpu-1:8188")).to_have_count(60)
    expect(page.get_by_text("3 of the last 60 failed or lost")).to_be_visible()
    expect(chip(page, "Rejected")).to_contain_text("9")


def test_the_overview_shows_what_runs_and_what_waits(reader: Reader, farm: Server, ids: dict[str, str]) -> None:
    page = reader.open(farm.url)
    now = page.locator("section", has=page.get_by_role("heading", name="Now"))
    expect(now).to_contain_text("2 running, 1 waiting")
    first = now.locator(".working > li", has_text="gpu-1:8188")
    expect(first).to_contain_text("step 11 of 20")
    expect(first.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "65")
    expect(first.get_by_role("img", name="Graph of 7 nodes")).to_be_visible()
    expect(first.locator("rect.running")).to_have_count(1)
    expect(first.locator("ol")).to_contain_text("product-photo")
    expect(now.locator(".working > li", has_text="gpu-3:8188")).to_contain_text("stuck")
    expect(now.locator(".resting")).to_contain_text("gpu-2:8188")
    first.locator(".running").get_by_role("link").click()
    page.wait_for_url(f"**/runs/{ids['running']}")


def test_the_overview_says_nothing_of_queues_that_nobody_knows(reader: Reader, server: Server) -> None:
    page = reader.open(server.url)
    with page.expect_response("**/api/v1/queue"):
        page.reload()
    page.wait_for_selector(".tiles")
    known = server.running.get("/queue")["instances"]
    expect(page.get_by_role("heading", name="Now")).to_have_count(1 if known else 0)


@pytest.mark.parametrize("path", ["/runs", "/"])
@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(("language", "size"), [("en", PHONE), ("zh-CN", PHONE), ("zh-CN", DESKTOP)])
def test_runs_fit_every_screen_and_pass_the_accessibility_rules(
    browser: Browser, farm: Server, path: str, theme: str, language: str, size: dict[str, int]
) -> None:
    context = browser.new_context(
        viewport=size, color_scheme=theme, locale=language, has_touch=size is PHONE, reduced_motion="reduce"
    )
    try:
        reader = Reader(context.new_page())
        page = reader.open(farm.url + path)
        expect(page.locator("[data-bar]" if path == "/runs" else ".working svg[role=img]").first).to_be_visible()
        fits(page, "html", "main", ".page")
        assert violations(page) == []
        assert reader.complaints == []
    finally:
        context.close()
