"""What keeps alerting from crying wolf, and that nothing gets lost by it: nights told in time lines."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from zoneinfo import ZoneInfo

import pytest

from safelight.alerts.quiet import Quiet
from safelight.alerts.views import Target
from support.timeline import TEAM, clock, error, event, rule

DUTY = Target("duty", "webhook", 3, "en")
OTHER = Target("other", "webhook", 2, "en")
NIGHT = Quiet(time(23), time(7), ZoneInfo("UTC"))


def changes(night, number=0):
    """The transitions of an alert: status and why nobody was told."""
    story = night.engine.alert(night.alerts()[number]["id"])
    return [(one["status"], one["muted"]) for one in story["transitions"]]


def silence(night, until, starts=None, **match):
    return night.engine.silence(match, clock(until), "ann", "new card", starts and clock(starts))


# --- silences


def test_a_silence_keeps_an_alert_and_says_why(timeline):
    night = timeline([rule()])
    silence(night, "03:00:00", rule="any-*", service="comfyui")
    night.at("02:00:00", error())
    night.at("02:04:00", error())
    night.until("02:30:00")
    assert night.told == []
    (alert,) = night.alerts()
    assert (alert["status"], alert["count"], alert["muted"]["by"]) == ("resolved", 2, "silence")
    assert changes(night) == [("firing", "silence"), ("resolved", "silence")]


def test_what_still_fires_when_its_silence_ends_is_told_then(timeline):
    night = timeline([rule()])
    silence(night, "02:03:00", rule="any-error")
    night.at("02:00:00", error())
    night.until("02:02:59")
    assert night.told == []
    night.until("02:05:00")
    assert night.messages() == [("02:03:00", "team", "firing", 1)]


def test_what_was_told_before_a_silence_is_not_told_again_when_it_ends(timeline):
    night = timeline([rule()])
    night.at("02:00:00", error())
    id_ = silence(night, "03:00:00", rule="any-error")
    assert [one.muting for one in night.engine.silences()] == [1]
    night.at("02:06:00", error())
    night.at("02:06:01")
    night.engine.unsilence(id_)
    night.until("02:07:00")
    assert night.messages() == [("02:00:00", "team", "firing", 1)]
    night.until("02:20:00")
    assert [row[2] for row in night.messages()] == ["firing", "resolved"]


def test_taking_a_silence_back_tells_what_it_kept(timeline):
    night = timeline([rule()])
    id_ = silence(night, "05:00:00", service="comfyui")
    night.at("02:00:00", error())
    night.engine.unsilence(id_)
    night.until("02:00:01")
    assert [row[2] for row in night.messages()] == ["firing"]
    assert [one.state for one in night.engine.silences()] == ["over"]
    assert [name for name, _ in night.notes if name.startswith("silence")] == ["silence_added", "silence_removed"]


def test_a_silence_that_begins_later_waits(timeline):
    night = timeline([rule()])
    silence(night, "04:00:00", "03:00:00", severity="2")
    night.at("02:00:00", error())
    night.at("03:10:00", error())
    night.restart()
    night.until("03:30:00")
    assert [row[0] for row in night.messages() if row[2] == "firing"] == ["02:00:00"]
    night.at("04:10:00", error())
    assert night.messages()[-1][:3] == ("04:10:00", "team", "firing")


def test_other_alerts_are_told_through_a_silence(timeline):
    night = timeline([rule()])
    silence(night, "03:00:00", node="VAE*")
    night.at("02:00:00", error(), error(node="KSampler", error_group="g:KSampler"))
    assert [told.note.labels["node"] for told in night.told] == ["KSampler"]


# --- inhibition


@pytest.mark.parametrize("order", [("oom", "any"), ("any", "oom")])
def test_of_cause_and_symptom_that_open_together_only_the_cause_is_told(timeline, order):
    oom = rule("oom", "any error_group:gpu_oom*", severity=3, inhibit=("any",))
    rules = {"oom": oom, "any": rule("any")}
    night = timeline([rules[name] for name in order])
    night.at("02:00:00", error())
    night.until("02:30:00")
    assert {told.note.rule for told in night.told} == {"oom"}
    muted = next(alert for alert in night.alerts() if alert["rule"] == "any")
    assert muted["muted"]["by"] == "inhibited"


def test_a_cause_elsewhere_inhibits_nothing(timeline):
    night = timeline([rule("oom", "any error_group:gpu_oom*", inhibit=("any",)), rule("any")])
    night.at("02:00:00", error(instance="a"))
    night.at("02:00:20", error(instance="b", error_group="dtype:VAEDecode"))
    assert {(told.note.rule, told.note.labels["instance"]) for told in night.told} == {("oom", "a"), ("any", "b")}


def test_a_symptom_that_outlives_its_cause_is_told(timeline):
    oom = rule("oom", "any error_group:gpu_oom*", resolve_after="1m", inhibit=("many",))
    night = timeline([oom, rule("many", "more than 0 level:ERROR over 10m")])
    night.at("02:00:00", error())
    night.until("02:00:30")
    assert {told.note.rule for told in night.told} == {"oom"}
    night.until("02:02:00")
    assert [(told.note.rule, told.note.status) for told in night.told[1:]] == [("oom", "resolved"), ("many", "firing")]


def test_rules_that_inhibit_each_other_leave_one_to_tell(timeline):
    night = timeline([rule("b", inhibit=("a",)), rule("a", inhibit=("b",)), rule("self", inhibit=("self",))])
    night.at("02:00:00", error())
    assert sorted(told.note.rule for told in night.told) == ["a", "self"]


# --- quiet hours


def test_the_night_becomes_one_message_in_the_morning(timeline):
    night = timeline([rule(), rule("oom", "any error_group:gpu_oom*", severity=3)], quiet=NIGHT)
    night.at("02:00:00", error())
    night.at("02:30:00", error(node="KSampler", error_group="dtype:KSampler"))
    night.at("06:55:00", error(node="CLIPLoader", error_group="missing_model:x"))
    night.until("06:59:59")
    assert {told.note.rule for told in night.told} == {"oom"}
    night.restart()
    night.until("07:00:30")
    (morning,) = [told for told in night.told if told.note.rule != "oom"]
    assert (f"{morning.at:%H:%M:%S}", morning.note.status) == ("07:00:00", "firing")
    assert morning.note.title == "Alerts overnight: 3"
    assert "02:30 to 02:40, over" in morning.note.text
    assert "since 06:55, still firing" in morning.note.text
    assert len(morning.note.alerts) == 3
    night.until("08:00:00")
    over = [told for told in night.told if told.note.rule == "any-error" and told.note.status == "resolved"]
    assert [told.note.count for told in over] == [1]


def test_a_queue_that_emptied_at_night_is_told_in_the_morning_as_over(timeline):
    night = timeline([rule("done", "queue empties after 10m")], quiet=NIGHT)
    night.at("02:00:00", event(event="run_started", instance="gpu-1", workflow_id="wf-1"))
    night.at("02:30:00", event(event="run_finished", instance="gpu-1", workflow_id="wf-1"))
    night.until("08:00:00")
    assert [row[:3] for row in night.messages()] == [("07:00:00", "team", "resolved")]
    assert night.told[0].note.title.startswith("Alerts overnight: 1")
    assert [one["status"] for one in night.alerts()] == ["resolved"]


def test_what_was_told_before_the_night_is_over_in_the_morning(timeline):
    night = timeline([rule(resolve_after="2h")], quiet=NIGHT, start="20:00:00")
    night.at("22:30:00", error())
    night.until("+1d 06:59:00")
    assert [row[2] for row in night.messages()] == ["firing"]
    night.until("+1d 07:01:00")
    assert [row[2] for row in night.messages()] == ["firing", "resolved"]


def test_a_morning_that_nobody_was_there_for_is_told_as_soon_as_somebody_is(timeline):
    night = timeline([rule(resolve_after="36h")], quiet=NIGHT)
    night.at("02:00:00", error())
    night.now = clock("+1d 00:30:00")
    night.restart()
    night.until("+1d 00:40:00")
    assert [told.note.title for told in night.told] == ["Alerts overnight: 1"]


def test_what_somebody_acknowledged_at_night_is_not_told_in_the_morning(timeline):
    night = timeline([rule(resolve_after="12h")], quiet=NIGHT)
    night.at("02:00:00", error())
    night.engine.acknowledge(night.alerts()[0]["id"], "ann")
    night.until("07:30:00")
    assert night.told == []
    assert changes(night) == [("firing", "quiet_hours"), ("firing", "acknowledged")]


def test_quiet_hours_follow_the_clocks_of_their_zone():
    shanghai = Quiet(time(23), time(7), ZoneInfo("Asia/Shanghai"))
    assert shanghai.until(clock("15:00:00")) == clock("23:00:00")
    assert shanghai.until(clock("14:59:59")) is None
    assert shanghai.until(clock("23:00:00")) is None
    berlin = Quiet(time(1), time(4), ZoneInfo("Europe/Berlin"))
    spring = clock("+127d 00:30:00")  # 29 March 2027: the clocks have gone from 2 to 3 the day before
    assert (berlin.until(spring) - spring) <= timedelta(hours=3)


# --- flapping


def test_what_flaps_is_said_once_and_then_its_state_when_it_is_stable(timeline):
    night = timeline([rule(resolve_after="30s", repeat="1s")])
    for minute in range(10):
        night.at(f"02:{minute:02}:00", error())
    night.until("02:30:00")
    rows = [(row[0], row[2]) for row in night.messages()]
    assert rows == [("02:00:00", "firing"), ("02:00:30", "resolved"), ("02:01:00", "firing"), ("02:01:30", "firing")]
    assert night.told[3].note.title.startswith("Flapping: ")
    assert night.alerts()[0]["flapping"] is True
    night.restart()
    night.until("02:45:00")
    (stable,) = night.told[4:]
    assert (f"{stable.at:%H:%M:%S}", stable.note.status) == ("02:39:30", "resolved")
    assert stable.note.title.startswith("Stable again: ")
    night.at("03:20:00", error())
    assert night.messages()[-1][:3] == ("03:20:00", "team", "firing")


def test_what_is_stable_by_firing_on_is_told_as_firing(timeline):
    night = timeline([rule(resolve_after="30s", repeat="1s")])
    for minute in range(3):
        night.at(f"02:{minute:02}:00", error())
    for half in range(81):
        night.at(f"02:{3 + half // 3:02}:{half % 3 * 20:02}", error())
    for half in range(60):
        night.at(f"02:{30 + half // 3:02}:{half % 3 * 20:02}", error())
    told = [told for told in night.told if told.note.title.startswith("Stable again")]
    assert [one.note.status for one in told] == ["firing"]


# --- acknowledging and escalating


def test_nobody_is_told_again_of_what_somebody_looks_after_until_it_is_over(timeline):
    night = timeline([rule()])
    night.at("02:00:00", error())
    night.engine.acknowledge(night.alerts()[0]["id"], "ann")
    for minute in range(1, 20):
        night.at(f"02:{minute:02}:00", error())
    assert night.alerts()[0]["acknowledged"]["by"] == "ann"
    night.until("02:40:00")
    assert night.messages() == [("02:00:00", "team", "firing", 1), ("02:29:00", "team", "resolved", 20)]
    assert changes(night) == [("firing", None), ("firing", "acknowledged"), ("resolved", None)]


def test_taking_the_acknowledgement_back_lets_it_repeat(timeline):
    night = timeline([rule()])
    night.at("02:00:00", error())
    id_ = night.alerts()[0]["id"]
    night.engine.acknowledge(id_, "ann")
    night.at("02:06:00", error())
    night.engine.unacknowledge(id_)
    night.at("02:07:00", error())
    assert [row[0] for row in night.messages()] == ["02:00:00", "02:07:00"]


def test_what_nobody_acknowledges_goes_to_more_people_once(timeline):
    escalating = rule(resolve_after="2h", escalate={"after": "15m", "severity": 3})
    night = timeline([escalating], [TEAM, DUTY])
    night.at("02:00:00", error())
    night.until("02:14:59")
    assert {row[1] for row in night.messages()} == {"team"}
    night.restart()
    night.until("03:00:00")
    assert sorted(row[:3] for row in night.messages()[1:]) == [
        ("02:15:00", "duty", "firing"),
        ("02:15:00", "team", "firing"),
    ]
    assert night.told[-1].note.title.startswith("Nobody has acknowledged: ")
    night.until("04:30:00")
    assert sorted(row[1] for row in night.messages() if row[2] == "resolved") == ["duty", "team"]


def test_what_somebody_acknowledged_is_not_escalated(timeline):
    night = timeline([rule(resolve_after="2h", escalate={"after": "15m", "severity": 3})], [TEAM, DUTY])
    night.at("02:00:00", error())
    night.engine.acknowledge(night.alerts()[0]["id"], "ann")
    night.until("03:00:00")
    assert night.messages("duty") == []


# --- who is told


def test_a_shadow_rule_is_judged_and_tells_nobody(timeline):
    night = timeline([rule(shadow=True, inhibit=("many",)), rule("many", "more than 0 level:ERROR over 10m")])
    night.at("02:00:00", error())
    night.until("02:30:00")
    assert {told.note.rule for told in night.told} == {"many"}
    shadow = next(alert for alert in night.alerts() if alert["rule"] == "any-error")
    assert (shadow["muted"]["by"], shadow["notifications"]) == ("shadow", [])


def test_a_rule_may_name_its_channels(timeline):
    night = timeline([rule(severity=3, channels=("other",))], [TEAM, OTHER, DUTY])
    night.at("02:00:00", error())
    night.until("02:20:00")
    assert {row[1] for row in night.messages()} == {"other"}


def test_only_who_heard_that_it_fired_hears_that_it_is_over(timeline):
    night = timeline([rule()], [TEAM, OTHER])
    night.down.add("other")
    night.at("02:00:00", error())
    night.engine.outbox.refused(night.engine.outbox.claim("other"), "no")
    night.down.clear()
    night.until("02:20:00")
    assert night.messages("other") == []
    assert [row[2] for row in night.messages("team")] == ["firing", "resolved"]


def test_severity_3_does_not_wait_for_others_to_be_collected(timeline):
    night = timeline([rule(severity=3)])
    night.at("02:00:00", error())
    night.at("02:00:02", error(node="KSampler", error_group="g:KSampler"))
    assert [row[0] for row in night.messages()] == ["02:00:00", "02:00:02"]


# --- pending


def test_a_condition_must_hold_for_as_long_as_the_rule_says(timeline):
    night = timeline([rule("many", "more than 0 level:ERROR over 1m", **{"for": "3m"})])
    night.at("02:00:00", error())
    night.until("02:00:30")
    assert [alert["status"] for alert in night.alerts()] == ["pending"]
    night.until("02:05:00")
    assert (night.told, night.alerts()) == ([], [])
    for minute in range(5):
        night.at(f"02:{10 + minute}:00", error())
    night.restart()
    assert [row[2] for row in night.messages()] == ["firing"]
    assert "02:13:00" <= night.messages()[0][0] <= "02:13:10"


def test_while_it_is_pending_clear_says_nothing(timeline):
    fields = {"clear": "fewer than 1 level:ERROR over 1m", "for": "45s"}
    night = timeline([rule("many", "more than 1 level:ERROR over 1m", **fields)])
    night.at("02:00:01", error(), error(timestamp=clock("01:59:31")))  # two for 30 s, and one for 30 s more
    night.until("02:00:20")
    assert [one["status"] for one in night.alerts()] == ["pending"]
    night.until("02:10:00")
    assert (night.told, night.alerts()) == ([], [])
    night.at("03:00:01", error(), error())
    night.at("03:00:58", error())  # what fires goes on while there is one
    night.until("03:01:50")
    assert [one["status"] for one in night.alerts()] == ["firing"]
    night.until("03:10:00")
    assert [row[2] for row in night.messages()] == ["firing", "resolved"]


def test_a_match_that_pauses_is_not_pending_any_more(timeline):
    night = timeline([rule(**{"for": "5m"})])
    night.at("02:00:00", error())
    night.until("02:10:00")
    assert (night.told, night.alerts()) == ([], [])
    night.at("02:20:00", error())
    night.at("02:24:00", error())
    night.until("02:30:00")
    assert night.messages() == [("02:25:00", "team", "firing", 2)]


# --- the clock


def test_a_clock_that_is_set_back_neither_repeats_nor_freezes(timeline):
    night = timeline([rule()])
    night.at("05:00:00", error())
    night.at("05:02:00", error())
    night.now = clock("03:02:00")
    night._step()
    night.until("03:04:59")
    assert len(night.told) == 1
    night.until("03:12:00")
    assert [(row[0], row[2]) for row in night.messages()] == [
        ("05:00:00", "firing"),
        ("03:05:00", "firing"),
        ("03:12:00", "resolved"),
    ]
    night.at("03:20:00", error())
    assert night.messages()[-1][:3] == ("03:20:00", "team", "firing")


def test_a_clock_that_is_set_back_while_we_were_away_is_the_same(timeline):
    night = timeline([rule()])
    night.down.add("team")
    night.at("05:00:00", error())
    night.now = clock("03:00:00")
    night.down.clear()
    night.restart()
    night.until("03:30:00")
    assert [row[2] for row in night.messages()] == ["firing", "resolved"]


def test_a_night_of_sleep_repeats_nothing(timeline):
    night = timeline([rule(), rule("quiet", "fewer than 1 event:image_processed over 1h")])
    night.at("02:00:00", error())
    night.at("02:01:00", error())
    before = len(night.told)
    night.now = clock("10:00:00")
    night._step()
    night.until("10:20:00")
    after = [(told.note.rule, told.note.status) for told in night.told[before:]]
    assert ("any-error", "resolved") in after
    assert len([one for one in after if one[0] == "any-error"]) == 1


# --- repairs


def repairing(**fields):
    return rule(severity=2, then=[{"free_memory": {}}, {"requeue": {}}], **fields)


def tried(night):
    """The remedies of all repairs so far, oldest first."""
    return [one.remedy.kind() for one in reversed(night.engine.repairs.newest())]


def helped(night):
    """What waits is done, and nothing came of it."""
    for one in night.engine.repairs.waiting():
        assert night.engine.repairs.start(one, "http://127.0.0.1:8188") is None
        night.engine.repairs.finish(one, "done", [])


def test_quiet_hours_spare_people_and_not_the_machine(timeline):
    night = timeline([repairing()], quiet=NIGHT)
    night.at("02:00:00", error())
    assert tried(night) == ["free_memory"]
    (one,) = night.engine.repairs.newest()
    assert night.engine.repairs.hushed(one) == "quiet_hours"
    helped(night)
    night.at("02:04:59", error())
    assert tried(night) == ["free_memory"]  # it has the time of a repeat to help
    night.at("02:05:00", error())
    assert tried(night) == ["free_memory", "requeue"]
    assert night.told == []


def test_what_flaps_is_repaired_each_time(timeline):
    night = timeline([repairing(resolve_after="30s", repeat="10s")])
    for minute in range(5):
        night.at(f"02:{2 * minute:02}:00", error())
        night.at(f"02:{2 * minute:02}:20", error())
    repaired = {one.cause.alert for one in night.engine.repairs.newest()}
    assert any(alert["muted"] and alert["muted"]["by"] == "flapping" for alert in night.alerts())
    assert repaired == {alert["id"] for alert in night.alerts()}


@pytest.mark.parametrize("why", ["silence", "shadow", "inhibited", "acknowledged"])
def test_what_people_keep_quiet_is_not_repaired(timeline, why):
    cause = rule("cause", "any event:cause", severity=3, inhibit=["any-error"] if why == "inhibited" else [])
    night = timeline([repairing(shadow=why == "shadow"), cause], quiet=NIGHT)
    night.at("01:59:00", event(event="cause"))
    if why == "silence":
        silence(night, "03:00:00", rule="any-error")
    night.at("02:00:00", error())
    if why == "acknowledged":
        assert tried(night) == ["free_memory"]
        night.engine.acknowledge(next(one["id"] for one in night.alerts() if one["rule"] == "any-error"), "ann")
        helped(night)
        night.at("02:06:00", error())
        assert tried(night) == ["free_memory"]
        return
    assert tried(night) == []


def test_a_message_of_ours_about_an_alert_leads_to_it_and_to_its_run(timeline):
    night = timeline([rule()], base_url="http://safelight.test")
    night.at("02:00:00", error(workflow_id="wf-1"))
    (alert,) = night.alerts()
    usual = night.told[0].note
    ours = replace(usual, key="repair.1.team", title="Remedy", links={})
    assert night.engine.announce("repair.1", lambda _: ours)
    night.until("02:00:01")
    night.at("02:00:02")
    assert night.told[-1].note.title == "Remedy"
    wanted = {"alert": f"http://safelight.test/alerts/{alert['id']}", "run": "http://safelight.test/runs/wf-1"}
    assert night.told[-1].note.links == wanted
