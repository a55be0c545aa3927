"""Rules that people made on the page are kept."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from safelight.alerts.database import Database
from safelight.alerts.own_rules import OwnRules

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def own(tmp_path):
    databases = []

    def open_rules():
        databases.append(Database(tmp_path / "state.sqlite"))
        return OwnRules(databases[-1], lambda: NOW)

    yield open_rules
    for database in databases:
        database.close()


def test_they_are_kept_in_the_order_in_which_they_were_made(own):
    rules = own()
    rules.save("b", {"id": "b", "when": "any 显存"})
    rules.save("a", {"id": "a", "when": "any x:1"})
    rules.save("b", {"id": "b", "when": "any 内存"})
    assert own().all() == {"b": {"id": "b", "when": "any 内存"}, "a": {"id": "a", "when": "any x:1"}}
    assert list(own().all()) == ["b", "a"]


def test_a_forgotten_one_is_gone(own):
    rules = own()
    rules.save("a", {"id": "a"})
    rules.forget("a")
    rules.forget("never")
    assert own().all() == {}
