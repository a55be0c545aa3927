"""Look from outside whether a service answers, and whether what it writes is worth anything."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final, Literal, Self

import anyio
import anyio.to_thread
import httpx
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, ConfigDict, Field, SecretStr, model_validator

from ..event import Name
from ..processors import WrongSetting
from ..units import Duration, Size, written
from . import Arrival, Report, Source
from .listen import HIGHEST_PORT, Listen
from .outputs import Written, find, judge
from .sampled import Beat, Every, arrival

BODY_BYTES: Final = 1024 * 1024
"""More of an answer is not read."""
ROOM: Final = "probe"
"""Under which it keeps how far it has looked at files."""
GOOD: Final = frozenset({"ok", "unchecked"})


def _url(value: str) -> str:
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host or (url.port or 0) > HIGHEST_PORT:
        raise WrongSetting("probe.not_a_url", given=value)
    return value


def _pattern(value: str) -> str:
    try:
        _matches(value, "")
    except pa.ArrowInvalid as error:
        reason = str(error).removeprefix("Invalid regular expression: ")
        raise WrongSetting("probe.not_a_pattern", given=value, reason=reason) from error
    return value


def _matches(pattern: str, text: str) -> bool:
    """By RE2: no page can make it slow, whatever the pattern."""
    return bool(pc.match_substring_regex(pa.array([text], pa.string()), pattern)[0].as_py())


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found. `wrong`: a word for what is wrong, None when nothing is."""

    said: str
    wrong: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    duration_ms: float | None = None


class Probe(Source):
    """Ask a service from outside, again and again: does a page answer, is a port open, are its output files new and
    good images? Give one of `url`, `tcp` and `files`."""

    model_config = ConfigDict(hide_input_in_errors=True)

    type: Literal["probe"] = "probe"
    every: Every = timedelta(seconds=30)
    """How often to look, from 1s to 1h."""
    after: int = Field(default=1, ge=1, le=100)
    """So many checks in a row must fail before it is an ERROR; those before are a WARNING."""
    url: Annotated[str, AfterValidator(_url)] | None = None
    """A page that must answer."""
    method: Literal["GET", "HEAD", "POST"] = "GET"
    """How it is asked for."""
    headers: dict[str, SecretStr] = Field(default={})
    """Headers of the request, such as `{ Authorization = "env:PROBE_TOKEN" }`."""
    status: tuple[int, ...] = ()
    """Which statuses are good; by default all below 400."""
    contains: str | None = None
    """Text that the answer must contain."""
    matches: Annotated[str, AfterValidator(_pattern)] | None = None
    """A regular expression (RE2) that must be found in the answer."""
    within: Duration | None = None
    """A slower answer is a failure too; by default only `timeout` counts."""
    timeout: Duration = timedelta(seconds=10)
    """How long to wait for an answer."""
    verify: bool = True
    """Whether the certificate of an https page is checked."""
    tcp: Listen | None = None
    """A port that must accept connections, such as `127.0.0.1:8188`."""
    files: tuple[str, ...] = ()
    """Globs of files that a service writes: each new one must have content and, if it is an image, show something."""
    fresh: Duration | None = None
    """The newest of `files` must not be older."""
    smallest: Size | None = None
    """A smaller file is no good."""

    example: ClassVar[dict[str, Any]] = {"url": "http://127.0.0.1:8000/healthz", "contains": "ok", "within": "2s"}

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if sum(map(bool, (self.url, self.tcp, self.files))) != 1:
            raise WrongSetting("probe.one_of")
        return self

    @property
    def name(self) -> str:
        """What it looks at."""
        return f"probe {self.url or self.tcp or ', '.join(self.files)}"

    async def arrivals(self, resume: Mapping[str, str], report: Report) -> AsyncGenerator[Arrival, None]:
        """An event a check, and one a bad file."""
        look = self._files(resume) if self.files else self._asked()
        beat, failed = Beat(self.every), 0
        async with aclosing(look):
            async for result, found, checkpoint in look:
                report.reading(1)
                failed = failed + 1 if result.wrong else 0 if failed < self.after else -1
                events = [*found, self._event(result, failed)]
                failed = max(failed, 0)
                yield replace(arrival(self, events), checkpoint=checkpoint)
                await beat.rest()

    def _event(self, result: Result, failed: int) -> dict[str, Any]:
        """`failed`: how many in a row by now; -1 when it is well again after it was told."""
        event = {
            "message": result.said,
            "duration_ms": result.duration_ms,
            "probe": {"target": self.name.removeprefix("probe "), "ok": not result.wrong, **result.details},
        }
        if failed < 0:
            return {"event": Name.PROBE_RECOVERED, "level": "INFO", **event}
        if not failed:
            return {"event": Name.PROBE_CHECKED, "level": "DEBUG", **event}
        event |= {"error_type": result.wrong, "error_message": result.said, "failures": failed}
        if failed < self.after:
            return {"event": Name.PROBE_CHECKED, "level": "WARNING", **event}
        return {"event": Name.PROBE_FAILED, "level": "ERROR", **event}

    async def _asked(self) -> AsyncGenerator[tuple[Result, list[dict[str, Any]], dict[str, str | None]], None]:
        if self.tcp is not None:
            while True:
                yield await self._connected(self.tcp.host, self.tcp.port), [], {}
        headers = {name: value.get_secret_value() for name, value in self.headers.items()}
        async with httpx.AsyncClient(verify=self.verify, headers=headers, trust_env=False, timeout=None) as client:  # noqa: S113 - bounded as a whole below
            while True:
                yield await self._answered(client), [], {}

    async def _connected(self, host: str, port: int) -> Result:
        began = time.perf_counter()
        try:
            with anyio.fail_after(self.timeout.total_seconds()):
                await (await anyio.connect_tcp(host, port)).aclose()
        except (OSError, UnicodeError) as error:
            return Result(f"{host}:{port} cannot be reached: {_reason(error)}", "unreachable")
        return self._in_time(f"{host}:{port} accepts connections", began, {})

    async def _answered(self, client: httpx.AsyncClient) -> Result:
        began = time.perf_counter()
        try:
            with anyio.fail_after(self.timeout.total_seconds()):
                async with client.stream(self.method, self.url or "") as answer:
                    body = await _beginning(answer)
        except (httpx.HTTPError, OSError, UnicodeError) as error:
            return Result(f"{self.url} does not answer: {_reason(error)}", "unreachable")
        details = {"status": answer.status_code}
        if answer.status_code not in self.status if self.status else answer.status_code >= httpx.codes.BAD_REQUEST:
            return Result(f"{self.url} answers with status {answer.status_code}", "status", details)
        if self.contains is not None and self.contains not in body:
            return Result(f"{self.url} answers without “{self.contains}”", "body", details)
        if self.matches is not None and not _matches(self.matches, body):
            return Result(f"{self.url} answers without a match for {self.matches}", "body", details)
        return self._in_time(f"{self.url} answers with status {answer.status_code}", began, details)

    def _in_time(self, said: str, began: float, details: Mapping[str, Any]) -> Result:
        took_ms = round((time.perf_counter() - began) * 1000, 1)
        if self.within is not None and took_ms > self.within / timedelta(milliseconds=1):
            return Result(f"{said}, after {took_ms:,.0f} ms", "slow", details, took_ms)
        return Result(said, None, details, took_ms)

    async def _files(
        self, resume: Mapping[str, str]
    ) -> AsyncGenerator[tuple[Result, list[dict[str, Any]], dict[str, str | None]], None]:
        key = f"{ROOM}:{', '.join(self.files)}"
        looked_at = int(resume[key]) if resume.get(key, "").isdigit() else time.time_ns()
        while True:
            found = await anyio.to_thread.run_sync(find, self.files, looked_at, time.time_ns())
            events = [await anyio.to_thread.run_sync(self._judged, file) for file in found.new]
            if found.new:
                looked_at = found.new[-1].changed_ns
            yield self._age(found.newest_ns, len(found.new)), events, {key: str(looked_at)}

    def _judged(self, file: Written) -> dict[str, Any]:
        shown = file.path.encode("utf-8", "backslashreplace").decode()
        found = judge(file, self.smallest)
        good = found["check"] in GOOD
        said = f"{shown} was written" if good else f"{shown} is no good: {found['check'].replace('_', ' ')}"
        fell = {} if good else {"error_type": found["check"], "error_message": said}
        level = "INFO" if good else "ERROR"
        return {"event": Name.OUTPUT_SAVED, "level": level, "message": said, "path": shown, **fell, **found}

    def _age(self, newest_ns: int | None, new: int) -> Result:
        if newest_ns is None:
            return Result(f"nothing matches {', '.join(self.files)}", "missing" if self.fresh else None)
        age = timedelta(seconds=max(0.0, round((time.time_ns() - newest_ns) / 1e9)))
        details = {"age_s": age.total_seconds(), "new": new}
        if self.fresh is not None and age > self.fresh:
            return Result(f"nothing new in {', '.join(self.files)} for {written(age)}", "stale", details)
        return Result(f"{new} new files", None, details)


async def _beginning(answer: httpx.Response) -> str:
    body = bytearray()
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) >= BODY_BYTES:
            break
    text = bytes(body[:BODY_BYTES])
    try:
        return text.decode(answer.encoding or "utf-8", "replace")
    except (LookupError, ValueError):  # it may call itself anything, such as `hex`
        return text.decode("utf-8", "replace")


def _reason(error: Exception) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
