"""Where ComfyUI instances answer: as configured, as their node pack calls itself, or as their name says."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx

from ..comfyui.client import Client
from ..errors import InputError, ServiceError
from ..sources import Source
from ..sources.comfyui import ComfyUI

_MEETING_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Target:
    """One ComfyUI."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def client(self, timeout_s: float = 30.0) -> Client:
        """To be used as a context manager."""
        return Client(self.url, headers=self.headers, timeout_s=timeout_s)


class Targets:
    """The ComfyUI instances that are configured, by name and by address. A name that two of them have says of neither
    where its runs belong."""

    def __init__(self, sources: Sequence[Source], hostname: str | None = None) -> None:
        self.sources = [source for source in sources if isinstance(source, ComfyUI)]
        self._hostname = hostname or socket.gethostname()
        names = Counter(source.called() for source in self.sources)
        self._named = {source.called(): source for source in self.sources if names[source.called()] == 1}

    async def of(self, instance: str | None) -> Target:
        """Where runs of this instance are submitted. Raises InputError when nobody knows."""
        source = await self._meet(instance)
        if source is not None:
            return _target(source)
        host, _, port = (instance or "").rpartition(":")
        if host == self._hostname and _is_port(port):  # as the node pack names itself
            return Target(f"http://127.0.0.1:{port}")
        raise InputError("replay.no_address", instance=instance or "ComfyUI")

    async def at(self, where: str) -> Target:
        """What a person named: an address, or an instance. A configured one brings its headers. Raises InputError."""
        if "://" not in where:
            return await self.of(where)
        for source in self.sources:
            if where.rstrip("/") in {source.url.rstrip("/"), source.name}:
                return _target(source)
        try:
            parts = urlsplit(where)
            proper = parts.scheme in {"http", "https"} and bool(httpx.URL(where).host) and parts.port != 0
        except (ValueError, httpx.InvalidURL):
            proper = False
        if not proper:
            raise InputError("replay.bad_address", url=where)
        return Target(where)

    async def policy(self, instance: str | None) -> str:
        """Which lost runs of an instance are submitted again without being asked: never, queued, all."""
        if all(source.resubmit_lost == "never" for source in self.sources):
            return "never"
        source = await self._meet(instance)
        return source.resubmit_lost if source is not None else "never"

    async def _meet(self, instance: str | None) -> ComfyUI | None:
        """The source of an instance. One that only its node pack calls so is asked for its name."""
        if instance is None:
            return self.sources[0] if len(self.sources) == 1 else None
        if instance not in self._named:
            for source in self.sources:
                if source.instance is None and (name := await _own_name(source)):
                    self._named[name] = source
        return self._named.get(instance)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 1 << 16


async def _own_name(source: ComfyUI) -> str | None:
    try:
        async with Client(source.url, headers=source.sent(), timeout_s=_MEETING_S) as client:
            state = await client.pack_state()
    except ServiceError:
        return None
    name = (state or {}).get("instance")
    return name if isinstance(name, str) else None


def _target(source: ComfyUI) -> Target:
    return Target(source.url, source.sent())
