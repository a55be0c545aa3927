"""What is done to alerting from outside: rules swapped, channels that break, messages of our own, storms."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from safelight.alerts import judge
from safelight.alerts.notification import Notification
from safelight.alerts.overview import Wanted
from safelight.alerts.views import Target
from safelight.errors import InputError, NoSuchEvent
from support.timeline import TEAM, clock, error, event, rule

OTHER = Target("other", "webhook", 3, "zh-CN")
THIRD = Target("third", "webhook", 2, "en")


def break_down(night, channel):
    """The next message of a channel finds out that it takes none any more."""
    night.down.add(channel)
    night.at(f"{night.now + timedelta(seconds=20):%H:%M:%S}", error(node=f"for-{channel}", error_group=f"g:{channel}"))
    night.engine.outbox.broken(night.engine.outbox.claim(channel), "310000 no such robot")


def about_channels(night):
    return [(told.channel, told.note.labels["channel"]) for told in night.told if told.note.rule == "channel-broken"]


def test_a_broken_channel_is_told_on_all_others_once(timeline):
    night = timeline([rule()], [TEAM, OTHER, THIRD])
    break_down(night, "team")
    night.until("01:05:00")
    night.restart()
    night.until("01:10:00")
    assert sorted(about_channels(night)) == [("other", "team"), ("third", "team")]
    told = next(told.note for told in night.told if told.channel == "other")
    assert (told.severity, told.language, told.title) == (3, "zh-CN", "通道 team 已停用")
    break_down(night, "third")
    night.until("01:20:00")
    assert about_channels(night)[2:] == [("other", "third")]
    states = {one["name"]: one["state"] for one in night.engine.channels()}
    assert (states["team"], states["third"]) == ("broken", "broken")


def test_a_channel_that_was_enabled_and_breaks_again_is_told_again(timeline):
    night = timeline([rule()], [TEAM, OTHER])
    break_down(night, "team")
    night.until("01:05:00")
    assert night.engine.enable("team") is True
    assert "channel_enabled" in [name for name, _ in night.notes]
    break_down(night, "team")
    night.until("01:10:00")
    assert len(about_channels(night)) == 2


def test_a_channel_with_other_settings_is_tried_again_after_a_restart(timeline):
    night = timeline([rule()], [TEAM, OTHER])
    break_down(night, "team")
    night.until("01:05:00")
    night.down.clear()
    night.restart()
    assert night.messages("team") == []
    night.targets[0] = Target("team", "webhook", 2, "en", version="corrected")
    night.restart()
    night.until("01:06:00")
    assert {row[2] for row in night.messages("team")} == {"firing"}


def test_an_unknown_channel_cannot_be_enabled(timeline):
    with pytest.raises(NoSuchEvent, match="team"):
        timeline([rule()]).engine.enable("tema")


def test_an_announcement_is_made_once_for_each_channel_that_wants_it(timeline):
    night = timeline([rule()], [TEAM, OTHER])

    def digest(target):
        if target.name == "team":
            return Notification("d", "digest", "digest", 1, "firing", "All is well", "done: 41")
        return None

    assert night.engine.announce("digest.2026-11-22", digest) is True
    night.restart()
    assert night.engine.announce("digest.2026-11-22", digest) is False
    night.at("01:00:01")
    assert [(told.channel, told.note.title) for told in night.told] == [("team", "All is well")]


def test_an_announcement_that_fails_is_made_the_next_time(timeline):
    night = timeline([rule()])

    def fail(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        night.engine.announce("digest", fail)
    assert night.engine.announce("digest", lambda _: None) is True


def test_a_storm_is_few_events(timeline):
    night = timeline([rule()])
    night.at("02:00:00", *(error(node=f"n{n}", error_group=f"g{n}") for n in range(150)))
    fired = [fields for name, fields in night.notes if name == "alert_fired"]
    assert len(fired) == 21
    assert (fired[-1]["attributes"]["alerts"], len(fired[-1]["attributes"]["labels"])) == (130, 100)


def test_rules_are_swapped_while_we_run(timeline):
    night = timeline([rule()])
    night.at("02:00:00", error())
    night.engine.use([rule(severity=3), rule("oom", "any error_group:gpu_oom*")])
    night.at("02:01:00", error(node="KSampler"))
    assert {(told.note.rule, told.note.severity) for told in night.told} == {
        ("any-error", 2),
        ("any-error", 3),
        ("oom", 2),
    }
    assert {shown["id"]: shown["firing"] for shown in night.engine.rules()} == {"any-error": 2, "oom": 1}
    night.engine.use([])
    night.at("02:02:00", error(node="Other"))
    assert len(night.alerts()) == 3


def test_rules_that_stay_the_same_are_not_made_again(timeline, monkeypatch):
    kept = rule("many", "more than 0 level:ERROR over 10m")
    night = timeline([kept])
    night.at("02:00:00", error())
    night.until("02:00:10")
    made = []
    real = judge.history
    monkeypatch.setattr(
        judge, "history", lambda store, watch, *rest: made.append(watch.rule.id) or real(store, watch, *rest)
    )
    night.engine.use([kept, rule("slow", "run takes > 30s")])
    assert made == ["slow"]
    night.until("02:20:00")
    assert [row[2] for row in night.messages()] == ["firing", "resolved"]


def test_whoever_acts_is_not_kept_waiting(timeline):
    night = timeline([rule()])
    night.at("02:00:00", error())
    engine, stirred = night.engine, []
    engine.on_change = lambda: stirred.append(engine.next_due() <= night.now)
    (alert,) = night.alerts()
    engine.acknowledge(alert["id"], "Li")
    engine.unacknowledge(alert["id"])
    silence = engine.silence({"rule": "any-error"}, clock("03:00:00"), "Li")
    engine.unsilence(silence)
    break_down(night, "team")
    assert engine.enable("team")
    assert not engine.enable("team")
    assert len(stirred) == 5
    assert stirred[0]
    assert stirred[1]
    assert stirred[3]


def hot(celsius):
    gpu = json.dumps({"gpu": {"index": 0, "temperature_c": celsius}})
    return event(event="resources_sampled", level="DEBUG", host="box", attributes=gpu)


def silences_said(night):
    return [fields for name, fields in night.notes if name == "rule_failed"]


def test_a_figure_that_was_never_there_is_not_missed(timeline):
    night = timeline([rule("hot", "gpu.temperature_c > 87")])
    night.until("03:00:00")
    night.restart()
    night.until("04:00:00")
    assert silences_said(night) == []
    assert [one["state"] for one in night.engine.rules()] == ["no_data"]


def test_a_figure_that_is_told_no_more_is_said_to_be_missing_once(timeline):
    night = timeline([rule("hot", "gpu.temperature_c > 87")])
    night.at("02:00:00", hot(50))
    night.until("02:30:00")
    (said,) = silences_said(night)
    assert (said["level"], said["attributes"]) == ("WARNING", {"rule": "hot", "state": "no_data"})
    night.restart()
    night.until("04:00:00")
    night.engine.use([rule("hot", "gpu.temperature_c > 87"), rule()])
    night.until("05:00:00")
    assert len(silences_said(night)) == 1
    night.at("05:00:00", hot(50))
    night.until("05:30:00")
    assert len(silences_said(night)) == 2


def test_what_stands_by_a_condition_that_was_changed_is_over_without_a_word(timeline):
    night = timeline([rule("many", "more than 0 level:ERROR over 10m")])
    night.at("02:00:00", error())
    night.until("02:00:10")
    night.engine.use([rule("many", "more than 5 level:ERROR over 10m")])
    night.until("02:30:00")
    assert [row[2] for row in night.messages()] == ["firing"]
    assert [alert["status"] for alert in night.alerts()] == ["resolved"]


def test_a_page_of_alerts_goes_on_where_the_last_one_ended(timeline):
    night = timeline([rule(), rule("oom", "any node:n1")])
    night.at("02:00:00", *(error(node=f"n{n}", error_group=f"g{n}") for n in range(5)))
    night.until("02:20:00")
    night.at("02:30:00", error(node="n7", service="id_photo"))
    seen, cursor = [], None
    while True:
        page = night.engine.alerts(Wanted(limit=2, cursor=cursor))
        seen += [alert["id"] for alert in page["alerts"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 7
    assert page["counts"] == {"pending": 0, "firing": 1, "acknowledged": 0, "muted": 0}
    asked = {
        "firing": Wanted(statuses=["firing"]),
        "service": Wanted(service="id_photo"),
        "rule": Wanted(rule="oom"),
        "text": Wanted(q="N7"),
        "nothing": Wanted(q="100%"),
    }
    found = {name: len(night.engine.alerts(wanted)["alerts"]) for name, wanted in asked.items()}
    assert found == {"firing": 1, "service": 1, "rule": 1, "text": 1, "nothing": 0}
    with pytest.raises(InputError, match="cursor"):
        night.engine.alerts(Wanted(cursor="1.x"))


def test_one_alert_has_its_whole_story(timeline):
    night = timeline([rule()], [TEAM], base_url="http://127.0.0.1:8678")
    night.at("01:59:50", error(level="INFO", event="log", error_group=None, message="loading"))
    night.at("02:00:00", error())
    letter = night.engine.alert(night.alerts()[0]["id"], "zh-CN")
    assert [(one["status"], one["muted"], one["kind"]) for one in letter["transitions"]] == [("firing", None, "usual")]
    (note,) = letter["notifications"]
    assert (note["channel"], note["status"], note["may_repeat"]) == ("team", "sent", False)
    assert [one["outcome"] for one in note["attempts"]] == ["sent"]
    assert [line["event"] for line in letter["lines"]] == ["log", "node_failed"]
    assert (letter["run"], letter["error_group"], letter["repairs"]) == ("wf-1", "gpu_oom:VAEDecode", [])
    assert letter["links"]["alert"].endswith(letter["id"])
    assert letter["advice"]["advice"] != night.engine.alert(letter["id"], "en")["advice"]["advice"]
    assert night.engine.alert("nobody") is None


def test_looking_after_what_is_not_there_or_over_is_refused(timeline):
    night = timeline([rule()])
    night.at("02:00:00", error())
    night.until("02:20:00")
    with pytest.raises(NoSuchEvent):
        night.engine.acknowledge("nobody", "ann")
    with pytest.raises(NoSuchEvent):
        night.engine.unsilence("nobody")
    with pytest.raises(InputError, match="over"):
        night.engine.acknowledge(night.alerts()[0]["id"], "ann")


@pytest.mark.parametrize(
    ("match", "until"),
    [({}, "03:00:00"), ({"rule": ""}, "03:00:00"), ({"rule": "x"}, "00:30:00"), ({"no name": "x"}, "03:00:00")],
)
def test_a_silence_that_makes_no_sense_is_refused(timeline, match, until):
    night = timeline([rule()])
    with pytest.raises(InputError):
        night.engine.silence(match, clock(until), "ann")
    assert night.engine.silences() == []


def test_a_repair_begins_with_what_is_told_and_ends_with_it(timeline, monkeypatch):
    night = timeline([rule(), rule("shadow", shadow=True)])
    begun, over = [], []
    monkeypatch.setattr(night.engine.repairs, "begin", lambda alert, _: begun.append((alert.rule, alert.count)))
    monkeypatch.setattr(night.engine.repairs, "over", lambda alert: over.append(alert.rule))
    night.at("02:00:00", error())
    night.at("02:01:00", error())
    night.until("02:30:00")
    assert begun == [("any-error", 1), ("any-error", 2)]
    assert sorted(over) == ["any-error", "shadow"]
