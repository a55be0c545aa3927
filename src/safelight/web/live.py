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
from ..errors import QueryError
from ..query.parse import parse
from ..rows import dump
from .reply import language_of, problem_of

PAUSE_S: Final = 0.25
"""At most four batches a second: enough to look instant, little enough to paint."""
BATCH: Final = 500
"""Events in one batch; when more came, the oldest of them are left out and counted as `dropped`."""
HEARTBEAT_S: Final = 15.0

router = APIRouter()


@router.get("/live", tags=["events"])
async def live(request: Request, q: str = "") -> StreamingResponse:
    """Matching events as they are committed, as server-sent events; `Last-Event-ID` resumes."""
    app: App = request.app.state.safelight
    last_id = request.headers.get("last-event-id", "")
    start = int(last_id) if last_id.isdigit() else app.commits.last_seq
    return StreamingResponse(
        _stream(app, q, start, language_of(request)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


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
        found, dropped = await anyio.to_thread.run_sync(answers.since, app.store, query, seq, committed, BATCH)
        seq = committed
        if found or dropped:
            body = dump({"events": found, "dropped": dropped})
            yield b"id: %d\nevent: events\ndata: %s\n\n" % (seq, body)
            await anyio.sleep(PAUSE_S)
