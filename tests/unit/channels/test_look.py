"""How a message looks at a glance."""

from __future__ import annotations

import pytest

from safelight.channels.look import colour, links, mark, title
from support.telling import note


@pytest.mark.parametrize(
    ("fields", "dot"),
    [
        ({"severity": 3}, "🔴"),
        ({"severity": 2}, "🟠"),
        ({"severity": 1}, "🔵"),
        ({"severity": 3, "status": "resolved"}, "🟢"),
    ],
)
def test_the_dot_tells_the_severity_and_what_is_over(fields, dot):
    assert mark(note(**fields)) == dot


def test_every_dot_has_a_colour_of_its_own():
    looks = [{"severity": 1}, {"severity": 2}, {"severity": 3}, {"status": "resolved"}]
    assert len({colour(note(**fields)) for fields in looks}) == 4


def test_a_title_is_one_line_that_says_when_it_may_be_a_repeat():
    assert title(note("a\r\nb\tc")) == "a b c"
    assert len(title(note("x" * 1000))) == 200
    assert title(note("oom").in_doubt()) == "[may repeat] oom"
    assert title(note("oom", language="zh-CN").in_doubt()) == "[可能重复] oom"


@pytest.mark.parametrize("name", ["run", "logs", "alert", "silence", "acknowledge", "replay"])
@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_link_has_a_word(name, language):
    ((label, url),) = links(note(links={name: "https://x/"}, language=language))
    assert url == "https://x/"
    assert label != name
    assert label.isascii() == (language == "en")


def test_links_that_do_not_fit_are_left_out():
    urls = {"run": "https://s.example/" + "x" * 500, "alert": "https://s.example/a"}
    assert [label for label, _ in links(note(links=urls), 100)] == ["Alert"]
    assert len(links(note(links=urls))) == 2
