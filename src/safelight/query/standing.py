"""How things stand: the runs that are open now, and what was last said of the health of each instance."""

# ruff: noqa: S608 - the text is of our own constants; every value is bound

from __future__ import annotations

from datetime import datetime
from typing import Final

from ..event import Name
from .run_states import OF_RUNS, State, marks, state_sql
from .runs import names
from .sql import Sql

MOST_OPEN: Final = 1_000
"""Runs of all queues together, the newest."""


def standing(now: datetime) -> Sql:
    """Rows of `kind, id, instance, last_word, first_at` over the events of a span.

    `run`        one that was announced and has not ended
    `instance`   one that runs things
    `word`       what was last said of the health of an instance
    """
    state = state_sql("marks", "last_at", now)
    words = (
        Name.INSTANCE_UNREACHABLE,
        Name.INSTANCE_RECOVERED,
        Name.INSTANCE_RESTARTED,
        Name.INSTANCE_STARTED,
        Name.WORKER_DEAD,
    )
    return Sql(
        'WITH runs AS MATERIALIZED (SELECT "workflow_id" AS id, min("instance") AS instance, '
        f'min("timestamp") AS first_at, max("timestamp") AS last_at, {marks()} AS marks FROM "events" '
        f'WHERE "workflow_id" IS NOT NULL AND "event" IN {names(OF_RUNS)} GROUP BY 1) '
        f"(SELECT 'run' AS kind, id, instance, NULL AS last_word, first_at FROM runs WHERE {state.text} "
        f"IN ('{State.QUEUED}', '{State.RUNNING}') ORDER BY first_at DESC LIMIT {MOST_OPEN}) UNION ALL "
        "SELECT DISTINCT 'instance', NULL, instance, NULL, NULL FROM runs WHERE instance IS NOT NULL UNION ALL "
        'SELECT \'word\', NULL, "instance", arg_max("event", "timestamp"), NULL FROM "events" '
        f'WHERE "event" IN {names(words)} AND "instance" IS NOT NULL GROUP BY 3',
        state.parameters,
    )
