"""The graph of a run: nodes and links of the prompt, where their author put them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.comfyui import layout as room
from safelight.comfyui.layout import HEIGHT, WIDTH, layout
from support.runs import chain, drawn, story, text_to_image

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def by_id(graph):
    return {node["id"]: node for node in graph["nodes"]}


def test_nodes_stand_where_their_author_put_them_with_titles_and_types_of_links():
    prompt = text_to_image()
    graph = layout(prompt, drawn(prompt))
    assert graph["positioned"]
    assert by_id(graph)["6"] == {
        "id": "6",
        "node": "CLIPTextEncode",
        "title": "Positive 提示词",
        "x": 415,
        "y": 186,
        "width": 422,
        "height": 164,
    }
    assert {"from": "5", "to": "3", "type": "LATENT"} in graph["edges"]
    assert len(graph["edges"]) == 9


def test_a_prompt_of_the_api_has_no_places_but_all_links():
    graph = layout(chain(20))
    assert not graph["positioned"]
    assert {(node["x"], node["width"], node["height"]) for node in graph["nodes"]} == {(None, WIDTH, HEIGHT)}
    assert {"from": "19", "to": "20", "type": None} in graph["edges"]


def test_nodes_of_a_subgraph_stand_around_the_node_that_stands_for_it():
    run = story("subgraph", datetime.now(UTC))
    prompt, workflow = (
        json.loads(run.documents[run.named("run_queued")[0][f"{kind}_sha256"]]) for kind in ("prompt", "workflow")
    )
    graph = layout(prompt, workflow)
    assert graph["positioned"]
    nodes = by_id(graph)
    assert min(nodes[each]["x"] for each in ("12:3", "12:5", "12:8")) == 900
    assert nodes["12:8"]["x"] - nodes["12:3"]["x"] == 1209 - 863
    assert {"from": "12:3", "to": "12:8", "type": "LATENT"} in graph["edges"]
    assert {"from": "4", "to": "12:3", "type": "MODEL"} in graph["edges"]


def test_a_subgraph_that_holds_itself_ends():
    holder = {"id": 1, "type": "g", "pos": [0, 0]}
    workflow = {"nodes": [holder], "definitions": {"subgraphs": [{"id": "g", "nodes": [holder, {**holder, "id": 2}]}]}}
    assert layout({"1:2": {"class_type": "X", "inputs": {}}}, workflow)["positioned"]


def test_a_node_that_its_author_did_not_draw_leaves_the_placing_to_the_page():
    prompt = text_to_image()
    workflow = drawn(prompt)
    prompt["77"] = {"class_type": "PreviewAny", "inputs": {}}
    graph = layout(prompt, workflow)
    assert not graph["positioned"]
    assert {node["x"] for node in graph["nodes"]} == {None}


def test_older_workflows_write_positions_as_objects():
    workflow = {"nodes": [{"id": 1, "type": "X", "pos": {"0": 5, "1": 6}, "size": {"0": 7, "1": 8}}]}
    (node,) = layout({"1": {"class_type": "X", "inputs": {}}}, workflow)["nodes"]
    assert (node["x"], node["y"], node["width"], node["height"]) == (5, 6, 7, 8)


@pytest.mark.parametrize("prompt", [None, [], {}, "graph", {"1": None}, {"1": {"class_type": 4}}])
def test_what_is_no_prompt_has_no_graph(prompt):
    assert layout(prompt) is None


@settings(max_examples=60, deadline=None)
@given(ANYTHING, ANYTHING)
def test_whatever_the_documents_hold_the_answer_has_its_shape(inputs, workflow):
    prompt = {"1": {"class_type": "A", "inputs": {}}, "2": {"class_type": "B", "inputs": {"x": ["1", 0], "y": inputs}}}
    graph = layout(prompt, {"nodes": workflow, "links": workflow, "definitions": {"subgraphs": workflow}})
    assert [node["id"] for node in graph["nodes"]] == ["1", "2"]
    assert {"from": "1", "to": "2", "type": None} in graph["edges"]


def test_subgraphs_that_hold_each_other_again_and_again_are_looked_at_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(room, "MOST_LOOKED_AT", 1_000)
    looked_at = []
    monkeypatch.setattr(room, "_pair", looked_at.append)
    nodes = [{"id": n, "type": "g"} for n in range(6)]
    link = [1, 1, 0, 2, 0, "IMAGE"]
    workflow = {"nodes": nodes, "definitions": {"subgraphs": [{"id": "g", "nodes": nodes, "links": [link] * 6}]}}
    assert not layout({"1": {"class_type": "X", "inputs": {}}}, workflow)["positioned"]
    assert len(looked_at) < 20_000


@pytest.mark.parametrize("place", [10**400, float("nan"), float("inf")], ids=["huge", "nan", "inf"])
def test_a_place_that_is_no_number_of_a_screen_is_none(place):
    assert not layout({"1": {"class_type": "X"}}, {"nodes": [{"id": 1, "pos": [place, 0]}]})["positioned"]
