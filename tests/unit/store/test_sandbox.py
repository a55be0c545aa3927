from __future__ import annotations

import threading

import pytest

from safelight.errors import QueryError, QueryTooCostly
from safelight.store import sandbox
from safelight.store.sandbox import UserSql


@pytest.fixture
def store(opened, events):
    store = opened()
    store.append(events(0, 30))
    store.seal()
    store.append(events(30, 10))
    return store


@pytest.fixture
def user_sql(store):
    with UserSql(store.data) as user_sql:
        yield user_sql


def test_a_select_sees_sealed_and_hot_events_under_both_names(user_sql):
    assert user_sql.run("SELECT count(*) AS n FROM events").table.to_pylist() == [{"n": 40}]
    answer = user_sql.run("SELECT level, avg(duration_ms) AS ms FROM comfyui_logs GROUP BY level ORDER BY level")
    assert answer.table.to_pylist() == [{"level": "ERROR", "ms": 15.0}, {"level": "INFO", "ms": 20.0}]
    assert not answer.cut


def test_what_is_committed_between_two_questions_is_seen_by_the_second(store, user_sql, events):
    assert user_sql.run("SELECT max(id) AS id FROM events WHERE id LIKE 'e4%'").table.to_pylist() == [{"id": "e4"}]
    store.append(events(40))
    store.seal()
    assert user_sql.run("SELECT max(id) AS id FROM events WHERE id LIKE 'e4%'").table.to_pylist() == [{"id": "e40"}]


def test_attributes_are_reached_by_path(user_sql):
    answer = user_sql.run("SELECT attributes->>'$.steps' AS s FROM events WHERE id = 'e7'")
    assert answer.table.to_pylist() == [{"s": "7"}]


def test_an_answer_is_cut_to_its_rows_and_says_so(user_sql):
    answer = user_sql.run("SELECT id FROM events ORDER BY seq", max_rows=7)
    assert answer.table["id"].to_pylist() == [f"e{n}" for n in range(7)]
    assert answer.cut
    assert not user_sql.run("SELECT id FROM events", max_rows=40).cut
    assert user_sql.run("SELECT id FROM events WHERE FALSE").table.num_rows == 0


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_parquet('{data}/lock')",
        "SELECT * FROM '{data}/lock'",
        "SELECT * FROM glob('/**')",
        "COPY (SELECT 1) TO '{data}/evil.csv'",
        "COPY (SELECT 1) TO '{data}/events/seg-000001.parquet'",
        "ATTACH '{data}/evil.db'",
        "EXPORT DATABASE '{data}/evil'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '99GB'",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "CREATE TABLE x AS SELECT 1",
        "DROP VIEW events",
        "SELECT getenv('HOME')",
        "SELECT * FROM snapshot",
        "SELECT 1; SELECT 2",
        "",
        "SELEC",
        "SELECT nobody FROM events",
    ],
)
def test_nothing_but_one_select_over_the_events_is_answered(store, user_sql, sql):
    before = {path.name: path.read_bytes() for path in store.directory.iterdir()}
    with pytest.raises(QueryError):
        user_sql.run(sql.format(data=store.data))
    assert {path.name: path.read_bytes() for path in store.directory.iterdir()} == before
    assert sorted(path.name for path in store.data.iterdir()) == ["events", "lock"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT length(repeat('x', 4000000000)) FROM events",
        "SELECT list(a.message) FROM events a, events b, events c, events d, events e",
        "SELECT repeat('x', 10000000) AS x FROM events",
    ],
)
def test_memory_is_bounded_and_the_next_question_is_answered(user_sql, sql):
    with pytest.raises(QueryTooCostly):
        user_sql.run(sql, timeout_s=20)
    assert user_sql.run("SELECT 1 AS one").table.to_pylist() == [{"one": 1}]


def test_time_is_bounded_and_the_next_question_is_answered(user_sql):
    with pytest.raises(QueryTooCostly) as stopped:
        user_sql.run(
            "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range > b.range", timeout_s=0.3
        )
    assert stopped.value.key == "store.too_slow"
    assert user_sql.run("SELECT 1 AS one").table.to_pylist() == [{"one": 1}]


def test_a_child_that_ignores_its_time_is_killed(user_sql, monkeypatch):
    monkeypatch.setattr(sandbox, "GRACE_S", 0.0)
    user_sql.run("SELECT 1")
    child = user_sql._child
    child.send_signal(19)  # stopped: it does not answer any more
    with pytest.raises(QueryTooCostly) as stopped:
        user_sql.run("SELECT 1", timeout_s=0.2)
    assert stopped.value.key == "store.too_slow"
    assert child.poll() is not None
    assert user_sql.run("SELECT 1 AS one").table.to_pylist() == [{"one": 1}]


def test_a_child_that_died_is_replaced(user_sql):
    user_sql.run("SELECT 1")
    user_sql._child.kill()
    user_sql._child.wait()
    assert user_sql.run("SELECT 1 AS one").table.to_pylist() == [{"one": 1}]


def test_the_child_knows_nothing_of_our_environment(user_sql, monkeypatch):
    monkeypatch.setenv("DINGTALK_SECRET", "hush")
    user_sql.run("SELECT 1")
    with open(f"/proc/{user_sql._child.pid}/environ", "rb") as file:
        assert b"hush" not in file.read()


def test_an_idle_child_is_let_go(user_sql, monkeypatch):
    monkeypatch.setattr(sandbox, "IDLE_S", 0.01)
    user_sql.run("SELECT 1")
    user_sql._idle.join(10)
    assert user_sql._child is None


def test_questions_from_several_threads_take_turns(user_sql):
    answers = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(user_sql.run(f"SELECT {n} AS n").table["n"][0].as_py()))
        for n in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(answers) == [0, 1, 2, 3, 4]


def test_closing_ends_the_child(store):
    with UserSql(store.data) as user_sql:
        user_sql.run("SELECT 1")
        child = user_sql._child
    assert child.poll() is not None
