"""`safelight rules`: for people before they restart a server, and for CI."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from safelight.alerts.database import Database
from safelight.alerts.own_rules import OwnRules
from safelight.batch import Batch
from safelight.cli import rules
from safelight.errors import ConfigError, NoSuchEvent
from safelight.store.segments import SegmentStore

GOOD = '[[rules]]\nid = "wrong-node"\nwhen = "any  level:ERROR node:VAEDecode"\n'
BAD = GOOD + 'channels = ["pager"]\n[[rules]]\nid = "rate"\nwhen = "failure rate > 15 over 15m"\n'


@pytest.fixture(autouse=True)
def nothing_else_is_configured(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("SAFELIGHT_CONFIG", "SAFELIGHT_DATA", "SAFELIGHT_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def call(tmp_path):
    def run(*arguments, code=0):
        done = CliRunner().invoke(rules.command, arguments, standalone_mode=False)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert (done.return_value or 0) == code, done.output
        return done

    return run


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "rules.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def data(tmp_path):
    """Three failures, one of them a month ago."""
    now = datetime.now(UTC)
    failed = {"event": "node_failed", "level": "ERROR", "node": "VAEDecode", "received_at": now}
    with SegmentStore.open(tmp_path / "data") as store:
        rows = [{"id": f"e{h}", "timestamp": now - timedelta(hours=h), **failed} for h in (24 * 30, 5, 2)]
        store.append(Batch.of(rows))
    return str(tmp_path / "data")


def test_a_good_file_is_said_to_be_good_with_its_rules_as_they_are_understood(call, file):
    done = call("check", file(GOOD))
    assert "any level:ERROR AND node:VAEDecode" in done.output
    answer = json.loads(call("check", file(GOOD), "--json").stdout)
    assert (answer["ok"], answer["mistakes"]) == (True, [])
    (rule,) = answer["rules"]
    assert (rule["id"], rule["place"].rsplit(":", 1)[1]) == ("wrong-node", "2")


def test_every_mistake_is_told_with_its_place_and_the_exit_code_is_1(call, file):
    done = call("check", file(BAD), code=1)
    assert "rules.toml:4: rules[1].channels[1]" in done.stderr
    assert "rules.toml:7: rules[2].when" in done.stderr
    answer = json.loads(call("check", file(BAD), "--json", code=1).stdout)
    assert (answer["ok"], len(answer["mistakes"])) == (False, 2)


def test_what_would_refuse_to_start_is_told_too(call, file):
    answer = json.loads(call("check", file(BAD + '[server]\nport = "many"\n'), "--json", code=1).stdout)
    assert len(answer["mistakes"]) == 3
    assert json.loads(call("check", file("no toml"), "--json", code=1).stdout)["mistakes"]


def test_a_file_that_is_not_there_is_no_good_file(call):
    with pytest.raises(ConfigError):
        call("check", "nowhere.toml")


def test_without_a_file_the_default_rules_are_on(call):
    assert call("check").output
    listed = json.loads(call("list", "--json").stdout)
    assert {"oom", "any-error"} <= {rule["id"] for rule in listed}
    assert {rule["origin"] for rule in listed} == {"default"}


def test_with_the_server_down_rules_of_the_page_are_listed_too(call, file, data, tmp_path):
    database = Database(tmp_path / "data" / "state.sqlite")
    OwnRules(database).save("mine", {"id": "mine", "when": "any x:1"})
    OwnRules(database).save("old", {"id": "old", "when": "whenever"})
    database.close()
    done = call("list", "--data", data)
    assert "any x:1" in done.stdout
    assert "`old`" in done.stderr
    listed = json.loads(call("list", file(GOOD), "--data", data, "--json").stdout)
    assert {rule["origin"] for rule in listed} == {"default", "file"}


def test_the_rules_of_a_file_are_tried_on_what_was_stored(call, file, data):
    (tried,) = json.loads(call("backtest", file(GOOD), "--data", data, "--json").stdout)
    assert (tried["rule"], tried["total"], tried["matched"]) == ("wrong-node", 2, 2)
    (tried,) = json.loads(call("backtest", file(GOOD), "--data", data, "--since", "3h", "--json").stdout)
    assert tried["total"] == 1
    assert "wrong-node" in call("backtest", file(GOOD), "--data", data).output


def test_without_a_file_every_rule_is_tried_or_only_those_that_are_named(call, data):
    tried = json.loads(call("backtest", "--data", data, "--json").stdout)
    assert {"any-error", "oom"} <= {one["rule"] for one in tried}
    assert not [one for one in tried if "error" in one]
    (one,) = json.loads(call("backtest", "--data", data, "--rule", "any-error", "--json").stdout)
    assert one["total"] == 2
    with pytest.raises(NoSuchEvent):
        call("backtest", "--data", data, "--rule", "nothing")


def test_a_rule_that_cannot_be_tried_says_why_and_does_not_stop_the_others(call, file, data):
    tried = json.loads(call("backtest", file(GOOD), "--data", data, "--since", "100d", "--json").stdout)
    assert "90" in tried[0]["error"]
