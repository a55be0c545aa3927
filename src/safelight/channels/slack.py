"""Slack: an incoming webhook, which answers `ok` or one word that says what is wrong.

Facts from https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks (400 invalid_payload, 403
action_prohibited, 404 channel_not_found, 410 channel_is_archived, 500 rollup_error),
https://docs.slack.dev/apis/web-api/rate-limits (1 message a second, 429 with Retry-After) and
https://docs.slack.dev/reference/block-kit/blocks (section 3,000 characters, header 150, button 75 and its URL 3,000,
50 blocks). All blocks together are refused from about 13,000 characters on (`msg_blocks_too_long`), which no page says.

The text is `plain_text`, in which nothing is markup: neither links nor `<!channel>`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar, Final, Literal

import httpx

from ..alerts.notification import Notification
from ..errors import Retryable
from . import Channel, SecretUrl, accepted
from .cut import beginning, cut, utf16
from .look import colour, links, mark, title
from .verdicts import Codes

HEADER_MAX: Final = 150
SECTION_MAX: Final = 3000
TEXT_MAX: Final = 9000
"""Of all sections together."""
URL_MAX: Final = 3000

CODES: Final = Codes(
    broken={
        "no_service",  # the webhook was removed or switched off
        "no_service_id",
        "no_active_hooks",
        "no_team",
        "team_disabled",
        "invalid_token",
        "token_revoked",
        "account_inactive",
        "channel_not_found",
        "channel_is_archived",
        "action_prohibited",  # an administrator forbids it
        "posting_to_general_channel_denied",
        "user_not_found",
    },
    for_good={
        "invalid_payload",
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_attachments",
        "msg_blocks_too_long",
        "no_text",
        "too_many_attachments",
    },
)


class Slack(Channel):
    """Sends blocks to the channel that the webhook `url` belongs to."""

    type: Literal["slack"] = "slack"
    url: SecretUrl
    """The webhook, `https://hooks.slack.com/services/...`, as env:NAME or file:PATH."""

    per_minute: ClassVar[int | None] = 50
    known_hosts: ClassVar[frozenset[str]] = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})
    example: ClassVar[dict[str, Any]] = {"name": "team", "url": "https://hooks.slack.com/services/T000/B000/TOKEN"}

    def request(self, note: Notification, now: datetime) -> httpx.Request:
        """Blocks with a coloured bar, and one line of text for notifications."""
        heading = f"{mark(note)} {title(note)}"
        blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(cut(heading, HEADER_MAX))}]
        blocks += [{"type": "section", "text": _plain(part)} for part in _sections(cut(note.text, TEXT_MAX))]
        buttons = [
            {"type": "button", "text": _plain(cut(label, 75)), "url": url}
            for label, url in links(note)
            if len(url) <= URL_MAX
        ]
        if buttons:
            blocks.append({"type": "actions", "elements": buttons})
        message = {
            "text": escape(cut(heading, HEADER_MAX)),
            "mrkdwn": False,
            "attachments": [{"color": f"#{colour(note):06x}", "blocks": blocks}],
            # Links are for readers: nobody else is to open them.
            "unfurl_links": False,
            "unfurl_media": False,
        }
        body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": note.key}
        return httpx.Request("POST", self.url.get_secret_value(), content=body, headers=headers)

    def verdict(self, response: httpx.Response) -> str:
        """By the word in the body, then by the HTTP status."""
        word = response.text.strip()
        if word in CODES.broken or word in CODES.for_good:
            raise CODES.refusal(word, f"{response.status_code} {word}")
        said = accepted(response)
        if word != "ok":
            raise Retryable("channels.not_an_answer", provider="Slack", answer=said)
        return said


def escape(value: str) -> str:
    """`value` as plain text where Slack would look for markup: no `<!channel>`, no link."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(content: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": content, "emoji": False}


def _sections(told: str) -> Iterator[str]:
    """In parts of 3,000 characters at most, broken between lines where there are any."""
    rest = told.strip("\n")
    while utf16(rest) > SECTION_MAX:
        part = beginning(rest, SECTION_MAX)
        end = part.rfind("\n")
        part = part[:end] if end > 0 else part
        yield part
        rest = rest[len(part) :].lstrip("\n")
    if rest.strip():
        yield rest
