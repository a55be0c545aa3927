"""Watch a ComfyUI from outside, over its HTTP API."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

import anyio.to_thread
import httpx
import pyarrow as pa
from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from ..batch import Batch
from ..comfyui.client import Client
from ..comfyui.watch import pace
from ..comfyui.watch.console import Console
from ..comfyui.watch.looking import Looker
from ..comfyui.watch.nodes import Moved, Nodes
from ..comfyui.watch.snapshot import Pack
from ..comfyui.watch.state import State
from ..comfyui.watch.telling import Event, Teller
from ..comfyui.watch.wakeups import Wakeups
from ..comfyui.watch.watcher import Watcher
from ..errors import InputError, ServiceError
from ..paths import is_loopback
from ..tail.held import is_held
from ..units import Duration
from . import Arrival, Report, Source
from .spool import CONSUMER_LOCK

DEFAULT_URL: Final = "http://127.0.0.1:8188"
"""Where ComfyUI listens unless it is told otherwise."""
_PACK_EVERY_S: Final = 5.0
_UNREAD_S: Final = 10.0  # so long may a spool go unread: Safelight is starting, or starts again
_ROOM: Final = "comfyui"


def _http_url(value: str) -> str:
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host or not 0 < (url.port or 80) < 1 << 16:
        raise ValueError("must be a URL beginning with https:// or http://")
    return value


class ComfyUI(Source):
    """Watch a ComfyUI from outside: runs, failures, outputs, lost queues, restarts, hung and dead workers. With the
    node pack inside, which sees more, it only tells what the pack cannot."""

    model_config = ConfigDict(hide_input_in_errors=True)

    type: Literal["comfyui"] = "comfyui"
    url: Annotated[str, AfterValidator(_http_url)] = DEFAULT_URL
    """Where it answers, with its path prefix if it has one. May carry `user:password@`: then name it as env:NAME or
    file:PATH."""
    service: str | None = "comfyui"
    """What is watched."""
    token: SecretStr | None = None
    """Sent as `Authorization: Bearer`. Name it as env:NAME or file:PATH."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Sent with every request, for what stands in front of ComfyUI. Values may be env:NAME or file:PATH."""
    pack: Literal["auto", "trust", "ignore"] = "auto"
    """Who tells of runs where the node pack is installed. `auto`: the pack, if a Safelight on this machine reads its
    spool; `trust`: the pack in any case, its events come another way; `ignore`: this source, as if there were no
    pack."""
    poll: Duration = timedelta(seconds=pace.IDLE_S)
    """How often it is asked while nothing runs."""
    poll_busy: Duration = timedelta(seconds=pace.BUSY_S)
    """How often while something runs."""
    timeout: Duration = timedelta(seconds=10)
    """How long an answer may take."""
    stuck_after: Duration = timedelta(minutes=10)
    """A run that has not moved for this long is reported, once."""
    console: bool = True
    """Whether console lines are taken from ComfyUI's own socket when the pack is not there to do it. Turn it off when a
    file source reads the same console."""
    resubmit_lost: Literal["never", "queued", "all"] = "never"
    """What is submitted again after a crash without being asked: nothing, the prompts that were waiting, or also the
    one that ran."""
    optional: bool = False
    """Not being there is no trouble as long as it has not answered since Safelight started."""

    example: ClassVar[dict[str, Any]] = {"url": "http://127.0.0.1:8188", "stuck_after": "10m"}

    @property
    def name(self) -> str:
        """Its address, without the password."""
        return self._shown

    @property
    def key(self) -> str:
        """Under which its checkpoint is kept."""
        return f"{_ROOM}:{self._shown}"

    @property
    def _shown(self) -> str:
        url = httpx.URL(self.url)
        return str(url.copy_with(username=None, password=None, query=None, fragment=None)).rstrip("/")

    def called(self, pack: Pack | None = None) -> str:
        """The instance: as configured, as its pack says, or by its address."""
        if self.instance:
            return self.instance
        if pack and pack.instance:
            return pack.instance
        url = httpx.URL(self._shown)
        host = socket.gethostname() if is_loopback(url.host) else url.host
        port = url.port or (443 if url.scheme == "https" else 80)
        return f"{host}:{port}{url.path.rstrip('/')}"

    def sent(self) -> dict[str, str]:
        """The headers of every request."""
        headers = {name: value.get_secret_value() for name, value in self.headers.items()}
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token.get_secret_value()}")
        return headers

    def client(self) -> Client:
        """To ask it, with all that it wants to know."""
        return Client(self.url, headers=self.sent(), timeout_s=self.timeout.total_seconds())

    async def arrivals(self, resume: Mapping[str, str], report: Report) -> AsyncGenerator[Arrival, None]:
        """What happens there, in steps of one look."""
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(self.client())
            watch = _Watch(self, client, State.parse(resume.get(self.key)), report)
            subscribe = client.subscribe_logs if self.console else None
            wakeups = await stack.enter_async_context(Wakeups(self.url, self.sent(), subscribe))
            committed = watch.state.outline()
            while True:
                events = await watch.step(wakeups)
                if events or watch.state.outline() != committed:
                    committed = watch.state.outline()
                    yield Arrival(self._batch(events), {self.key: watch.state.dump()})
                await watch.rest(wakeups)

    def _batch(self, events: list[Event]) -> Batch:
        lines = [
            json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") for event in events
        ]
        columns = {
            "id": [event["id"] for event in events],
            "raw": pa.array(lines, pa.binary()).view(pa.string()),
            "received_at": datetime.now(UTC),
            "source": self._shown,
            "service": self.service,
            "tag": self.tag,
        }
        return Batch.from_columns(len(events), columns)


class _Watch:
    """One reading of a source: the parts of `comfyui.watch`, put together."""

    def __init__(self, source: ComfyUI, client: Client, state: State, report: Report) -> None:
        self._source, self._report = source, report
        constants = {"service": source.service or _ROOM, "instance": source.called()}
        self._teller = Teller(source.key, constants)
        local = is_loopback(httpx.URL(source.name).host)
        self._watcher = Watcher(self._teller, state, local=local, stuck_after_s=source.stuck_after.total_seconds())
        self._looker = Looker(client)
        self._console, self._nodes = Console(self._teller), Nodes(self._teller)
        self._met = False
        self._failures = 0
        self._breaks = 0
        self._took_s = 0.0
        self._woken = True
        self._pack_at = 0.0
        self._seen_spools: set[str] = set()
        self._unread_since: float | None = None
        self._failing: str | None = None  # why the pack cannot write
        self._told: str | None = None  # the key of the trouble at hand

    @property
    def state(self) -> State:
        """What is known, to be committed with what is told."""
        return self._watcher.state

    async def step(self, wakeups: Wakeups) -> list[Event]:
        """Look once."""
        began = time.monotonic()
        if wakeups.breaks != self._breaks:
            self._breaks = wakeups.breaks
            self._watcher.doubt()
        events: list[Event] = []
        try:
            events += await self._look(began, listening=wakeups.connected)
        except ServiceError as error:
            events += self._failed(error)
        else:
            self._failures, self._met = 0, True
            self._well(self._source.name)
            self._report.reading(1)
        events += self._nodes_heard(wakeups)  # after the look, which knows the runs that they are of
        events += self._lines_heard(wakeups)
        self._took_s = time.monotonic() - began
        return events

    async def rest(self, wakeups: Wakeups) -> None:
        """Until the next look is due, or the socket says that there is something to see."""
        idle_s = self._source.poll.total_seconds()
        if self._failures:
            pause_s = max(pace.retry_s(self._failures, idle_s), self._took_s)
        else:
            busy = bool(self._watcher.state.active) and not self._watcher.state.silent
            busy_s = self._source.poll_busy.total_seconds()
            pause_s = pace.pause_s(busy=busy, took_s=self._took_s, busy_s=busy_s, idle_s=idle_s)
        self._woken = await wakeups.wait(max(pace.WOKEN_S, self._took_s * (pace.SHARE - 1)), pause_s)

    async def _look(self, began: float, *, listening: bool) -> list[Event]:
        watcher, state = self._watcher, self._watcher.state
        build = None
        if watcher.doubtful or began - self._pack_at >= 60:
            build = await self._looker.meet(with_pack=self._source.pack != "ignore")
            self._pack_at = began
        elif self._looker.pack and state.active and began - self._pack_at >= _PACK_EVERY_S:
            await self._looker.ask_pack()
            self._pack_at = began
        silent = self._pack_speaks(self._looker.pack)
        self._teller.constants["instance"] = self._source.called(self._looker.pack)
        news = self._woken or build is not None or not listening
        snapshot = await self._looker.look(state, build=build, news=news, silent=silent)
        # In a thread: what was submitted is freed from secrets and written down, some 80 ms for each MB of it.
        events = await anyio.to_thread.run_sync(partial(watcher.look, snapshot, silent=silent))
        self._nodes.at_hand(() if silent else (*snapshot.running, *(run.prompt for run in snapshot.ended)))
        return events

    def _nodes_heard(self, wakeups: Wakeups) -> list[Event]:
        """Nodes that the socket told of since the last look."""
        events: list[Event] = []
        while wakeups.messages:
            at_ms, message = wakeups.messages.popleft()
            for said in self._nodes.heard(message, at_ms):
                if isinstance(said, Moved):
                    self._watcher.moved(said.run_id, at_ms, said.node, said.node_id)
                else:
                    events.append(said)
        return events

    def _lines_heard(self, wakeups: Wakeups) -> list[Event]:
        """Console lines that the socket brought since the last look."""
        pieces = [wakeups.lines.popleft() for _ in range(len(wakeups.lines))]
        if self._watcher.state.silent:
            return []
        console, run_at = self._console, self._watcher.run_at
        events = list(console.feed(pieces, run_at) if pieces else console.flush(run_at))
        if console.worker_died:
            events += self._watcher.worker_died(
                pieces[-1][0] if pieces else time.time_ns() // 1_000_000, console.worker_died
            )
            console.worker_died = None
        return events

    def _pack_speaks(self, pack: Pack | None) -> bool:
        policy, what = self._source.pack, f"{self._source.name} (node pack)"
        if pack is None or policy == "ignore":
            self._well(what)
            return False
        unheard = None if policy == "trust" else self._unheard(pack)
        # The first reason stands: later ones may name a folder that is another one at each try.
        self._failing = pack.failing and (self._failing or pack.failing)
        trouble = unheard
        if self._failing and (unheard is None or pack.spool is None):
            trouble = InputError("comfyui.pack_failing", url=self._source.name, reason=self._failing)
        if trouble is None:
            self._well(what)
        else:
            self._report.trouble(what, trouble)
        return unheard is None

    def _unheard(self, pack: Pack) -> InputError | None:
        """Why what the pack writes reaches no Safelight on this machine; None if it does."""
        if pack.spool is None or not (pack.spool in self._seen_spools or _is_folder(pack.spool)):
            return InputError("comfyui.pack_unseen", url=self._source.name, spool=pack.spool or "-")
        self._seen_spools.add(pack.spool)  # it goes when its process is gone and all of it was read
        root, now = Path(pack.spool).parent, time.monotonic()
        if is_held(root / CONSUMER_LOCK):
            self._unread_since = None
            return None
        if self._unread_since is None:
            self._unread_since = now
        if now - self._unread_since < _UNREAD_S:
            return None
        return InputError("comfyui.pack_unread", url=self._source.name, spool=root)

    def _failed(self, error: ServiceError) -> list[Event]:
        self._failures += 1
        unreachable = error.key == "comfyui.unreachable"
        away = unreachable or error.key == "comfyui.silent"
        events: list[Event] = []
        if away:
            at_ms = time.time_ns() // 1_000_000
            events = self._watcher.failed(at_ms, unreachable=unreachable, reason=error.render())
        else:
            self._watcher.doubt()
        if (self._source.optional and not self._met) or (away and self.state.seen):
            self._report.waiting(error)  # of one that was there, `instance_unreachable` tells: once is enough
            return events
        if self._failures > 1 and self._told != error.key:  # the first may be a hiccup
            self._told = error.key
            self._report.reading(0)
            self._report.trouble(self._source.name, error)
        return events

    def _well(self, what: str) -> None:
        if what == self._source.name:
            self._told = None
        self._report.recovered(what)


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - Path's raises for a folder that may not be looked into
