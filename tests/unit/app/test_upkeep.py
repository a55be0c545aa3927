"""Retention removes events and documents, says how many, and says why when it cannot."""

from __future__ import annotations

import os

import pytest

from safelight.app.upkeep import Upkeep
from safelight.config.model import Retention
from safelight.documents import Documents
from safelight.errors import StoreError
from safelight.store.segments import SegmentStore


class Journal(list):
    def note(self, event, message="", level="INFO", attributes=None):
        self.append((event, level, attributes))


@pytest.fixture
def store(tmp_path):
    with SegmentStore.open(tmp_path) as opened:
        yield opened


@pytest.fixture
def documents(tmp_path):
    folder = tmp_path / "documents" / "ab"
    folder.mkdir(parents=True)
    for name, days in {"ab" * 32: 40, "ab" + "c" * 62: 1}.items():
        path = folder / f"{name}.zst"
        path.write_bytes(b"x")
        os.utime(path, (path.stat().st_mtime - days * 86_400,) * 2)
    return Documents(tmp_path / "documents")


def once(store, documents, **retention):
    journal = Journal()
    Upkeep(store, documents, Retention.model_validate(retention), journal, "en").once()
    return journal


def test_documents_go_by_age_and_are_counted(store, documents):
    ((event, level, attributes),) = once(store, documents, age="30d")
    assert (event, level, attributes["documents"]) == ("retention_applied", "INFO", 1)
    assert [path.name for path in documents.directory.rglob("*.zst")] == ["ab" + "c" * 62 + ".zst"]


def test_without_an_age_nothing_goes_and_nothing_is_said(store, documents):
    assert not once(store, documents)
    assert not once(store, documents, size="1GB")
    assert len(list(documents.directory.rglob("*.zst"))) == 2


def _refuse(_):
    raise StoreError("store.upkeep_failed", reason="no")


def test_what_cannot_be_removed_is_said(store, documents, monkeypatch):
    monkeypatch.setattr(documents, "tidy", _refuse)
    ((_, level, _),) = once(store, documents, age="30d")
    assert level == "ERROR"


def test_documents_that_cannot_be_removed_do_not_keep_events(store, documents, monkeypatch):
    asked = []
    retain = store.retain
    monkeypatch.setattr(store, "retain", lambda *limits: asked.append(limits) or retain(*limits))
    monkeypatch.setattr(documents, "tidy", _refuse)
    once(store, documents, age="30d")
    assert len(asked) == 1
