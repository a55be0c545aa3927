"""Rules of the file: everything wrong in one is told with its place and what to do, and the others stay."""

from __future__ import annotations

import pytest

from safelight.config import load
from safelight.config.checked import checked
from safelight.config.default_rules import KNOWN
from safelight.config.faults import Known
from safelight.errors import ConfigError

GOOD = '[[rules]]\nid = "good"\nwhen = "any level:ERROR"\n'
TEAM = '[[channels]]\ntype = "webhook"\nname = "team"\nurl = "https://a.example/"\n'
KEYLESS = '[[channels]]\ntype = "webhook"\nname = "keyless"\nurl = "env:NOWHERE"\n'


def read(tmp_path, text, language="en"):
    file = tmp_path / "safelight.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, {"XDG_CONFIG_HOME": "/nonexistent"}, language)


@pytest.mark.parametrize(
    ("lines", "place", "said"),
    [
        ('when = "any level:ERROR"\nchannels = ["pager"]', ":10: rules[2].channels[1]", "`pager`; there are: team."),
        ('when = "any level:ERROR"\ninhibit = ["nothing"]', ":10: rules[2].inhibit[1]", "There is no rule `nothing`"),
        ('when = "any level:ERROR"\ninhibit = ["bad"]', ":10: rules[2].inhibit[1]", "cannot inhibit itself"),
        ('when = "any level:ERROR"\nadvice = "pray"', ":10: rules[2].advice", "There is no advice called `pray`"),
        ('when = "any level:ERROR"\ntext = "{{ nobody }}"', ":10: rules[2].text", "nobody"),
        ('when = "any level:ERROR"\ntext = "{% if %}"', ":10: rules[2].text", ""),
        ('when = "failure rate > 15 over 15m"', ":9: rules[2].when", "15%"),
        ('when = "run takes > 30"', ":9: rules[2].when", "30s"),
        ('when = "any level:ERROR"\nclear = "more than 3 level:INFO over 1h"', ":10: rules[2].clear", ""),
        ('when = "any level:ERROR"\nescalate = { after = 15 }', ":10: rules[2].escalate.after", "30s, 5m"),
        ('when = "any level:ERROR"\nfor = "2"', ":10: rules[2].for", "duration"),
    ],
    ids=["channel", "inhibit", "itself", "advice", "name", "syntax", "percent", "seconds", "clear", "escalate", "for"],
)
def test_a_rule_with_a_mistake_is_left_out_and_named_and_the_good_one_stays(tmp_path, lines, place, said):
    config = read(tmp_path, f"{GOOD}{TEAM}[[rules]]\n{lines.splitlines()[0]}\n" + tail(lines))
    (told,) = config.left_out
    assert place in told
    assert said in told
    assert [rule.id for rule in config.rules] == ["good"]


def tail(lines):
    return "".join(f"{line}\n" for line in lines.splitlines()[1:]) + 'id = "bad"\n'


def test_a_rule_may_name_default_rules_and_those_of_the_file_even_if_they_have_mistakes(tmp_path):
    text = GOOD + 'inhibit = ["any-error", "later", "wrong"]\n'
    text += '[[rules]]\nid = "later"\nwhen = "any x:1"\n[[rules]]\nid = "wrong"\nwhen = "none"\n'
    config = read(tmp_path, text)
    assert [rule.id for rule in config.rules] == ["good", "later"]
    assert len(config.left_out) == 1


def test_a_channel_that_was_left_out_costs_no_rule(tmp_path):
    config = read(tmp_path, KEYLESS + GOOD + 'channels = ["keyless"]\n')
    assert [rule.id for rule in config.rules] == ["good"]
    (told,) = config.left_out
    assert "channels[1].url" in told


def test_without_any_channel_the_mistake_says_where_channels_go(tmp_path):
    (told,) = read(tmp_path, GOOD + 'channels = ["team"]\n').left_out
    assert "[[channels]]" in told


def test_a_title_may_begin_like_a_secret(tmp_path):
    config = read(tmp_path, GOOD + 'title = "file: disk trouble"\n')
    assert config.rules[0].title == "file: disk trouble"


def test_every_rule_knows_where_it_stands(tmp_path):
    config = read(tmp_path, TEAM + GOOD)
    assert config.places["good"].at == f"{tmp_path / 'safelight.toml'}:6"


def test_mistakes_of_rules_are_told_in_chinese(tmp_path):
    (told,) = read(tmp_path, TEAM + GOOD + 'channels = ["pager"]\n', "zh-CN").left_out
    assert "没有名为 `pager` 的通道" in told


def test_quiet_hours_and_digest_are_read(tmp_path):
    config = read(
        tmp_path,
        """
[alerts]
quiet_hours = { from = "23:00", to = "7:30", zone = "Asia/Shanghai" }
digest = { at = "08:00" }
[remedies]
dry_run = false
[server]
url = "https://safelight.example/studio"
""",
    )
    quiet = config.alerts.quiet_hours.quiet()
    assert (str(quiet.start), str(quiet.end), str(quiet.zone), quiet.below) == (
        "23:00:00",
        "07:30:00",
        "Asia/Shanghai",
        3,
    )
    assert (str(config.alerts.digest.at), config.alerts.digest.zone) == ("08:00:00", None)
    assert config.remedies.dry_run is False
    assert config.server.url == "https://safelight.example/studio"


@pytest.mark.parametrize(
    ("section", "place", "said"),
    [
        ('[alerts]\ndigest = { at = "25:00" }', ":2: alerts.digest.at", '"08:00"'),
        ("[alerts]\ndigest = { at = 8 }", ":2: alerts.digest.at", '"08:00"'),
        ("[alerts]\ndigest = { }", ":2: alerts.digest.at", "required"),
        ('[alerts]\ndigest = { at = "08:00", zone = "Mars" }', ":2: alerts.digest.zone", '"Asia/Shanghai"'),
        ('[alerts]\nquiet_hours = { from = "23:00" }', ":2: alerts.quiet_hours.to", "required"),
        (
            '[alerts]\nquiet_hours = { from = "23:00", to = "07:00", below = 1 }',
            ":2: alerts.quiet_hours.below",
            "2 or more",
        ),
        ('[server]\nurl = "safelight.example"', ":2: server.url", "https://"),
        ('[remedies]\ndry_run = "maybe"', ":2: remedies.dry_run", "true or false"),
    ],
    ids=["hour", "number", "no-time", "zone", "no-end", "below", "url", "dry-run"],
)
def test_a_mistake_in_a_section_refuses_with_its_place(tmp_path, section, place, said):
    with pytest.raises(ConfigError) as told:
        read(tmp_path, section)
    (line,) = told.value.values["told"]
    assert place in line
    assert said in line


@pytest.fixture
def check(tmp_path):
    config = read(tmp_path, TEAM)
    known = Known(frozenset({"team"}), KNOWN)
    return lambda **fields: checked({"id": "r", "when": "any level:ERROR", **fields}, config, known, "en")


def test_a_rule_of_the_page_is_checked_like_one_of_the_file(check):
    assert str(check().rule.when) == "any level:ERROR"
    (mistake,) = check(channels=["pager"]).mistakes
    assert mistake.location == ("channels", 0)
    (mistake,) = check(when="any level:LOUD").mistakes
    assert (mistake.location, mistake.cause.position) == (("when",), 10)


def test_what_works_but_tells_nobody_is_warned_about(check):
    assert check().warnings == ()
    (warning,) = check(severity=1).warnings
    assert "severity 1" in warning
    assert check(severity=1, shadow=True).warnings == ()
    assert check(severity=1, escalate={"after": "5m"}).warnings == ()


def test_a_rule_of_the_page_names_no_program(check):
    then = [{"restart": {"service": "comfyui", "else": {"command": {"run": ["/bin/sh", "-c", "id"]}}}}]
    (mistake,) = check(then=then).mistakes
    assert mistake.location == ("then", 0, "restart", "else", "command", "run")
    assert check(then=[{"free_memory": {}}]).rule is not None


def test_a_rule_of_the_page_reads_no_secret(check, monkeypatch):
    monkeypatch.setenv("KEY", "hidden")
    assert check(title="env:KEY").rule.title == "env:KEY"


def test_a_mistake_inside_a_repair_is_told_at_its_own_line(tmp_path):
    text = GOOD + (
        "then = [\n"
        "  { free_memory = {} },\n"
        '  { restart = { service = "comfyui", max = "lots" } },\n'
        "  { command = { run = [] } },\n"
        "]\n"
        '[[rules]]\nid = "b"\nwhen = "any level:ERROR"\nthen = [{ frobnicate = {} }]\n'
        '[[rules]]\nid = "c"\nwhen = "any level:ERROR"\nthen = [{ command = { run = ["env:NOWHERE"] } }]\n'
    )
    places = [
        told.removeprefix(str(tmp_path / "safelight.toml")).split(": ")[:2] for told in read(tmp_path, text).left_out
    ]
    assert places == [
        [":6", "rules[1].then[2].restart.max"],
        [":7", "rules[1].then[3].command.run"],
        [":12", "rules[2].then[1]"],
        [":16", "rules[3].then"],
    ]
