"""A configuration is right as a whole, or every mistake in it is told with its place."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from safelight.config import load
from safelight.config.defaults import default_rules
from safelight.errors import ConfigError
from safelight.units import size

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
    assert {"any-error", "stuck", "error-rate"} <= {rule.id for rule in default_rules(config)}


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


def test_of_two_with_one_name_the_later_is_left_out_and_named_at_its_own_place(tmp_path):
    text = (
        GOOD
        + """
[[rules]]
id = "typo"
when = "any levl::"
[[rules]]
id = "any-error"
when = "any level:CRITICAL"
[[channels]]
type = "webhook"
name = "hook"
url = "https://b.example/"
"""
    )
    config = read(tmp_path, text)
    assert [str(rule.when) for rule in config.rules] == ["any level:ERROR"]
    assert [channel.name for channel in config.channels] == ["team", "hook"]
    (_, rule, channel) = config.left_out
    lines = text.splitlines()
    assert f":{lines.index('[[rules]]', lines.index('[[rules]]') + 4) + 5}: rules[3].id: `any-error`" in rule
    assert "channels[3].name: `hook`" in channel


def test_what_would_be_left_out_is_told_with_the_mistakes_that_refuse_to_start(tmp_path):
    text = """
[[rules]]
id = "typo"
when = "any levl::"
[[channels]]
type = "pager"
name = "p"
[[sources]]
type = "file"
[server]
host = "0.0.0.0"
port = "many"
"""
    with pytest.raises(ConfigError, match="5 mistakes") as told:
        read(tmp_path, text)
    lines = str(told.value).splitlines()[1:]
    places = [re.search(r":(\d+): ([\w.\[\]]+): ", line).groups() for line in lines]
    assert places == [
        ("4", "rules[1].when"),
        ("6", "channels[1].type"),
        ("8", "sources[1].paths"),
        ("11", "server.host"),
        ("12", "server.port"),
    ]


def test_a_host_that_the_command_line_may_overrule_is_no_mistake_by_itself(tmp_path):
    assert read(tmp_path, '[server]\nhost = "0.0.0.0"\n').server.host == "0.0.0.0"


def test_one_mistake_is_counted_as_one(tmp_path):
    with pytest.raises(ConfigError, match="has 1 mistake;"):
        read(tmp_path, 'colour = "red"')


def test_every_secret_that_is_not_there_is_told_at_its_own_key(tmp_path):
    text = GOOD.replace("env:DINGTALK_WEBHOOK", "env:NOPE").replace("env:DINGTALK_SECRET", "env:NEITHER")
    url, secret = read(tmp_path, text).left_out
    at = text.splitlines().index('url = "env:NOPE"') + 1
    assert f":{at}: channels[1].url: The environment variable NOPE" in url
    assert f":{at + 1}: channels[1].secret: The environment variable NEITHER" in secret


RULE = '[[rules]]\nid = "r"\nwhen = "any level:ERROR"\n'
HOOK = '[[channels]]\ntype = "webhook"\nname = "hook"\nurl = "https://a.example/"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[sources]]\ntype = "file"\npaths = "x.log"', "sources[1].paths: `paths` must be a list in brackets"),
        ('[[sources]]\ntype = "file"\npaths = []', "sources[1].paths: `paths` needs at least 1 entry"),
        ("[server]\nport = 70000", "server.port: `port` must be 65535 or less, not 70000."),
        ("[server]\nport = -1", "server.port: `port` must be 0 or more, not -1."),
        ("server = 3", "server: `server` must be a table"),
        (RULE.replace('"r"', '"a b"'), "rules[1].id: `id` may only have letters, digits, `.`, `_` and `-`"),
        (RULE.replace('"any level:ERROR"', "5"), "rules[1].when: `when` must be text in quotes, not 5."),
        (RULE + "severity = 4", "rules[1].severity: `severity` must be 3 or less, not 4."),
        (RULE + 'repeat = "0s"', "rules[1].repeat: `repeat` must be a duration such as 30s"),
        (HOOK + "severity = 0", "channels[1].severity: `severity` must be 1 or more, not 0."),
        (HOOK.replace('"hook"', '"-"'), "channels[1].name: `name` may only have letters"),
        (HOOK.replace("https:", "ftp:"), "channels[1].url: `url` must be a URL that begins with https:// or http://."),
    ],
)
def test_a_mistake_is_told_in_our_words_once(tmp_path, text, said):
    try:
        told = read(tmp_path, text).left_out
    except ConfigError as error:
        told = str(error).splitlines()[1:]
    (line,) = told
    assert said in line


def test_a_rule_that_cannot_be_read_is_named_once(tmp_path):
    (line,) = read(tmp_path, RULE.replace("any level:ERROR", "any levl::")).left_out
    assert "rules[1].when: " in line
    assert "`when`: " not in line


def test_mistakes_are_told_in_chinese(tmp_path):
    path = tmp_path / "safelight.toml"
    path.write_text("[server]\nport = 70000\n" + HOOK.replace("https:", "ftp:"), encoding="utf-8")
    with pytest.raises(ConfigError) as told:
        load(path, ENVIRONMENT, "zh-CN")
    said = told.value.render("zh-CN")
    assert "配置里有 2 处错误" in said
    assert "不能大于 65535" in said
    assert "开头的网址" in said


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


def test_a_type_that_is_no_text_is_a_mistake_like_any(tmp_path):
    config = read(
        tmp_path, '[[channels]]\ntype = ["webhook"]\nname = "a"\n[[channels]]\ntype = { a = 1 }\nname = "b"\n'
    )
    assert [":2: channels[1].type" in told for told in config.left_out] == [True, False]


MISTYPED = """
[[processors]]
type = "drop"
where = "levle:DEBUG"
[[sinks]]
type = "stdout"
where = "sevice:comfyui AND attributes.sevice:x AND port:80"
[[rules]]
id = "slow"
severity = 1
when = "p95 durationMs of service:comfyui by instnce > 5 over 5m"
[[rules]]
id = "failed"
severity = 1
when = "any event:run_failed"
clear = "any worklow_id:*"
"""


def test_a_field_that_nobody_has_is_noted_with_the_one_that_was_meant(tmp_path):
    config = read(tmp_path, MISTYPED)
    assert not config.warnings
    asked = ("levle", "sevice", "durationMs", "instnce", "worklow_id")
    meant = ("level", "service", "duration_ms", "instance", "workflow_id")
    places = ("4: processors[1].where", "7: sinks[1].where", *["11: rules[1].when"] * 2, "16: rules[2].clear")
    for note, place, name, known in zip(config.notes, places, asked, meant, strict=True):
        assert note.partition("toml:")[2].startswith(f"{place}: {name} is no field")
        assert f"mean {known}? If not, write attributes.{name}" in note
    assert [rule.id for rule in config.rules] == ["slow", "failed"]
