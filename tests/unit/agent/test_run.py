"""What an agent is told on the command line and in its file."""

from __future__ import annotations

import pytest

from safelight.agent.run import Options, configured, places
from safelight.errors import ConfigError


@pytest.fixture(autouse=True)
def nothing_of_the_users(monkeypatch, tmp_path):
    monkeypatch.delenv("SAFELIGHT_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def written(tmp_path, text):
    file = tmp_path / "agent.toml"
    file.write_text(text)
    return file


def test_an_address_is_enough():
    config = configured(Options(to="http://127.0.0.1:8678"))
    assert [(sink.kind(), sink.url) for sink in config.sinks] == [("safelight", "http://127.0.0.1:8678")]
    assert config.spool.read
    assert config.warnings == ()


def test_the_command_line_goes_before_the_file_and_the_other_sinks_stay(tmp_path):
    file = written(
        tmp_path,
        '[[sinks]]\ntype = "safelight"\nurl = "https://old.example"\n'
        '[[sinks]]\ntype = "elasticsearch"\nurl = "http://127.0.0.1:9200"\n',
    )
    sinks = configured(Options(config=file, to="https://new.example")).sinks
    assert [(sink.kind(), str(sink.url).rstrip("/")) for sink in sinks] == [
        ("elasticsearch", "http://127.0.0.1:9200"),
        ("safelight", "https://new.example"),
    ]


def test_each_place_it_sends_to_is_said_once(tmp_path):
    elastic = '[[sinks]]\ntype = "elasticsearch"\n'
    sinks = configured(
        Options(
            config=written(
                tmp_path,
                f'{elastic}name = "a"\nurl = "http://127.0.0.1:9200"\nwhere = "level:ERROR"\n'
                f'{elastic}name = "b"\nurl = "http://127.0.0.1:9200"\n'
                f'{elastic}name = "c"\nurls = ["http://127.0.0.1:9200", "http://127.0.0.1:9201"]\n'
                '[[sinks]]\ntype = "stdout"\n',
            )
        )
    ).sinks
    assert places(sinks) == ("http://127.0.0.1:9200", "http://127.0.0.1:9201", "stdout")


def test_without_anywhere_to_send_it_does_not_start():
    with pytest.raises(ConfigError, match="--to"):
        configured(Options())


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://10.0.0.5:8678", True),
        ("https://10.0.0.5:8678", False),
        ("http://127.0.0.1:8678", False),
        ("http://localhost:8678", False),
    ],
)
def test_a_token_that_goes_over_the_net_in_the_open_is_warned_of(tmp_path, url, warned):
    token = tmp_path / "token"
    token.write_text("secret\n")
    assert bool(configured(Options(to=url, token_file=token)).warnings) is warned
    assert not configured(Options(to=url)).warnings


def test_a_token_that_cannot_be_read_is_said_at_once(tmp_path):
    with pytest.raises(ConfigError, match="token"):
        configured(Options(to="https://a.example", token_file=tmp_path / "absent"))


def test_what_is_no_address_is_said(tmp_path):
    with pytest.raises(ConfigError, match="nonsense"):
        configured(Options(to="nonsense"))
