"""Telegram: HTML that is always whole, then the picture."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.channels.telegram import TEXT_MAX, Telegram
from safelight.errors import ChannelBroken, DeliveryError, Retryable
from support import providers
from support.providers import Answer
from support.telling import CHART, CHINESE, LINKS, note, tell
from support.timeline import DAY

NIGHT = Telegram(name="night", token="123:t0ken", chat_id=-100)


def message(notification, **fields):
    return json.loads(NIGHT.model_copy(update=fields).request(notification, DAY).content)


@pytest.fixture
def bot():
    with providers.Telegram() as running:
        yield running


def channel(bot, **fields):
    known = {"name": "night", "token": bot.token, "chat_id": bot.chat_id, "server": bot.url, "allow_private": True}
    return Telegram(**{**known, **fields})


def test_it_is_html_with_title_lines_and_links():
    said = message(note(text="a < b & c", links=LINKS), topic=7)
    assert said == {
        "chat_id": "-100",
        "message_thread_id": "7",
        "text": "<b>🟠 oom: VAEDecode</b>\n\na &lt; b &amp; c\n\n"
        '<a href="https://s.example/runs/1">Run</a> · <a href="https://s.example/do?token=a(b)">Silence</a>',
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
        "disable_notification": False,
    }


def test_what_is_over_is_green_and_what_may_repeat_says_so():
    assert message(note(status="resolved").in_doubt())["text"].startswith("<b>🟢 [may repeat] oom")


def test_a_name_in_a_log_calls_nobody():
    assert "@ann" not in message(note("@ann", "ask @ann"))["text"]


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet=st.sampled_from('中\n<&>"@a😀'), min_size=1, max_size=8), st.integers(1, 6_000))
def test_any_text_fits_and_is_whole(piece, times):
    shown = providers.Telegram.shown(message(note(piece, piece * times, links=LINKS))["text"])
    assert shown is not None
    assert len(shown.encode("utf-16-le")) // 2 <= TEXT_MAX
    assert shown.endswith("Run · Silence")


def test_the_words_arrive_and_then_the_picture(bot):
    assert tell(channel(bot, topic=7), note(text=CHINESE, links=LINKS, chart=CHART)) == "200 message 1"
    assert [request.path.rsplit("/")[-1] for request in bot.accepted()] == ["sendMessage", "sendPhoto"]
    form = providers.parts(bot.received[1])
    assert form["message_thread_id"] == b"7"
    assert json.loads(form["reply_parameters"]) == {"message_id": 1}


@pytest.mark.parametrize("answer", [Answer(502), Answer(hang=True), providers.Telegram.error(429, "Too Many Requests")])
def test_a_lost_picture_does_not_tell_the_words_twice(bot, answer):
    bot.answers(Answer.of({"ok": True, "result": {"message_id": 5}}), answer)
    assert tell(channel(bot), note(chart=CHART)) == "200 message 5"


@pytest.mark.parametrize("fields", [{"token": "123456:wrong-wrong"}, {"chat_id": -1}])
def test_a_wrong_token_or_chat_breaks_the_channel(bot, fields):
    with pytest.raises(ChannelBroken):
        tell(channel(bot, **fields), note())


def test_a_group_that_moved_says_where_to(bot):
    bot.answers(bot.error(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-1009))
    with pytest.raises(ChannelBroken, match="chat_id -1009"):
        tell(channel(bot), note())


@pytest.mark.parametrize(
    ("answer", "kind", "after_s"),
    [
        (providers.Telegram.error(403, "Forbidden: bot was kicked from the group chat"), ChannelBroken, None),
        (providers.Telegram.error(400, "Bad Request: not enough rights to send text messages"), ChannelBroken, None),
        (providers.Telegram.error(400, "Bad Request: message is too long"), DeliveryError, None),
        (providers.Telegram.error(429, "Too Many Requests: retry after 14", retry_after=14), Retryable, 14),
        (Answer.of({"ok": False, "description": "x"}, 429, **{"Retry-After": "3"}), Retryable, 3),
        (providers.Telegram.error(500, "Internal Server Error"), Retryable, None),
        (Answer(200, b"<html>"), Retryable, None),
    ],
)
def test_other_answers_are_read_by_status_and_description(bot, answer, kind, after_s):
    bot.answers(answer)
    with pytest.raises(DeliveryError) as caught:
        tell(channel(bot), note())
    assert type(caught.value) is kind
    assert getattr(caught.value, "after_s", None) == after_s


def test_the_token_is_in_no_answer(bot):
    bot.answers(bot.error(404, f"Not Found: /bot{bot.token}/sendMessage"))
    with pytest.raises(ChannelBroken) as caught:
        tell(channel(bot), note())
    assert bot.token not in channel(bot).masked(str(caught.value))
