"""A server in miniature that is killed: store, alerting and delivery of one webhook, an error every few milliseconds.

Run as a program it reads lines `go SECONDS` or `finish` and forks a server for each, so that thirty deaths cost one
start-up. It prints `pid N`, then `committed N` for every event whose commit was acknowledged, and `done` when a server
that was to finish has nothing left to send.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from safelight.alerts.engine import Engine
from safelight.alerts.rule import Rule
from safelight.batch import Batch
from safelight.channels.webhook import Webhook
from safelight.delivery.deliver import Delivery, target
from safelight.store.segments import SegmentStore


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def serve(data: Path, url: str, *, finish: bool) -> None:
    store = SegmentStore.open(data)
    channel = Webhook(name="hook", url=url, allow_private=True)
    rule = Rule(id="any-error", when="any level:ERROR")
    engine = Engine(store, [rule], [target(channel, "en")], data / "state.sqlite", collect=timedelta(milliseconds=20))
    delivery = Delivery(engine.outbox, [channel])

    async def judge() -> None:
        while True:
            if await anyio.to_thread.run_sync(engine.step, store.figures().last_seq):
                delivery.wake()
            await anyio.sleep(0.002)

    def another() -> int:
        number = store.figures().last_seq + 1
        event = {
            "id": f"e{number}",
            "timestamp": datetime.now(UTC),
            "level": "ERROR",
            "service": f"service-{number}",
            "message": f"failure {number}",
        }
        return store.append(Batch.of([event])).last_seq

    async with anyio.create_task_group() as group:
        group.start_soon(delivery.run)
        group.start_soon(judge)
        parent = os.getppid()
        while not finish:
            if os.getppid() != parent:  # the test has failed, and nobody is left to kill us
                os._exit(1)
            say("committed", await anyio.to_thread.run_sync(another))
            await anyio.sleep(0.003)
        while engine.evaluated_seq < store.figures().last_seq or _open(engine):  # noqa: ASYNC110 - no event says so
            await anyio.sleep(0.01)
        say("done")
        group.cancel_scope.cancel()


OPEN = """
SELECT (SELECT count(*) FROM outbox WHERE status IN ('waiting', 'sending'))
     + (SELECT count(*) FROM transitions WHERE message IS NULL)
"""


def _open(engine: Engine) -> bool:
    database = engine.database
    with database.transaction():
        return bool(database._connection.execute(OPEN).fetchone()[0])


def main() -> None:
    data, url = Path(sys.argv[1]), sys.argv[2]
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            say("pid", os.getpid())
            anyio.run(partial(serve, data, url, finish=line.strip() == "finish"))
            os._exit(0)
        os.waitpid(child, 0)
        say("ended")


if __name__ == "__main__":
    main()
