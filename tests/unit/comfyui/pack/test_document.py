"""Prompts as documents: one text, without secrets, in parts that make it again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.comfyui.pack import document
from safelight.comfyui.pack.document import MASK, PART, TooLarge, canonical, clean_prompt, parts, scrub, scrub_argv

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
@settings(max_examples=60)
def test_the_text_says_the_value_and_is_utf_8(value):
    text = canonical(value)
    assert json.loads(text.encode()) == value


@given(JSON, st.integers(1, 60))
@settings(max_examples=60)
def test_parts_make_the_text_again(value, size):
    text = canonical(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "PART", size)
        made = list(parts("prompt", text))
    assert "".join(part["text"] for part in made) == text
    assert [part["part"] for part in made] == list(range(len(made)))
    assert {(part["parts"], part["sha256"]) for part in made} == {(len(made), document.sha256(text))}
    assert all(len(part["text"]) <= size for part in made)


def test_parts_end_where_a_value_ends():
    text = canonical({str(number): {"text": "x" * 100} for number in range(1_000)})
    made = list(parts("prompt", text))
    assert len(made) > 1
    assert all(part["text"].endswith("}") for part in made)
    assert all(len(part["text"]) <= PART for part in made)


@given(JSON)
@settings(max_examples=60)
def test_what_holds_no_secret_stays_as_it_is(value):
    clean, found = scrub(value)
    if not found:
        assert clean == value


def test_secrets_go_by_their_name_and_by_their_look():
    prompt = {
        "12": {"inputs": {"api_key": "hunter2", "note": "use hf_abcdefghijklmnop", "url": "https://ada:pw1@host/x"}},
        "13": {"inputs": {"apiKey": 1234, "auth_token_comfy_org": "t", "Password": "p", "max_tokens": 77}},
    }
    clean, found = scrub(prompt)
    assert clean["12"]["inputs"] == {"api_key": MASK, "note": f"use {MASK}", "url": f"https://{MASK}@host/x"}
    assert clean["13"]["inputs"] == {"apiKey": MASK, "auth_token_comfy_org": MASK, "Password": MASK, "max_tokens": 77}
    assert found[0] == "12.inputs.api_key"
    assert len(found) == 6


@pytest.mark.parametrize("value", [["4", 0], None, True, False, ""])
def test_links_flags_and_nothing_are_no_secrets(value):
    assert scrub({"token": value}) == ({"token": value}, [])


def test_a_secret_found_by_its_name_is_found_wherever_it_stands():
    known: set[str] = set()
    scrub({"1": {"inputs": {"password": "correct horse"}}}, known)
    clean, found = scrub({"nodes": [{"widgets_values": [1, "correct horse"]}]}, known)
    assert clean == {"nodes": [{"widgets_values": [1, MASK]}]}
    assert found == ["nodes.0.widgets_values.1"]


def test_a_large_value_is_left_while_walking():
    class Trap(dict):
        def items(self):
            yield "large", "x" * (document.MOST_TEXT + 1)
            pytest.fail("walked on")

    with pytest.raises(TooLarge):
        scrub([{"1": "x" * (document.MOST_TEXT + 1)}, Trap()])


def test_a_deep_value_is_too_large():
    value: list = []
    for _ in range(5_000):
        value = [value]
    with pytest.raises(TooLarge):
        scrub(value)


def test_a_command_line_keeps_its_flags_and_loses_its_secrets():
    said = ["main.py", "--port", "8188", "--api-key", "k1", "--hf_token=k2", "--listen", "sk-abc123def456ghi"]
    assert scrub_argv(said) == ["main.py", "--port", "8188", "--api-key", MASK, f"--hf_token={MASK}", "--listen", MASK]
    assert scrub_argv(["--password", "--verbose"]) == ["--password", "--verbose"]


def test_an_address_loses_the_secrets_among_its_parameters():
    clean, found = scrub({"url": "https://host/m?type=x&token=k1&size=2#top", "next": "https://host/?page_token=2"})
    assert clean == {"url": f"https://host/m?type=x&token={MASK}&size=2#top", "next": "https://host/?page_token=2"}
    assert found == ["url"]
    assert scrub_argv(["--base", "https://host/?api_key=k1"]) == ["--base", f"https://host/?api_key={MASK}"]


def test_the_prompt_is_as_it_was_submitted():
    prompt = {"1": {"class_type": "A", "inputs": {}, "is_changed": [1.0]}, "2": 3}
    assert clean_prompt(prompt) == {"1": {"class_type": "A", "inputs": {}}, "2": 3}
    assert "is_changed" in prompt["1"]  # ComfyUI's own is untouched
