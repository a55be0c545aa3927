"""What entries get wrong together although each is right by itself."""

from __future__ import annotations

import pytest

from safelight.config import load
from safelight.config.discovered import mounted
from safelight.errors import ConfigError

SINK = '[[sinks]]\ntype = "safelight"\nurl = "https://a.example"\n'


def read(tmp_path, text):
    file = tmp_path / "safelight.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, {})


def archive(name):
    return f'[[sinks]]\ntype = "file"\nname = "{name}"\npath = "/x/a.ndjson"\n'


def route(to):
    return f'[[processors]]\ntype = "route"\nwhere = "level:ERROR"\nto = ["{to}"]\n'


def endpoint(kind, listen=""):
    return f'[[sources]]\ntype = "{kind}"\n{listen}\n'


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (SINK + SINK, 4, "already"),
        (archive("a") + archive("b"), 8, "writes to /x/a.ndjson already"),
        (SINK + 'where = "level:("\n', 4, ""),
        (SINK + 'where = "* | stats count()"\n', 4, "|"),
        (SINK + route("safelihgt"), 7, "No sink is called safelihgt; there are: safelight."),
        (route("file"), 4, "has no sinks"),
        (endpoint("http") + endpoint("http"), 4, "`listen`"),
    ],
    ids=["twice", "same-path", "query", "stats", "route", "no-sinks", "mounted-twice"],
)
def test_it_is_refused_at_its_line(tmp_path, text, line, said):
    with pytest.raises(ConfigError) as told:
        read(tmp_path, text)
    (mistake,) = told.value.values["told"]
    assert f"safelight.toml:{line}:" in mistake
    assert said in mistake


def test_a_query_of_a_sink_is_pointed_at_and_told_with_every_other_mistake(tmp_path):
    with pytest.raises(ConfigError) as told:
        read(tmp_path, SINK + 'where = "level:("\nnonsense = 1\n')
    where, nonsense = told.value.values["told"]
    assert where.endswith("\nlevel:(\n       ^")
    assert "nonsense" in nonsense


def test_what_fits_together_is_taken(tmp_path):
    listening = endpoint("http", 'listen = "127.0.0.1:0"')
    config = read(tmp_path, SINK + SINK + 'name = "other"\n' + route("other") + endpoint("http") + listening)
    assert [sink.called for sink in config.sinks] == ["safelight", "other"]


def test_a_server_takes_events_on_its_own_port_without_a_word(tmp_path):
    assert [source.kind() for source in mounted(())] == ["http", "elasticsearch_bulk", "otlp"]
    config = read(tmp_path, endpoint("http", 'token = "abc"') + endpoint("otlp", 'listen = "127.0.0.1:4318"'))
    assert [source.kind() for source in mounted(config.sources)] == ["elasticsearch_bulk", "otlp"]
