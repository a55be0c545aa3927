"""The rules that come with Safelight."""

from __future__ import annotations

import pytest

from safelight.alerts.when import parse
from safelight.config import load
from safelight.config.default_rules import ALWAYS, EXPECTED, KNOWN
from safelight.config.defaults import default_rules
from safelight.config.faults import Known, faults
from safelight.locales import LANGUAGES, catalogue

RULES = [*ALWAYS, *(rule for rules in EXPECTED.values() for rule in rules)]
every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)


def ids(tmp_path, text):
    file = tmp_path / "safelight.toml"
    file.write_text(text, encoding="utf-8")
    return [rule.id for rule in default_rules(load(file, {}))]


@every_rule
def test_a_default_rule_has_no_mistake_and_says_what_it_means(rule):
    assert list(faults(rule, Known(frozenset(), KNOWN), "en")) == []
    assert parse(str(rule.when)) == rule.when


@every_rule
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_default_rule_is_titled_in_every_language(rule, language):
    assert rule.title is None
    assert catalogue(language)[f"rule.{rule.id}.title"]


def test_the_catalogue_names_no_rule_that_is_none():
    titled = {key.split(".")[1] for key in catalogue("en") if key.startswith("rule.") and key.endswith(".title")}
    assert titled == KNOWN


def test_what_is_missed_is_expected_only_where_a_source_names_the_service(tmp_path):
    source = '[[sources]]\ntype = "file"\npaths = ["/var/log/photos.log"]\nservice = "IDphoto"\n'
    assert "idphoto-volume" not in ids(tmp_path, "")
    assert "idphoto-volume" in ids(tmp_path, source)
    assert ids(tmp_path, source + "[alerts]\ndefault_rules = false\n") == []


def test_the_figures_of_the_users_are_the_defaults():
    said = {rule.id: str(rule.when) for rule in RULES}
    assert "> 15%" in said["failure-rate"]
    assert "> 15%" in said["idphoto-failure-rate"]
    assert said["failures-in-a-row"].startswith("3 failures in a row")
    assert said["error-rate"].startswith("more than 10 ")
    assert said["idphoto-errors"].startswith("more than 5 ")
    assert "> 2000 " in said["idphoto-slow"]
    assert said["idphoto-volume"].startswith("fewer than 10 ")
    assert said["ddcolor-slow"].startswith("run takes > 30s")
