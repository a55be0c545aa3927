"""A configuration is right as a whole, or every mistake in it is told with its place."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from safelight.config import load
from safelight.config.defaults import rules_of
from safelight.config.units import size
from safelight.errors import ConfigError

GOOD = """
language = "zh-CN"

[server]
port = 0
data = "./safelight-data"

[store]
type = "duckdb"
retention = { age = "30d", size = "20GB" }

[[sources]]
type = "file"
paths = ["/var/log/comfyui/*.log"]
exclude = ["*.gz"]
tag = "comfyui.raw"
service = "comfyui"
read_from = "start"

[[processors]]
type = "enrich"
fields = { service_name = "comfyui-engine", environment = "production" }

[[processors]]
type = "redact"

[[channels]]
type = "dingtalk"
name = "team"
url = "env:DINGTALK_WEBHOOK"
secret = "env:DINGTALK_SECRET"
severity = 2
language = "zh-CN"

[[channels]]
type = "webhook"
name = "hook"
url = "http://127.0.0.1:9000/alert"
allow_private = true
severity = 1

[[rules]]
id = "any-error"
when = "any level:ERROR"
severity = 2
repeat = "5m"
"""
ENVIRONMENT = {
    "DINGTALK_WEBHOOK": "https://oapi.dingtalk.com/robot/send?access_token=t",
    "DINGTALK_SECRET": "SEC0123456789",
    "XDG_CONFIG_HOME": "/nonexistent",
}


def read(tmp_path: Path, text: str, **environment: str):
    path = tmp_path / "safelight.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, ENVIRONMENT | environment)


def mistakes(tmp_path, text, **environment):
    with pytest.raises(ConfigError) as told:
        read(tmp_path, text, **environment)
    return str(told.value).splitlines()[1:]


def test_the_documented_configuration_works(tmp_path):
    config = read(tmp_path, GOOD)
    assert config.language == "zh-CN"
    assert config.store.retention.age == timedelta(days=30)
    assert config.store.retention.size == 20 * 1024**3
    assert [source.name for source in config.sources] == ["/var/log/comfyui/*.log"]
    assert [channel.name for channel in config.channels] == ["team", "hook"]
    assert not config.warnings
    assert not config.left_out


def test_without_a_file_everything_has_a_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load(None, {"XDG_CONFIG_HOME": str(tmp_path)})
    assert (config.server.host, config.server.port, config.path) == ("127.0.0.1", 8678, None)
    assert {rule.id for rule in rules_of(config)} == {"any-error", "error-rate"}


def test_a_rule_of_the_same_id_replaces_a_default_one(tmp_path):
    config = read(tmp_path, GOOD)
    assert str(next(rule for rule in rules_of(config) if rule.id == "any-error").when) == "any level:ERROR"
    assert [rule.id for rule in rules_of(read(tmp_path, "[alerts]\ndefault_rules = false\n"))] == []


def test_secrets_come_from_the_environment_and_are_never_shown(tmp_path):
    config = read(tmp_path, GOOD)
    assert config.channels[0].secret.get_secret_value() == "SEC0123456789"
    assert "SEC0123456789" not in repr(config)


def test_a_secret_in_the_file_is_warned_about(tmp_path):
    text = GOOD.replace('"env:DINGTALK_SECRET"', '"SECinline"')
    (warning,) = read(tmp_path, text).warnings
    assert "channels[1].secret" in warning
    assert "SECinline" not in warning


def test_every_mistake_is_told_at_once_with_its_line(tmp_path):
    text = """
colour = "red"
[server]
port = "many"
[store]
retention = { age = "a month" }
[[sources]]
type = "file"
[[sources]]
type = "syslogg"
paths = ["x"]
"""
    told = mistakes(tmp_path, text)
    places = {line.split(": ")[0].rsplit(":", 1)[1] + " " + line.split(": ")[1] for line in told}
    assert places == {
        "2 colour",
        "4 server.port",
        "6 store.retention.age",
        "7 sources[1].paths",
        "10 sources[2].type",
    }


def test_a_bad_rule_or_channel_is_left_out_and_named_and_the_rest_works(tmp_path):
    text = GOOD + '\n[[rules]]\nid = "typo"\nwhen = "any levl::"\n[[channels]]\ntype = "pager"\nname = "p"\n'
    config = read(tmp_path, text)
    assert [rule.id for rule in config.rules] == ["any-error"]
    assert len(config.channels) == 2
    assert any("rules[2].when" in mistake for mistake in config.left_out)
    assert any("channels[3].type" in mistake for mistake in config.left_out)


def test_a_secret_that_is_not_there_leaves_its_channel_out(tmp_path):
    config = read(tmp_path, GOOD.replace("env:DINGTALK_SECRET", "env:NOT_SET"))
    assert [channel.name for channel in config.channels] == ["hook"]
    assert "NOT_SET" in config.left_out[0]


def test_names_must_differ(tmp_path):
    text = GOOD + '\n[[rules]]\nid = "any-error"\nwhen = "any level:ERROR"\n'
    assert "rules[2].id" in mistakes(tmp_path, text)[0]


def test_the_environment_fills_sections(tmp_path):
    assert read(tmp_path, GOOD, SAFELIGHT_SERVER__PORT="9000").server.port == 9000
    assert "server.port" in mistakes(tmp_path, GOOD, SAFELIGHT_SERVER__PORT="many")[0]


@pytest.mark.parametrize("content", ["not toml at all", "[server", "\x00"])
def test_what_is_not_toml_says_where(tmp_path, content):
    with pytest.raises(ConfigError, match=r"line 1|end of document"):
        read(tmp_path, content)


def test_a_file_that_was_named_must_exist(tmp_path):
    with pytest.raises(ConfigError, match=r"no configuration file"):
        load(tmp_path / "no.toml", {})


@pytest.mark.parametrize(("text", "bytes_"), [("20GB", 20 << 30), ("512 MiB", 512 << 20), ("1.5k", 1536), ("7", 7)])
def test_sizes_are_powers_of_1024(text, bytes_):
    assert size(text) == bytes_


@pytest.mark.parametrize("kept", ["age = 30", 'age = "0d"', "age = -5", "size = -1", "size = 0", 'size = "0GB"'])
def test_retention_is_never_a_slip(tmp_path, kept):
    assert "store.retention." in mistakes(tmp_path, f"[store]\nretention = {{ {kept} }}\n")[0]


@pytest.mark.parametrize("text", ["", "GB", "1 fortnight", "-1MB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match=r".*"):
        size(text)
