"""Steps are tried one after the other, each once an episode, and a crash neither forgets nor repeats one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from safelight.alerts.database import Database
from safelight.alerts.held import Shelf
from safelight.alerts.repairs import Repairs
from safelight.alerts.rule import Rule
from safelight.errors import InputError, NoSuchEvent
from safelight.remedies.cause import Said

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
THEN = [{"free_memory": {}}, {"restart": {"service": "comfyui", "else": "standby"}}, {"requeue": {}}]
FAILED = [Said("remedies.gave_up", {"within": "2m"})]
DONE = [Said("remedies.free_memory.done", {"where": "gpu-1"})]
PLACE = "http://127.0.0.1:8188"


class Clock:
    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now

    def later(self, **how):
        self.now += timedelta(**how)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.sqlite"


@pytest.fixture
def database(path):
    opened = Database(path)
    yield opened
    opened.close()


@pytest.fixture
def repairs(database, clock):
    return Repairs(database, clock)


def alert(id_="a1", **more):
    events = [{"id": "e1", "workflow_id": "r1"}, {"id": "e2", "workflow_id": "r1"}, {"id": "e3"}]
    given = {"id": id_, "severity": 3, "labels": {"instance": "gpu-1"}, "events": events, **more}
    return SimpleNamespace(**given)


def rule(then=THEN, **more):
    return Rule(id="oom", when="any level:ERROR", then=then, **more)


def only(found):
    (one,) = found
    return one


def tried(repairs, status="done", said=DONE):
    """The waiting one, tried with this outcome."""
    repair = only(repairs.waiting())
    assert repairs.start(repair, PLACE) is None
    repairs.finish(repair, status, said)
    return repair


def test_an_alert_without_steps_has_no_repairs(repairs):
    repairs.begin(alert(), rule(then=[]))
    assert (repairs.waiting(), repairs.changes) == ([], 0)


def test_the_first_step_waits_with_what_is_known_of_the_alert(repairs):
    repairs.begin(alert(), rule(channels=("team",)))
    first = only(repairs.waiting())
    assert first.remedy.kind() == "free_memory"
    assert first.cause.labels == {"instance": "gpu-1"}
    assert first.cause.runs == ("r1",)
    assert (first.channels, first.severity) == (("team",), 3)
    assert repairs.changes == 1


def test_a_repeat_while_a_step_waits_or_runs_begins_nothing(repairs):
    repairs.begin(alert(), rule())
    repairs.begin(alert(), rule())
    repairs.start(only(repairs.waiting()), PLACE)
    repairs.begin(alert(), rule())
    assert repairs.waiting() == []


def test_the_next_step_waits_when_the_alert_goes_on(repairs):
    repairs.begin(alert(), rule())
    tried(repairs)
    assert repairs.waiting() == []
    repairs.begin(alert(), rule())
    assert only(repairs.waiting()).remedy.kind() == "restart"


def test_after_a_failure_its_else_waits_at_once_and_then_the_rest(repairs):
    repairs.begin(alert(), rule())
    tried(repairs, "failed", FAILED)
    tried(repairs, "failed", FAILED)
    assert only(repairs.waiting()).remedy.kind() == "standby"
    tried(repairs, "failed", FAILED)
    assert only(repairs.waiting()).remedy.kind() == "requeue"
    tried(repairs, "failed", FAILED)
    assert repairs.waiting() == []


def test_the_end_of_the_steps_is_told_once_if_the_alert_goes_on(repairs):
    repairs.begin(alert(), rule(then=[{"requeue": {}}]))
    last = tried(repairs)
    assert repairs.helpless() == []
    repairs.begin(alert(), rule(then=[{"requeue": {}}]))
    assert only(repairs.helpless()).id == last.id
    repairs.begin(alert(), rule(then=[{"requeue": {}}]))
    assert (repairs.helpless(), repairs.waiting()) == ([], [])


def test_an_alert_that_is_over_calls_off_what_waits(repairs):
    repairs.begin(alert(), rule())
    repairs.over(alert())
    assert repairs.waiting() == []
    gone = only(repairs.newest("a1"))
    assert gone.view("en", dry_run=False)["said"] == "Not done: the alert was over before."


def test_a_failure_after_the_alert_is_over_leads_to_nothing(repairs):
    repairs.begin(alert(), rule())
    running = only(repairs.waiting())
    repairs.start(running, PLACE)
    repairs.over(alert())
    repairs.finish(running, "failed", FAILED)
    assert repairs.waiting() == []


def test_what_is_in_force_waits_for_the_end_of_its_alert_and_is_undone_once(repairs):
    then = [{"pause_queue": {}}]
    repairs.begin(alert(), rule(then))
    paused = tried(repairs)
    assert only(repairs.in_force()).over_at is None
    repairs.begin(alert(), rule(then))  # it goes on
    assert (repairs.waiting(), repairs.helpless()) == ([], [])
    repairs.over(alert())
    assert only(repairs.in_force()).over_at == NOON
    repairs.undone(paused, DONE)
    assert repairs.in_force() == []
    assert only(repairs.newest()).status == "undone"


def test_too_often_goes_on_to_the_next_step_and_counts_over_alerts(repairs, clock):
    then = [{"free_memory": {"max": "2 per 1h"}}, {"requeue": {}}]
    for number in range(2):
        repairs.begin(alert(f"a{number}"), rule(then))
        tried(repairs)
        clock.later(minutes=10)
    repairs.begin(alert("a2"), rule(then))
    refusal = repairs.start(only(repairs.waiting()), PLACE)
    assert refusal.render("en") == "Not done: its limit of 2 within 1h is reached."
    assert only(repairs.waiting()).remedy.kind() == "requeue"
    clock.later(minutes=50)
    repairs.begin(alert("a3"), rule(then))
    repair = repairs.waiting()[-1]
    assert repair.remedy.kind() == "free_memory"
    assert repairs.start(repair, PLACE) is None


def test_other_places_and_other_units_have_their_own_count(repairs):
    then = [{"restart": {"service": "comfyui", "max": "1 per 1h"}}]
    repairs.begin(alert("a1"), rule(then))
    tried(repairs)
    repairs.begin(alert("a2"), rule([{"restart": {"service": "photos", "max": "1 per 1h"}}]))
    tried(repairs)
    repairs.begin(alert("a3"), rule(then))
    assert repairs.start(only(repairs.waiting()), "http://10.0.0.2:8188") is None


def test_what_was_just_done_is_left_and_the_next_step_waits_for_the_repeat(repairs, clock):
    then = [{"free_memory": {"cool_down": "1m"}}, {"requeue": {}}]
    repairs.begin(alert("a1"), rule(then))
    tried(repairs)
    clock.later(seconds=59)
    repairs.begin(alert("a2"), rule(then))
    assert repairs.start(only(repairs.waiting()), PLACE).key == "remedies.just_done"
    assert repairs.waiting() == []
    repairs.begin(alert("a2"), rule(then))
    assert only(repairs.waiting()).remedy.kind() == "requeue"


def test_what_a_crash_interrupted_has_failed_and_is_not_tried_again(repairs, path, clock):
    repairs.begin(alert(), rule(then=[{"requeue": {}}]))
    repairs.start(only(repairs.waiting()), PLACE)
    again = Database(path)
    try:
        after = Repairs(again, clock)
        cut = only(after.recover())
        assert (cut.status, after.recover(), after.waiting()) == ("failed", [], [])
        assert cut.said[0].key == "remedies.interrupted"
        after.begin(alert(), rule(then=[{"requeue": {}}]))
        assert after.waiting() == []
    finally:
        again.close()


def test_a_transaction_that_fails_begins_nothing(repairs, database):
    with pytest.raises(ZeroDivisionError), database.transaction():  # noqa: PT012
        repairs.begin(alert(), rule())
        raise ZeroDivisionError
    assert repairs.waiting() == []


def test_a_dry_run_is_told_once_an_episode(repairs):
    repairs.begin(alert(), rule())
    assert repairs.name(only(repairs.waiting()), DONE)
    repairs.begin(alert(), rule())
    assert not repairs.name(only(repairs.waiting()), DONE)
    assert [one.status for one in repairs.newest()] == ["dry_run", "dry_run"]


def test_a_person_may_have_a_dry_run_carried_out_with_all_that_follows(repairs):
    repairs.begin(alert(), rule())
    named = only(repairs.waiting())
    assert named.only_named(dry_run=True)
    repairs.name(named, DONE)
    again = repairs.do(named.id)
    assert (again.remedy, again.only_named(dry_run=True)) == (named.remedy, False)
    tried(repairs, "failed", FAILED)
    assert not only(repairs.waiting()).only_named(dry_run=True)
    with pytest.raises(InputError, match="Only what a dry run named"):
        repairs.do(again.id)
    with pytest.raises(NoSuchEvent):
        repairs.do("nonesuch")


def test_a_dry_run_is_not_carried_out_long_after_its_alert(repairs, clock):
    repairs.begin(alert(), rule())
    named = only(repairs.waiting())
    repairs.name(named, DONE)
    repairs.over(alert())
    clock.later(minutes=59)
    assert repairs.do(named.id).status == "waiting"
    clock.later(minutes=2)
    with pytest.raises(InputError, match="over for more than 1h"):
        repairs.do(named.id)


@pytest.mark.parametrize(
    ("mine", "usual", "only_named"), [(None, True, True), (False, True, False), (True, False, True)]
)
def test_a_remedy_may_say_otherwise_than_the_configuration(repairs, mine, usual, only_named):
    repairs.begin(alert(), rule(then=[{"requeue": {} if mine is None else {"dry_run": mine}}]))
    assert only(repairs.waiting()).only_named(dry_run=usual) is only_named


def test_the_api_shows_a_repair_in_the_readers_language(repairs):
    repairs.begin(alert(), rule())
    shown = only(repairs.newest()).view("zh-CN", dry_run=True)
    assert shown["said"] == "让 gpu-1 卸载模型并释放内存。"
    assert (shown["status"], shown["dry_run"], shown["instance"]) == ("waiting", True, "gpu-1")
    assert (shown["started_at"], shown["finished_at"]) == (None, None)


def test_old_repairs_are_forgotten_but_not_what_is_in_force(repairs, clock):
    repairs.begin(alert("a1"), rule())
    tried(repairs)
    repairs.begin(alert("a2"), rule([{"pause_queue": {}}]))
    tried(repairs)
    clock.later(days=31)
    repairs.begin(alert("a3"), rule())
    assert [one.cause.alert for one in repairs.newest()] == ["a3", "a2"]


def test_a_repair_whose_remedy_is_not_installed_any_more_hides_nothing_else(repairs, database):
    repairs.begin(alert("a1"), rule())
    repairs.begin(alert("a2"), rule())
    database._connection.execute("""UPDATE repairs SET step = '{"fans": {}}' WHERE alert = 'a1'""")
    assert [one.cause.alert for one in repairs.newest()] == ["a2"]


def test_held_prompts_survive_in_order_each_once(path):
    before = Database(path)
    Shelf(before).add(PLACE, [[2, "b", {"名": float("inf"), "half": "\ud800"}, {}], [1, "a", {}, {}]])
    Shelf(before).add(PLACE, [[3, "c", {}, {}], [2, "b", {"other": 1}, {}]])
    Shelf(before).pause(PLACE, paused=True)
    before.close()
    after = Database(path)
    try:
        shelf = Shelf(after)
        assert shelf.of(PLACE)[0] == [2, "b", {"名": float("inf"), "half": "\ud800"}, {}]
        assert [item[1] for item in shelf.of(PLACE)] == ["b", "a", "c"]
        assert (shelf.is_paused(PLACE), shelf.places()) == (True, [])
        shelf.pause(PLACE, paused=False)
        shelf.drop(PLACE, ["b", "a"])
        assert (shelf.places(), [item[1] for item in shelf.of(PLACE)]) == ([PLACE], ["c"])
    finally:
        after.close()
