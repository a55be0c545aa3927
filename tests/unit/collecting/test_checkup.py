"""What is wrong with an installation, as far as it shows from outside."""

from __future__ import annotations

import os
import socket
from types import SimpleNamespace

import pytest

from safelight.collecting import checkup as room
from safelight.collecting.checkup import Checkup
from safelight.config import load
from safelight.errors import ConfigError
from safelight.sources.comfyui import ComfyUI
from safelight.sources.file import File

here = Checkup("en")


def told(found):
    return [(problem["severity"], problem["said"]) for problem in found]


def test_every_mistake_of_the_configuration_is_a_finding(tmp_path):
    file = tmp_path / "safelight.toml"
    file.write_text('colour = "red"\n[server]\nport = "many"\n')
    with pytest.raises(ConfigError) as error:
        load(file, {})
    found = list(here.configuration(error.value))
    assert [problem["severity"] for problem in found] == ["error", "error"]
    assert "colour" in found[0]["said"]


def test_a_file_that_is_not_there_is_one_too():
    assert "no-such.toml" in told(here.configuration(ConfigError("config.no_such_file", path="no-such.toml")))[0][1]


@pytest.mark.parametrize(("free", "severities"), [(10 << 30, []), (500 << 20, ["warning"]), (5 << 20, ["error"])])
def test_a_disk_that_fills_up_is_told_of(tmp_path, monkeypatch, free, severities):
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert [severity for severity, _ in told(here.room(tmp_path / "not" / "yet"))] == severities


def test_a_port_that_is_taken_is_told_of():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert told(here.port("127.0.0.1", port)) == [("error", f"Port {port} is taken by another program.")]
    assert told(here.port("127.0.0.1", 0)) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folders_of_the_spool_that_another_user_wrote_are_told_of(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "theirs").mkdir(mode=0o000)
    ((severity, said),) = told(here.spool(tmp_path))
    assert severity == "error"
    assert "theirs" in said


def test_a_spool_that_nobody_writes_is_no_problem(tmp_path):
    assert told(here.spool(tmp_path)) == []
    assert told(here.spool(tmp_path / "absent")) == []


def test_a_pattern_that_matches_nothing_is_told_of(tmp_path):
    (tmp_path / "a.log").write_text("x\n")
    (tmp_path / "folder.txt").mkdir()
    source = File(paths=(str(tmp_path / "*.log"), str(tmp_path / "*.txt")))
    assert told(here.source(source)) == [("warning", f"No file matches {tmp_path}/*.txt.")]


@pytest.mark.parametrize(("optional", "severity"), [(False, "error"), (True, "note")])
def test_a_comfyui_that_does_not_answer_is_told_of(optional, severity):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    ((found, _),) = told(here.source(ComfyUI(url=url, optional=optional)))
    assert found == severity
