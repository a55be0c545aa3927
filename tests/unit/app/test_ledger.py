"""What is known of runs does not grow with the runs there were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from safelight.answers.runs.open import Step
from safelight.app import ledger as room
from safelight.app.ledger import Ledger, Recent

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def step(event, run, at=NOW, said=None):
    return Step(run, event, at, "gpu-1", "host", "there", None, said)


def test_of_runs_that_never_end_only_the_newest_are_followed(monkeypatch):
    monkeypatch.setattr(room, "MOST_OPEN", 3)
    ledger = Ledger()
    for number in range(10):
        ledger.take([step("run_queued", f"run-{number}")])
    assert list(ledger.open) == ["run-7", "run-8", "run-9"]
    ledger.take([step("run_finished", "run-8"), step("run_queued", "run-10")])
    assert list(ledger.open) == ["run-7", "run-9", "run-10"]


def test_a_run_that_was_not_heard_of_for_a_week_is_nobodys_business_any_more():
    ledger = Ledger()
    ledger.take([step("run_queued", "old"), step("run_queued", "slow"), step("run_queued", "new", NOW)])
    ledger.take([step("run_started", "slow", NOW + timedelta(days=6))])
    ledger.take([step("run_queued", "new", NOW + timedelta(days=6))])
    ledger.forget(NOW + timedelta(days=1))
    assert list(ledger.open) == ["slow", "new"]


def test_what_was_given_up_declared_and_settled_is_bounded(monkeypatch):
    monkeypatch.setattr(room, "MOST_KNOWN", 3)
    ledger = Ledger()
    for number in range(10):
        run = f"run-{number}"
        ledger.declare(f"{run}-declared")
        ledger.take([step("run_resubmitted", f"{run}-refused", said='{"new_id": null}')])
        ledger.take([step("run_resubmitted", f"{run}-again", said=f'{{"new_id": "new-{number}"}}')])
    for known in (ledger.declared, ledger.given_up, ledger.settled, ledger.again):
        assert len(known) == 3
    assert "run-9-declared" in ledger.declared
    assert "run-0-declared" not in ledger.declared


def test_what_is_said_again_counts_as_new():
    known = Recent(2)
    for one in ("a", "b", "a", "c"):
        known.add(one)
    assert list(known) == ["a", "c"]
    known.discard("a")
    known.discard("never")
    assert "a" not in known
    assert len(known) == 1
