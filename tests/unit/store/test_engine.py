from __future__ import annotations

import threading

import pytest

from safelight.errors import QueryTooCostly, StoreError
from safelight.query.sql import Sql
from safelight.store.engine import Deadline, Engine

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
            begun.wait(10)
            with pytest.raises(StoreError) as closed:
                session.ask(ENDLESS)
            refused.append(closed.value.key)
            with pytest.raises(StoreError):
                session.ask("SELECT 1")

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    begun.wait(10)
    engine.close()
    for thread in threads:
        thread.join(10)
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
    asking.join(10)
    assert refused == ["store.closed"]


def test_a_store_that_answers_no_more_still_writes(opened, events, all_ids):
    store = opened()
    store.stop_answering()
    with pytest.raises(StoreError):
        all_ids(store)
    store.append(events(0, 3))
    assert opened().figures().events == 3
