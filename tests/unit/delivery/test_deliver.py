"""From the outbox to a peer and back, over real sockets on loopback."""

from __future__ import annotations

import gzip
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from safelight.alerts.database import Database
from safelight.alerts.notification import Notification
from safelight.alerts.outbox import Outbox
from safelight.alerts.views import Target
from safelight.channels import Channel, dingtalk, telegram, webhook
from safelight.delivery import converse, deliver
from safelight.delivery.deliver import Delivery, target
from safelight.delivery.trial import send_test
from safelight.errors import DeliveryError, Retryable, StoreError
from support.ports import closed_port
from support.providers import Answer, DingTalk, Provider


def hook(provider, name="hook", **fields):
    return webhook.Webhook(name=name, url=provider.url, allow_private=True, **fields)


class Post:
    """An outbox, the delivery that empties it, and what was noted about it."""

    def __init__(self, path, channels):
        self.database = Database(path)
        self.outbox = Outbox(self.database, lambda: datetime.now(UTC), language="en", jitter=lambda *_: 0.0)
        self.channels = channels
        self.noted = []
        self._noted = threading.Condition()
        self.delivery = Delivery(self.outbox, channels, note=self._note)

    def put(self, number, channel="hook", group="g"):
        note = Notification(f"a{number}.1.{channel}", f"a{number}", "r", 2, "firing", f"title {number}", "text")
        with self.database.transaction():
            self.outbox.put(note, f"a{number}.1", channel, group)

    def status(self):
        rows = self.database._connection.execute("SELECT channel, status, may_repeat, answer FROM outbox ORDER BY id")
        return [tuple(row) for row in rows]

    @contextmanager
    def running(self):
        """In a thread of its own, as a server would."""
        worker = threading.Thread(target=lambda: anyio.run(self.delivery.run))
        worker.start()
        try:
            yield self
        finally:
            self.delivery.stop()
            worker.join(60)
            assert not worker.is_alive()

    def wait(self, count, event=None):
        """What was noted, once there are `count` of it."""
        with self._noted:
            assert self._noted.wait_for(lambda: len(self._of(event)) >= count, 60), self.noted
            return self._of(event)

    def _of(self, event):
        return [fields for name, fields in self.noted if event in {None, name}]

    def _note(self, event, /, **fields):
        with self._noted:
            self.noted.append((str(event), fields))
            self._noted.notify_all()


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def post(tmp_path, provider):
    return Post(tmp_path / "state.sqlite", [hook(provider)])


def test_what_waits_is_sent_when_delivery_starts(post, provider):
    post.put(1)
    with post.running():
        post.wait(1)
    (request,) = provider.received
    assert (request.method, request.path, request.json["id"]) == ("POST", "/alert", "a1")
    assert request.headers["host"] == f"127.0.0.1:{provider.port}"
    assert request.key == "a1.1.hook"
    assert post.status() == [("hook", "sent", 0, "200 OK ok")]
    assert post.noted[0][0] == "notification_sent"
    assert post.noted[0][1]["attributes"]["answer"] == "200 OK ok"


def test_a_channel_with_a_chinese_name_works(tmp_path, provider):
    post = Post(tmp_path / "state.sqlite", [hook(provider, "值班")])
    post.put(1, "值班")
    with post.running():
        post.wait(1, "notification_sent")
    assert provider.received[0].key == "a1.1.%E5%80%BC%E7%8F%AD"


def test_a_wake_from_another_thread_sends_at_once(post, provider, monkeypatch):
    monkeypatch.setattr(deliver, "LOOK_AGAIN_S", 3600.0)
    with post.running():
        for number in range(3):
            post.put(number)
            post.delivery.wake()
            provider.wait(number + 1)
    assert [request.json["id"] for request in provider.received] == ["a0", "a1", "a2"]


def test_not_now_is_tried_again_with_the_same_key(post, provider):
    provider.answers(Answer(503, b"busy"), Answer(429, b"slow"))
    post.put(1)
    with post.running():
        post.wait(1, "notification_sent")
    assert {request.key for request in provider.received} == {"a1.1.hook"}
    assert [request.json["may_repeat"] for request in provider.received] == [False, False, False]
    assert [fields["level"] for fields in post.wait(2, "notification_failed")] == ["WARNING", "WARNING"]


def test_no_for_good_is_kept_with_the_peers_words(post, provider):
    provider.answers(Answer(403, b"wrong key"))
    post.put(1)
    with post.running():
        (noted,) = post.wait(1, "notification_failed")
    assert post.status() == [("hook", "failed", 0, "Refused: 403 Forbidden wrong key")]
    assert noted["level"] == "ERROR"
    assert len(provider.received) == 1


@pytest.mark.parametrize("lost", [Answer(hang=True), Answer(502), Answer(504)])
def test_what_may_have_arrived_is_marked(post, provider, lost):
    provider.answers(lost)
    post.put(1)
    with post.running():
        post.wait(1, "notification_sent")
    assert [request.json["may_repeat"] for request in provider.received] == [False, True]


def test_a_peer_that_cannot_be_reached_is_not_marked(tmp_path, provider):
    with closed_port() as port:
        channel = webhook.Webhook(name="hook", url=f"http://127.0.0.1:{port}/", allow_private=True)
        post = Post(tmp_path / "state.sqlite", [channel])
        post.put(1)
        with post.running():
            post.wait(1, "notification_failed")
    assert post.status()[0][2] == 0
    assert "cannot be reached" in post.status()[0][3]


def test_a_silent_peer_is_given_up_and_marked(post, provider, monkeypatch):
    """And is waited for when it is tried again, which is at once."""
    monkeypatch.setattr(converse, "WHOLE_TIMEOUT_S", 1.0)
    postponed = post.outbox.postponed

    def more_patient(*args, **more):
        monkeypatch.setattr(converse, "WHOLE_TIMEOUT_S", 60)
        return postponed(*args, **more)

    monkeypatch.setattr(post.outbox, "postponed", more_patient)
    provider.answers(Answer(after=threading.Event()))
    post.put(1)
    with post.running():
        post.wait(1, "notification_failed")
        post.wait(1, "notification_sent")
    assert [request.json["may_repeat"] for request in provider.received] == [False, True]


def test_a_dead_channel_delays_no_other(tmp_path, provider):
    with Provider() as dead:
        dead.answers(*[Answer(delay_s=2)] * 2)
        post = Post(tmp_path / "state.sqlite", [hook(dead, "dead"), hook(provider, "alive")])
        post.put(1, "dead")
        for number in range(5):
            post.put(number, "alive")
        with post.running():
            dead.wait(1)
            provider.wait(5)
            assert len(dead.received) == 1


def test_stopping_waits_for_the_answer_that_is_under_way(post, provider):
    answered = threading.Event()
    provider.answers(Answer(after=answered))
    post.put(1)
    post.put(2, group="other")
    with post.running():
        provider.wait(1)
        post.delivery.stop()
        answered.set()
    assert [row[1] for row in post.status()] == ["sent", "waiting"]


def test_a_redirect_is_not_followed(post, provider):
    provider.answers(Answer(302, headers={"Location": provider.url}))
    post.put(1)
    with post.running():
        post.wait(1, "notification_failed")
    assert len(provider.received) == 1
    assert "redirects" in post.status()[0][3]


def test_without_allow_private_loopback_is_refused_and_nothing_sent(tmp_path, provider):
    post = Post(tmp_path / "state.sqlite", [webhook.Webhook(name="hook", url=provider.url)])
    post.put(1)
    with post.running():
        post.wait(1, "notification_failed")
    assert not provider.received
    assert "allow_private" in post.status()[0][3]


def test_an_endless_or_packed_answer_is_read_only_so_far(post, provider):
    provider.answers(
        Answer(200, b"x" * 5_000_000),
        Answer(200, gzip.compress(b"0" * 50_000_000, mtime=0), {"Content-Encoding": "gzip"}),
    )
    post.put(1)
    post.put(2, group="other")
    with post.running():
        post.wait(2, "notification_sent")
    assert all(len(row[3]) <= 300 for row in post.status())


def test_a_channel_with_a_mistake_of_its_own_stops_nobody(tmp_path, provider, monkeypatch):
    post = Post(tmp_path / "state.sqlite", [hook(provider, "wrong", severity=1), hook(provider, "right")])
    request = webhook.Webhook.request

    def fail(self, note, now):
        if self.name == "wrong":
            raise ZeroDivisionError
        return request(self, note, now)

    monkeypatch.setattr(webhook.Webhook, "request", fail)
    post.put(1, "wrong")
    post.put(1, "right")
    with post.running():
        post.wait(2)
    assert [(row[0], row[1]) for row in post.status()] == [("wrong", "failed"), ("right", "sent")]
    assert "ZeroDivisionError" in post.status()[0][3]


def test_no_to_everything_switches_the_channel_off_and_its_messages_wait(post, provider):
    provider.answers(Answer(401, b"who are you"))
    post.put(1)
    post.put(2, group="other")
    with post.running():
        (noted,) = post.wait(1, "channel_disabled")
        assert len(provider.received) == 1
        assert [row[1] for row in post.status()] == ["waiting", "waiting"]
        assert post.outbox.channel("hook")["broken_at"] is not None
        post.outbox.enable("hook")
        post.delivery.wake()
        post.wait(2, "notification_sent")
    assert noted["level"] == "ERROR"
    assert "hook is switched off" in noted["message"]
    assert noted["attributes"]["answer"] == "Refused: 401 Unauthorized who are you"


def test_five_messages_refused_in_a_row_switch_it_off(post, provider):
    provider.answers(*[Answer(404, b"nobody here")] * deliver.REFUSED_MAX)
    for number in range(7):
        post.put(number, group=str(number))
    with post.running():
        post.wait(1, "channel_disabled")
    assert [row[1] for row in post.status()] == ["failed"] * 4 + ["waiting"] * 3
    assert len(provider.received) == 5


def test_a_yes_in_between_begins_the_count_again(post, provider):
    no = Answer(404, b"nobody here")
    provider.answers(*[no] * 4, Answer(), *[no] * 4, Answer())
    for number in range(10):
        post.put(number, group=str(number))
    with post.running():
        post.wait(10)
    assert sorted({name for name, _ in post.noted}) == ["notification_failed", "notification_sent"]


def test_what_was_in_flight_at_a_crash_arrives_marked(tmp_path, provider):
    post = Post(tmp_path / "state.sqlite", [hook(provider)])
    post.put(1)
    post.outbox.claim("hook")
    after = Post(tmp_path / "state.sqlite", [hook(provider)])
    assert after.outbox.recover() == 1
    with after.running():
        after.wait(1, "notification_sent")
    assert provider.received[0].json["may_repeat"] is True


def seal(post, value="ON"):
    """A state that takes nothing, as on a full disk."""
    with post.database._lock:
        post.database._connection.execute(f"PRAGMA query_only = {value}")


@pytest.fixture
def sealed_when_sent(post, monkeypatch):
    """The disk fills up while a message is on its way."""
    monkeypatch.setattr(deliver, "STATE_AGAIN_S", 0.001)
    sent, filling = post.outbox.sent, iter([True])

    def fill(*args):
        if next(filling, False):
            seal(post)
        sent(*args)

    monkeypatch.setattr(post.outbox, "sent", fill)


def test_a_state_that_cannot_be_written_is_said_once_and_sending_goes_on_after_it(post, provider, monkeypatch):
    monkeypatch.setattr(deliver, "STATE_AGAIN_S", 0.001)
    refused = threading.Semaphore(0)
    claim = post.outbox.claim

    def counted(*args):
        try:
            return claim(*args)
        except StoreError:
            refused.release()
            raise

    monkeypatch.setattr(post.outbox, "claim", counted)
    post.put(1)
    seal(post)
    with post.running():
        assert all(refused.acquire(timeout=60) for _ in range(4))
        assert not provider.received
        seal(post, "OFF")
        post.wait(1, "notification_sent")
    (noted,) = post.wait(1, "notification_failed")
    assert noted["level"] == "ERROR"
    assert "cannot be used" in noted["message"]
    assert noted["attributes"] == {"channel": "hook", "final": False}


@pytest.mark.usefixtures("sealed_when_sent")
def test_an_outcome_that_cannot_be_written_at_once_is_written_later(post, provider):
    post.put(1)
    with post.running():
        post.wait(1, "notification_failed")
        seal(post, "OFF")
        post.wait(1, "notification_sent")
    assert len(provider.received) == 1
    assert post.status() == [("hook", "sent", 0, "200 OK ok")]


@pytest.mark.usefixtures("sealed_when_sent")
def test_an_outcome_that_was_never_written_repeats_marked(post, tmp_path, provider):
    post.put(1)
    with post.running():
        post.wait(1, "notification_failed")
    post.database.close()
    after = Post(tmp_path / "state.sqlite", [hook(provider)])
    assert after.outbox.recover() == 1
    with after.running():
        after.wait(1, "notification_sent")
    assert [request.json["may_repeat"] for request in provider.received] == [False, True]


def test_stopping_does_not_wait_for_a_disk_with_room(post, monkeypatch):
    monkeypatch.setattr(deliver, "STATE_AGAIN_S", 3600.0)
    monkeypatch.setattr(deliver, "LOOK_AGAIN_S", 3600.0)
    post.put(1)
    seal(post)
    with post.running():
        post.wait(1, "notification_failed")
        post.delivery.wake()


@pytest.mark.parametrize("status", [200, 403, 503])
def test_secrets_that_a_peer_shows_us_are_not_kept(post, provider, status):
    provider.answers(Answer(status, b"see https://ann:hunter22@10.0.0.7/ Authorization: Bearer abcdefgh12345678"))
    post.put(1)
    with post.running():
        post.wait(1)
    kept = f"{post.status()} {post.noted}"
    assert "hunter22" not in kept
    assert "abcdefgh12345678" not in kept
    assert "10.0.0.7" in kept


class TestDingTalk:
    """With a peer that checks what DingTalk checks."""

    def test_a_signed_message_is_accepted(self, tmp_path):
        with DingTalk(secret="SECabc", keyword="title") as robot:
            post = Post(tmp_path / "state.sqlite", [self.channel(robot, secret="SECabc")])
            post.put(1, "team")
            with post.running():
                post.wait(1, "notification_sent")
            assert post.status() == [("team", "sent", 0, "0 ok")]
            assert robot.accepted()[0].json["msgtype"] == "markdown"

    @pytest.mark.parametrize(
        ("robot_fields", "channel_fields", "words"),
        [
            ({"secret": "SECabc"}, {"secret": "SECwrong"}, "310000 sign not match"),
            ({"secret": "SECabc"}, {}, "310000 invalid timestamp"),
            ({"keyword": "nowhere"}, {}, "310000 keywords not in content"),
        ],
    )
    def test_an_error_inside_http_200_is_no_success(self, tmp_path, robot_fields, channel_fields, words):
        with DingTalk(**robot_fields) as robot:
            post = Post(tmp_path / "state.sqlite", [self.channel(robot, **channel_fields)])
            post.put(1, "team")
            with post.running():
                post.wait(1, "channel_disabled")
            ((_, status, _, answer),) = post.status()
            assert status == "waiting"
            assert words in answer
            assert robot.received[0].answer.status == 200

    def test_busy_is_tried_again(self, tmp_path):
        with DingTalk() as robot:
            robot.answers(robot.BUSY)
            post = Post(tmp_path / "state.sqlite", [self.channel(robot)])
            post.put(1, "team")
            with post.running():
                post.wait(1, "notification_sent")
            assert len(robot.received) == 2

    def test_too_fast_is_left_alone_for_ten_minutes(self, tmp_path):
        with DingTalk() as robot:
            robot.answers(robot.TOO_FAST)
            post = Post(tmp_path / "state.sqlite", [self.channel(robot)])
            post.put(1, "team")
            post.put(2, "team", group="other")
            before = datetime.now(UTC)
            with post.running():
                (noted,) = post.wait(1, "notification_failed")
            assert len(robot.received) == 1
            again = datetime.fromisoformat(noted["attributes"]["retry_at"])
            pause = timedelta(minutes=10)
            assert before + pause <= again <= datetime.now(UTC) + pause
            assert [row[1] for row in post.status()] == ["waiting", "waiting"]

    def test_a_storm_stays_below_twenty_a_minute(self, tmp_path):
        with DingTalk() as robot:
            post = Post(tmp_path / "state.sqlite", [self.channel(robot)])
            for number in range(30):
                post.put(number, "team", group=str(number))
            with post.running():
                post.wait(18, "notification_sent")
                assert isinstance(post.outbox.claim("team", per_minute=18), datetime)
            assert len(robot.received) == len(robot.accepted()) == 18

    def test_the_token_is_in_nothing_that_is_kept(self, tmp_path):
        with DingTalk() as robot:
            robot.answers(Answer.of({"errcode": 300001, "errmsg": f"token {robot.token} is not exist"}))
            post = Post(tmp_path / "state.sqlite", [self.channel(robot)])
            post.put(1, "team")
            with post.running():
                post.wait(1)
            assert robot.token not in f"{post.status()} {post.noted}"
            assert "300001" in post.status()[0][3]

    @staticmethod
    def channel(robot, **fields):
        return dingtalk.DingTalk(name="team", url=robot.url, allow_private=True, **fields)


def test_a_test_message_returns_the_peers_words(provider):
    assert anyio.run(send_test, hook(provider)) == "200 OK ok"
    assert "test" in provider.received[0].json["title"]


def test_a_test_message_has_a_chart(provider, monkeypatch):
    from safelight.channels.picture import picture

    notes = []
    monkeypatch.setattr(webhook.Webhook, "request", lambda self, note, now: notes.append(note))
    with pytest.raises(DeliveryError):
        anyio.run(send_test, hook(provider))
    assert picture(notes[0]).startswith(b"\x89PNG")


def test_a_test_message_tells_what_is_wrong(provider):
    provider.answers(Answer(404, b"nobody here"), Answer(hang=True))
    with pytest.raises(DeliveryError, match="nobody here"):
        anyio.run(send_test, hook(provider))
    with pytest.raises(Retryable, match="no answer"):
        anyio.run(send_test, hook(provider))


def test_alerting_knows_a_channel_by_name_type_severity_and_language(provider):
    known = target(hook(provider, severity=1, digest=False), "zh-CN")
    assert known == Target("hook", "webhook", 1, "zh-CN", digest=False, verified=True, version=known.version)
    assert target(hook(provider, language="en"), "zh-CN").language == "en"


def test_a_channel_with_other_settings_or_secrets_is_another_version(provider):
    channels = [hook(provider), hook(provider, secret="one"), hook(provider, secret="two"), hook(provider, severity=1)]
    assert len({target(channel, "en").version for channel in channels}) == 4
    assert target(channels[1], "en") == target(hook(provider, secret="one"), "en")


def test_the_secrets_a_peer_shows_are_not_in_the_answer_to_a_test(provider):
    provider.answers(Answer(403, b"no such key s3cr3t-s3cr3t"))
    with pytest.raises(DeliveryError, match=r"no such key \*\*\*") as caught:
        anyio.run(send_test, hook(provider, secret="s3cr3t-s3cr3t"))
    assert "s3cr3t" not in str(caught.value)


def test_every_channel_of_the_room_is_found_by_its_file_name():
    from safelight.plugin import kinds

    assert {"webhook", "dingtalk"} <= set(kinds(Channel))


def test_a_peer_that_names_no_number_to_wait_stops_nobody(tmp_path):
    with Provider() as hostile, Provider() as other:
        night = telegram.Telegram(name="night", token="t" * 20, chat_id=1, server=hostile.url, allow_private=True)
        post = Post(tmp_path / "state.sqlite", [night, hook(other)])
        hostile.answers(Answer(429, b'{"ok": false, "parameters": {"retry_after": NaN}}'))
        post.put(1, "night")
        with post.running():
            post.wait(1, "notification_failed")
            post.put(2)
            post.delivery.wake()
            post.wait(1, "notification_sent")
    assert [row[:2] for row in post.status()] == [("night", "waiting"), ("hook", "sent")]


def test_what_breaks_one_channel_stops_no_other(tmp_path, provider):
    post = Post(tmp_path / "state.sqlite", [hook(provider), hook(provider, "odd")])
    post.put(1, "odd")
    post.database._connection.execute("UPDATE outbox SET notification = '{}'")
    with post.running():
        (fields,) = post.wait(1, "task_failed")
        assert "(odd)" in fields["message"]
        post.put(2)
        post.delivery.wake()
        post.wait(1, "notification_sent")


def test_what_was_on_its_way_when_delivery_fell_over_goes_out_again_marked(tmp_path, provider):
    post = Post(tmp_path / "state.sqlite", [hook(provider)])
    with post.running():
        post.put(1)
        post.delivery.wake()
        post.wait(1, "notification_sent")
    post.database._connection.execute("UPDATE outbox SET status = 'sending'")
    post.delivery._stopping = False
    with post.running():
        post.wait(2, "notification_sent")
    assert [request.json["may_repeat"] for request in provider.received] == [False, True]
