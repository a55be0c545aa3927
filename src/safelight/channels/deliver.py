"""Taking messages out of the outbox and to their peers: one worker a channel, so that none delays another."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread
import httpx

from ..alerts.engine import Note, silent, utc_now
from ..alerts.notification import FIRING, Notification
from ..alerts.outbox import Letter, Outbox
from ..alerts.views import Target
from ..errors import DeliveryError, Retryable, StoreError
from ..event import Name
from ..locales import ENGLISH, text
from ..processors.redact import redact_text
from ..rows import iso
from . import Channel
from .guard import Guarded

TIMEOUT: Final = httpx.Timeout(connect=5, read=10, write=10, pool=5)
WHOLE_TIMEOUT_S: Final = 30
"""Of one attempt, however slowly the peer drips."""
READ_MAX: Final = 64 * 1024
"""Bytes of an answer that are read."""
LOOK_AGAIN_S: Final = 60.0
"""An idle worker looks this often even when nobody wakes it, in case the clock was set."""

STATE_AGAIN_S: Final = 1.0
"""When alerting's state cannot be written, it is tried again after 2, 4, 8 ... of these, a minute at most."""

_T = TypeVar("_T")
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_GATEWAY: Final = {502, 504}


@dataclass
class _InDoubt(Exception):
    """The request was sent, and nobody knows what became of it."""

    cause: DeliveryError


def target(channel: Channel, language: str) -> Target:
    """What alerting must know of this channel. `language`: the server's."""
    return Target(channel.name, channel.kind(), channel.severity, channel.language or language)


async def send_test(channel: Channel, *, now: Callable[[], datetime] = utc_now, language: str = ENGLISH) -> str:
    """Send one test message, without the outbox. Returns the peer's answer; raises DeliveryError."""
    spoken = channel.language or language
    at = now()
    note = Notification(
        key=f"test.{int(at.timestamp() * 1000)}.{channel.name}",
        id="test",
        rule="test",
        severity=channel.severity,
        status=FIRING,
        title=text("channels.test.title", spoken),
        text=text("channels.test.text", spoken, channel=channel.name),
        started_at=iso(at),
        language=spoken,
    )
    async with _client(channel) as client:
        try:
            return await _send(channel, note, client, at)
        except _InDoubt as doubt:
            raise doubt.cause from None


class Delivery:
    """The loop that empties the outbox. `run` it in a task group, `wake` it after a step, `stop` it at the end."""

    def __init__(
        self,
        outbox: Outbox,
        channels: Sequence[Channel],
        *,
        now: Callable[[], datetime] = utc_now,
        note: Note = silent,
        language: str = ENGLISH,
    ) -> None:
        self._outbox = outbox
        self._channels = channels
        self._now = now
        self._note = note
        self._language = language
        self._signals: dict[str, asyncio.Event] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    async def run(self) -> None:
        """Until `stop`. A message in flight is finished first (30 s at most); cancelled, it is in doubt and repeats."""
        self._loop = asyncio.get_running_loop()
        self._signals = {channel.name: asyncio.Event() for channel in self._channels}
        async with anyio.create_task_group() as workers:
            for channel in self._channels:
                workers.start_soon(self._work, channel)

    def wake(self) -> None:
        """There is something to send. From any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._signal)

    def stop(self) -> None:
        """Take nothing more; `run` returns when what is in flight has its answer. From any thread."""
        self._stopping = True
        self.wake()

    def _signal(self) -> None:
        for signal in self._signals.values():
            signal.set()

    async def _work(self, channel: Channel) -> None:
        signal = self._signals[channel.name]
        async with _client(channel) as client:
            while not self._stopping:
                signal.clear()
                claim = partial(self._outbox.claim, channel.name, channel.per_minute)
                found = await self._persisted(channel, claim)
                if isinstance(found, Letter):
                    await self._carry(channel, found, client)
                    continue
                wait = (found - self._now()).total_seconds() if found else LOOK_AGAIN_S
                with anyio.move_on_after(min(max(wait, 0.0), LOOK_AGAIN_S)):
                    await signal.wait()

    async def _carry(self, channel: Channel, letter: Letter, client: httpx.AsyncClient) -> None:
        try:
            answer = await _send(channel, letter.notification, client, self._now())
        except _InDoubt as doubt:
            outcome = partial(self._postponed, letter, self._said(channel, doubt.cause), in_doubt=True)
        except Retryable as error:
            said = self._said(channel, error)
            outcome = partial(self._postponed, letter, said, in_doubt=False, after_s=error.after_s)
        except DeliveryError as error:
            outcome = partial(self._refused, letter, self._said(channel, error))
        else:
            outcome = partial(self._sent, letter, answer)
        # Never written, the message stays in doubt, and goes out again, marked, after the next start.
        await self._persisted(channel, outcome)

    async def _persisted(self, channel: Channel, act: Callable[[], _T]) -> _T | None:
        """What `act` returns once the state can be written, however long that takes; None if we are to stop before."""
        for failures in itertools.count(1):
            try:
                return await anyio.to_thread.run_sync(act)
            except StoreError as error:
                if failures == 1:
                    answer = error.render(self._language)
                    said = text("channels.failed", self._language, channel=channel.name, answer=answer)
                    about = {"channel": channel.name, "final": False}
                    self._note(Name.NOTIFICATION_FAILED, level="ERROR", message=said, attributes=about)
            if self._stopping:
                break
            await self._rest(channel, min(STATE_AGAIN_S * 2 ** min(failures, 10), LOOK_AGAIN_S))
        return None

    async def _rest(self, channel: Channel, seconds: float) -> None:
        """Whatever wakes us meanwhile, unless we are to stop."""
        signal = self._signals[channel.name]
        with anyio.move_on_after(seconds):
            while not self._stopping:
                signal.clear()
                await signal.wait()

    def _said(self, channel: Channel, error: DeliveryError) -> str:
        return _hidden(channel, error.render(self._language))

    def _sent(self, letter: Letter, answer: str) -> None:
        self._outbox.sent(letter, answer)
        said = text("channels.sent", self._language, channel=letter.channel, title=letter.notification.title)
        self._tell(Name.NOTIFICATION_SENT, "INFO", said, letter, answer=answer)

    def _refused(self, letter: Letter, answer: str) -> None:
        self._outbox.refused(letter, answer)
        said = text("channels.failed", self._language, channel=letter.channel, answer=answer)
        self._tell(Name.NOTIFICATION_FAILED, "ERROR", said, letter, answer=answer, final=True)

    def _postponed(self, letter: Letter, answer: str, *, in_doubt: bool, after_s: float | None = None) -> None:
        again = self._outbox.postponed(letter, answer, after_s=after_s, in_doubt=in_doubt)
        said = text("channels.failed", self._language, channel=letter.channel, answer=answer)
        self._tell(Name.NOTIFICATION_FAILED, "WARNING", said, letter, answer=answer, final=False, retry_at=iso(again))

    def _tell(self, event: Name, level: str, message: str, letter: Letter, **attributes: Any) -> None:
        attributes |= {
            "channel": letter.channel,
            "key": letter.notification.key,
            "rule": letter.notification.rule,
            "attempt": letter.attempts,
            "may_repeat": letter.notification.may_repeat,
        }
        self._note(event, level=level, message=message, attributes=attributes)


@cache
def _tls() -> ssl.SSLContext:
    """One for all channels: loading the authorities takes 22 ms and 2 MB."""
    return httpx.create_ssl_context()


def _client(channel: Channel) -> httpx.AsyncClient:
    # A fresh connection for every message: a kept one that the peer has closed would leave the message in doubt.
    inner = httpx.AsyncHTTPTransport(verify=_tls(), limits=httpx.Limits(max_keepalive_connections=0))
    guarded = Guarded(inner, allow_private=channel.allow_private, known_hosts=channel.known_hosts)
    return httpx.AsyncClient(transport=guarded, timeout=TIMEOUT, follow_redirects=False)


async def _send(channel: Channel, note: Notification, client: httpx.AsyncClient, at: datetime) -> str:
    """One attempt. Raises DeliveryError or Retryable by the peer's verdict, _InDoubt when there is none."""
    host = ""
    try:
        request = channel.request(note, at)
        host = request.url.host
        with anyio.fail_after(WHOLE_TIMEOUT_S):
            response = await _exchange(client, request)
        return _hidden(channel, _verdict(channel, response))
    except (DeliveryError, _InDoubt):
        raise
    except _UNSENT as error:
        raise Retryable("channels.unreachable", host=host, reason=type(error).__name__) from error
    except (httpx.TransportError, TimeoutError) as error:
        raise _InDoubt(Retryable("channels.no_answer", host=host, reason=type(error).__name__)) from error
    except Exception as error:
        # One channel's mistake must not stop the others.
        raise DeliveryError("channels.broken", reason=type(error).__name__) from error


def _hidden(channel: Channel, answer: str) -> str:
    """What a peer said, without secrets: the channel's own, and whatever else looks like one."""
    return redact_text(channel.masked(answer), paths=False, addresses=False)


def _verdict(channel: Channel, response: httpx.Response) -> str:
    try:
        return channel.verdict(response)
    except Retryable as error:
        if response.status_code in _GATEWAY:
            raise _InDoubt(error) from error
        raise


async def _exchange(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """The answer, of its body at most 64 KiB, undecoded: a bomb stays packed."""
    request.headers["Accept-Encoding"] = "identity"
    request.headers["User-Agent"] = "Safelight"
    request.extensions["timeout"] = TIMEOUT.as_dict()
    response = await client.send(request, stream=True)
    try:
        body = b""
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) >= READ_MAX:
                break
    finally:
        await response.aclose()
    kept = {
        name: response.headers[name] for name in ("content-type", "retry-after", "date") if name in response.headers
    }
    return httpx.Response(response.status_code, headers=kept, content=body[:READ_MAX])
