"""Rules come from Safelight, from the file and from the page; the file is the truth for what is in it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from safelight.alerts.database import Database
from safelight.alerts.own_rules import OwnRules
from safelight.app.rulebook import Fixed, Rulebook
from safelight.config import load
from safelight.errors import InputError, NoSuchEvent
from support.timeline import Timeline, event

FILE = """
[[channels]]
type = "webhook"
name = "team"
url = "https://a.example/"
[[rules]]
id = "stuck"
when = "any event:run_stuck service:comfyui"
"""
MINE = {"id": "mine", "when": "any  level:ERROR", "severity": 3}


class Judging:
    """Knows what it was told to judge."""

    def __init__(self):
        self.used = []

    def use(self, rules):
        self.used.append({rule.id: str(rule.when) for rule in rules})

    def rules(self, language):
        standing = {"state": "ok", "error": None, "firing": 0, "last_fired_at": None, "cost": {"judged": 1}}
        return [{"id": id_, **standing} for id_ in self.used[-1]] if self.used else []


@pytest.fixture
def database(tmp_path):
    opened = Database(tmp_path / "state.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def book(tmp_path, database):
    def open_book(text=FILE, language="en"):
        file = tmp_path / "safelight.toml"
        file.write_text(text, encoding="utf-8")
        own = OwnRules(database, lambda: datetime(2026, 11, 22, tzinfo=UTC))
        config = load(file, {}).model_copy(update={"language": language})
        found = Rulebook(config, own, lambda event, **fields: found.noted.append((event, fields)))
        found.noted = []
        found.judging = Judging()
        found.judged_by(found.judging)
        return found

    return open_book


def origins(book, *ids):
    return [book.find(id_).origin for id_ in ids]


def test_each_rule_says_where_it_comes_from(book):
    found = book()
    found.add(MINE, "en")
    assert origins(found, "oom", "stuck", "mine") == ["default", "file", "page"]
    assert str(found.find("stuck").rule.when) == "any event:run_stuck AND service:comfyui"
    listed = {rule["id"]: rule for rule in found.view("en")["rules"]}
    assert (listed["stuck"]["place"], listed["stuck"]["editable"]) == ("safelight.toml:7", False)
    assert (listed["oom"]["place"], listed["oom"]["editable"]) == (None, True)
    assert list(listed)[-1] == "mine"


def test_a_new_rule_is_judged_at_once_told_as_an_event_and_outlives_a_restart(book):
    found = book()
    added = found.add(MINE, "en")
    assert str(added.rule.when) == "any level:ERROR"
    assert found.judging.used[-1]["mine"] == "any level:ERROR"
    ((event, fields),) = found.noted
    assert (event, fields["attributes"]["rule"]) == ("rule_changed", "mine")
    assert book().find("mine").rule.severity == 3


def test_a_changed_rule_takes_the_place_of_the_one_before(book):
    found = book()
    found.add(MINE, "en")
    found.change("mine", {"when": "any level:CRITICAL"}, "en")
    assert found.judging.used[-1]["mine"] == "any level:CRITICAL"
    assert str(book().find("mine").rule.when) == "any level:CRITICAL"


def test_a_default_rule_may_be_replaced_and_is_back_when_that_is_removed(book):
    found = book()
    before = found.find("oom").rule
    found.change("oom", {"when": "any error_group:gpu_oom*", "enabled": False}, "en")
    assert origins(found, "oom") == ["page"]
    found.remove("oom")
    assert (origins(found, "oom"), found.find("oom").rule) == (["default"], before)


def test_a_default_rule_that_is_changed_keeps_its_title_in_every_language(book):
    found = book()
    title = found.one("oom", "en")["title"]
    found.change("oom", {"when": "any error_group:gpu_oom*", "title": title}, "en")
    assert found.find("oom").rule.title is None
    assert found.one("oom", "zh-CN")["title"] != title


def test_what_stands_in_the_file_is_changed_there(book):
    found = book()
    for change in (lambda: found.change("stuck", {"when": "any x:1"}, "en"), lambda: found.remove("stuck")):
        with pytest.raises(Fixed, match=r"safelight\.toml:7"):
            change()
    assert found.judging.used == []


def test_what_cannot_be_changed_so_is_refused(book):
    found = book()
    with pytest.raises(Fixed, match="comes with Safelight"):
        found.remove("oom")
    with pytest.raises(Fixed, match="already"):
        found.add({**MINE, "id": "oom"}, "en")
    with pytest.raises(NoSuchEvent):
        found.remove("nothing")
    with pytest.raises(NoSuchEvent):
        found.change("nothing", {"when": "any x:1"}, "en")
    with pytest.raises(InputError, match="make them the same"):
        found.change("oom", MINE, "en")


def test_a_rule_with_a_mistake_changes_nothing(book):
    found = book()
    (mistake,) = found.add({**MINE, "channels": ["pager"]}, "zh-CN").mistakes
    assert "没有名为 `pager` 的通道" in mistake.said
    assert found.judging.used == found.noted == []
    with pytest.raises(NoSuchEvent):
        book().find("mine")


def test_a_rule_of_the_page_that_means_nothing_any_more_is_left_out_and_named(book, database):
    own = OwnRules(database, lambda: datetime(2026, 11, 22, tzinfo=UTC))
    own.save("old", {"id": "old", "when": "whenever"})
    own.save("mine", MINE)
    own.save("paging", {**MINE, "id": "paging", "channels": ["pager"]})
    found = book(language="zh-CN")
    old, paging = found.left_out
    assert "`old`：when" in old
    assert "`pager`" in paging
    assert found.find("mine")
    assert found.view("en")["left_out"] == [old, paging]


def test_a_rule_of_the_page_steps_back_when_the_file_has_one_of_its_id(book):
    book().add(MINE, "en")
    found = book(FILE + '[[rules]]\nid = "mine"\nwhen = "any event:x"\n')
    assert origins(found, "mine") == ["file"]
    (told,) = found.left_out
    assert "safelight.toml:10" in told


def test_rules_of_the_page_may_name_each_other(book):
    found = book()
    found.add(MINE, "en")
    found.add({"id": "other", "when": "any x:1", "inhibit": ["mine"]}, "en")
    assert book().left_out == ()


def test_a_rule_that_is_not_judged_is_shown_as_off(book):
    found = book()
    assert {rule["state"] for rule in found.view("en")["rules"]} == {"off"}
    found.add(MINE, "en")
    assert found.one("mine", "en")["state"] == "ok"


def test_a_rule_is_written_as_the_file_writes_it(book):
    found = book()
    found.add(
        {**MINE, "for": "90s", "when": "mean duration_ms > 2s over 15m", "clear": "mean duration_ms < 1s over 15m"},
        "en",
    )
    rule = found.one("mine", "en")
    assert (rule["for"], rule["repeat"], rule["window"]) == ("1m30s", "5m", True)
    assert rule["when"] == "mean duration_ms > 2000 over 15m"
    assert rule["clear"] == "mean duration_ms < 1000 over 15m"
    assert (rule["channels"], rule["inhibit"], rule["then"], rule["escalate"]) == (None, [], [], None)


def test_the_running_engine_judges_a_new_rule_and_tells_how_it_stands(tmp_path):
    config = load(None, {"XDG_CONFIG_HOME": str(tmp_path)})
    database = Database(None)
    (tmp_path / "night").mkdir()
    found = Rulebook(config, OwnRules(database), lambda *_, **__: None)
    night = Timeline(tmp_path / "night", found.rules())
    try:
        found.judged_by(night.engine)
        found.add({"id": "mine", "when": "any event:odd"}, "en")
        night.at("02:00:00", event(event="odd"))
        assert [one.note.rule for one in night.told] == ["mine"]
        mine = found.one("mine", "en")
        assert (mine["state"], mine["firing"], mine["error"]) == ("firing", 1, None)
        assert mine["last_fired_at"].startswith("2026-11-22T02:00:00")
        assert mine["cost"]["judged"] >= 0
        found.change("mine", {"when": "any event:odd", "enabled": False}, "en")
        assert found.one("mine", "en")["state"] == "off"
    finally:
        night.close()
        database.close()


def test_a_rule_of_the_file_shows_the_name_of_a_secret_and_not_the_secret(tmp_path, database):
    file = tmp_path / "safelight.toml"
    step = '{ command = { run = ["fans", "env:FANS"], environment = { TOKEN = "env:FANS" } } }'
    file.write_text(f'[[rules]]\nid = "fans"\nwhen = "any level:ERROR"\nthen = [{step}]\n', encoding="utf-8")
    found = Rulebook(load(file, {"FANS": "s3cret-word"}), OwnRules(database), lambda *_, **__: None)
    assert found.find("fans").rule.then[0].environment == {"TOKEN": "s3cret-word"}
    shown = found.one("fans", "en")["then"]
    assert shown == [{"command": {"run": ["fans", "env:FANS"], "environment": {"TOKEN": "env:FANS"}}}]
