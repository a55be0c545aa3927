from __future__ import annotations

import threading
from datetime import UTC, datetime

import duckdb
import pytest

from safelight.batch import Batch
from safelight.errors import QueryTooCostly, StoreError
from safelight.query.sql import Sql
from safelight.store.engine import Deadline, Engine
from safelight.store.segments import SegmentStore

ENDLESS = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range > b.range"


@pytest.fixture
def engine():
    engine = Engine()
    yield engine
    engine.close()


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when the test says so."""

    class Clock:
        now = 100.0

    monkeypatch.setattr("safelight.store.engine.time.monotonic", lambda: Clock.now)
    return Clock


@pytest.mark.parametrize("ask", ["ask", "execute", "stream"])
def test_a_statement_begun_after_the_deadline_is_refused(engine, clock, ask):
    with engine.session(Deadline(20)) as session:
        session.ask("SELECT 1")
        clock.now += 20
        with pytest.raises(QueryTooCostly) as stopped:
            list(getattr(session, ask)("SELECT 1") or ())
    assert stopped.value.key == "store.too_slow"


def test_a_session_begun_after_the_deadline_is_refused(engine, clock):
    deadline = Deadline(20)
    clock.now += 21
    with pytest.raises(QueryTooCostly), engine.session(deadline):
        pass


def test_an_answer_is_stopped_between_two_of_its_batches(engine):
    with engine.session(Deadline(0.3)) as session, pytest.raises(QueryTooCostly) as stopped:
        for _ in session.stream("SELECT range AS x FROM range(1000000000000)"):
            pass
    assert stopped.value.key == "store.too_slow"


def test_closing_interrupts_what_is_asked_and_refuses_the_rest(engine):
    refused: list[str] = []
    begun = threading.Barrier(3)

    def ask() -> None:
        with engine.session(Deadline(60)) as session:
            begun.wait(60)
            with pytest.raises(StoreError) as closed:
                session.ask(ENDLESS)
            refused.append(closed.value.key)
            with pytest.raises(StoreError):
                session.ask("SELECT 1")

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    begun.wait(60)
    engine.close()
    for thread in threads:
        thread.join(60)
    assert refused == ["store.closed", "store.closed"]
    with pytest.raises(StoreError), engine.session(Deadline(1)):
        pass


def test_closing_a_store_interrupts_its_questions(opened, events):
    store = opened()
    store.append(events(0, 3))
    refused: list[str] = []

    def ask() -> None:
        with pytest.raises(StoreError) as closed:
            store.run(Sql(ENDLESS), timeout_s=60)
        refused.append(closed.value.key)

    asking = threading.Thread(target=ask)
    asking.start()
    while not store._engine._sessions:
        pass
    store.close()
    asking.join(60)
    assert refused == ["store.closed"]


def test_a_store_that_answers_no_more_still_writes(opened, events, all_ids):
    store = opened()
    store.stop_answering()
    with pytest.raises(StoreError):
        all_ids(store)
    store.append(events(0, 3))
    assert opened().figures().events == 3


def test_what_is_asked_ends_where_it_began_while_the_engine_begins_anew(engine, monkeypatch):
    monkeypatch.setattr("safelight.store.engine.STALE_MAX", 2)
    engine.reads(["a", "b"])
    with engine.session(Deadline(20)) as before:
        before.execute("CREATE TEMP TABLE there AS SELECT 1 AS x")
        engine.reads(["c"])
        with engine.session(Deadline(20)) as after:
            assert after.database is not before.database
            assert after.ask("SELECT 2 AS x").to_pylist() == [{"x": 2}]
        assert before.ask("FROM there").to_pylist() == [{"x": 1}]
        old, new = before.database, after.database
    with pytest.raises(duckdb.ConnectionException):
        old.execute("SELECT 1")
    engine.reads(["c", "d"])
    with engine.session(Deadline(20)) as later:
        assert later.database is new


def test_what_is_kept_of_segments_that_are_gone_is_bounded(tmp_path, monkeypatch):
    def kept():
        asked = "SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'OBJECT_CACHE'"
        with store._engine.session(Deadline(20)) as session:
            return session.ask(asked).to_pylist()[0]["memory_usage_bytes"]

    monkeypatch.setattr("safelight.store.engine.STALE_MAX", 3)
    found = []
    with SegmentStore.open(tmp_path) as store:
        for number in range(12):
            store.append(Batch.of([{"id": str(number), "timestamp": datetime.now(UTC), "message": "x"}]))
            store.seal()
            assert len(store.newest(Sql("true"), limit=9)) == 1
            found.append(kept())
            store.retain(max_bytes=0)
    assert found[0] > 0
    assert max(found) <= 4 * found[0] * 1.1
