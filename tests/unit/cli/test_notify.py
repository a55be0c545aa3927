"""`safelight notify` without a server."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from safelight.alerts.database import Database
from safelight.alerts.notification import Notification
from safelight.alerts.outbox import Outbox
from safelight.cli import notify
from safelight.errors import DeliveryError, NoSuchEvent, ServerError
from support.providers import Answer, Provider


@pytest.fixture
def peer():
    with Provider() as running:
        yield running


@pytest.fixture
def call(tmp_path, peer, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("SAFELIGHT_CONFIG", "SAFELIGHT_DATA", "SAFELIGHT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOOK", peer.url)
    config = tmp_path / "other.toml"
    config.write_text(
        '[[channels]]\ntype = "webhook"\nname = "值班"\nurl = "env:HOOK"\nallow_private = true\n'
        '[[channels]]\ntype = "webhook"\nname = "bad"\n'
    )

    def run(*arguments):
        options = ("--config", str(config), "--data", str(tmp_path / "data"))
        return CliRunner().invoke(notify.command, [*arguments, *options])

    return run


def test_a_test_prints_the_providers_answer(call, peer):
    told = call("test", "值班")
    assert told.exit_code == 0
    assert "200 OK ok" in told.stdout
    assert peer.received[0].json["rule"] == "test"
    assert json.loads(call("test", "值班", "--json").stdout) == {"channel": "值班", "answer": "200 OK ok"}


def test_a_refusal_is_raised_in_the_providers_words(call, peer):
    peer.answers(Answer(403, b"wrong key"))
    told = call("test", "值班")
    assert told.exit_code == 1
    assert isinstance(told.exception, DeliveryError)
    assert "403 Forbidden wrong key" in str(told.exception)


def test_an_unknown_channel_is_named_and_so_is_what_was_left_out(call):
    told = call("test", "bad")
    assert isinstance(told.exception, NoSuchEvent)
    assert "url" in told.stderr


def test_a_broken_channel_that_takes_it_is_in_use_again(call, tmp_path):
    (tmp_path / "data").mkdir()
    database = Database(tmp_path / "data" / "state.sqlite")
    outbox = Outbox(database, lambda: datetime.now(UTC), language="en")
    with database.transaction():
        outbox.put(Notification("k", "a", "r", 2, "firing", "t", "text"), "m", "值班", "g")
    outbox.broken(outbox.claim("值班"), "wrong key")
    assert outbox.channel("值班")["broken_at"] is not None
    assert call("test", "值班").exit_code == 0
    assert outbox.channel("值班")["broken_at"] is None
    database.close()


def test_the_list_names_what_is_configured(call):
    assert "值班" in call("list").stdout
    (one,) = json.loads(call("list", "--json").stdout)
    assert (one["name"], one["type"], one["severity"], one["verified"]) == ("值班", "webhook", 2, True)


class TestWithAServer:
    """The server does it, and its answer is printed."""

    def test_it_is_asked_by_name(self, peer):
        peer.answers(Answer.of({"answer": "0 ok", "took_ms": 12.0}))
        told = self.call(peer, "test", "值班")
        assert told.exit_code == 0
        assert "0 ok" in told.stdout
        assert peer.received[0].path == "/api/v1/channels/%E5%80%BC%E7%8F%AD/test"

    def test_its_refusal_is_raised(self, peer):
        peer.answers(Answer.of({"title": "no", "detail": "Refused: 310000 sign not match", "status": 502}, 502))
        told = self.call(peer, "test", "team")
        assert isinstance(told.exception, ServerError)
        assert str(told.exception) == "Refused: 310000 sign not match"

    def test_the_list_says_how_they_stand(self, peer):
        row = {"name": "team", "type": "dingtalk", "severity": 2, "state": "broken", "last_answer": "310000"}
        peer.answers(Answer.of({"channels": [row]}))
        told = self.call(peer, "list").stdout
        assert "broken" in told
        assert "310000" in told

    @staticmethod
    def call(peer, *arguments):
        return CliRunner().invoke(notify.command, [*arguments, "--url", f"http://127.0.0.1:{peer.port}"])
