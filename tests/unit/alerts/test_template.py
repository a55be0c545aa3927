"""A rule's own text: what it may use, what it may not, and that mistakes are told when it is written."""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import count
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.alerts.template import KNOWN, OUTPUT_MAX, TemplateMistake, check_template, written
from safelight.errors import ConfigError
from safelight.locales import LANGUAGES

VALUES = {
    "title": "oom: VAEDecode",
    "text": "the usual text",
    "labels": {"node": "VAEDecode", "service": "comfyui"},
    "count": 41,
    "value": 0.5,
    "events": [{"workflow_id": "wf-1"}, {"workflow_id": "wf-2"}],
    "alerts": [{"id": f"a{n}"} for n in range(1_000)],
    "links": {},
    "status": "firing",
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("{{ labels.node }} failed {{ count }} times", "VAEDecode failed 41 times"),
        ("{% for event in events %}{{ event.workflow_id }} {% endfor %}", "wf-1 wf-2 "),
        ("{% if status == 'firing' %}on{% else %}off{% endif %}", "on"),
        ("{{ links.run | default('nowhere') }}", "nowhere"),
        ("{{ (value * 100) | round(1) }} %", "50.0 %"),
        ("{{ labels.node.lower() }}", "vaedecode"),
        ("{{ title ~ ': ' ~ text }}", "oom: VAEDecode: the usual text"),
        ("<b>{{ labels.node }}</b>", "<b>VAEDecode</b>"),
        ("{{ labels.no.such.thing }}", ""),
    ],
    ids=["text", "values", "loop", "condition", "default", "arithmetic", "method", "joined", "markup", "missing"],
)
def test_a_template_says_what_it_is_given(template, expected):
    check_template(template)
    assert written(template, VALUES) == expected


@pytest.mark.parametrize(
    ("template", "line"),
    [
        ("{{ count", 1),
        ("fine\n{% for %}", 2),
        ("fine\n\n{{ cuont }}", 3),
        ("{{ text | no_such_filter }}", 1),
        ("{% include 'secrets.txt' %}", 1),
        ("{% import 'os' as os %}", 1),
        ("{% extends 'x' %}", 1),
        ("{% macro f() %}{% endmacro %}", 1),
        ("{% for a in alerts %}{% for b in alerts %}\n{% for c in alerts %}{% endfor %}{% endfor %}{% endfor %}", 2),
        ("{% set a = text ~ text %}", 1),
        ("{% set a = text + text %}", 1),
        ("{% set a %}x{% endset %}", 1),
        ("{{ text | center(1000000000) }}", 1),
        ("{{ range(9) }}", 1),
        ("{{ lipsum() }}", 1),
        ("{{ environ }}", 1),
        ("{{ self.x }}", 1),
    ],
)
def test_a_mistake_is_told_with_its_line_when_it_is_written(template, line):
    with pytest.raises(TemplateMistake) as caught:
        check_template(template)
    assert caught.value.line == line
    assert isinstance(caught.value, ConfigError)
    for language in LANGUAGES:
        assert str(line) in caught.value.render(language)


def test_an_unknown_name_is_answered_with_those_that_exist():
    with pytest.raises(TemplateMistake) as caught:
        check_template("{{ cuont }}")
    assert "cuont" in str(caught.value)
    assert all(name in str(caught.value) for name in KNOWN)


@pytest.mark.parametrize(
    "template",
    [
        "{{ count / 0 }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ labels.__class__ }}{{ labels.__init__.__globals__ }}",
        "{{ text * 1000000000 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 9 ** 999999999 }}",
        "{{ text.ljust(1000000000) }}",
        "{{ text.format(1) }}",
        "{{ labels.pop('node') }}",
        "{{ events.append(1) }}",
    ],
)
def test_what_a_template_must_not_do_it_cannot(template):
    before = str(VALUES)
    try:
        said = written(template, VALUES)
    except TemplateMistake as error:
        said = str(error)
    assert "class" not in said.replace("__class__", "")
    assert len(said) < 1_000
    assert str(VALUES) == before


def test_a_template_that_says_too_much_is_cut():
    said = written("{% for a in alerts %}{% for b in alerts %}{{ a.id }}{{ text }}{% endfor %}{% endfor %}", VALUES)
    assert len(said) == OUTPUT_MAX


def test_what_else_the_machine_does_meanwhile_cuts_nothing(monkeypatch):
    seconds = count()
    elsewhere = SimpleNamespace(monotonic=lambda: next(seconds), thread_time=lambda: 0.0)
    monkeypatch.setattr("safelight.alerts.template.time", elsewhere)
    assert written("{{ title }}, {{ count }} times", VALUES) == "oom: VAEDecode, 41 times"


def test_a_template_that_takes_too_long_is_ended():
    began = time.process_time()
    written("{% for a in alerts %}{% for b in alerts %}{{ '' }}{% endfor %}{% endfor %}", VALUES)
    assert time.process_time() - began < 30


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="{}%# |.()[]'\"abctexcount\n", max_size=60))
def test_any_text_is_either_written_or_refused(template):
    with suppress(TemplateMistake):
        assert isinstance(written(template, VALUES), str)
