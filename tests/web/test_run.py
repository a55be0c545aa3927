"""The Run page: one run, node by node."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from support.runs import Story, fill, stories, story
from web.awaiting import heard, listen, nothing
from web.downloads import Downloads
from web.figures import ASKED, BESIDE, CUT, FAR_FROM, WALK
from web.readable import fits, violations
from web.reading import DESKTOP, Reader
from web.serving import Server, serving

PHONE = {"width": 390, "height": 844}
KINDS = [
    "ok",
    "cached",
    "failed",
    "oom",
    "interrupted",
    "rejected",
    "partial",
    "lost",
    "lost-queued",
    "running",
    "queued",
    "expanded",
    "many",
    "nodes-only",
    "log-only",
]
FIRST_LOAD = 100_000  # bytes on the wire, gzip
READY = {
    "tab=logs": "[role=listitem] .row",
    "tab=prompt": "[role=group] .leaf",
    "tab=outputs": "[aria-label=Details] :is([role=status], img)",
}
"""What a tab shows once what it asks for is here."""


@pytest.fixture(scope="module")
def told() -> dict[str, Story]:
    """One run of every kind, the newest of each; and one that goes on while a test looks, in the place of no other."""
    now = datetime.now(UTC)
    growing = story("running", now - timedelta(seconds=8.4), instance="gpu-4:8188")
    return {one.kind: one for one in stories(now)} | {"growing": growing}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, told: dict[str, Story]) -> Iterator[Server]:
    """A server that knows a run of every kind."""
    folder = tmp_path_factory.mktemp("runs")
    fill(folder / "data", list(told.values()))
    with serving(folder) as server:
        yield server


@pytest.fixture
def look(reader: Reader, runs: Server, told: dict[str, Story]) -> Callable[..., Page]:
    """Opens the page of a run and waits for it."""

    def opened(kind: str, more: str = "") -> Page:
        page = reader.open(f"{runs.url}/runs/{told[kind].id}{more}")
        page.wait_for_selector("h1")
        return page

    return opened


def row(page: Page, name: str) -> Locator:
    """The row of a node in the timeline."""
    return page.get_by_role("list", name="Nodes in the order").get_by_role("listitem").filter(has_text=name)


def details(page: Page) -> Locator:
    """What is known of the node under attention."""
    return page.get_by_role("region", name="Details")


def graph(page: Page) -> Locator:
    """The picture of the graph."""
    return page.get_by_role("group", name=re.compile("^Graph of the workflow"))


def altered(page: Page, change: Callable[[dict[str, Any]], None]) -> None:
    """Every run that the page asks for comes back changed."""

    def answer(route: Route) -> None:
        run = route.fetch().json()
        change(run)
        route.fulfill(json=run)

    page.route(re.compile(r"/api/v1/runs/[\w-]+$"), answer)


def tangled(count: int) -> Callable[[dict[str, Any]], None]:
    """A run of `count` nodes that hang together at random, as the API sent it: without places."""
    chance = random.Random(count)
    classes = ("CheckpointLoaderSimple", "CLIPTextEncode", "KSampler", "VAEDecode", "ImageBlend", "SaveImage")

    def change(run: dict[str, Any]) -> None:
        like = run["executions"][0]
        ids = [str(number) for number in range(count)]
        kinds = {node_id: chance.choice(classes) for node_id in ids}
        run["graph"] = {
            "positioned": False,
            "nodes": [
                {"id": i, "node": kinds[i], "title": None, "x": None, "y": None, "width": None, "height": None}
                for i in ids
            ],
            "edges": [
                {"from": str(chance.randrange(max(0, n - 30), n)), "to": str(n), "type": "IMAGE"}
                for n in range(1, count)
                for _ in range(2)
            ],
        }
        places = {"state": "finished", "title": None, "parent_id": None, "display_id": None, "usual_ms": None}
        run["executions"] = [
            like
            | places
            | {"node_id": i, "node": kinds[i], "offset_ms": n * 60.0, "duration_ms": chance.uniform(1, 60)}
            for n, i in enumerate(ids)
        ]
        run["nodes"] = {"total": count, "finished": count, "cached": 0, "failed": 0}

    return change


def test_a_finished_run_tells_its_figures(look: Callable[..., Page], reader: Reader) -> None:
    page = look("ok")
    expect(page.locator(".name .pill")).to_have_text("Finished")
    figures = page.locator("dl").first
    for text in ("Total", "Queued", "Nodes", "VRAM peak", "Slowest node", "KSampler"):
        expect(figures).to_contain_text(text)
    expect(row(page, "Load Checkpoint")).to_be_visible()
    expect(page.locator(".bar .load").first).to_be_attached()
    expect(page.locator(".bar .step").nth(10)).to_be_attached()
    expect(graph(page).get_by_role("button", name=re.compile("^KSampler .*#3"))).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(details(page).get_by_role("heading", name="KSampler")).to_be_visible()
    assert reader.complaints == []


def test_timeline_graph_and_panel_follow_one_choice(look: Callable[..., Page]) -> None:
    page = look("ok")
    row(page, "VAE Decode").click()
    expect(details(page).get_by_role("heading", name="VAE Decode")).to_be_visible()
    graph(page).get_by_role("button", name=re.compile("^Negative")).click()
    expect(row(page, "Negative")).to_have_attribute("aria-current", "true")
    page.wait_for_url("**node=7*")
    page.reload()
    expect(row(page, "Negative")).to_have_attribute("aria-current", "true")


def test_keys_walk_zoom_and_open(look: Callable[..., Page]) -> None:
    page = look("ok")
    expect(row(page, "KSampler")).to_have_attribute("aria-current", "true")
    page.keyboard.press("j")
    expect(row(page, "VAE Decode")).to_have_attribute("aria-current", "true")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url("**zoom=*")
    page.keyboard.press("z")
    expect(page).not_to_have_url(re.compile("zoom="))
    page.keyboard.press("l")
    expect(page.get_by_role("list", name="Log lines")).to_be_visible()


def test_the_keys_of_the_page_are_listed_by_a_key_and_by_the_button(look: Callable[..., Page]) -> None:
    page = look("ok")
    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    page.keyboard.press("?")
    expect(sheet).to_contain_text("Next node")
    by_key = sheet.inner_text()
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(sheet).to_contain_text("Next node")
    assert sheet.inner_text() == by_key


def test_a_blocked_node_is_a_warning_and_not_a_failure(look: Callable[..., Page], reader: Reader) -> None:
    why = "No mask was painted"

    def block(run: dict[str, Any]) -> None:
        last = run["executions"][-1]
        last["error"] = {"type": "ExecutionBlocked", "message": why, "traceback": None}
        last |= {"state": "blocked", "duration_ms": None, "active_ms": None, "vram_peak_mb": None}

    altered(reader.page, block)
    page = look("ok", "?by=status")
    expect(page.get_by_text("1 node was blocked")).to_be_visible()
    expect(row(page, "Save Image")).to_contain_text("Blocked")
    expect(graph(page).get_by_role("button", name="Save Image Blocked")).to_be_visible()
    page.get_by_role("button", name="Save Image #").click()
    expect(details(page)).to_contain_text("an input came as an ExecutionBlocker")
    expect(details(page)).to_contain_text(why)
    assert reader.complaints == []


def test_a_lost_run_tells_its_end_in_the_language_of_the_reader(
    browser: Browser, runs: Server, told: dict[str, Story]
) -> None:
    def lose(run: dict[str, Any]) -> None:
        run["lost"] |= {"was": "running", "proof": "oom_killed", "ram_used_mb": 61_440.0}
        run["error"] = {**(run["error"] or {}), "message": "An English sentence of the server."}

    context = browser.new_context(viewport=DESKTOP, locale="zh-CN")
    try:
        page = context.new_page()
        altered(page, lose)
        page.goto(f"{runs.url}/runs/{told['lost'].id}")
        note = page.get_by_role("group").filter(has_text="这次运行丢失了")
        expect(note).to_contain_text("当时内核因内存不足杀死了一个进程。")
        expect(note).to_contain_text("60.0 GB")
        expect(note).not_to_contain_text("English")
    finally:
        context.close()


def test_a_drag_over_the_memory_curve_zooms_and_a_double_click_takes_it_back(look: Callable[..., Page]) -> None:
    page = look("ok")
    strip = page.get_by_role("slider")
    box = strip.bounding_box()
    assert box is not None
    before = row(page, "KSampler").locator(".bar").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 20, steps=4)
    page.mouse.up()
    page.wait_for_url("**zoom=*")
    assert before is not None
    bar = row(page, "KSampler").locator(".bar").element_handle()
    page.wait_for_function("([bar, least]) => bar.offsetWidth > least", arg=[bar, before["width"] * 1.5])
    strip.dblclick()
    expect(page).not_to_have_url(re.compile("zoom="))


def test_rows_can_be_filtered_and_sorted(look: Callable[..., Page]) -> None:
    page = look("cached")
    rows = page.get_by_role("list", name="Nodes in the order").locator("[data-node]")
    expect(rows).to_have_count(7)
    page.get_by_role("button", name="Without cached").click()
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text="Cached")).to_have_count(0)
    page.get_by_role("button", name="Without cached").click()
    page.get_by_role("searchbox").fill("sampler")
    expect(rows).to_have_count(1)
    page.get_by_role("searchbox").fill("no such node")
    page.get_by_role("button", name="Show all nodes").click()
    expect(rows).to_have_count(7)
    page.get_by_role("button", name="Slowest first").click()
    expect(rows.first).to_contain_text("KSampler")


def test_the_nodes_that_a_node_added_stand_below_it(look: Callable[..., Page]) -> None:
    page = look("expanded")
    rows = page.get_by_role("list", name="Nodes in the order").locator("[data-node]")
    group = page.get_by_role("button", name=re.compile("nodes that it added"))
    expect(group).to_have_attribute("aria-expanded", "true")
    expect(rows).to_have_count(10)
    row(page, "Save Image").click()
    group.click()
    expect(group).to_have_attribute("aria-expanded", "false")
    expect(rows).to_have_count(7)


def test_an_out_of_memory_failure_shows_who_held_the_memory(look: Callable[..., Page], reader: Reader) -> None:
    page = look("oom")
    expect(page.get_by_text("VAE Decode failed")).to_be_visible()
    panel = details(page)
    expect(panel).to_contain_text("torch.OutOfMemoryError")
    ledger = panel.locator("section", has_text="Who held the memory")
    for part in ("Flux", "not in use: could be unloaded", "Reserved by torch", "Other programs", "Free"):
        expect(ledger).to_contain_text(part)
    expect(panel.locator("figure pre .frame")).to_have_count(2)
    expect(panel.get_by_role("link", name="Find the same error")).to_have_attribute(
        "href", re.compile("OutOfMemoryError")
    )
    expect(row(page, "VAE Decode").locator(".bar.failed")).to_be_visible()
    assert reader.complaints == []


def test_a_refused_prompt_names_the_nodes_to_put_right(look: Callable[..., Page]) -> None:
    page = look("rejected")
    expect(page.get_by_text("ComfyUI rejected this prompt")).to_be_visible()
    expect(page.get_by_text("no node was executed")).to_be_visible()
    refused = graph(page).get_by_role("button", name=re.compile("Rejected"))
    expect(refused).to_have_count(1)
    refused.click()
    expect(details(page)).to_contain_text("Value not in list")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("queued", "Waiting in the queue"),
        ("interrupted", "This run was interrupted"),
        ("lost", "Last reading of VRAM"),
        ("lost-queued", "while this run was still waiting"),
        ("partial", "Part of the prompt was left out"),
        ("log-only", "safelight comfyui install"),
    ],
)
def test_what_is_missing_is_explained(look: Callable[..., Page], reader: Reader, kind: str, says: str) -> None:
    page = look(kind)
    expect(page.get_by_text(says).first).to_be_visible()
    assert reader.complaints == []


def test_a_running_run_grows_and_ends_by_itself(
    look: Callable[..., Page], runs: Server, told: dict[str, Story]
) -> None:
    page = look("growing")
    total = page.locator("dl dd").first
    first = total.inner_text()
    expect(total).not_to_have_text(first)
    expect(row(page, "KSampler").locator(".bar.running")).to_be_visible()
    common = {"service": "comfyui", "instance": "gpu-4:8188", "workflow_id": told["growing"].id}
    runs.write(**common, event="node_finished", node="KSampler", node_id="3", duration_ms=900.0)
    runs.write(**common, event="run_finished", duration_ms=1000.0)
    expect(page.locator(".name .pill")).to_have_text("Finished")
    expect(page.locator(".bar.running")).to_have_count(0)


def test_the_graph_is_moved_by_wheel_drag_and_keys(look: Callable[..., Page]) -> None:
    page = look("ok")
    pane = graph(page)
    node = pane.get_by_role("button", name=re.compile("^KSampler"))
    whole = node.bounding_box()
    box = pane.bounding_box()
    assert whole is not None
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.move(box["x"] + 70, box["y"] + 60)
    page.mouse.wheel(0, -400)
    expect(page.get_by_role("img", name="Where in the graph you are")).to_be_visible()
    shown = node.element_handle()
    page.wait_for_function("([node, least]) => node.offsetWidth > least", arg=[shown, whole["width"] * 1.5])
    near = node.bounding_box()
    assert near is not None
    page.mouse.down()
    page.mouse.move(box["x"] + 20, box["y"] + 100, steps=4)
    page.mouse.up()
    nothing(page, FAR_FROM, [shown, near["x"] - 50, near["y"] + 40])
    pane.focus()
    page.keyboard.press("0")
    expect(page.get_by_role("img", name="Where in the graph you are")).to_have_count(0)


def test_a_running_run_is_asked_for_no_more_than_once_a_second(
    look: Callable[..., Page], runs: Server, told: dict[str, Story]
) -> None:
    stuck = told["stuck"]
    page = look("stuck")
    expect(page.get_by_role("navigation").get_by_role("status")).to_have_text("Live")
    began = page.evaluate("performance.now()")
    for number in range(1, 21):
        runs.write(service="comfyui", workflow_id=stuck.id, event="log", message=f"told {number}", level="DEBUG")
        runs.running.until(f'workflow_id:"{stuck.id}" told', number)
    path = f"/api/v1/runs/{stuck.id}"
    page.wait_for_function(f"([path, began]) => ({ASKED})(path).at(-1) > began", arg=[path, began])
    asked = page.evaluate(ASKED, path)
    assert len(asked) <= 4 + (asked[-1] - asked[0]) / 1000


def test_a_large_graph_opens_on_the_node_that_matters(look: Callable[..., Page], reader: Reader, runs: Server) -> None:
    altered(reader.page, tangled(138))
    page = look("ok")
    chosen = graph(page).locator("[aria-pressed=true]")
    expect(chosen).to_be_in_viewport()
    expect(chosen.locator(".name")).to_be_visible()
    minimap = page.get_by_role("img", name="Where in the graph you are")
    expect(minimap).to_be_visible()
    before = graph(page).locator("[data-node]").count()
    assert before < 138, "what is far away is not painted"
    page.get_by_role("button", name="Only what it needs").click()
    expect(minimap.locator("rect")).not_to_have_count(139)
    assert reader.complaints == []


def test_500_nodes_are_walked_with_little_work(look: Callable[..., Page], reader: Reader) -> None:
    altered(reader.page, tangled(500))
    page = look("many")
    page.wait_for_selector(".node[aria-pressed=true]")
    expect(page.locator(".waterfall [data-node]").nth(60)).to_have_count(0)
    steps = page.evaluate(WALK)
    assert all(step["moved"] for step in steps)
    most = max(step["changes"] for step in steps)
    assert most < 1_500, (
        "742 of its wires and of the 90 nodes in sight change; there are 998 wires, and 5 things of each node"
    )


def test_the_log_lines_are_those_of_the_run_or_the_node(look: Callable[..., Page], reader: Reader) -> None:
    page = look("ok", "?tab=logs")
    lines = details(page).get_by_role("listitem")
    expect(lines.first).to_be_visible()
    details(page).get_by_role("button", name="KSampler").click()
    expect(details(page).get_by_role("listitem").filter(has_text="run_finished")).to_have_count(0)
    expect(details(page).get_by_role("listitem").filter(has_text="KSampler").first).to_be_visible()
    page.get_by_role("link", name="Open in Logs").click()
    page.wait_for_url("**/logs?q=workflow_id*node_id*")
    page.wait_for_selector("[role=listitem] .row")
    assert reader.complaints == []


def test_the_prompt_is_shown_with_its_redactions_and_copied_as_a_command(
    look: Callable[..., Page], reader: Reader, told: dict[str, Story]
) -> None:
    altered(reader.page, lambda run: run["prompt"].update(redacted=["12.inputs.api_key"]))
    page = look("ok", "?tab=prompt")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    expect(details(page)).to_contain_text("12.inputs.api_key")
    expect(details(page).locator(".leaf", has_text="seed")).to_contain_text("156680208700286")
    listen(page)
    page.get_by_role("button", name="Copy as cURL").click()
    heard(page, "must be filled in again")
    command = page.evaluate("navigator.clipboard.readText()")
    assert command.startswith("curl -X POST 'http://gpu-1:8188/prompt'")
    assert '"class_type":"KSampler"' in command


def test_replay_goes_to_the_same_or_another_instance(
    look: Callable[..., Page], reader: Reader, told: dict[str, Story]
) -> None:
    asked: list[Any] = []

    def answer(route: Route) -> None:
        asked.append(json.loads(route.request.post_data or "null"))
        if asked[-1]["to"]:
            route.fulfill(json={"run_id": told["cached"].id, "to": asked[-1]["to"]})
        else:
            problem = {"status": 502, "title": "Not reached", "detail": "gpu-1:8188 does not answer."}
            route.fulfill(status=502, json=problem)

    altered(reader.page, lambda run: run["prompt"].update(redacted=["12.inputs.api_key"]))
    reader.page.route("**/replay", answer)
    page = look("ok")
    page.get_by_role("button", name="Replay").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("12.inputs.api_key")
    dialog.get_by_role("button", name="Queue it").click()
    expect(dialog.get_by_role("alert")).to_contain_text("gpu-1:8188 does not answer.")
    dialog.get_by_label("Another address").check()
    dialog.get_by_label("Address of a ComfyUI").fill("http://127.0.0.1:9")
    dialog.get_by_role("button", name="Queue it").click()
    dialog.get_by_role("link", name="Open the new run").click()
    page.wait_for_url(f"**/runs/{told['cached'].id}")
    expect(page.locator(".trail")).to_contain_text(told["cached"].id)
    assert asked == [{"to": None}, {"to": "http://127.0.0.1:9"}]


def test_a_wrong_address_is_told_in_the_dialog(look: Callable[..., Page]) -> None:
    page = look("ok")
    page.get_by_role("button", name="Replay").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Another address").check()
    dialog.get_by_label("Address of a ComfyUI").fill("nonsense")
    dialog.get_by_role("button", name="Queue it").click()
    expect(dialog.get_by_role("alert")).to_contain_text("nonsense")
    dialog.get_by_label("Address of a ComfyUI").fill(" ")
    expect(dialog.get_by_role("button", name="Queue it")).to_be_disabled()


def test_a_page_that_cannot_be_loaded_says_that_the_server_is_gone_and_comes_with_it(
    reader: Reader, runs: Server, told: dict[str, Story]
) -> None:
    page = reader.open(runs.url + "/runs")
    link = page.locator(f"[data-run='{told['ok'].id}']").get_by_role("link")
    expect(link).to_be_visible()
    page.route("**/*", lambda route: route.abort())
    link.click()
    expect(page.get_by_role("heading", name="Server gone")).to_be_visible()
    expect(page.locator("main")).not_to_contain_text("updated")
    page.unroute_all()
    expect(page.get_by_role("group", name=re.compile("^Graph of the workflow"))).to_be_visible()


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("width", [1024, 1181, 1280, 1366, 1440])
def test_no_head_and_no_label_of_the_split_is_cut(
    browser: Browser, runs: Server, told: dict[str, Story], width: int, language: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, locale=language)
    try:
        page = context.new_page()
        page.goto(f"{runs.url}/runs/{told['oom'].id}")
        page.wait_for_selector(".split .tag")
        nothing(page, CUT)
    finally:
        context.close()


def test_the_name_of_an_error_stands_upon_a_bar_that_leaves_no_room(look: Callable[..., Page], reader: Reader) -> None:
    def stretch(run: dict[str, Any]) -> None:
        for execution in run["executions"]:
            if execution["state"] == "failed":
                execution |= {"offset_ms": 0.0, "duration_ms": run["duration_ms"]}

    altered(reader.page, stretch)
    page = look("oom")
    page.wait_for_selector(".tag")
    nothing(page, BESIDE)


def test_saved_files_are_shown_with_what_is_wrong_with_them(look: Callable[..., Page], reader: Reader) -> None:
    checks = ("ok", "black", "nan", "unreadable", "missing")

    def change(run: dict[str, Any]) -> None:
        file = run["saved"][0]
        run["saved"] = [file | {"index": n, "check": check, "url": None} for n, check in enumerate(checks)]

    altered(reader.page, change)
    page = look("ok", "?tab=outputs")
    for words in ("looks fine", "all black", "holds NaN values", "cannot be read as an image", "the file is gone"):
        expect(details(page)).to_contain_text(words)


def test_an_unknown_run_leads_back(reader: Reader, runs: Server) -> None:
    page = reader.open(f"{runs.url}/runs/no-such-run")
    expect(page.get_by_role("heading", name="No run has this id")).to_be_visible()
    expect(page.get_by_role("link", name="All runs")).to_have_attribute("href", "/runs")
    page.goto(f"{runs.url}/runs/{'x' * 10_000}")
    expect(page.get_by_role("heading", name="No run has this id")).to_be_visible()
    assert len(page.locator("main").inner_text()) < 400


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_fits_a_phone(browser: Browser, runs: Server, told: dict[str, Story], kind: str) -> None:
    context = browser.new_context(viewport=PHONE, color_scheme="light", locale="zh-CN", has_touch=True)
    try:
        reader = Reader(context.new_page())
        page = reader.open(f"{runs.url}/runs/{told[kind].id}")
        page.wait_for_selector("h1")
        for side in ("时间线", "工作流图"):
            page.get_by_role("group", name="查看方式").get_by_role("button", name=side).click()
            fits(page, "html", "main", ".page")
        assert reader.complaints == []
    finally:
        context.close()


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(
    "where",
    ["ok", "oom", "rejected", "running", "log-only", "many", "ok?tab=logs", "ok?tab=prompt", "partial?tab=outputs"],
)
def test_a_run_passes_the_accessibility_rules(
    browser: Browser, runs: Server, told: dict[str, Story], where: str, theme: str
) -> None:
    kind, _, more = where.partition("?")
    context = browser.new_context(viewport=DESKTOP, color_scheme=theme, locale="en", reduced_motion="reduce")
    try:
        page = context.new_page()
        page.goto(f"{runs.url}/runs/{told[kind].id}?{more}")
        page.wait_for_selector("h1")
        page.wait_for_selector(READY.get(more, "h1"))
        assert violations(page) == []
    finally:
        context.close()


def test_the_first_load_of_a_run_is_small(look: Callable[..., Page], reader: Reader) -> None:
    downloads = Downloads(reader.page)
    page = look("ok")
    page.wait_for_load_state("networkidle")
    assert 0 < downloads.weigh() < FIRST_LOAD
