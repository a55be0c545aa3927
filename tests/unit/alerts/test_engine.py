"""Nights of alerting, told in time lines."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from safelight.alerts import engine as engines
from safelight.alerts import evaluate
from safelight.alerts.folding import FIRING_MAX
from safelight.alerts.overview import Wanted
from safelight.alerts.views import Target
from safelight.batch import Batch
from safelight.errors import QueryError, QueryTooCostly, StoreError
from safelight.store.segments import SegmentStore
from support.timeline import TEAM, clock, error, event, rule

HOOK = Target("hook", "webhook", 1, "en")
DUTY = Target("duty", "webhook", 3, "en")


def test_the_worked_night(timeline):
    """The example of the design, to the second."""
    night = timeline([rule("failures", "any event:node_failed")])
    night.at("02:00:00", error())
    assert night.messages() == [("02:00:00", "team", "firing", 1)]

    night.at("02:00:04", error(node="KSampler", error_group="dtype:KSampler", error_type="RuntimeError"))
    night.at("02:00:07", error(node="CheckpointLoader", error_group="missing_model:x", error_type="FileNotFoundError"))
    night.until("02:00:30")
    assert night.messages()[1:] == [("02:00:10", "team", "firing", 2)]
    assert {"KSampler", "CheckpointLoader"} <= set(night.told[1].note.text.replace(",", " ").split())

    for second in range(40):
        night.at(f"02:01:{second:02}", error())
    night.until("02:04:59")
    assert len(night.told) == 2
    night.until("02:05:00")
    assert night.messages()[2:] == [("02:05:00", "team", "firing", 41)]
    assert "41 times since 2026-11-22 02:00:00" in night.told[2].note.text

    night.down.add("team")
    night.at("02:07:00", error())
    night.restart()
    night.down.clear()
    night.until("02:16:59")
    fifth = [
        ("02:10:00", "team", "firing", 42),
        ("02:10:04", "team", "resolved", 1),
        ("02:10:07", "team", "resolved", 1),
    ]
    assert night.messages()[3:4] == fifth[:1]
    assert {told.note.status for told in night.told[4:]} == {"resolved"}
    night.until("02:30:00")
    assert night.messages()[-1] == ("02:17:00", "team", "resolved", 42)


def test_an_error_is_told_at_once_with_what_is_known_of_it(timeline):
    night = timeline([rule(severity=3)], base_url="https://studio.example/safelight/")
    night.at(
        "02:00:00",
        error(instance="gpu-1", host="box", vram_used_mb=10897.0, traceback='Traceback\n  File "/home/ann/x.py"\nboom'),
    )
    note = night.told[0].note
    assert note.title == "Urgent: Error: VAEDecode: GPU memory ran out · gpu-1"
    assert "service comfyui, instance gpu-1, host box, node VAEDecode" in note.text
    assert "10.6 GB" in note.text
    assert "rule any-error (any level:ERROR)" in note.text
    assert "boom" in note.text
    assert "/home/ann" not in note.to_json()
    assert note.links["logs"] == "https://studio.example/safelight/logs?q=workflow_id%3A%22wf-1%22"
    assert note.labels == {
        "service": "comfyui",
        "instance": "gpu-1",
        "node": "VAEDecode",
        "error_group": "gpu_oom:VAEDecode",
    }
    assert (note.severity, note.started_at, note.ended_at) == (3, "2026-11-22T02:00:00.000000Z", None)
    assert note.events[0]["workflow_id"] == "wf-1"


def test_a_storm_of_500_failures_makes_few_messages(timeline):
    night = timeline([rule()])
    for second in range(50):
        night.at(f"02:00:{second:02}", *(error(node=f"Node{n}", error_group=f"g:Node{n}") for n in range(10)))
    night.until("02:04:59")
    assert [told.note.count for told in night.told] == [10]
    night.until("02:20:00")
    assert [row[2] for row in night.messages()] == ["firing", "firing", "resolved"]
    assert night.told[1].note.count == 500


def test_groups_of_different_services_do_not_wait_for_each_other(timeline):
    night = timeline([rule()])
    night.at("02:00:00", error())
    night.at("02:00:01", error(service="idphoto"))
    assert [row[0] for row in night.messages()] == ["02:00:00", "02:00:01"]


def test_a_resolved_alert_that_comes_back_is_a_new_one(timeline):
    night = timeline([rule()])
    night.at("02:00:00", error())
    night.at("02:20:00", error())
    night.until("02:40:00")
    assert night.messages() == [
        ("02:00:00", "team", "firing", 1),
        ("02:10:00", "team", "resolved", 1),
        ("02:20:00", "team", "firing", 1),
        ("02:30:00", "team", "resolved", 1),
    ]
    assert len({told.note.id for told in night.told}) == 2
    assert len({told.note.key for told in night.told}) == 4


def test_a_quiet_end_sooner_than_the_repeat_is_not_told_again_but_as_flapping(timeline):
    night = timeline([rule(resolve_after="30s", repeat="5m")])
    for minute in range(10):
        night.at(f"02:0{minute}:00", error())
    night.until("02:30:00")
    firing = [row[0] for row in night.messages() if row[2] == "firing"]
    assert firing == ["02:00:00", "02:01:30"]
    assert [told.note.title.startswith("Flapping: ") for told in night.told][:3] == [False, False, True]


@pytest.mark.parametrize(("severity", "told"), [(1, {"hook"}), (2, {"hook", "team"}), (3, {"hook", "team", "duty"})])
def test_severity_decides_who_hears(timeline, severity, told):
    night = timeline([rule(severity=severity)], [HOOK, TEAM, DUTY])
    night.at("02:00:00", error())
    assert {row[1] for row in night.messages()} == told


def test_several_rules_are_judged_in_one_pass_and_fire_on_their_own(timeline):
    night = timeline([rule(), rule("oom", "any error_group:gpu_oom*"), rule("off", "any *", enabled=False)])
    night.at("02:00:00", error(), error(error_group="dtype:VAEDecode"), event())
    fired = {(told.note.rule, told.note.count) for told in night.told}
    assert fired == {("any-error", 2), ("oom", 1)}


def test_our_own_alerting_does_not_alert(timeline):
    night = timeline([rule(), rule("many", "more than 0 level:ERROR over 1h")])
    ours = {"service": "safelight", "level": "ERROR"}
    night.at("02:00:00", event(event="alert_fired", **ours), event(event="notification_failed", **ours))
    night.until("02:01:00")
    assert not night.told
    night.at("02:02:00", event(event="source_failed", message="unreadable", **ours))
    night.at("02:03:00", event(event="alert_fired", level="ERROR", service="shop"))
    night.until("02:04:00")
    assert {told.note.labels.get("service") for told in night.told} == {"safelight", "shop", None}


def test_late_events_fire_nothing_and_are_counted(timeline):
    night = timeline([rule()])
    old = clock("01:30:00")
    night.at("02:00:00", error(timestamp=old), error(timestamp=old), event(timestamp=old))
    assert not night.told
    assert night.engine.late == 2
    night.at("02:00:05", error(timestamp=clock("01:50:05")))
    assert len(night.told) == 1
    night.until("02:10:00")
    night.restart()
    assert night.engine.late == 2


def test_history_in_a_store_fires_nothing_at_the_first_start(timeline):
    night = timeline([rule()])
    night.store.append(Batch.of([error(timestamp=night.now)]))
    fresh = timeline([rule()], folder="fresh", store=night.store)
    fresh.at("01:00:01", error())
    assert [row[3] for row in fresh.messages()] == [1]


def test_what_was_committed_while_we_were_away_is_judged_on_return(timeline):
    night = timeline([rule()])
    night.at("02:00:00", event())
    night.now += timedelta(minutes=3)
    night._committed = night.store.append(Batch.of([error(timestamp=night.now)])).last_seq
    night.now += timedelta(minutes=2)
    night.restart()
    assert night.messages() == [("02:05:00", "team", "firing", 1)]


def test_more_than_fires_once_and_resolves_when_the_window_empties(timeline):
    night = timeline([rule("errors", "more than 2 level:ERROR over 10m")])
    for minute in range(4):
        night.at(f"02:0{minute}:00", error())
    night.until("02:40:00")
    rows = night.messages()
    assert [row[2] for row in rows] == ["firing", "resolved"]
    assert "02:02:00" <= rows[0][0] <= "02:02:05"
    assert "02:11:00" <= rows[1][0] <= "02:11:06"
    assert night.told[0].note.title == "errors: 3 in 10m"
    assert len(night.told[0].note.events) == 3


def test_fewer_than_waits_until_the_window_was_watched(timeline):
    night = timeline([rule("stalled", "fewer than 2 event:image_processed over 1h")])
    night.until("01:59:59")
    assert not night.told
    night.until("02:00:10")
    assert [row[2:] for row in night.messages()] == [("firing", 0)]
    night.at("02:10:00", event(event="image_processed"), event(event="image_processed"))
    night.until("02:10:10")
    assert night.messages()[-1][2] == "resolved"


def test_fewer_than_does_not_fire_for_hours_we_were_away(timeline):
    night = timeline([rule("stalled", "fewer than 2 event:image_processed over 1h")])
    night.at("01:30:00", event(event="image_processed"), event(event="image_processed"))
    night.now = clock("05:00:00")
    night.restart()
    night.until("05:59:59")
    assert not night.told
    night.until("06:01:00")
    assert [row[2] for row in night.messages()] == ["firing"]


def test_a_short_restart_does_not_make_fewer_than_wait_again(timeline):
    night = timeline([rule("stalled", "fewer than 2 event:image_processed over 1h")])
    night.until("01:55:00")
    night.now += timedelta(minutes=4)
    night.restart()
    night.until("02:01:00")
    assert [row[2] for row in night.messages()] == ["firing"]


def test_a_window_whose_rule_is_gone_is_over_without_a_word(timeline):
    night = timeline([rule("errors", "more than 0 level:ERROR over 10m")])
    night.at("02:00:00", error())
    night.until("02:00:10")
    night.rules = []
    night.restart()
    assert len(night.told) == 1
    assert [alert["status"] for alert in night.alerts()] == ["resolved"]


def test_a_rule_that_cannot_be_judged_is_named_and_the_others_go_on(timeline, monkeypatch):
    night = timeline([rule(), rule("broken", "any message:/x/")])
    run = night.store.run

    def refuse(sql, *args, **kwargs):
        if "regexp_matches" in sql.text:
            raise QueryTooCostly("query.time", found="x")
        return run(sql, *args, **kwargs)

    monkeypatch.setattr(night.store, "run", refuse)
    night.at("02:00:00", error())
    assert [told.note.rule for told in night.told] == ["any-error"]
    assert list(night.engine.problems) == ["broken"]


def test_a_store_that_can_answer_nothing_is_not_the_fault_of_the_rules(timeline, monkeypatch):
    night = timeline([rule(), rule("oom", "any error_group:gpu_oom*")])

    def refuse(*args, **kwargs):
        raise QueryError("alerts.when_form")

    with monkeypatch.context() as patch:
        patch.setattr(night.store, "run", refuse)
        with pytest.raises(QueryError):
            night.at("02:00:00", error())
    night.at("02:00:01")
    assert {told.note.rule for told in night.told} == {"any-error", "oom"}
    assert not night.engine.problems


def test_a_store_that_fails_changes_nothing_and_is_asked_again(timeline, monkeypatch):
    night = timeline([rule()])

    def fail(*args, **kwargs):
        raise StoreError("alerts.expired")

    with monkeypatch.context() as patch:
        patch.setattr(night.store, "run", fail)
        with pytest.raises(StoreError):
            night.at("02:00:00", error())
        assert night.engine.evaluated_seq == 0
    night.at("02:00:01")
    assert len(night.told) == 1


def test_more_alerts_than_a_rule_may_have_are_counted_together(timeline):
    night = timeline([rule()])
    many = [error(node=f"n{n}", error_group=f"g{n}") for n in range(FIRING_MAX + 50)]
    night.at("02:00:00", *many)
    alerts = night.engine.alerts(Wanted(limit=FIRING_MAX + 50))["alerts"]
    assert len(alerts) == FIRING_MAX + 1
    assert sum(alert["count"] for alert in alerts) == FIRING_MAX + 50
    assert len(night.told) == 1
    assert len(night.told[0].note.to_json()) < 300_000


def test_the_api_sees_alerts_with_what_became_of_their_messages(timeline):
    night = timeline([rule(severity=3)], [HOOK, TEAM])
    night.down.add("team")
    night.at("02:00:00", error())
    night.at("02:00:30", error(node="KSampler"))
    newest, first = night.alerts()
    assert (first["status"], first["count"], first["severity"]) == ("firing", 1, 3)
    assert first["started_at"] == first["last_at"] == "2026-11-22T02:00:00.000000Z"
    assert {(n["channel"], n["status"], n["answer"]) for n in first["notifications"]} == {
        ("hook", "sent", "ok"),
        ("team", "waiting", None),
    }
    assert newest["labels"]["node"] == "KSampler"
    hook, team = night.engine.channels()
    assert (hook["name"], hook["last_answer"], team["last_success_at"]) == ("hook", "ok", None)
    (shown,) = night.engine.rules()
    told = {name: shown[name] for name in ("id", "when", "severity", "repeat", "state", "firing")}
    assert told == {
        "id": "any-error",
        "when": "any level:ERROR",
        "severity": 3,
        "repeat": "5m",
        "state": "firing",
        "firing": 2,
    }


def test_what_alerting_does_is_noted(timeline):
    night = timeline([rule(severity=3)])
    night.at("02:00:00", error())
    night.until("02:10:00")
    assert [(name, fields["level"]) for name, fields in night.notes] == [
        ("alert_fired", "ERROR"),
        ("alert_resolved", "INFO"),
    ]
    assert night.notes[0][1]["attributes"]["rule"] == "any-error"


def test_a_step_without_anything_to_do_writes_nothing(timeline):
    night = timeline([rule()])
    night.at("02:00:00", event())
    before = night.engine.database.value("progress")
    night.at("02:00:01", event())
    assert night.engine.evaluated_seq == 2
    assert night.engine.database.value("progress") == before


def test_a_message_nobody_took_in_its_time_is_given_up_and_said(timeline):
    night = timeline([rule()])
    night.down.add("team")
    night.at("02:00:00", error())
    night.until("+1d 02:00:01")
    assert [n["status"] for n in night.alerts()[0]["notifications"]][-1] == "failed"
    assert "notification_failed" in [name for name, _ in night.notes]


def test_old_alerts_are_forgotten_with_their_messages(timeline):
    night = timeline([rule()])
    night.at("02:00:00", error())
    night.until("02:30:00")
    assert night.alerts()
    night.now += timedelta(days=31)
    night.at("+31d 06:00:00", event())
    assert night.alerts() == []
    assert night.engine.database.rows("forget_letters", before=night.now) == []


def _commit_unseen(night, seconds, *events):
    """Let time pass and commit events before any step sees either."""
    night.now += timedelta(seconds=seconds)
    night._committed = night.store.append(Batch.of([{"timestamp": night.now, **one} for one in events])).last_seq


def test_a_state_that_cannot_be_written_changes_nothing_and_is_tried_again(timeline):
    night = timeline([rule(), rule("many", "more than 0 level:ERROR over 1h")])
    state = night.engine.database._connection
    night.until("01:59:59")
    _commit_unseen(night, 6, error())
    state.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreError, match=r"state\.sqlite"):
        night._step()
    assert night.engine.evaluated_seq == 0
    assert night.engine.next_due() <= night.now
    state.execute("PRAGMA query_only = OFF")
    night.until("02:00:10")
    assert {(told.note.rule, told.note.count) for told in night.told} == {("any-error", 1), ("many", 1)}


def test_closing_over_a_state_that_cannot_be_written_releases_the_file(timeline):
    night = timeline([rule()])
    night.engine.database._connection.execute("PRAGMA query_only = ON")
    night.engine.close()
    with pytest.raises(StoreError):
        night.alerts()


def _costly(night, monkeypatch, limit, word="regexp_matches"):
    """A store that needs too long for more than `limit` events under a regular expression. Collects the sizes asked."""
    run, asked = night.store.run, []

    def slow(sql, span, **options):
        if word in sql.text:
            asked.append(span.upto_seq - span.after_seq)
            if asked[-1] > limit:
                raise QueryTooCostly("store.too_slow", seconds=10)
        return run(sql, span, **options)

    monkeypatch.setattr(night.store, "run", slow)
    return asked


def test_what_is_too_much_at_once_is_judged_in_parts(timeline, monkeypatch):
    monkeypatch.setattr(evaluate, "PART_MIN", 2)
    night = timeline([rule("slow", "any message:/boom/"), rule()])
    _costly(night, monkeypatch, limit=3)
    night.at("02:00:00", *(error(message="boom") for _ in range(16)))
    assert {(told.note.rule, told.note.count) for told in night.told} == {("slow", 16), ("any-error", 16)}
    assert not night.engine.problems
    assert "rule_failed" not in [name for name, _ in night.notes]


def test_a_rule_too_slow_even_in_parts_is_said_once_and_judged_later(timeline, monkeypatch):
    monkeypatch.setattr(evaluate, "PART_MIN", 2)
    night = timeline([rule("slow", "any message:/boom/"), rule()])
    with monkeypatch.context() as patch:
        asked = _costly(night, patch, limit=0)
        night.at("02:00:00", *(error(message="boom") for _ in range(8)))
        assert asked == [8, 8, 4, 2]
        night.at("02:00:01", *(error(message="boom") for _ in range(8)))
        assert asked[4:] == []  # the others are not kept waiting
        night.until("02:00:06")
        assert asked[4:] == [16]
    assert [told.note.count for told in night.told if told.note.rule == "any-error"] == [8]
    (failed,) = [fields for name, fields in night.notes if name == "rule_failed"]
    assert (failed["level"], failed["attributes"]) == ("ERROR", {"rule": "slow"})
    assert "slow" in failed["message"]
    assert "10 seconds" in failed["message"]
    assert night.engine.problems

    night.until("02:01:00")
    assert not night.engine.problems
    assert [told.note.count for told in night.told if told.note.rule == "slow"] == [8]
    assert [one["count"] for one in night.alerts() if one["rule"] == "slow"] == [16]
    _costly(night, monkeypatch, limit=0)
    night.at("02:01:03", error())
    assert [name for name, _ in night.notes].count("rule_failed") == 2


def test_what_a_rule_owes_outlives_a_death_and_is_on_time_however_late(timeline, monkeypatch):
    monkeypatch.setattr(evaluate, "PART_MIN", 2)
    night = timeline([rule("slow", "any message:/boom/"), rule()])
    with monkeypatch.context() as patch:
        _costly(night, patch, limit=0)
        night.at("02:00:00", *(error(message="boom") for _ in range(3)))
        night.until("02:09:00")
    night.now = clock("02:15:00")
    night.restart()
    night.until("02:15:10")
    assert [told.note.count for told in night.told if told.note.rule == "slow"] == [3]
    assert night.engine.late == 0
    night.restart()
    night.until("02:20:00")
    assert [told.note.rule for told in night.told].count("slow") == 1


def test_a_rule_that_cannot_be_judged_for_ten_minutes_goes_on_and_says_what_it_skipped(timeline, monkeypatch):
    night = timeline([rule("slow", "any message:/boom/"), rule()])
    with monkeypatch.context() as patch:
        _costly(night, patch, limit=0)
        night.at("02:00:00", *(error(message="boom") for _ in range(3)))
        night.until("02:12:00")
    skipped = [fields for name, fields in night.notes if name == "rule_failed" and "skipped" in fields["attributes"]]
    assert [fields["attributes"] for fields in skipped] == [{"rule": "slow", "skipped": 3}]
    assert "Events skipped: 3" in skipped[0]["message"]
    night.at("02:13:00", error(message="boom"))
    assert [told.note.count for told in night.told if told.note.rule == "slow"] == [1]


def test_a_step_that_came_to_nothing_owes_nothing_yet(timeline, monkeypatch):
    night = timeline([rule("slow", "any message:/boom/")])
    night.until("02:00:00")
    with monkeypatch.context() as patch:
        _costly(night, patch, limit=0)
        night.engine.database._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreError):
            night.at("02:00:00", error(message="boom"))
        night.engine.database._connection.execute("PRAGMA query_only = OFF")
    night.at("02:00:01")
    assert [told.note.rule for told in night.told] == ["slow"]


def test_a_store_that_numbers_its_events_anew_is_judged_from_its_first_event(timeline, tmp_path):
    night = timeline([rule()])
    night.at("02:00:00", *(error() for _ in range(50)))
    night.until("02:30:00")
    night.store.close()
    night.store = SegmentStore.open(tmp_path / "another")
    night._committed = 0
    night.restart()
    night.at("03:00:00", error(error_group="dtype:X"))
    assert [told.note.labels["error_group"] for told in night.told][-1] == "dtype:X"


def test_a_window_that_cannot_be_counted_is_said_once(timeline, monkeypatch):
    night = timeline([rule("many", "more than 5 message:/boom/ over 1h")])
    run = night.store.run

    def slow(sql, *args, **kwargs):
        if "regexp_matches" in sql.text:
            raise QueryTooCostly("store.too_slow", seconds=30)
        return run(sql, *args, **kwargs)

    monkeypatch.setattr(night.store, "run", slow)
    night.at("02:00:00", error())
    night.until("02:01:00")
    assert [(name, fields["attributes"]) for name, fields in night.notes] == [("rule_failed", {"rule": "many"})]


def test_a_failing_store_is_not_blamed_on_a_rule_that_failed_before(timeline, monkeypatch):
    monkeypatch.setattr(evaluate, "PART_MIN", 2)
    night = timeline([rule("slow", "any message:/boom/")])
    with monkeypatch.context() as patch:
        _costly(night, patch, limit=0)
        night.at("02:00:00", error(message="boom"))
    with monkeypatch.context() as patch:
        _costly(night, patch, limit=0, word="SELECT")
        with pytest.raises(QueryTooCostly):
            night.until("02:00:06")
    night.until("02:00:10")
    assert [(told.note.rule, told.note.count) for told in night.told] == [("slow", 1)]
    assert [one["count"] for one in night.alerts()] == [1]


def test_a_backlog_is_judged_a_piece_a_step(timeline, monkeypatch):
    monkeypatch.setattr(engines, "STEP_MAX", 10)
    night = timeline([rule(), rule("quiet", "fewer than 20 level:ERROR over 5m")])
    night.until("02:00:00")
    _commit_unseen(night, 10, *(error() for _ in range(25)))
    night._step()
    assert (night.engine.evaluated_seq, night.engine.next_due()) == (10, night.now)
    night.until("02:00:11")
    assert night.engine.evaluated_seq == 25
    assert night.engine.next_due() > night.now
    assert [alert["count"] for alert in night.alerts() if alert["rule"] == "any-error"] == [25]


def test_without_match_rules_there_is_no_backlog(timeline, monkeypatch):
    monkeypatch.setattr(engines, "STEP_MAX", 10)
    night = timeline([rule("many", "more than 50 level:ERROR over 1h")])
    night.at("02:00:00", *(error() for _ in range(25)))
    assert night.engine.evaluated_seq == 25


def test_asking_when_the_next_step_is_due_waits_for_nobody(timeline):
    night = timeline([rule()])
    night.at("02:00:00", error())
    due = []
    with night.engine.database.transaction():
        asking = threading.Thread(target=lambda: due.append(night.engine.next_due()), daemon=True)
        asking.start()
        asking.join(60)
        assert due == [clock("02:01:00")]


def test_status_counts_what_was_in_doubt_at_the_start_and_what_came_late(timeline):
    night = timeline([rule()])
    night.at("02:00:00", error(timestamp=clock("01:30:00")))
    assert night.engine.status() == {"recovered": 0, "late": 1}
    night.down.add("team")
    night.at("02:00:01", error())
    assert night.engine.outbox.claim("team") is not None
    night.restart()
    assert night.engine.status() == {"recovered": 1, "late": 1}


def test_the_end_of_what_nobody_was_told_of_is_an_event_too(timeline):
    night = timeline([rule("quiet", "any level:ERROR", shadow=True)])
    night.at("02:00:00", error())
    night.until("02:30:00")
    told = [(event, fields["attributes"]["muted"]) for event, fields in night.notes if event.startswith("alert_")]
    assert told == [("alert_fired", "shadow"), ("alert_resolved", "shadow")]
