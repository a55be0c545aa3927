"""The steps of a source: redaction is last, and no step can lose a line."""

from __future__ import annotations

from typing import Literal

from safelight.batch import Batch
from safelight.pipeline import Chain, chain, understood
from safelight.processors import Processor
from safelight.processors.redact import Redact
from safelight.processors.route import Route

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
    events = Chain([("touchy", touchy)])(raw(*lines)).table.to_pylist()
    assert [event["id"] for event in events] == ["0", "1", "2", "3", "4"]
    assert [event["message"] == "fine" for event in events] == [True, True, False, True, True]
    assert events[2]["parse_error"]
    assert events[2]["message"].startswith("bad")
    assert SECRET not in str(events[2])


def passing(batch):
    return batch


def half(batch):
    return batch.where([n % 2 == 0 for n in range(len(batch))])


def nothing(batch):
    return batch.where([False] * len(batch))


def seen(steps):
    return [(step.name, step.entered.total, step.left, step.dropped, step.failed) for step in steps]


def test_each_step_counts_what_came_what_went_on_and_what_it_dropped():
    steps = Chain([("first", passing), ("sample", half), ("drop", nothing), ("never", passing)])
    assert len(steps(raw(*"abcdef"))) == 0
    assert len(steps(raw(*"ab"))) == 0
    assert seen(steps.steps) == [
        ("1 first", 8, 8, 0, 0),
        ("2 sample", 8, 4, 4, 0),
        ("3 drop", 4, 0, 4, 0),
        ("4 never", 0, 0, 0, 0),
    ]


def test_an_event_is_counted_once_although_a_step_after_it_failed_and_the_batch_was_cut():
    def touchy(batch):
        if "bad" in batch["raw"].to_pylist():
            raise ZeroDivisionError
        return batch

    steps = Chain([("first", passing), ("touchy", touchy), ("last", passing)])
    assert len(steps(raw("a", "b", "bad", "c", "d"))) == 5
    assert seen(steps.steps) == [("1 first", 5, 5, 0, 0), ("2 touchy", 5, 5, 0, 1), ("3 last", 4, 4, 0, 0)]


def test_a_step_that_learns_sees_each_event_once_although_a_step_after_it_fails():
    learned = []

    def learning(batch):
        learned.extend(batch["id"].to_pylist())
        return batch

    def touchy(batch):
        if "bad" in batch["raw"].to_pylist():
            raise ZeroDivisionError
        return batch

    steps = Chain([("learning", learning), ("touchy", touchy), ("learning", learning)])
    events = steps(raw("a", "b", "bad", "c", "d")).table.to_pylist()
    assert [event["id"] for event in events] == ["0", "1", "2", "3", "4"]
    assert sorted(learned) == sorted([*"01234", *"0134"])


def test_an_event_that_a_step_dropped_does_not_come_back_when_a_later_step_fails():
    def fails(_):
        raise ZeroDivisionError

    events = Chain([("half", half), ("fails", fails)])(raw(*"abcd")).table.to_pylist()
    assert [event["id"] for event in events] == ["0", "2"]
    assert all(event["parse_error"] for event in events)


def test_a_step_knows_its_cpu_time_and_shows_it_for_a_thousand_events():
    steps = Chain([("busy", lambda batch: batch if sum(range(20_000)) else None)])
    steps(raw(*map(str, range(500))))
    (step,) = steps.steps
    assert step.seconds > 0
    assert step.status() == {
        "type": "busy",
        "name": "1 busy",
        "in": 500,
        "out": 500,
        "dropped": 0,
        "rate": step.status()["rate"],
        "ms": round(step.seconds * 2000, 3),
        "failed": 0,
        "lately": {},
    }


def test_a_line_gets_the_host_it_was_read_on_unless_it_names_one():
    events = chain((), host="gpu-1")(raw("hello", '{"host":"other","message":"x"}')).table.to_pylist()
    assert [event["host"] for event in events] == ["gpu-1", "other"]
    assert chain(())(raw("hello")).table.to_pylist()[0]["host"] is None


def test_what_an_agent_understood_is_redacted_again_and_not_parsed_again():
    (event,) = understood(())(Batch.of([{"id": "a", "message": f"token={SECRET}", "level": "INFO"}])).table.to_pylist()
    assert (event["id"], event["level"], event["parse_error"]) == ("a", "INFO", None)
    assert SECRET not in event["message"]


def test_an_event_without_a_line_on_which_a_step_fails_keeps_what_it_said_without_its_secrets():
    def fails(_):
        raise ZeroDivisionError

    given = {"id": "a", "message": f"token={SECRET} refused", "level": "INFO", "node": "KSampler"}
    (event,) = Chain([("fails", fails)])(Batch.of([given])).table.to_pylist()
    assert event["parse_error"]
    assert (event["node"], event["level"]) == ("KSampler", "INFO")
    assert "refused" in event["message"]
    assert SECRET not in str(event)


def test_redaction_that_is_only_for_some_events_does_not_replace_the_one_for_all():
    (event,) = chain([Redact(where="level:DEBUG")])(raw(f"token={SECRET}")).table.to_pylist()
    assert SECRET not in str(event)


def test_a_route_is_no_step():
    names = [step.type for step in chain([Route(where="level:ERROR", to=("elsewhere",))]).steps]
    assert names == ["parse", "locate", "redact", "fingerprint"]
