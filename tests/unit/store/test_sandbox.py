from __future__ import annotations

import os
import resource
import signal
import threading

import pytest

from safelight.errors import QueryError, QueryTooCostly, StoreError
from safelight.store import child, sandbox, sandbox_child
from safelight.store.sandbox import UserSql

ENDLESS = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range > b.range"


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
        "SELECT repeat('x', 1000000 + range::INT) AS x FROM range(3000) ORDER BY x",
    ],
)
def test_memory_is_bounded_and_the_next_question_is_answered(user_sql, sql):
    with pytest.raises(QueryTooCostly) as stopped:
        user_sql.run(sql, timeout_s=20)
    assert stopped.value.key in {"store.too_much_memory", "store.answer_too_large", "store.too_slow"}
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
    os.kill(child.pid, signal.SIGSTOP)
    with pytest.raises(QueryTooCostly) as stopped:
        user_sql.run("SELECT 1", timeout_s=0.2)
    assert stopped.value.key == "store.too_slow"
    assert not child.alive
    assert user_sql.run("SELECT 1 AS one").table.to_pylist() == [{"one": 1}]


def test_a_child_that_died_is_replaced(user_sql):
    user_sql.run("SELECT 1")
    user_sql._child.end()
    assert user_sql.run("SELECT 1 AS one").table.to_pylist() == [{"one": 1}]


def test_the_child_knows_nothing_of_our_environment(user_sql, monkeypatch):
    monkeypatch.setenv("DINGTALK_SECRET", "hush")
    user_sql.run("SELECT 1")
    with open(f"/proc/{user_sql._child.pid}/environ", "rb") as file:
        assert b"hush" not in file.read()


def test_an_idle_child_is_let_go(user_sql, monkeypatch):
    monkeypatch.setattr(sandbox, "IDLE_S", 0.01)
    user_sql.run("SELECT 1")
    user_sql._idle.join(60)
    assert user_sql._child is None


def test_questions_from_several_threads_take_turns(user_sql):
    answers = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(user_sql.run(f"SELECT {n} AS n").table["n"][0].as_py()))
        for n in range(sandbox.MOST_CALLERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == [0, 1, 2]


def test_closing_ends_the_child(store):
    with UserSql(store.data) as user_sql:
        user_sql.run("SELECT 1")
        child = user_sql._child
    assert not child.alive
    with pytest.raises(StoreError):
        user_sql.run("SELECT 1")


class Asking(threading.Thread):
    """Asks something that takes for ever, and keeps the error that ends it."""

    def __init__(self, user_sql):
        super().__init__()
        self.user_sql = user_sql
        self.error = None
        self.start()

    def run(self):
        try:
            self.user_sql.run(ENDLESS, timeout_s=60)
        except (QueryError, StoreError) as error:
            self.error = error


def test_one_caller_too_many_is_told_so_at_once_and_closing_ends_all_of_them(user_sql):
    callers = [Asking(user_sql) for _ in range(sandbox.MOST_CALLERS)]
    while user_sql._callers < sandbox.MOST_CALLERS:
        pass
    with pytest.raises(QueryTooCostly) as refused:
        user_sql.run("SELECT 1", timeout_s=60)
    assert refused.value.key == "store.sql_busy"
    user_sql.close()
    for caller in callers:
        caller.join(60)
    assert [caller.error.key for caller in callers] == ["store.closed"] * sandbox.MOST_CALLERS
    assert user_sql._child is None


def test_a_place_becomes_free_again(user_sql):
    for _ in range(sandbox.MOST_CALLERS + 1):
        with pytest.raises(QueryError):
            user_sql.run("SELEC")
    assert user_sql._callers == 0


@pytest.mark.parametrize(
    ("number", "kind", "key"),
    [
        (signal.SIGKILL, QueryTooCostly, "store.too_much_memory"),  # as the kernel does when memory runs out
        (signal.SIGXCPU, QueryTooCostly, "store.too_slow"),
        (signal.SIGSEGV, StoreError, "store.sandbox_died"),
        (signal.SIGTERM, StoreError, "store.sandbox_died"),
    ],
)
def test_how_a_child_died_decides_what_is_said(user_sql, number, kind, key):
    user_sql.run("SELECT 1")
    died = user_sql._child
    asking = Asking(user_sql)
    while not died.asked:
        pass
    os.kill(died.pid, number)
    asking.join(60)
    assert isinstance(asking.error, kind)
    assert asking.error.key == key
    assert user_sql.run("SELECT 1 AS one").table.to_pylist() == [{"one": 1}]


@pytest.mark.parametrize(
    ("last_words", "key"),
    [
        ("raise MemoryError", "store.too_much_memory"),
        ("import nothing_of_that_name", "store.sandbox_died"),
    ],
)
def test_the_last_words_of_a_child_are_heard(user_sql, monkeypatch, last_words, key):
    monkeypatch.setattr(child, "COMMAND", ["-c", last_words])
    with pytest.raises((QueryTooCostly, StoreError)) as died:
        user_sql.run("SELECT 1")
    assert died.value.key == key
    if key == "store.sandbox_died":
        assert "nothing_of_that_name" in str(died.value)


def test_a_child_that_talks_a_lot_is_not_held_up(user_sql, monkeypatch):
    monkeypatch.setattr(child, "COMMAND", ["-c", "import os\nwhile os.write(2, b'x' * 4096): pass"])
    with pytest.raises(StoreError):
        user_sql.run("SELECT 1", timeout_s=20)


def test_an_error_in_the_middle_of_an_answer_is_the_questions_fault(user_sql):
    user_sql.run("SELECT 1")
    before = user_sql._child
    with pytest.raises(QueryError, match="boom"):
        user_sql.run("SELECT CASE WHEN range > 5000 THEN error('boom') ELSE '1' END AS x FROM range(10000)")
    assert user_sql._child is before


def test_the_child_takes_no_module_from_where_the_server_was_started(user_sql, tmp_path, monkeypatch):
    (tmp_path / "msgspec.py").write_text("raise SystemExit('taken from the working directory')")
    monkeypatch.chdir(tmp_path)
    assert user_sql.run("SELECT 1 AS one").table.to_pylist() == [{"one": 1}]


def test_a_limit_that_the_system_refuses_is_done_without(monkeypatch):
    def refuse(kind: int, limits: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    sandbox_child.limit_this_process()
    sandbox_child.limit_next_question(1)


def test_a_limit_never_exceeds_the_one_that_holds_already(monkeypatch):
    asked = {}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1000, 1000))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: asked.update({kind: limits}))
    sandbox_child.limit_this_process()
    assert asked[resource.RLIMIT_AS] == (1000, 1000)
    assert asked[resource.RLIMIT_FSIZE] == (0, 0)
