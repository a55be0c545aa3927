"""What we write down about ourselves is stored, whatever is in it, and kept while the store cannot take it."""

from __future__ import annotations

import anyio
import pytest

from safelight.app.commits import Commits
from safelight.app.intake import Intake
from safelight.collecting import journal as room
from safelight.collecting.journal import Journal
from safelight.errors import StoreFull
from safelight.pipeline import redaction
from safelight.query.sql import Sql
from safelight.store.segments import SegmentStore

SECRET = "hf_abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture
def store(tmp_path):
    with SegmentStore.open(tmp_path) as opened:
        yield opened


def stored(store):
    return store.oldest(Sql("true"), limit=100).to_pylist()


@pytest.mark.anyio
async def test_a_note_becomes_an_event_redacted(store):
    journal, intake = Journal(redaction(()), "en"), Intake(store, Commits(0))
    journal.note("source_failed", f"token={SECRET} refused", "ERROR", {"n": 1}, source="x")
    await journal.flush(intake)
    (event,) = stored(store)
    assert (event["event"], event["level"], event["service"], event["source"]) == (
        "source_failed",
        "ERROR",
        "safelight",
        "x",
    )
    assert SECRET not in event["message"]
    assert event["attributes"] == '{"n":1}'
    assert event["id"]


@pytest.mark.anyio
async def test_a_name_that_is_no_text_does_not_stop_the_journal(store):
    journal, intake = Journal(redaction(()), "en"), Intake(store, Commits(0))
    journal.note("source_failed", "bad name \udcc4.log", source="\udcc4.log", attributes={"path": "\udcc4"})
    journal.note("server_started", "good")
    await journal.flush(intake)
    assert [event["message"] for event in stored(store)] == ["bad name \\udcc4.log", "good"]


@pytest.mark.anyio
async def test_notes_wait_for_a_store_that_refuses_and_losses_are_confessed(store, monkeypatch):
    monkeypatch.setattr(room, "WAITING", 3)
    journal, intake = Journal(redaction(()), "en"), Intake(store, Commits(0))
    take = intake.take

    async def refuses(*_):
        raise StoreFull("store.full", directory="x", reason="x")

    monkeypatch.setattr(intake, "take", refuses)
    for number in range(5):
        journal.note("log", f"note {number}")
    with pytest.raises(StoreFull):
        await journal.flush(intake)
    monkeypatch.setattr(intake, "take", take)
    await journal.flush(intake)
    messages = [event["message"] for event in stored(store)]
    assert messages[:3] == ["note 2", "note 3", "note 4"]
    assert messages[3].startswith("2 notes")
    await journal.flush(intake)
    assert len(stored(store)) == 4


@pytest.mark.anyio
async def test_two_flushes_at_once_store_each_note_once(store):
    journal, intake = Journal(redaction(()), "en"), Intake(store, Commits(0))
    for number in range(10):
        journal.note("log", f"note {number}")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(journal.flush, intake)
        tasks.start_soon(journal.flush, intake)
    assert len(stored(store)) == 10
