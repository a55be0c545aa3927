"""Run a command: its arguments as they are, without a shell, with a limit, and the end of what it said."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT
from typing import Final

import anyio
from anyio.abc import Process

from ..errors import RemedyError
from ..processors.redact import redact_text
from ..units import written

OUTPUT_BYTES: Final = 2048
"""Kept of what a command says: the end, where the reason of a failure stands."""
_PIECE: Final = 65536
_LINGER_S: Final = 0.5


async def execute(
    argv: Sequence[str],
    *,
    within: timedelta,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Its output, both streams, redacted, cut to its last 2 KB.

    Raises RemedyError when it cannot be started, ends with another status than 0, or takes too long: then it and all
    that it started are killed.
    """
    shown = argv[0]
    try:
        process = await anyio.open_process(
            list(argv),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            cwd=directory,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RemedyError("remedies.not_started", command=shown, reason=reason) from error
    said = bytearray()
    try:
        with anyio.fail_after(within.total_seconds()):
            status = await _ended(process, said)
    except TimeoutError as error:
        raise RemedyError("remedies.too_slow", command=shown, within=written(within), said=_shown(said)) from error
    finally:
        await _away(process)
    if status:
        raise RemedyError("remedies.status", command=shown, status=status, said=_shown(said))
    return _shown(said)


async def _ended(process: Process, said: bytearray) -> int:
    """Its status. What it left running in the background may hold the pipe open: that is not waited for."""
    heard = anyio.Event()
    async with anyio.create_task_group() as reading:
        reading.start_soon(_listen, process, said, heard)
        status = await process.wait()
        with anyio.move_on_after(_LINGER_S):
            await heard.wait()
        reading.cancel_scope.cancel()
    return status


async def _listen(process: Process, said: bytearray, heard: anyio.Event) -> None:
    if process.stdout is not None:
        async for piece in process.stdout:
            said += piece
            del said[:-_PIECE]
    heard.set()


async def _away(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    with anyio.CancelScope(shield=True):
        await process.aclose()


def _shown(said: bytearray) -> str:
    text = redact_text(said.decode(errors="replace"), paths=False, addresses=False)
    return text.encode()[-OUTPUT_BYTES:].decode(errors="ignore").strip()
