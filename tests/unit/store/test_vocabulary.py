from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.batch import Batch
from safelight.query.sql import Sql
from safelight.store import seal, vocabulary
from safelight.store.vocabulary import may_hold, needed

TEXT = st.text(st.sampled_from("abkſsςσΣKİßé显存不足 ,._-0123\n\t'\"[]"), max_size=30)


@settings(max_examples=300, deadline=None)
@given(TEXT, TEXT, TEXT)
def test_text_that_has_a_phrase_is_never_passed_by(before, phrase, after):
    for said in (phrase, phrase.upper(), phrase.lower()):
        text = before + said + after
        events = Batch.of([{"message": "other words"}, {"message": text}]).table
        has_it = pc.match_substring(pa.array([text]), phrase, ignore_case=True)[0].as_py()  # RE2, as DuckDB
        assert may_hold(vocabulary.vocabulary(events), needed([phrase])) or not has_it


@pytest.mark.parametrize("column", ["message", "error_message", "traceback", "raw"])
def test_words_count_wherever_the_free_text_is(column):
    words = vocabulary.vocabulary(Batch.of([{column: "CUDA out of memory (size 512x512)"}]).table)
    assert may_hold(words, needed(["Out of MEM", "12x5"]))
    assert not may_hold(words, needed(["out of disk"]))
    assert not may_hold(words, needed(["out", "disk"]))


def test_a_phrase_without_letters_is_looked_for_everywhere():
    assert needed(["512 - 13", "", "É"]) == ()
    assert may_hold("", needed(["42"]))


def test_too_many_words_are_no_words(monkeypatch):
    monkeypatch.setattr(vocabulary, "MAX_BYTES", 20)
    assert vocabulary.vocabulary(Batch.of([{"message": "one two three four five"}]).table) is None
    assert may_hold(None, needed(["anything"]))


@pytest.fixture
def told(opened, events, monkeypatch):
    """Six row groups in two segments and a hot part, each with a word of its own."""
    monkeypatch.setattr(seal, "ROW_GROUP_EVENTS", 10)
    monkeypatch.setattr(seal, "_MERGED_WITHIN_US", 0)
    store = opened()
    for number, word in enumerate(["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"]):
        first = number * 10
        store.append(events(first, 10, message=f"step {first} of {word}"))
        if first in (20, 50):
            store.seal()
    return store


def answers(store, word, containing):
    where = Sql("regexp_matches(message, ?)", (f"(?i){word}",))
    count = Sql(f"SELECT count(*) AS n FROM events WHERE {where.text}", where.parameters)
    return (
        store.newest(where, limit=1000, containing=containing)["id"].to_pylist(),
        store.run(count, containing=containing).to_pylist(),
    )


@pytest.mark.parametrize("word", ["alpha", "GAMMA", "ta", "eta", "step", "of z", "nothing", "0 of"])
def test_what_is_passed_by_changes_no_answer(told, word):
    assert answers(told, word, [word]) == answers(told, word, [])


def test_row_groups_without_the_word_are_not_read(told):
    always = Sql("TRUE")
    assert len(told.newest(always, limit=1000, containing=["beta"])) == 20  # its row group, and the hot part
    assert len(told.newest(always, limit=1000, containing=["nowhere"])) == 10
    assert told.run(Sql("SELECT count(*) AS n FROM events"), containing=["delta"]).to_pylist() == [{"n": 20}]


def test_what_is_merged_soon_gets_its_words_then(opened, events, monkeypatch):
    store = opened()
    for first in range(0, 80, 10):
        store.append(events(first, 10))
        store.seal()
        assert len(store.newest(Sql("TRUE"), limit=1000, containing=["nowhere"])) == (first + 10) % 80


def test_words_outlive_a_restart_and_a_merge(told, opened, monkeypatch):
    monkeypatch.setattr("safelight.store.merge.TOGETHER", 2)
    store = opened()
    store.seal()
    assert store.figures().segments == 1
    store = opened()
    assert len(store.newest(Sql("TRUE"), limit=1000, containing=["zeta"])) == 10
