"""The steps of a source: redaction is last, and no step can lose a line."""

from __future__ import annotations

from typing import Literal

from safelight.batch import Batch
from safelight.pipeline import chain, unbroken
from safelight.processors import Processor
from safelight.processors.redact import Redact

SECRET = "hf_abcdefghijklmnopqrstuvwxyz0123456789"


class Careless(Processor):
    """A step of somebody else's that adds a secret."""

    type: Literal["careless"] = "careless"

    def build(self):
        return lambda batch: batch.with_column("message", f"token={SECRET}")


def raw(*lines):
    return Batch.of({"id": str(n), "raw": line} for n, line in enumerate(lines))


def test_redaction_is_last_wherever_it_was_configured():
    for steps in ([Careless()], [Redact(), Careless()]):
        assert SECRET not in str(chain(steps)(raw("hello")).table.to_pylist())


def test_no_part_of_a_key_is_left_in_the_group_of_an_error():
    key = "sk-NqVwYS74VP7Hb1DX8pPd5khxE3pyIgKpaUnArl93XykWZeiN"
    (event,) = chain(())(raw(f"[ERROR] RuntimeError: key {key} rejected")).table.to_pylist()
    assert event["error_group"]
    assert not any(part in str(event) for part in (key[3:9], key[12:20], key[-8:]))


def test_a_line_on_which_a_step_fails_is_kept_and_flagged_and_the_others_go_on():
    def touchy(batch):
        if any("bad" in line for line in batch["raw"].to_pylist()):
            raise ZeroDivisionError
        return batch.with_column("message", "fine")

    lines = ["a", "b", f"bad {SECRET}", "c", "d"]
    events = unbroken(touchy)(raw(*lines)).table.to_pylist()
    assert [event["id"] for event in events] == ["0", "1", "2", "3", "4"]
    assert [event["message"] == "fine" for event in events] == [True, True, False, True, True]
    assert events[2]["parse_error"]
    assert events[2]["message"].startswith("bad")
    assert SECRET not in str(events[2])
