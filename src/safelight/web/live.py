"""The live stream (SSE): committed events that a query matches, as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from .. import answers
from ..app import App
from ..errors import QueryError, SafelightError
from ..query.parse import parse
from ..rows import dump
from .reply import language_of, problem_of

PAUSE_S: Final = 0.25
"""At most four batches a second: enough to look instant, little enough to paint."""
BATCH: Final = 500
"""Events in one batch; when more came, the oldest of them are left out and counted as `dropped`."""
HEARTBEAT_S: Final = 15.0
LONGEST_SEQ: Final = 18
"""Digits of a number that fits 64 bits."""

router = APIRouter()


@router.get("/live", tags=["events"])
async def live(request: Request, q: str = "") -> StreamingResponse:
    """Matching events as they are committed, as server-sent events; `Last-Event-ID` resumes."""
    app: App = request.app.state.safelight
    start = _resumed(request.headers.get("last-event-id", ""), app.commits.last_seq)
    return StreamingResponse(
        _stream(app, q, start, language_of(request)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _resumed(last_id: str, last_seq: int) -> int:
    """Where to go on; at the end when that is later than anything we have: the store was another one."""
    known = last_id.isascii() and last_id.isdigit() and len(last_id) <= LONGEST_SEQ
    return min(int(last_id), last_seq) if known else last_seq


async def _stream(app: App, q: str, seq: int, language: str) -> AsyncIterator[bytes]:
    yield b": safelight\n\n"
    try:
        query = parse(q)
        if query.stats is not None:
            raise QueryError("web.live_stats", query=q, position=max(q.find("|"), 0))
    except QueryError as error:
        yield b"event: problem\ndata: " + dump(problem_of(error, language)) + b"\n\n"
        return
    while not app.closing.is_set():
        committed = seq
        with anyio.move_on_after(HEARTBEAT_S):
            committed = await app.commits.after(seq)
        if committed == seq:
            yield b": still here\n\n"
            continue
        try:
            found, dropped = await anyio.to_thread.run_sync(answers.since, app.store, query, seq, committed, BATCH)
        except SafelightError as error:
            yield b"event: problem\ndata: " + dump(problem_of(error, language)) + b"\n\n"
            return
        seq = committed
        if found or dropped:
            body = dump({"events": found, "dropped": dropped})
            yield b"id: %d\nevent: events\ndata: %s\n\n" % (seq, body)
            await anyio.sleep(PAUSE_S)
