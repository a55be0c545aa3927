"""`safelight comfyui`: one sentence for each thing done, exit codes for programs."""

from __future__ import annotations

import json
import os

import pytest
from click.testing import CliRunner

from safelight.cli import comfyui as module
from safelight.errors import InputError


@pytest.fixture
def nodes(tmp_path):
    nodes = tmp_path / "ComfyUI" / "custom_nodes"
    nodes.mkdir(parents=True)
    return nodes


@pytest.fixture
def say(tmp_path, nodes, monkeypatch):
    monkeypatch.setenv("SAFELIGHT_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setattr(module, "_spools_read", lambda data, config: None)

    def run(*arguments):
        return CliRunner().invoke(module.command, [arguments[0], str(nodes.parent), *arguments[1:]])

    return run


def test_installing_says_where_and_what_to_do_next(say, nodes, tmp_path):
    told = say("install", "--instance", "gpu-1")
    assert told.exit_code == 0
    assert str(nodes / "safelight") in told.stdout
    assert f"It writes to {tmp_path / 'spool'}" in told.stdout
    assert "Restart ComfyUI" in told.stdout
    settings = json.loads((nodes / "safelight" / "settings.json").read_text())
    assert settings == {"instance": "gpu-1", "spool": str(tmp_path / "spool")}


def test_installing_again_keeps_what_was_said_before(say, nodes):
    say("install", "--spool", "/srv/spool", "--url", "http://safelight")
    told = say("install")
    assert "It writes to /srv/spool" in told.stdout
    settings = json.loads((nodes / "safelight" / "settings.json").read_text())
    assert settings == {"spool": "/srv/spool", "url": "http://safelight"}


def test_a_spool_beside_the_command_line_is_written_down_in_full(say, nodes, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    say("install", "--spool", "here")
    assert json.loads((nodes / "safelight" / "settings.json").read_text())["spool"] == str(tmp_path / "here")


def test_uninstalling_says_what_stays(say, nodes):
    say("install")
    (nodes / "safelight" / "mine.txt").write_text("mine")
    told = say("uninstall")
    assert (told.exit_code, "mine.txt" in told.stdout) == (0, True)
    (nodes / "safelight" / "mine.txt").unlink()
    (nodes / "safelight").rmdir()
    say("install")
    assert f"Removed {nodes / 'safelight'}" in say("uninstall").stdout


def test_the_status_of_nothing_is_exit_code_1(say):
    told = say("status")
    assert (told.exit_code, "not installed" in told.stdout) == (1, True)
    assert json.loads(say("status", "--json").stdout) == {"installed": False}


def test_the_status_tells_of_version_spool_and_life(say, tmp_path):
    say("install", "--instance", "gpu-1")
    told = say("status")
    assert told.exit_code == 0
    assert "is up to date" in told.stdout
    assert "no sign of life" in told.stdout
    folder = tmp_path / "spool" / f"comfyui-{os.uname().nodename}-20261122T100000Z-1"
    folder.mkdir(parents=True)
    (folder / "events-20261122-000001.ndjson").write_text('{"instance": "gpu-1"}\n')
    assert "It last wrote" in say("status").stdout


def test_a_pack_that_differs_is_exit_code_1(say, nodes):
    say("install")
    (nodes / "safelight" / "nodes.py").write_text("")
    told = say("status")
    assert (told.exit_code, "not as this version installs them (1)" in told.stdout) == (1, True)
    assert json.loads(say("status", "--json").stdout)["changed"] == ["nodes.py"]


def test_a_pack_of_another_version_is_exit_code_1(say, monkeypatch):
    say("install")
    here = module._version()
    monkeypatch.setattr(module, "_version", lambda: "99.0")
    told = say("status")
    assert (told.exit_code, f"holds version {here}; this is version 99.0" in told.stdout) == (1, True)


def test_a_spool_that_the_server_does_not_read_is_a_warning(say, tmp_path, monkeypatch):
    say("install")
    assert "No server of this user is running" in say("status").stderr
    monkeypatch.setattr(module, "_spools_read", lambda data, config: {"/elsewhere"})
    told = say("status")
    assert (told.exit_code, "does not read" in told.stderr) == (0, True)
    monkeypatch.setattr(module, "_spools_read", lambda data, config: {str(tmp_path / "spool")})
    assert say("status").stderr == ""


def test_a_spool_of_another_user_is_a_warning(say, tmp_path, monkeypatch):
    say("install")
    spool, access = tmp_path / "spool", os.access
    spool.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: path != spool and access(path, mode))
    assert "belongs to another user" in say("status").stderr


def test_a_comfyui_of_another_user_is_a_warning(say, monkeypatch):
    from safelight.comfyui import install

    monkeypatch.setattr(install, "owned_alike", lambda nodes, spool: False)
    told = say("install")
    assert (told.exit_code, "another user" in told.stderr) == (0, True)
    assert "cannot write there" in say("status").stderr


@pytest.mark.parametrize("command", ["install", "uninstall", "status"])
def test_a_place_without_comfyui_is_one_sentence(command, tmp_path):
    told = CliRunner().invoke(module.command, [command, str(tmp_path)])
    assert isinstance(told.exception, InputError)
    assert str(told.exception).startswith(f"There is no ComfyUI at {tmp_path}")


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7_200, "2 h"), (200_000, "2 d")]
)
def test_an_age_is_told_in_its_largest_unit(seconds, told):
    assert module._span(seconds) == told
