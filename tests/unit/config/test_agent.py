"""The configuration of an agent: the tables that have to do with collecting, and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from safelight.config.agent import load
from safelight.errors import ConfigError


def read(tmp_path, text, language="en", **environment):
    file = tmp_path / "safelight.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, environment, language)


GOOD = """
language = "zh-CN"
[spool]
read = false
[discover]
comfyui = false
gpu = false
[[sources]]
type = "file"
paths = ["/var/log/a.log"]
[[processors]]
type = "redact"
[[sinks]]
type = "safelight"
url = "http://127.0.0.1:8678"
"""


def test_what_concerns_collecting_is_read(tmp_path):
    config = read(tmp_path, GOOD)
    assert config.language == "zh-CN"
    assert not config.spool.read
    assert [one.kind() for one in (*config.sources, *config.processors, *config.sinks)] == [
        "file",
        "redact",
        "safelight",
    ]
    assert [source.kind() for source in config.found()] == ["file", "host"]


def test_without_a_file_everything_on_this_machine_is_watched(tmp_path):
    config = load(None, {"XDG_CONFIG_HOME": str(tmp_path)})
    assert config.spool.read
    assert [source.kind() for source in config.found()] == ["comfyui", "gpu", "host"]


@pytest.mark.parametrize(
    "table", ["[server]\nport = 1", "[store]", "[alerts]", '[[channels]]\nname = "x"', "[[rules]]"]
)
def test_what_is_the_servers_is_refused_with_its_line(tmp_path, table):
    with pytest.raises(ConfigError) as told:
        read(tmp_path, f"{table}\n{GOOD.replace('language', '# language')}")
    name = table.strip("[]").split("]")[0]
    assert f"safelight.toml:1: {name}: `{name}` is the server's" in str(told.value)


def test_what_the_environment_says_to_a_server_is_not_the_agents_business(tmp_path):
    assert read(tmp_path, GOOD, SAFELIGHT_SERVER__PORT="9").sinks


@pytest.mark.parametrize("kind", ["http", "elasticsearch_bulk", "otlp"])
def test_what_others_send_to_needs_an_address(tmp_path, kind):
    source = f'[[sources]]\ntype = "{kind}"\n'
    with pytest.raises(ConfigError) as told:
        read(tmp_path, GOOD + source)
    assert f"safelight.toml:{GOOD.count(chr(10)) + 1}: sources[2]: An agent has no port" in str(told.value)
    assert read(tmp_path, GOOD + source + 'listen = "127.0.0.1:0"\n').sources


def test_a_route_may_name_the_server_of_the_command_line(tmp_path):
    route = '[[processors]]\ntype = "route"\nwhere = "level:ERROR"\nto = ["safelight"]\n'
    file = tmp_path / "safelight.toml"
    file.write_text(route, encoding="utf-8")
    with pytest.raises(ConfigError):
        load(file, {})
    assert load(file, {}, also=["safelight"]).processors


def test_every_mistake_is_told_at_once(tmp_path):
    with pytest.raises(ConfigError) as told:
        read(tmp_path, '[spool]\ncolour = "red"\n[[sources]]\ntype = "file"\n[[sinks]]\ntype = "no_such"\n')
    assert len(told.value.values["told"]) == 3


def test_neither_alerts_nor_channels_are_imported():
    code = (
        "import sys\nfrom safelight.config.agent import load\nload(None, {})\n"
        "print(*sorted({m.split('.')[1] for m in sys.modules if m.startswith('safelight.')}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert not {"alerts", "channels", "delivery", "store", "answers", "comfyui", "app", "web"} & set(out.split())
