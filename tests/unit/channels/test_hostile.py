"""Every chat, push and text message channel: with everything too long and hostile at once, as a test, and again."""

from __future__ import annotations

import anyio
import pytest

from safelight.channels.bark import Bark
from safelight.channels.dingtalk import DingTalk
from safelight.channels.discord import Discord
from safelight.channels.feishu import Feishu
from safelight.channels.ntfy import Ntfy
from safelight.channels.serverchan import ServerChan
from safelight.channels.slack import Slack
from safelight.channels.sms_aliyun import AliyunSms
from safelight.channels.sms_tencent import TencentSms
from safelight.channels.sms_twilio import Twilio
from safelight.channels.telegram import Telegram
from safelight.channels.wecom import WeCom
from safelight.delivery.trial import send_test
from support import providers
from support.telling import CHART, LINKS, note, tell
from support.timeline import DAY

HOSTILE = "<!channel> @all <at id=all></at> <@all> [a](https://evil) ![b](https://evil) ```\r\n# **x** & \"'\\ 😀 显存 "
CALLING = {"at_users": ["ann"], "at_all": True}
CHANNELS = [
    (providers.DingTalk, lambda peer: DingTalk(name="c", url=peer.url, allow_private=True, **CALLING)),
    (providers.DingTalk, lambda peer: DingTalk(name="c", url=peer.url, allow_private=True)),
    (providers.WeCom, lambda peer: WeCom(name="c", url=peer.url, allow_private=True, **CALLING)),
    (providers.WeCom, lambda peer: WeCom(name="c", url=peer.url, allow_private=True)),
    (providers.Feishu, lambda peer: Feishu(name="c", url=peer.url, allow_private=True, **CALLING)),
    (providers.Slack, lambda peer: Slack(name="c", url=peer.url, allow_private=True)),
    (
        providers.Telegram,
        lambda peer: Telegram(name="c", token=peer.token, chat_id=peer.chat_id, server=peer.url, allow_private=True),
    ),
    (providers.Discord, lambda peer: Discord(name="c", url=peer.url, allow_private=True)),
    (providers.Ntfy, lambda peer: Ntfy(name="c", topic=peer.topic, server=peer.url, allow_private=True)),
    (providers.Bark, lambda peer: Bark(name="c", key=peer.key, server=peer.url, allow_private=True)),
    (providers.ServerChan, lambda peer: ServerChan(name="c", key=peer.key, server=peer.url, allow_private=True)),
    (
        providers.AliyunSms,
        lambda peer: AliyunSms(
            **{**AliyunSms.example, "key_id": peer.key[0], "key_secret": peer.key[1]},
            server=peer.url,
            allow_private=True,
        ),
    ),
    (
        providers.TencentSms,
        lambda peer: TencentSms(
            **{**TencentSms.example, "key_id": peer.key[0], "key_secret": peer.key[1]},
            server=peer.url,
            allow_private=True,
        ),
    ),
    (
        providers.Twilio,
        lambda peer: Twilio(
            **{**Twilio.example, "account": peer.account, "token": peer.token}, server=peer.url, allow_private=True
        ),
    ),
]


every_channel = pytest.mark.parametrize(
    ("provider", "made"), CHANNELS, ids=[f"{one.__name__}{number}" for number, (one, _) in enumerate(CHANNELS)]
)


@every_channel
@pytest.mark.parametrize("status", ["firing", "resolved"])
@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_it_is_taken_all_the_same(provider, made, status, language):
    links = {name: f"https://s.example/{name}?t=" + "x(y)" * 150 for name in ("run", "logs", "alert", "silence")}
    told = note(
        HOSTILE * 20, HOSTILE * 12_000, severity=3, status=status, links=links, chart=CHART, language=language
    ).in_doubt()
    with provider() as peer:
        assert tell(made(peer), told)
        assert len(peer.accepted()) == len(peer.received)


@every_channel
def test_a_test_message_arrives(provider, made):
    with provider() as peer:
        assert anyio.run(send_test, made(peer))
        assert peer.accepted()


@every_channel
def test_the_same_message_and_time_make_the_same_request(provider, made):
    with provider() as peer:
        first, second = (made(peer).request(note(links=LINKS, chart=CHART), DAY) for _ in range(2))
    assert (first.url, first.headers, first.read()) == (second.url, second.headers, second.read())
