"""The queue in front of every channel."""

from __future__ import annotations

from datetime import timedelta

import pytest

from safelight.alerts import outbox as outboxes
from safelight.alerts.database import Database
from safelight.alerts.notification import Notification
from safelight.alerts.outbox import BACKOFF_MAX_S, CROWD, EXPIRY, PAUSE_MAX_S, Letter, Outbox
from support.timeline import DAY


def note(number, channel="team", severity=2):
    return Notification(f"{number}.{channel}", str(number), "r", severity, "firing", f"title {number}", "text")


class Desk:
    """An outbox with a clock that moves when told."""

    def __init__(self, path):
        self.now = DAY
        self.path = path
        self.open()

    def open(self):
        self.database = Database(self.path)
        self.outbox = Outbox(self.database, lambda: self.now, language="en", jitter=lambda _, longest: longest)

    def put(self, number, *, channel="team", severity=2, group="g"):
        with self.database.transaction():
            return self.outbox.put(note(number, channel, severity), str(number), channel, group)

    def claim(self, channel="team", **limits):
        return self.outbox.claim(channel, **limits)

    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "state.sqlite")


def test_a_message_is_claimed_once_and_sent(desk):
    desk.put(1)
    letter = desk.claim()
    assert isinstance(letter, Letter)
    assert (letter.notification.key, letter.attempts, letter.notification.may_repeat) == ("1.team", 1, False)
    assert desk.claim() is None
    desk.outbox.sent(letter, "0 ok")
    assert desk.claim() is None
    assert desk.outbox.channel("team")["last_answer"] == "0 ok"


def test_every_channel_has_its_own_queue(desk):
    desk.put(1, channel="a")
    assert desk.claim("b") is None
    assert desk.claim("a").channel == "a"


def test_the_same_message_is_never_queued_twice_for_a_channel(desk):
    desk.put(1)
    with pytest.raises(Exception, match="UNIQUE"):
        desk.put(1)


def test_what_was_in_flight_at_a_crash_is_sent_again_and_marked(desk):
    desk.put(1)
    desk.put(2, group="other")
    desk.claim()
    desk.open()
    assert desk.outbox.recover() == 1
    notes = [desk.claim().notification, desk.claim().notification]
    assert [(note.id, note.may_repeat) for note in notes] == [("1", True), ("2", False)]


def test_a_crash_after_the_answer_was_written_down_repeats_nothing(desk):
    desk.put(1)
    desk.outbox.sent(desk.claim(), "ok")
    desk.open()
    assert desk.outbox.recover() == 0
    assert desk.claim() is None


def test_refused_for_now_waits_longer_each_time_up_to_an_hour(desk):
    desk.put(1)
    waits = []
    for _ in range(20):
        letter = desk.claim()
        if not isinstance(letter, Letter):
            break
        again = desk.outbox.postponed(letter, "busy", after_s=None, in_doubt=False)
        waits.append((again - desk.now).total_seconds())
        assert desk.claim() == again
        desk.now = again
    assert waits[:4] == [2, 4, 8, 16]
    assert waits == sorted(waits)
    assert max(waits) == BACKOFF_MAX_S


def test_a_peer_that_names_a_time_is_left_alone_until_then(desk):
    desk.put(1)
    desk.put(2, group="other")
    letter = desk.claim()
    again = desk.outbox.postponed(letter, "too fast", after_s=600, in_doubt=False)
    assert again == desk.now + timedelta(seconds=600)
    assert desk.claim() == again
    desk.wait(600)
    assert desk.claim().notification.may_repeat is False


def test_a_peer_cannot_make_us_wait_longer_than_an_hour(desk):
    desk.put(1)
    again = desk.outbox.postponed(desk.claim(), "later", after_s=1e9, in_doubt=False)
    assert again == desk.now + timedelta(hours=1)


def fail_until_it_waits(desk, seconds):
    """The first message fails until its next attempt is that far away."""
    while True:
        again = desk.outbox.postponed(desk.claim(), "503", after_s=None, in_doubt=False)
        if again - desk.now >= timedelta(seconds=seconds):
            return again
        desk.now = again


def test_a_time_that_a_peer_named_and_that_was_kept_makes_no_later_pause_longer(desk):
    desk.put(1)
    for _ in range(8):
        desk.now = desk.outbox.postponed(desk.claim(), "429", after_s=5, in_doubt=False)
    assert desk.outbox.postponed(desk.claim(), "503", after_s=None, in_doubt=False) == desk.now + timedelta(seconds=2)


def test_a_peer_that_says_after_0_s_is_not_stormed(desk):
    desk.put(1)
    assert desk.outbox.postponed(desk.claim(), "429", after_s=0, in_doubt=False) > desk.now


@pytest.mark.parametrize("group", ["g", "other"])
def test_a_new_message_finds_out_within_half_a_minute_whether_the_channel_works_again(desk, group):
    desk.put(1)
    fail_until_it_waits(desk, 200)
    failed_at = desk.now
    desk.wait(10)
    desk.put(2, group=group)
    assert desk.claim() == failed_at + timedelta(seconds=PAUSE_MAX_S)
    desk.wait(20)
    assert isinstance(desk.claim(), Letter)


def test_after_one_success_everything_that_waits_goes_at_once_in_order(desk):
    desk.put(1)
    desk.put("1 is over")
    fail_until_it_waits(desk, 200)
    desk.wait(PAUSE_MAX_S)
    desk.put(2, group="other")
    desk.outbox.sent(desk.claim(), "ok")
    for expected in ("1", "1 is over"):
        letter = desk.claim()
        assert letter.notification.id == expected
        desk.outbox.sent(letter, "ok")


def test_what_goes_at_once_after_a_success_keeps_to_the_rate(desk):
    desk.put(1)
    fail_until_it_waits(desk, 60)
    desk.wait(60)
    for number in range(2, 6):
        desk.put(number, group=str(number))
    began = desk.now
    for _ in range(3):
        desk.outbox.sent(desk.claim(per_minute=3), "ok")
    assert desk.claim(per_minute=3) == began + timedelta(seconds=60)


def test_a_new_message_does_not_break_the_pause_that_a_peer_asked_for(desk):
    desk.put(1)
    again = desk.outbox.postponed(desk.claim(), "130101 send too fast", after_s=600, in_doubt=False)
    desk.wait(60)
    desk.put(2)
    desk.put(3, group="other")
    assert desk.claim() == again


def test_a_message_that_fails_while_others_arrive_waits_ever_longer(desk):
    desk.put("bad", group="bad")
    waits = []
    for number in range(12):
        letter = desk.claim()
        if isinstance(letter, Letter) and letter.notification.id == "bad":
            waits.append(desk.outbox.postponed(letter, "500", after_s=None, in_doubt=False) - desk.now)
        desk.wait(3)
        desk.put(number, group=str(number))
        while isinstance(letter := desk.claim(), Letter) and letter.notification.id != "bad":
            desk.outbox.sent(letter, "ok")
        if isinstance(letter, Letter):
            waits.append(desk.outbox.postponed(letter, "500", after_s=None, in_doubt=False) - desk.now)
    assert [wait.total_seconds() for wait in waits][:4] == [2, 4, 8, 16]


def test_no_answer_marks_the_next_attempt(desk):
    desk.put(1)
    desk.now = desk.outbox.postponed(desk.claim(), "read timeout", after_s=None, in_doubt=True)
    assert desk.claim().notification.may_repeat is True


def test_refused_for_good_is_kept_and_shown(desk):
    desk.put(1)
    desk.outbox.refused(desk.claim(), "310000 sign not match")
    assert desk.claim() is None
    assert desk.outbox.channel("team")["last_answer"] == "310000 sign not match"
    assert desk.outbox.channel("team")["last_failure_at"]


def test_one_message_that_is_always_refused_does_not_stop_the_others(desk):
    desk.put("bad", severity=3, group="bad")
    for number in range(3):
        desk.put(number, group=str(number))
    sent = []
    while len(sent) < 3:
        letter = desk.claim()
        if not isinstance(letter, Letter):
            desk.now = letter
        elif letter.notification.id == "bad":
            desk.outbox.postponed(letter, "500", after_s=None, in_doubt=False)
        else:
            desk.outbox.sent(letter, "ok")
            sent += letter.ids
    assert sent == [2, 3, 4]
    assert desk.now < DAY + timedelta(seconds=60)


def test_within_a_group_nothing_overtakes(desk):
    desk.put("firing")
    desk.put("resolved")
    desk.outbox.postponed(desk.claim(), "500", after_s=None, in_doubt=False)
    desk.wait(10)
    first = desk.claim()
    assert first.notification.id == "firing"
    desk.outbox.sent(first, "ok")
    assert desk.claim().notification.id == "resolved"


def test_the_more_severe_goes_first(desk):
    desk.put(1, severity=2, group="a")
    desk.put(2, severity=3, group="b")
    assert desk.claim().notification.id == "2"


@pytest.mark.parametrize("severity", EXPIRY)
def test_a_message_expires_by_its_severity(desk, severity):
    desk.put(1, severity=severity)
    desk.now += EXPIRY[severity] - timedelta(seconds=1)
    with desk.database.transaction():
        assert desk.outbox.expire() == []
    desk.wait(1)
    assert desk.claim() is None
    with desk.database.transaction():
        assert [letter.notification.id for letter in desk.outbox.expire()] == ["1"]


def test_a_full_queue_pushes_out_the_oldest_of_the_least_severe_and_says_so(desk, monkeypatch):
    monkeypatch.setattr(outboxes, "WAITING_MAX", 20)
    desk.put("urgent", severity=3)
    for number in range(19):
        assert desk.put(number) == []
    pushed_out = desk.put("newest")
    assert [letter.notification.id for letter in pushed_out] == ["0"]
    assert desk.database.value("waiting_count", channel="team") == 20


def test_what_a_storm_puts_at_once_is_all_sent(desk):
    with desk.database.transaction():
        for number in range(3_000):
            assert desk.outbox.put(note(number), str(number), "team", str(number)) == []
    told = 0
    while isinstance(letter := desk.claim(), Letter):
        told += len(letter.ids)
        desk.outbox.sent(letter, "ok")
    assert told == 3_000


def test_attempts_stay_below_the_rate_in_any_minute_also_over_a_restart(desk):
    for number in range(10):
        desk.put(number, group=str(number))
    for _ in range(3):
        desk.outbox.sent(desk.claim(per_minute=3), "ok")
        desk.wait(1)
    desk.open()
    assert desk.claim(per_minute=3) == DAY + timedelta(seconds=60)
    desk.now = DAY + timedelta(seconds=60)
    desk.outbox.sent(desk.claim(per_minute=3), "ok")
    desk.put("new")
    assert desk.claim(per_minute=3) == DAY + timedelta(seconds=61)


def held_up(desk, count=5, per_minute=2):
    """So many messages, the first two of which were sent in time."""
    for number in range(count):
        desk.put(number, group=str(number))
    for _ in range(per_minute):
        desk.outbox.sent(desk.claim(per_minute=per_minute), "ok")
    assert desk.claim(per_minute=per_minute) == desk.now + timedelta(seconds=60)
    desk.wait(60)


def statuses(desk):
    return [row[0] for row in desk.database._connection.execute("SELECT status FROM outbox ORDER BY id")]


def test_what_could_not_be_sent_in_time_is_told_in_one_message(desk):
    held_up(desk)
    letter = desk.claim(per_minute=2)
    assert letter.ids == (3, 4, 5)
    assert all(f"title {number}" in letter.notification.text for number in (2, 3, 4))
    desk.outbox.sent(letter, "ok")
    assert statuses(desk) == ["sent"] * 5
    assert desk.claim(per_minute=2) is None


def test_two_messages_that_waited_stay_two(desk):
    held_up(desk, count=4)
    assert [desk.claim(per_minute=2).ids, desk.claim(per_minute=2).ids] == [(3,), (4,)]


def test_a_long_line_is_told_in_one_message_whatever_held_it_up(desk):
    for number in range(CROWD):
        desk.put(number, group=str(number))
    assert len(desk.claim().ids) == CROWD


def test_messages_in_time_are_never_joined(desk):
    for number in range(5):
        desk.put(number, group=str(number))
    assert [desk.claim().ids for _ in range(5)] == [(1,), (2,), (3,), (4,), (5,)]


def test_a_summary_that_fails_waits_on_and_keeps_its_key(desk):
    held_up(desk)
    first = desk.claim(per_minute=2)
    desk.now = desk.outbox.postponed(first, "503", after_s=None, in_doubt=False)
    desk.put("late", group="late")
    again = desk.claim(per_minute=2)
    assert (again.notification.key, again.ids) == (first.notification.key, first.ids)


def test_a_summary_in_flight_at_a_crash_is_sent_again_as_a_whole_and_marked(desk):
    held_up(desk)
    first = desk.claim(per_minute=2)
    desk.open()
    assert desk.outbox.recover() == 3
    again = desk.claim()
    assert (again.ids, again.notification.key, again.notification.may_repeat) == (
        first.ids,
        first.notification.key,
        True,
    )


def test_what_a_refused_summary_held_is_tried_one_by_one(desk):
    held_up(desk)
    desk.outbox.refused(desk.claim(per_minute=2), "too long")
    found = []
    for _ in range(3):
        letter = desk.claim()
        found.append(letter.ids)
        desk.outbox.sent(letter, "ok")
    assert found == [(3,), (4,), (5,)]


def test_within_a_group_a_summary_does_not_overtake(desk):
    desk.put("bad", group="g")
    desk.now = desk.outbox.postponed(desk.claim(), "500", after_s=None, in_doubt=False)
    desk.outbox.postponed(desk.claim(), "500", after_s=None, in_doubt=False)
    for number in range(3):
        desk.put(number, group=str(number))
    desk.put("over", group="g")
    assert not isinstance(desk.claim(), Letter)
    desk.wait(PAUSE_MAX_S)
    told = [desk.claim().ids, desk.claim().ids]
    assert sorted(told) == [(1,), (2, 3, 4)]


def test_a_broken_channel_keeps_its_messages_until_it_is_enabled(desk):
    desk.put(1)
    desk.put(2, group="other")
    assert desk.outbox.broken(desk.claim(), "310000 no such robot") is True
    desk.wait(3600)
    assert desk.claim() is None
    desk.open()
    assert desk.claim() is None
    assert desk.outbox.channel("team")["reason"] == "310000 no such robot"
    assert desk.outbox.enable("team") is True
    assert desk.outbox.enable("team") is False
    assert {desk.claim().notification.id, desk.claim().notification.id} == {"1", "2"}


def test_a_channel_breaks_once_however_many_messages_find_out(desk):
    desk.put(1)
    desk.put(2, group="other")
    first, second = desk.claim(), desk.claim()
    assert [desk.outbox.broken(first, "no"), desk.outbox.broken(second, "no")] == [True, False]


def test_messages_of_a_broken_channel_expire(desk):
    desk.put(1)
    desk.outbox.broken(desk.claim(), "no")
    desk.now += EXPIRY[2]
    with desk.database.transaction():
        assert [letter.notification.id for letter in desk.outbox.expire()] == ["1"]


def test_a_transaction_that_fails_leaves_nothing_behind(desk):
    def fail():
        note = Notification("k", "1", "r", 2, "firing", "t", "t")
        with desk.database.transaction():
            desk.outbox.put(note, "1", "team", "g")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert desk.claim() is None


def test_a_notification_survives_its_journey_through_json():
    note = Notification(
        "k", "1", "r", 3, "resolved", "显存不足 🎨", 'a "b"\n', {"node": "X"}, 7, "s", "e", [{"a": 1}], [{"id": "1"}],
        "wait", {"logs": "u"}, {"at": [1], "unit": "GB"},
    )  # fmt: skip
    assert Notification.from_json(note.to_json()) == note
    assert list(note.body()) == [
        "id", "rule", "severity", "status", "title", "text", "labels", "count", "started_at", "ended_at", "events",
        "alerts", "advice", "links", "may_repeat",
    ]  # fmt: skip


@pytest.mark.parametrize("after_s", [float("nan"), float("inf"), float("-inf")])
def test_a_time_to_wait_that_is_no_number_is_not_believed(desk, after_s):
    desk.put(1)
    again = desk.outbox.postponed(desk.claim(), "429", after_s=after_s, in_doubt=False)
    assert again == desk.now + timedelta(seconds=2)
