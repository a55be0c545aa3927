"""SQL of the user's own: code, and treated as such."""

from __future__ import annotations

import time
from typing import Any, Final

from .. import rows
from ..query.sql_guard import guard
from ..store.sandbox import UserSql
from .search import MOST_ROWS

TIMEOUT_S: Final = 30.0


def sql(user_sql: UserSql, text: str) -> dict[str, Any]:
    """`{"columns", "rows", "cut", "took_ms"}`: `cut` says that there were more rows than are shown.

    Raises QueryError for what is not one SELECT over the events, QueryTooCostly over the limits.
    """
    began = time.perf_counter()
    answer = user_sql.run(guard(text), timeout_s=TIMEOUT_S, max_rows=MOST_ROWS)
    return {
        "columns": answer.table.column_names,
        "rows": rows.plain(answer.table),
        "cut": answer.cut,
        "took_ms": round((time.perf_counter() - began) * 1000, 1),
    }
