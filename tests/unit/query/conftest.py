"""A DuckDB with a relation `events` of the rows a test gives, answering compiled SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import duckdb
import pytest

from safelight.batch import Batch
from safelight.query.sql import Sql

Answer = Callable[[Sql], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect(config={"threads": 1, "python_enable_replacements": False})
    connection.execute("SET TimeZone = 'UTC'")
    yield connection
    connection.close()


@pytest.fixture
def over(engine: duckdb.DuckDBPyConnection) -> Iterator[Callable[[Iterable[Mapping[str, Any]]], Answer]]:
    """`over(rows)(sql)`: the rows that `sql` gives over events made of `rows`."""

    def hold(rows: Iterable[Mapping[str, Any]]) -> Answer:
        table = Batch.of(rows).table
        engine.register("events", table)
        engine.register("comfyui_logs", table)
        return lambda sql: engine.sql(sql.text, params=list(sql.parameters)).to_arrow_table().to_pylist()

    yield hold
    engine.unregister("events")
    engine.unregister("comfyui_logs")
