"""What the installer wrote, what the environment says, and what happens without either."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def load(pack, tmp_path):
    def load(said=None, **environment):
        if said is not None:
            (tmp_path / "settings.json").write_text(said if isinstance(said, str) else json.dumps(said), "utf-8")
        return pack.settings.load(str(tmp_path), environment)

    return load


def test_without_a_file_everything_has_its_default(load):
    found = load()
    assert (found.instance, found.spool, found.url, found.prompt_preview) == (None, None, None, True)


def test_the_file_is_read(load):
    found = load({"instance": "gpu-1", "spool": "/s", "url": "https://safelight", "prompt_preview": False})
    assert (found.instance, found.spool, found.url, found.prompt_preview) == ("gpu-1", "/s", "https://safelight", False)


def test_the_environment_wins(load):
    found = load(
        {"instance": "gpu-1", "spool": "/s", "prompt_preview": False},
        SAFELIGHT_INSTANCE="gpu-2",
        SAFELIGHT_SPOOL="/other",
        SAFELIGHT_PROMPT_PREVIEW="yes",
        SAFELIGHT_URL="http://127.0.0.1:8678",
    )
    assert (found.instance, found.spool, found.url) == ("gpu-2", "/other", "http://127.0.0.1:8678")
    assert found.prompt_preview


@pytest.mark.parametrize("word", ["0", "false", "No", " off "])
def test_previews_can_be_turned_off(load, word):
    assert not load(SAFELIGHT_PROMPT_PREVIEW=word).prompt_preview


@pytest.mark.parametrize("said", ["", "{", "[]", "null", '{"instance": 5, "url": [], "prompt_preview": "no"}'])
def test_a_damaged_file_counts_as_empty(load, said):
    found = load(said)
    assert (found.instance, found.url, found.prompt_preview) == (None, None, True)


def test_only_addresses_of_pages_are_linked_to(load):
    assert load({"url": "javascript:alert(1)"}).url is None


def test_the_installed_pack_reads_its_own_file(pack):
    assert pack.settings.load(environment={}).spool is not None
