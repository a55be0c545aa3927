"""What a prompt says about itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.comfyui.pack import graph

PROMPT = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sdxl/base.SafeTensors"}},
    "2": {"class_type": "LoadImage", "inputs": {"image": "faces/ada.png [output]", "upload": "image"}},
    "3": {"class_type": "KSampler", "inputs": {"model": ["1", 0], "seed": 5, "text": "a.png\nof ada.png"}},
    "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "shop/%date%_portraits"}},
}


def changed(node_id, **inputs):
    node = PROMPT[node_id]
    return {**PROMPT, node_id: {**node, "inputs": {**node["inputs"], **inputs}}}


def test_seeds_texts_and_the_order_of_keys_leave_the_hash():
    expected = graph.graph_hash(PROMPT)
    assert graph.graph_hash(changed("3", seed=6, text="b")) == expected
    assert graph.graph_hash(dict(reversed(PROMPT.items()))) == expected
    assert len(expected) == 12


@pytest.mark.parametrize("prompt", [changed("3", model=["2", 0]), changed("3", model=["1", 1]), {**PROMPT, "5": {}}])
def test_links_and_nodes_change_the_hash(prompt):
    assert graph.graph_hash(prompt) != graph.graph_hash(PROMPT)


def test_models_and_files_are_found_by_what_their_names_end_in():
    assert graph.models(PROMPT) == [{"node_id": "1", "input": "ckpt_name", "name": "sdxl/base.SafeTensors"}]
    expected = {"node_id": "2", "input": "image", "name": "faces/ada.png", "type": "output"}
    assert graph.input_files(PROMPT) == [expected]


def test_no_more_files_than_are_wanted():
    many = {str(n): {"class_type": "L", "inputs": {"a": f"{n}.ckpt", "b": f"{n}.png"}} for n in range(500)}
    assert len(graph.models(many)) == len(graph.input_files(many)) == graph.MOST_FILES


@pytest.mark.parametrize(
    ("pictures", "expected"),
    [
        ({"workflow": {"name": " Portraits "}}, "Portraits"),
        ({"workflow": {"extra": {"info": {"name": "By info"}}}}, "By info"),
        ({"workflow": {"extra": {"workflow_name": "By extra"}}}, "By extra"),
        ({"workflow": {"name": "", "extra": None}}, "portraits"),
        ({"workflow": []}, "portraits"),
        (None, "portraits"),
    ],
)
def test_a_workflow_is_called_what_its_author_or_its_images_are_called(pictures, expected):
    assert graph.workflow_name(pictures, PROMPT) == expected


@pytest.mark.parametrize("prefix", ["ComfyUI", "", "%date%", "x/", 7])
def test_a_name_that_says_nothing_is_none(prefix):
    name = graph.workflow_name(None, {"4": {"class_type": "SaveImage", "inputs": {"filename_prefix": prefix}}})
    assert name == ("x" if prefix == "x/" else None)


def test_titles_are_the_authors():
    assert graph.title({"_meta": {"title": "Upscale"}}) == "Upscale"
    assert [graph.title(node) for node in ({}, {"_meta": 1}, {"_meta": {"title": 5}}, None)] == [None] * 4


@given(
    st.dictionaries(
        st.text(max_size=3),
        st.none()
        | st.integers()
        | st.dictionaries(
            st.sampled_from(["class_type", "inputs", "_meta"]),
            st.none() | st.text() | st.dictionaries(st.text(max_size=3), st.none() | st.text() | st.lists(st.text())),
        ),
    )
)
@settings(max_examples=60)
def test_a_malformed_prompt_is_passed_over(prompt):
    graph.graph_hash(prompt)
    graph.workflow_name({}, prompt)
    graph.models(prompt)
    graph.input_files(prompt)
