"""Documents are whole or not there, durable before the batch is, and cost nothing where there are none."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight import documents as room
from safelight.batch import Batch
from safelight.documents import Documents
from safelight.errors import StoreFull
from safelight.importing import destination, import_file

PROMPT = json.dumps(
    {"1": {"class_type": "KSampler", "inputs": {"seed": 7, "text": "暗房里的红灯"}}}, ensure_ascii=False
)


def hashed(text):
    return sha256(text.encode()).hexdigest()


def parts(text, size=20, name=None):
    pieces = [text[at : at + size] for at in range(0, len(text), size)] or [""]
    return [
        {"sha256": name or hashed(text), "kind": "prompt", "part": n, "parts": len(pieces), "text": piece}
        for n, piece in enumerate(pieces)
    ]


def rows(*attributes, event="run_document"):
    return [{"event": event, "level": "DEBUG", "attributes": json.dumps(one)} for one in attributes]


def queued(sha256, key="prompt_sha256"):
    return rows({key: sha256}, event="run_queued")


@pytest.fixture
def documents(tmp_path):
    return Documents(tmp_path / "documents")


def take(documents, *events):
    return documents.step()(Batch.of(events)).table.to_pylist()


def test_a_document_leaves_the_batch_and_the_other_events_stay(documents):
    left = take(documents, {"event": "log"}, *rows(*parts(PROMPT)), *queued(hashed(PROMPT)))
    assert [row["event"] for row in left] == ["log", "run_queued"]
    assert documents.get(hashed(PROMPT)) == PROMPT
    assert documents.kept(hashed(PROMPT))
    assert not documents.read(hashed(PROMPT)).altered


@settings(max_examples=20, deadline=None)
@given(st.data(), st.text(max_size=200))
def test_parts_may_come_in_any_order_repeated_and_in_any_number_of_batches(tmp_path_factory, data, text):
    documents = Documents(tmp_path_factory.mktemp("documents"))
    sent = parts(text.encode("utf-8", "replace").decode(), size=13)
    order = data.draw(st.permutations(sent + data.draw(st.lists(st.sampled_from(sent), max_size=3))))
    cut = data.draw(st.integers(0, len(order)))
    assert not take(documents, *rows(*order[:cut])) + take(documents, *rows(*order[cut:]))
    assert documents.get(sent[0]["sha256"]) == "".join(part["text"] for part in sent)
    assert not list(documents.directory.rglob("*.part"))


def test_there_is_nothing_until_all_parts_are_there_also_for_a_reader_in_another_process(documents):
    *first, last = parts(PROMPT)
    take(documents, *rows(*first))
    assert documents.get(hashed(PROMPT)) is None
    take(Documents(documents.directory), *rows(last))
    assert Documents(documents.directory).get(hashed(PROMPT)) == PROMPT


def test_a_document_that_redaction_changed_is_kept_and_says_so(documents):
    take(documents, *rows(*parts(PROMPT.replace("7", "[REDACTED]"), name=hashed(PROMPT))))
    kept = documents.read(hashed(PROMPT))
    assert kept.altered
    assert "[REDACTED]" in kept.text


BAD = {
    "not a hash": {"sha256": "../../../etc/passwd"},
    "a long path": {"sha256": "a/" * 32},
    "capitals": {"sha256": "A" * 64},
    "negative": {"part": -1},
    "beyond the last": {"part": 3, "parts": 3},
    "no parts": {"parts": 0},
    "too many parts": {"parts": room.MOST_PARTS + 1},
    "a number as text": {"part": "1"},
    "a fraction": {"part": 0.5},
    "a large text": {"text": "x" * (room.MOST_TEXT + 1)},
    "no text": {"text": None},
    "of another kind": {"kind": "executable"},
}


@pytest.mark.parametrize("wrong", BAD.values(), ids=BAD)
def test_a_part_that_cannot_be_one_is_kept_as_an_event_and_flagged(documents, wrong):
    good = parts("{}")[0]
    (row,) = take(documents, *rows(good | wrong, *parts(PROMPT)))
    assert row["event"] == "run_document"
    assert row["parse_error"]
    assert len(row["attributes"]) < 1000
    assert documents.get(hashed(PROMPT)) == PROMPT
    assert {path.suffix for path in documents.directory.rglob("*.*")} == {".zst"}


@pytest.mark.parametrize("attributes", [None, "", "{", "[]", '"text"'])
def test_an_event_without_proper_attributes_is_flagged(documents, attributes):
    (row,) = take(documents, {"event": "run_document", "attributes": attributes})
    assert row["parse_error"]


def test_a_run_that_refers_to_nothing_of_ours_is_left_alone(documents):
    events = [*queued("../x"), *queued(7), {"event": "run_queued", "attributes": "[]"}, {"event": "run_queued"}]
    assert len(take(documents, *events)) == len(events)
    assert not documents.directory.exists()


@pytest.mark.parametrize("name", ["", "../../x", "a" * 63, "Z" * 64])
def test_asking_for_what_is_no_hash_gives_nothing(documents, name):
    assert documents.get(name) is None
    assert not documents.kept(name)


def test_a_damaged_document_is_not_there(documents):
    take(documents, *rows(*parts(PROMPT)))
    (path,) = documents.directory.rglob("*.zst")
    path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    assert documents.get(hashed(PROMPT)) is None


def test_a_document_that_unpacks_to_more_than_anybody_sends_is_not_read(documents, monkeypatch):
    take(documents, *rows(*parts(PROMPT)))
    monkeypatch.setattr(room, "MOST_BYTES", len(PROMPT.encode()) - 1)
    assert documents.get(hashed(PROMPT)) is None


def test_a_damaged_part_is_waited_for_again_and_holds_up_nothing(documents):
    first, *rest = parts(PROMPT)
    take(documents, *rows(first))
    (path,) = documents.directory.rglob("*.part")
    path.write_bytes(b"nonsense")
    assert take(documents, *rows(*rest)) == []
    assert documents.get(hashed(PROMPT)) is None
    take(documents, *rows(first))
    assert documents.get(hashed(PROMPT)) == PROMPT


def test_nobody_else_may_read_a_document(documents):
    take(documents, *rows(*parts(PROMPT)))
    assert {path.stat().st_mode & 0o077 for path in documents.directory.rglob("*")} == {0}


def test_a_full_disk_refuses_the_batch_as_the_store_does_and_the_next_try_works(documents, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(room, "publish", full)
        with pytest.raises(StoreFull):
            take(documents, *rows(*parts(PROMPT)))
    take(documents, *rows(*parts(PROMPT)))
    assert documents.get(hashed(PROMPT)) == PROMPT


def test_every_file_is_on_the_disk_before_the_batch_goes_on(documents, monkeypatch):
    synced = []
    monkeypatch.setattr("safelight.disk.sync_file", lambda path: synced.append(path.name))
    take(documents, *rows(*parts(PROMPT)))
    take(documents, *rows(*parts("other", size=2)[:-1]))
    assert [name[64:] for name in synced] == [".zst.tmp", ".0-3.part.tmp", ".1-3.part.tmp"]


def age(documents, days):
    for path in documents.directory.rglob("*.*"):
        os.utime(path, (path.stat().st_mtime - days * 86_400,) * 2)


def test_retention_removes_what_no_run_has_referred_to_for_so_long(documents):
    take(documents, *rows(*parts(PROMPT)), *rows(*parts("workflow")), *rows(*parts("old")))
    age(documents, 40)
    fresh = Documents(documents.directory)
    take(fresh, *queued(hashed(PROMPT)), *queued(hashed("workflow"), "workflow_sha256"))
    assert fresh.tidy(timedelta(days=30)).documents == 1
    assert fresh.kept(hashed(PROMPT))
    assert fresh.kept(hashed("workflow"))
    assert not fresh.kept(hashed("old"))


def test_a_document_that_is_sent_again_is_as_good_as_new(documents):
    take(documents, *rows(*parts(PROMPT)))
    age(documents, 40)
    fresh = Documents(documents.directory)
    take(fresh, *rows(*parts(PROMPT)))
    assert not fresh.tidy(timedelta(days=30)).documents


def test_without_retention_nothing_goes_but_parts_whose_others_never_came(documents):
    take(documents, *rows(*parts(PROMPT)), *rows(*parts("never whole", size=3)[:-1]))
    age(documents, 4000)
    assert not documents.tidy(None).documents
    assert documents.kept(hashed(PROMPT))
    assert not list(documents.directory.rglob("*.part"))


def test_a_batch_without_documents_is_handed_on_as_it_is(documents):
    batch = Batch.of([{"event": "log"}, {"event": None}])
    assert documents.step()(batch) is batch
    assert not documents.directory.exists()


def test_documents_in_a_file_that_is_imported_are_kept_and_no_events(tmp_path):
    (tmp_path / "safelight.toml").write_text("")
    lines = [{"event": "run_document"} | part for part in parts(PROMPT)] + [{"event": "log", "message": "hello"}]
    (tmp_path / "events.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with destination(None, tmp_path / "safelight.toml", tmp_path / "data") as target:
        found = import_file(str(tmp_path / "events.ndjson"), None, target)
    assert found.counts["events"] == 1
    assert Documents(tmp_path / "data" / room.DIRECTORY).get(hashed(PROMPT)) == PROMPT
