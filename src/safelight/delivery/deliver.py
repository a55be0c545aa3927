"""Taking messages out of the outbox and to their peers: one worker a channel, so that none delays another."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import isfinite
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread
import httpx
from pydantic import SecretStr

from ..alerts.engine import utc_now
from ..alerts.outbox import Letter, Outbox
from ..alerts.views import Target
from ..channels import Channel
from ..errors import ChannelBroken, DeliveryError, Retryable, SafelightError, StoreError
from ..event import Name
from ..locales import ENGLISH, text
from ..note import Note, silent
from ..rows import iso
from .converse import InDoubt, converse, hidden, telling
from .exchange import client
from .resend import Current, resend

LOOK_AGAIN_S: Final = 60.0
"""An idle worker looks this often even when nobody wakes it, in case the clock was set."""
STATE_AGAIN_S: Final = 1.0
"""When alerting's state cannot be written, it is tried again after 2, 4, 8 ... of these, a minute at most."""
REFUSED_MAX: Final = 5
"""Different messages refused in a row: the channel is at fault, not they."""

_T = TypeVar("_T")


def target(channel: Channel, language: str) -> Target:
    """What alerting must know of this channel. `language`: the server's."""
    return Target(
        channel.name,
        channel.kind(),
        channel.severity,
        channel.language or language,
        digest=channel.digest,
        verified=channel.verified,
        version=_version(channel),
    )


def _version(channel: Channel) -> str:
    """Changes with the settings, secrets included. Scrypt, because it is kept: a short password must not be found by
    trying. 16 ms."""
    settings = json.dumps(channel.model_dump(), sort_keys=True, default=_plain).encode()
    return hashlib.scrypt(settings, salt=channel.name.encode(), n=2**13, r=8, p=1, dklen=16).hex()


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


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
        current: Current | None = None,
    ) -> None:
        """`current`: what is handed over again to channels with `resend`; without it nothing is."""
        self._outbox = outbox
        self._channels = channels
        self._now = now
        self._note = note
        self._language = language
        self._current = current
        self._refusals: defaultdict[str, set[int]] = defaultdict(set)
        self._signals: dict[str, asyncio.Event] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    async def run(self) -> None:
        """Until `stop`. A message in flight is finished first (30 s at most); cancelled, it is in doubt and repeats."""
        if self._loop is not None:  # we fell over: what we were sending is in doubt
            await anyio.to_thread.run_sync(self._outbox.recover)
        self._loop = asyncio.get_running_loop()
        self._signals = {channel.name: asyncio.Event() for channel in self._channels}
        async with anyio.create_task_group() as resending:
            for channel in self._channels:
                if channel.resend is not None and self._current is not None:
                    resending.start_soon(self._resend, channel, channel.resend, self._current)
            async with anyio.create_task_group() as workers:
                for channel in self._channels:
                    workers.start_soon(self._kept_at_work, channel)
            resending.cancel_scope.cancel()

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

    async def _kept_at_work(self, channel: Channel) -> None:
        """One channel's mistake stops no other: it is told, and tried again a minute later."""
        while not self._stopping:
            try:
                await self._work(channel)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other channels go on
                reason = f"{type(error).__name__}: {error}"
                said = text("app.task_failed", self._language, what=channel.name, reason=hidden(channel, reason))
                self._note(Name.TASK_FAILED, level="CRITICAL", message=said, attributes={"channel": channel.name})
                await self._rest(channel, LOOK_AGAIN_S)

    async def _work(self, channel: Channel) -> None:
        signal = self._signals[channel.name]
        async with client(channel) as connection:
            while not self._stopping:
                signal.clear()
                claim = partial(self._outbox.claim, channel.name, channel.per_minute)
                found = await self._persisted(channel, claim)
                if isinstance(found, Letter):
                    await self._carry(channel, found, connection)
                    continue
                wait = (found - self._now()).total_seconds() if found else LOOK_AGAIN_S
                with anyio.move_on_after(min(max(wait, 0.0), LOOK_AGAIN_S)):
                    await signal.wait()

    async def _carry(self, channel: Channel, letter: Letter, connection: httpx.AsyncClient) -> None:
        try:
            conversation = telling(channel, letter.notification, self._now())
            answer = await converse(channel, conversation, connection)
        except InDoubt as doubt:
            outcome = partial(self._postponed, letter, self._said(channel, doubt.cause), in_doubt=True)
        except Retryable as error:
            said = self._said(channel, error)
            after_s = error.after_s if error.after_s is None or isfinite(error.after_s) else None  # JSON may say NaN
            outcome = partial(self._postponed, letter, said, in_doubt=False, after_s=after_s)
        except ChannelBroken as error:
            outcome = partial(self._broken, letter, self._said(channel, error))
        except DeliveryError as error:
            refusals = self._refusals[channel.name]
            refusals.add(letter.id)
            said = self._said(channel, error)
            broken = len(refusals) >= REFUSED_MAX
            outcome = partial(self._broken if broken else self._refused, letter, said)
        else:
            outcome = partial(self._sent, letter, answer)
        # Never written, the message stays in doubt, and goes out again, marked, after the next start.
        await self._persisted(channel, outcome)

    async def _resend(self, channel: Channel, every: timedelta, current: Current) -> None:
        def failed(error: SafelightError) -> None:
            said = text(
                "channels.resend_failed", self._language, channel=channel.name, answer=self._said(channel, error)
            )
            about = {"channel": channel.name, "final": False}
            self._note(Name.NOTIFICATION_FAILED, level="WARNING", message=said, attributes=about)

        def works() -> bool:
            known = self._outbox.channel(channel.name)
            return known is None or known["broken_at"] is None

        await resend(channel, every, current, now=self._now, works=works, failed=failed)

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

    def _said(self, channel: Channel, error: SafelightError) -> str:
        return hidden(channel, error.render(self._language))

    def _sent(self, letter: Letter, answer: str) -> None:
        self._refusals.pop(letter.channel, None)
        self._outbox.sent(letter, answer)
        said = text("channels.sent", self._language, channel=letter.channel, title=letter.notification.title)
        self._tell(Name.NOTIFICATION_SENT, "INFO", said, letter, answer=answer)

    def _refused(self, letter: Letter, answer: str) -> None:
        self._outbox.refused(letter, answer)
        said = text("channels.failed", self._language, channel=letter.channel, answer=answer)
        self._tell(Name.NOTIFICATION_FAILED, "ERROR", said, letter, answer=answer, final=True)

    def _broken(self, letter: Letter, answer: str) -> None:
        news = self._outbox.broken(letter, answer)
        self._refusals.pop(letter.channel, None)
        if not news:
            return
        said = text("channels.disabled", self._language, channel=letter.channel, answer=answer)
        self._tell(Name.CHANNEL_DISABLED, "ERROR", said, letter, answer=answer)

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
