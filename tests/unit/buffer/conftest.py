"""A queue that is opened again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from safelight.buffer.queue import Buffer


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Buffer]]:
    """Opens the queue of this test; the one before is closed."""
    buffers: list[Buffer] = []

    def open_again(chunk_bytes: int = 600, chunks: int = 8, **options: Any) -> Buffer:
        for buffer in buffers:
            buffer.close()
        buffers[:] = [Buffer.open(tmp_path / "queue", chunk_bytes=chunk_bytes, chunks=chunks, **options)]
        return buffers[0]

    yield open_again
    for buffer in buffers:
        buffer.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "queue"
