"""What a remedy is told, what it may touch, and how it says what it did."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx

from ..comfyui.client import Client
from ..errors import SafelightError
from ..locales import ENGLISH, text


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence of the catalogue, for readers of any language."""

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, error: SafelightError) -> Said:
        """What an error says."""
        return cls(error.key, {name: _plain(value) for name, value in error.values.items()})

    def render(self, language: str = ENGLISH) -> str:
        """The sentence."""
        return text(self.key, language, **self.values)


def without_password(where: str) -> str:
    """An address as people may see it; a name as it is."""
    return str(httpx.URL(where).copy_with(username=None, password=None)) if "://" in where else where


def dump(said: Iterable[Said]) -> str:
    """Sentences as they are kept."""
    return json.dumps([[one.key, dict(one.values)] for one in said], ensure_ascii=False, default=str)


def parse(kept: str | None) -> tuple[Said, ...]:
    """What `dump` wrote."""
    return tuple(Said(key, values) for key, values in json.loads(kept or "[]"))


def render(said: Iterable[Said], language: str) -> str:
    """Sentences in a row; Chinese sets no blanks between them."""
    return ("" if language.startswith("zh") else " ").join(one.render(language) for one in said)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a remedy is tried."""

    alert: str
    rule: str
    labels: Mapping[str, str]
    """Of the alert: `service`, `instance`, `node` ... as far as they are known."""
    runs: tuple[str, ...]
    """Runs of its example events."""
    since: datetime
    """When the remedy was asked for."""


class Held(Protocol):
    """Prompts that were taken out of a queue, kept on the disk until they are back in one. A place is the address of a
    ComfyUI, without a password."""

    async def of(self, place: str) -> list[Any]:
        """Queue items of this place, in the order in which they are to run."""
        ...

    async def add(self, place: str, items: Sequence[Any]) -> None:
        """Keep these too, behind the others. Durable on return; an item whose id is there already is kept once."""
        ...

    async def drop(self, place: str, run_ids: Iterable[str]) -> None:
        """They are back in a queue."""
        ...

    async def is_paused(self, place: str) -> bool:
        """Whether what is held there stays held."""
        ...

    async def pause(self, place: str, *, paused: bool) -> None:
        """Hold what comes, or no longer."""
        ...


class Processes(Protocol):
    """Processes that Safelight itself started, remembered across its own restarts."""

    async def restart(
        self,
        argv: Sequence[str],
        *,
        name: str,
        directory: Path | None,
        environment: Mapping[str, str],
        output: Path | None,
        grace: timedelta,
    ) -> tuple[int, int | None]:
        """End the one of this name if it lives (SIGTERM, after `grace` SIGKILL, its whole group), start it anew.

        Returns the new pid and the old one. Raises RemedyError.
        """
        ...

    async def is_ours(self, name: str) -> bool:
        """Whether one of this name was started by us, and lives."""
        ...


class Surroundings(Protocol):
    """What a remedy may touch."""

    held: Held
    processes: Processes

    async def comfyui(self, where: str | None) -> Client:
        """A ComfyUI by the name of its instance or its address; the only one there is without a name. To be used as a
        context manager; nothing is asked yet. Raises InputError when nobody knows where it is."""
        ...

    async def other(self, than: str | None) -> str:
        """The address of the one other ComfyUI that is configured. Raises InputError when there is none, or several."""
        ...

    async def resubmit_lost(self, instance: str | None, *, to: str | None = None, gone_before: datetime | None) -> int:
        """Submit what waited when ComfyUI ended again, each once, `to` another one or where it was. Returns how many.

        With `gone_before`, waits a little until runs of before that are known to be lost. Raises RemedyError when some
        could not be submitted.
        """
        ...


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
