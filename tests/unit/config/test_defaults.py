"""What is on without being configured."""

from __future__ import annotations

import pytest

from safelight.config import load
from safelight.config.defaults import sources_of


def kinds(tmp_path, text="", **environment):
    file = tmp_path / "safelight.toml"
    file.write_text(text)
    return [source.kind() for source in sources_of(load(file, environment))]


def test_what_is_on_this_machine_is_found_without_a_word(tmp_path):
    assert kinds(tmp_path) == ["comfyui", "gpu", "host"]


def test_a_source_of_the_file_replaces_what_would_be_found(tmp_path):
    file = '[[sources]]\ntype = "gpu"\nevery = "1s"\n[[sources]]\ntype = "file"\npaths = ["/a"]\n'
    assert kinds(tmp_path, file) == ["gpu", "file", "comfyui", "host"]


def test_beside_a_log_of_comfyui_none_is_looked_for_or_both_would_tell_of_its_failures(tmp_path):
    file = '[[sources]]\ntype = "file"\npaths = ["/comfyui.log"]\nservice = "comfyui"\n'
    assert kinds(tmp_path, file) == ["file", "gpu", "host"]


def test_a_comfyui_that_was_only_looked_for_may_be_absent(tmp_path):
    file = tmp_path / "safelight.toml"
    file.write_text("")
    comfyui = sources_of(load(file, {}))[0]
    assert (comfyui.url, comfyui.optional) == ("http://127.0.0.1:8188", True)


@pytest.mark.parametrize("kind", ["comfyui", "gpu", "host"])
def test_each_can_be_switched_off_in_the_file_and_by_the_environment(tmp_path, kind):
    assert kind not in kinds(tmp_path, f"[discover]\n{kind} = false\n")
    assert kind not in kinds(tmp_path, **{f"SAFELIGHT_DISCOVER__{kind.upper()}": "false"})
