"""Carrying out what a channel says: each step sent, each answer handed back, and what a lost answer means."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import anyio
import httpx

from ..alerts.notification import Notification
from ..channels import Channel, Conversation, Foreign, Mail, Step, tells
from ..errors import DeliveryError, Retryable
from ..processors.redact import redact_text
from .exchange import UNSENT, exchange
from .foreign import hand_over

WHOLE_TIMEOUT_S: Final = 30
"""Of one step, however slowly the peer drips."""
STEPS_MAX: Final = 50
"""Of one conversation: a channel that goes on and on is wrong."""
_GATEWAY: Final = {502, 504}
"""Somebody between us and the peer lost its answer."""


class InDoubt(Exception):
    """A step that may have told the message was sent, and nobody knows what became of it."""

    def __init__(self, cause: DeliveryError) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass
class _SoFar:
    """What is known of a conversation that goes on."""

    said: str | None = None
    """The peer's yes to the message itself."""
    doubt: bool = False
    """A step that may have told the message has no answer."""
    telling: bool = True
    """Whether the step under way may tell the message."""

    def begin(self, step: Step) -> None:
        told = tells(step)
        if isinstance(told, str):
            self.said = told
        self.telling = told is True and self.said is None

    def lost(self) -> None:
        self.doubt = self.doubt or self.telling


async def converse(channel: Channel, conversation: Conversation, client: httpx.AsyncClient) -> str:
    """The peer's words for yes, without secrets. Raises DeliveryError by the peer's verdict (ChannelBroken, Retryable
    among them), InDoubt when there is none.

    Once a step is marked as `following`, the message was told, and nothing raises any more.
    """
    so_far = _SoFar()
    try:
        return hidden(channel, await _carried(channel, conversation, client, so_far))
    except DeliveryError as error:
        if so_far.said is None:
            if so_far.doubt and isinstance(error, Retryable):
                raise InDoubt(error) from error
            raise
    except Exception as error:
        # One channel's mistake must not stop the others.
        if so_far.said is None:
            raise DeliveryError("channels.broken", reason=type(error).__name__) from error
    finally:
        with suppress(Exception):
            conversation.close()
    return hidden(channel, so_far.said)


async def _carried(channel: Channel, conversation: Conversation, client: httpx.AsyncClient, so_far: _SoFar) -> str:
    try:
        step = next(conversation)
        for _ in range(STEPS_MAX):
            so_far.begin(step)
            try:
                answer = await _sent(channel, step, client)
            except InDoubt as error:
                so_far.lost()
                step = conversation.throw(error.cause)
            except DeliveryError as error:
                step = conversation.throw(error)
            else:
                if isinstance(answer, httpx.Response) and answer.status_code in _GATEWAY:
                    so_far.lost()
                step = conversation.send(answer)
    except StopIteration as end:
        return str(end.value)
    raise DeliveryError("channels.broken", reason="endless")


def telling(channel: Channel, note: Notification, now: datetime) -> Conversation:
    """How `channel` tells `note`. Its key, with the name of the channel in it, becomes ASCII, as headers are.

    The channel is asked at the first step, so that its mistakes are those of the conversation.
    """
    return (yield from channel.conversation(replace(note, key=quote(note.key, safe=":/@=+,|#")), now))


def hidden(channel: Channel, answer: str) -> str:
    """What a peer said, without secrets: the channel's own, and whatever else looks like one."""
    return redact_text(channel.masked(answer), paths=False, addresses=False)


async def _sent(channel: Channel, step: Step, client: httpx.AsyncClient) -> Any:
    """The answer to one step. Raises Retryable when nothing of it was sent, InDoubt when that is not known."""
    host = step.url.host if isinstance(step, httpx.Request) else step.host if isinstance(step, Mail) else channel.name
    try:
        with anyio.fail_after(WHOLE_TIMEOUT_S):
            if isinstance(step, Mail):
                from .smtp import post  # noqa: PLC0415 - few servers send mail

                return await post(step, allow_private=channel.allow_private)
            if isinstance(step, Foreign):
                return await hand_over(step)
            return await exchange(client, step)
    except UNSENT as error:
        raise Retryable("channels.unreachable", host=host, reason=type(error).__name__) from error
    except (httpx.TransportError, TimeoutError) as error:
        cause = Retryable("channels.no_answer", host=host, reason=type(error).__name__)
        raise InDoubt(cause) from error
