"""Discord: one embed in which nothing is markup, with the picture inside."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.channels.discord import DESCRIPTION_MAX, TITLE_MAX, Discord, escape
from safelight.errors import ChannelBroken, DeliveryError, Retryable
from support import providers
from support.providers import Answer
from support.telling import CHART, CHINESE, LINKS, note, tell
from support.timeline import DAY

TEAM = Discord(name="team", url="https://discord.com/api/webhooks/1/x?thread_id=7")


def embed(notification):
    return json.loads(TEAM.request(notification, DAY).content)["embeds"][0]


@pytest.fixture
def hook():
    with providers.Discord() as running:
        yield running


def channel(hook):
    return Discord(name="team", url=hook.url, allow_private=True)


def test_it_is_an_embed_with_a_colour_and_links():
    assert embed(note(links=LINKS)) == {
        "title": r"🟠 oom\: VAEDecode",
        "description": "CUDA out of memory\n\n"
        "[Run](https://s.example/runs/1) · [Silence](https://s.example/do?token=a%28b%29)",
        "color": 0xF79009,
    }
    assert dict(TEAM.request(note(), DAY).url.params) == {"thread_id": "7", "wait": "true"}
    assert json.loads(TEAM.request(note(), DAY).content)["allowed_mentions"] == {"parse": []}


def test_what_is_over_is_green_and_what_may_repeat_says_so():
    assert embed(note(status="resolved").in_doubt())["title"] == r"🟢 \[may repeat\] oom\: VAEDecode"


@given(st.text(alphabet="[]()!*_`<>#@\\|~:- 1.\na中", max_size=60))
def test_nothing_from_a_log_is_markup(value):
    shown = escape(value)
    assert re.sub(r"\\([\\*_~`|>#\[\]()<@:+.-])", r"\1", shown) == value
    assert not re.search(r"(?<!\\)(\\\\)*[*_~`|>#\[\]()<@:]", shown)
    assert not re.search(r"^\s*\d+\.", shown, re.MULTILINE)


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet=st.sampled_from("中\n<*a😀"), min_size=1, max_size=8), st.integers(1, 6_000))
def test_any_text_fits(piece, times):
    said = embed(note(piece * 40, piece * times, links=LINKS))
    assert len(said["title"].encode("utf-16-le")) // 2 <= TITLE_MAX
    assert len(said["description"].encode("utf-16-le")) // 2 <= DESCRIPTION_MAX
    assert said["description"].endswith("%29)")


def test_a_long_message_arrives(hook):
    assert tell(channel(hook), note(text=CHINESE, links=LINKS)).startswith("200 OK")


def test_the_picture_is_in_the_message(hook):
    tell(channel(hook), note(chart=CHART))
    (request,) = hook.accepted()
    assert hook.message(request)["embeds"][0]["image"] == {"url": "attachment://chart.png"}


@pytest.mark.parametrize(
    ("answer", "kind", "after_s"),
    [
        (providers.Discord.UNKNOWN, ChannelBroken, None),
        (providers.Discord.BAD_TOKEN, ChannelBroken, None),
        (providers.Discord.BAD_FORM, DeliveryError, None),
        (providers.Discord.TOO_FAST, Retryable, 0.457),
        (Answer.of({"message": "limited"}, 429, **{"Retry-After": "9"}), Retryable, 9),
        (Answer(429, b"<html>banned</html>", {"Retry-After": "60"}), Retryable, 60),
        (Answer(500, b"{}"), Retryable, None),
    ],
)
def test_it_is_believed_by_its_status(hook, answer, kind, after_s):
    hook.answers(answer)
    with pytest.raises(DeliveryError) as caught:
        tell(channel(hook), note())
    assert type(caught.value) is kind
    assert getattr(caught.value, "after_s", None) == after_s


def test_a_webhook_that_was_removed_breaks_the_channel(hook):
    wrong = Discord(name="team", url=hook.url + "x", allow_private=True)
    with pytest.raises(ChannelBroken, match="Unknown Webhook"):
        tell(wrong, note())
