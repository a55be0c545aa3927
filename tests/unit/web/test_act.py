"""The pages behind signed links: looking changes nothing, a tap does the one thing, and all else is told kindly."""

from __future__ import annotations

import base64
import string
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import anyio
import httpx
import pytest
from fastapi import FastAPI

from safelight.alerts.links import GOOD_FOR, Signer
from safelight.errors import NoSuchEvent, ServiceError
from safelight.web import act
from safelight.web.act import matches, morning
from safelight.web.security import Guard
from support.timeline import Timeline, error, rule

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
"""02:30 in Shanghai."""
SHANGHAI = ZoneInfo("Asia/Shanghai")
PUBLIC = "https://alerts.example"


def alert(id_="a1", **fields):
    usual = {
        "id": id_,
        "rule": "oom",
        "status": "firing",
        "title": "Out of GPU memory: VAEDecode · <b>gpu-1</b>",
        "labels": {"service": "comfyui", "instance": "gpu-1", "node": "VAEDecode"},
        "count": 41,
        "acknowledged": None,
    }
    return {**usual, **fields}


@dataclass
class Engine:
    alerts: dict = field(default_factory=lambda: {"a1": alert()})
    done: list = field(default_factory=list)

    def alert(self, id_, language):
        return self.alerts.get(id_)

    def acknowledge(self, id_, by):
        self.done.append(("acknowledge", id_, by))

    def silence(self, match, until, by, comment, starts=None):
        self.done.append(("silence", match, until, by))
        return "s1"


@dataclass
class Resubmitter:
    done: list = field(default_factory=list)
    error: Exception | None = None

    async def find(self, run_id):
        if self.error:
            raise self.error
        return SimpleNamespace(workflow_name="cats & dogs", instance="gpu-1")

    async def again(self, run_id):
        if self.error:
            raise self.error
        self.done.append(run_id)
        await anyio.lowlevel.checkpoint()
        return SimpleNamespace(run_id="wf-new", to="http://127.0.0.1:8188")


class Reader:
    """A server with these pages, and a browser in front of it."""

    def __init__(self):
        self.engine, self.resubmitter, self.signer = Engine(), Resubmitter(), Signer(b"k" * 32)
        self.now = NOW
        quiet = SimpleNamespace(zone=SHANGHAI, ends=time(7))
        web = FastAPI()
        web.state.safelight = SimpleNamespace(
            resubmitter=self.resubmitter,
            alerting=SimpleNamespace(engine=self.engine, signer=self.signer),
            config=SimpleNamespace(alerts=SimpleNamespace(quiet_hours=quiet)),
        )
        web.add_middleware(Guard, public=PUBLIC)
        act.mount(web, lambda: self.now)

        @web.get("/{path:path}")
        def page(path: str) -> str:
            return "the rest"

        self.web = web
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url=PUBLIC)

    def link(self, do, subject="a1"):
        return f"/act/{self.signer.signing(lambda: NOW)(do, subject)}"

    async def get(self, path, **headers):
        return await self.client.get(path, headers={"accept-language": "en", **headers})

    async def post(self, path, headers=None, **form):
        return await self.client.post(path, data=form, headers={"accept-language": "en", **(headers or {})})


@pytest.fixture
async def reader():
    made = Reader()
    async with made.client:
        yield made


@pytest.mark.parametrize("do", ["silence", "acknowledge", "replay"])
async def test_following_a_link_shows_what_it_would_do_and_does_nothing(reader, do):
    answer = await reader.get(reader.link(do, "wf-1" if do == "replay" else "a1"))
    assert answer.status_code == 200
    assert '<form method="post">' in answer.text
    assert "<script" not in answer.text
    assert (await reader.client.head(reader.link(do))).status_code == 200
    assert reader.engine.done == reader.resubmitter.done == []


async def test_what_came_from_a_log_is_text_on_the_page(reader):
    answer = await reader.get(reader.link("acknowledge"))
    assert "&lt;b&gt;gpu-1&lt;/b&gt;" in answer.text
    assert "<b>" not in answer.text


async def test_the_page_may_load_nothing_and_stays_nowhere(reader):
    answer = await reader.get(reader.link("silence"))
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"


async def test_an_alert_is_acknowledged_by_name(reader):
    answer = await reader.post(reader.link("acknowledge"), by="  Ann   Lee ")
    assert answer.status_code == 200
    assert "Acknowledged" in answer.text
    assert reader.engine.done == [("acknowledge", "a1", "Ann Lee")]


async def test_without_a_name_the_link_is_named(reader):
    await reader.post(reader.link("acknowledge"))
    assert reader.engine.done == [("acknowledge", "a1", "a link in a message")]


async def test_all_alerts_of_a_message_are_acknowledged_but_those_that_are_over(reader):
    reader.engine.alerts |= {"a2": alert("a2", status="resolved"), "a3": alert("a3")}
    await reader.post(reader.link("acknowledge", "a1,a2,a3,gone"), by="Ann")
    assert [done[1] for done in reader.engine.done] == ["a1", "a3"]


@pytest.mark.parametrize(
    ("chosen", "until"),
    [
        ("1h", NOW + timedelta(hours=1)),
        ("4h", NOW + timedelta(hours=4)),
        ("morning", datetime(2026, 11, 23, 7, 0, tzinfo=SHANGHAI)),
        ("for ever", NOW + timedelta(hours=1)),
    ],
    ids=["hour", "four hours", "morning", "nonsense"],
)
async def test_a_silence_is_for_this_alert_and_for_as_long_as_was_chosen(reader, chosen, until):
    answer = await reader.post(reader.link("silence"), **{"for": chosen})
    assert "Silenced" in answer.text
    match = {"rule": "oom", "service": "comfyui", "instance": "gpu-1", "node": "VAEDecode"}
    assert reader.engine.done == [("silence", match, until, "a link in a message")]


async def test_the_choice_shows_the_clock_of_the_quiet_hours(reader):
    answer = await reader.get(reader.link("silence"))
    assert "For 1 hour, until 03:30" in answer.text
    assert "Until morning, 07:00" in answer.text


async def test_a_run_is_submitted_again_once_however_often_it_is_tapped(reader):
    link = reader.link("replay", "wf-1")
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(reader.post, link)
    answer = await reader.post(link)
    await reader.post(_spelled_otherwise(link))
    assert reader.resubmitter.done == ["wf-1"]
    assert "wf-new" in answer.text
    assert "wf-new" in (await reader.get(link)).text


def _spelled_otherwise(link):
    """Base64 leaves bits of its last character unused."""
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    for letter in letters:
        other = link[:-1] + letter
        if other != link and decoded(other) == decoded(link):
            return other
    raise AssertionError(link)


def decoded(link):
    token = link.removeprefix("/act/")
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


async def test_a_run_whose_prompt_is_gone_and_a_comfyui_that_is_away_are_told(reader):
    reader.resubmitter.error = NoSuchEvent("replay.prompt_not_kept", run="wf-1")
    answer = await reader.get(reader.link("replay", "wf-1"))
    assert answer.status_code == 409
    assert "wf-1" in answer.text
    assert "<form" not in answer.text
    reader.resubmitter.error = ServiceError("comfyui.unreachable", url="http://x", reason="refused")
    assert (await reader.post(reader.link("replay", "wf-1"))).status_code == 502


async def test_what_is_over_or_taken_is_told_and_offers_nothing(reader):
    reader.engine.alerts["a1"] = alert(status="resolved")
    answer = await reader.get(reader.link("acknowledge"))
    assert "It is over" in answer.text
    assert "<form" not in answer.text
    assert "It is over" in (await reader.post(reader.link("acknowledge"))).text
    reader.engine.alerts["a1"] = alert(acknowledged={"at": "x", "by": "Bob <1>"})
    answer = await reader.get(reader.link("acknowledge"))
    assert "Bob &lt;1&gt;" in answer.text
    assert "<form" not in answer.text
    assert reader.engine.done == []


async def test_links_that_expired_were_forged_or_are_forgotten_are_told_kindly(reader):
    link = reader.link("silence")
    reader.now = NOW + GOOD_FOR
    for answer in (await reader.get(link), await reader.post(link)):
        assert answer.status_code == 410
        assert "7 days" in answer.text
    for forged in ("/act/AAAA", link[:-1], "/act/" + "a" * 900):
        answer = await reader.get(forged)
        assert answer.status_code == 404
        assert "not complete" in answer.text
    reader.now = NOW
    assert (await reader.get(reader.link("silence", "unknown"))).status_code == 410
    assert reader.engine.done == []


async def test_it_speaks_the_language_of_the_reader(reader):
    answer = await reader.get(reader.link("silence"), **{"accept-language": "zh-CN,zh;q=0.9"})
    assert '<html lang="zh-CN">' in answer.text
    assert "静默到早上 07:00" in answer.text


async def test_a_form_of_many_fields_is_read_like_any(reader):
    answer = await reader.post(reader.link("acknowledge"), by="Ann", **{f"f{number}": "x" for number in range(50)})
    assert answer.status_code == 200
    assert reader.engine.done == [("acknowledge", "a1", "Ann")]


async def test_a_form_without_end_is_not_read(reader):
    await reader.post(reader.link("acknowledge"), by="x" * 1_000_000)
    assert reader.engine.done == [("acknowledge", "a1", "x" * 60)]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/act/AAAA", True), ("/", False), ("/api/v1/alerts", False), ("/act/", False), ("/act/../api/v1/alerts", False),
     ("/act/a/b", False), ("/act/%2e%2e", False), ("/act/a%2Fb", False), ("/acting", False)],
)  # fmt: skip
async def test_the_public_host_reaches_these_pages_and_nothing_else(reader, path, allowed):
    request = reader.client.build_request("GET", PUBLIC)
    request.url = request.url.copy_with(raw_path=path.encode())
    answer = await reader.client.send(request)
    assert (answer.status_code != 403) is allowed


async def test_any_other_host_reaches_nothing(reader):
    answer = await reader.get(reader.link("silence"), host="evil.example")
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": PUBLIC}, 200),
        ({"origin": PUBLIC, "host": "127.0.0.1:8678"}, 200),
        ({"origin": "http://127.0.0.1:8678", "host": "127.0.0.1:8678"}, 200),
        ({}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 403),
    ],
    ids=["own", "behind a proxy", "on this machine", "no browser", "another page", "hidden", "cross-site"],
)
async def test_only_its_own_page_may_press_the_button(reader, headers, status):
    answer = await reader.post(reader.link("acknowledge"), headers)
    assert answer.status_code == status
    assert bool(reader.engine.done) is (status == 200)


async def test_a_page_elsewhere_may_not_post_to_the_rest_by_the_public_name(reader):
    answer = await reader.client.post("/", headers={"origin": PUBLIC, "host": "127.0.0.1:8678"})
    assert answer.status_code == 403


def test_of_one_rule_what_its_alerts_share_is_silenced_of_several_each():
    two = [alert("a1"), alert("a2", labels={"service": "comfyui", "instance": "gpu-1", "node": "KSampler"})]
    assert list(matches(two)) == [{"rule": "oom", "service": "comfyui", "instance": "gpu-1"}]
    other = [alert("a1", labels={"service": "a"}), alert("a2", rule="disk", labels={})]
    assert list(matches(other)) == [{"rule": "oom", "service": "a"}, {"rule": "disk"}]


@pytest.mark.parametrize(
    ("now", "expected"),
    [("02:30", "22 07:00"), ("06:30", "23 07:00"), ("12:00", "23 07:00")],
    ids=["night", "just before", "noon"],
)
def test_until_morning_is_more_than_an_hour_away(now, expected):
    hour, minute = map(int, now.split(":"))
    at = datetime(2026, 11, 22, hour, minute, tzinfo=SHANGHAI)
    assert f"{morning(at, time(7)):%d %H:%M}" == expected


async def test_the_links_of_a_real_message_do_what_they_say(tmp_path, reader):
    night = Timeline(
        tmp_path, [rule("oom", "any level:ERROR")], base_url=PUBLIC, sign=reader.signer.signing(lambda: NOW)
    )
    try:
        night.at("02:00:00", error(instance="gpu-1"))
        reader.now = night.now
        reader.web.state.safelight.alerting.engine = night.engine
        links = night.told[0].note.links
        id_ = night.told[0].note.id
        assert (await reader.get(links["acknowledge"])).status_code == 200
        assert night.engine.alert(id_)["acknowledged"] is None
        assert (await reader.post(links["acknowledge"], by="Ann")).status_code == 200
        assert night.engine.alert(id_)["acknowledged"]["by"] == "Ann"
        assert "Ann" in (await reader.get(links["acknowledge"])).text
        assert (await reader.post(links["silence"], **{"for": "4h"})).status_code == 200
        (silence,) = night.engine.silences()
        assert silence.until == night.now + timedelta(hours=4)
        assert silence.match["rule"] == "oom"
        assert (await reader.get(links["replay"])).status_code == 200
    finally:
        night.close()
