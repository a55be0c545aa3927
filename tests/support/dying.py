"""A disk that dies at any step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from safelight import disk


class Crash(BaseException):
    """The machine is off."""


class Disk:
    """Dies at the `at`-th thing that would change it, and stays dead: what cleans up after an error changes nothing.
    A write that dies leaves half of its bytes."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.dead = False

    def step(self) -> None:
        self.left -= 1
        if self.dead or self.left <= 0:
            self.dead = True
            raise Crash

    def guard(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.step()
            return function(*arguments, **options)

        return call

    def guard_write(self, function: Callable[..., int]) -> Callable[..., int]:
        def write(descriptor: int, data: Any) -> int:
            if descriptor <= 2:
                return function(descriptor, data)
            was_dead = self.dead
            try:
                self.step()
            except Crash:
                if not was_dead:
                    function(descriptor, bytes(data)[: len(data) // 2])
                raise
            return function(descriptor, data)

        return write


@contextmanager
def dying_disk_at(step: int) -> Iterator[Disk]:
    dying = Disk(step)
    with pytest.MonkeyPatch.context() as patch, suppress(Crash):
        patch.setattr(os, "write", dying.guard_write(os.write))
        for name in ("fsync", "ftruncate", "replace", "unlink", "rename"):
            patch.setattr(os, name, dying.guard(getattr(os, name)))
        patch.setattr(disk, "sync_data", dying.guard(disk.sync_data))
        yield dying
