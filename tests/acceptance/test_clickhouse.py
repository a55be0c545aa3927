"""The statements and the Arrow streams of the clickhouse sink, in the engine of ClickHouse: chDB, told where by
SAFELIGHT_CHDB, a Python that has it. It is no server: HTTP, users and replication are not seen here."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
import zstandard

from safelight.batch import Batch
from safelight.event import FIELDS
from safelight.sinks.clickhouse import Clickhouse, creation, packed

CHDB = os.environ.get("SAFELIGHT_CHDB", "")
pytestmark = pytest.mark.skipif(not CHDB, reason="needs SAFELIGHT_CHDB, a Python that has chdb")

ASK = """
import json, sys
from chdb import session
asked = json.load(sys.stdin)
engine = session.Session(asked["path"])
for statement in asked["statements"]:
    answer = engine.query(statement, "JSON")
print(answer)
"""


def ask(path, *statements):
    """The rows of the last statement."""
    asked = json.dumps({"path": str(path), "statements": statements})
    answer = subprocess.run([CHDB, "-c", ASK], input=asked, capture_output=True, text=True, timeout=100, check=True)
    return json.loads(answer.stdout)["data"]


def test_a_batch_is_kept_once_however_often_it_is_sent_and_every_value_is_as_it_was(tmp_path):
    sink = Clickhouse(url="http://a", ttl="3650d")
    days = [datetime(2026, 11, 22, 1, 2, 3, 456789, tzinfo=UTC) - timedelta(days=n) for n in range(150)]
    odd = [datetime(1, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]
    batch = Batch.of(
        {
            "id": f"e{number}",
            "timestamp": when,
            "received_at": datetime.now(UTC),
            "level": "ERROR",
            "message": f'说 "{number}"\n',
            "duration_ms": number / 4 if number else None,
            "attributes": json.dumps({"steps": number}),
        }
        for number, when in enumerate([*days, *odd])
    )
    stream = tmp_path / "batch.arrow"
    stream.write_bytes(zstandard.ZstdDecompressor().decompressobj().decompress(packed(batch)))
    columns = ", ".join(FIELDS)
    insert = (
        f"INSERT INTO default.safelight_events ({columns}) SETTINGS insert_deduplicate = 1, "
        "insert_deduplication_token = 't.1', max_partitions_per_insert_block = 0 "
        f"SELECT {columns} FROM file('{stream}', 'ArrowStream')"
    )
    found = ask(
        tmp_path / "data",
        creation(sink),
        creation(sink),
        insert,
        insert,
        "SELECT id, toString(timestamp) AS at, message, duration_ms, JSONExtractInt(attributes, 'steps') AS steps "
        "FROM safelight_events ORDER BY steps",
    )
    assert [row["id"] for row in found] == batch["id"].to_pylist()
    assert found[7]["at"] == "2026-11-15 01:02:03.456789"
    assert (found[7]["message"], found[7]["duration_ms"], found[0]["duration_ms"]) == ('说 "7"\n', 1.75, None)
