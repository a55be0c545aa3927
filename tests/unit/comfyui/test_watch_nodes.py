"""Nodes of runs that no client claims, from the messages that every socket gets."""

from __future__ import annotations

from typing import Any

import pytest

from safelight.comfyui.watch.nodes import Moved, Nodes
from safelight.comfyui.watch.snapshot import Prompt
from safelight.comfyui.watch.telling import Teller

GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {}},
    "5": {"class_type": "LabExpand", "inputs": {"image": ["1", 0]}, "_meta": {"title": "Twice"}},
}


@pytest.fixture
def nodes() -> Nodes:
    made = Nodes(Teller("comfyui:here", {}))
    prompt = Prompt.of([1, "run", GRAPH, {}, ["5"]])
    assert prompt
    made.at_hand((prompt,))
    return made


def state(node_id: str, state: str, value: float = 0.0, most: float = 1.0, inside: str | None = None) -> dict[str, Any]:
    said = {"value": value, "max": most, "state": state, "node_id": node_id, "real_node_id": inside or node_id}
    return {node_id: said | {"display_node_id": inside or node_id, "parent_node_id": inside}}


def heard(nodes: Nodes, at_ms: int, *states: dict[str, Any], run: str = "run") -> list[Any]:
    message = {"prompt_id": run, "nodes": {key: value for one in states for key, value in one.items()}}
    return list(nodes.heard(message, at_ms))


def told(said: list[Any]) -> list[tuple[str, str]]:
    return [(event["event"], event["node_id"]) for event in said if not isinstance(event, Moved)]


def test_a_node_starts_and_finishes_once_however_often_it_is_repeated(nodes):
    first, second = state("1", "running"), state("1", "finished", 1.0)
    assert told(heard(nodes, 100, first)) == [("node_started", "1")]
    assert heard(nodes, 150, first) == []
    later = heard(nodes, 400, second, state("5", "running"))
    assert told(later) == [("node_finished", "1"), ("node_started", "5")]
    assert later[0]["duration_ms"] == 300
    assert later[1]["title"] == "Twice"
    assert later[-1] == Moved("run", "LabExpand", "5")
    assert told(heard(nodes, 500, second, state("5", "finished", 1.0))) == [("node_finished", "5")]


def test_a_node_of_an_expanded_graph_says_where_it_belongs(nodes):
    [started, _] = heard(nodes, 100, state("5.0.0.1", "running", inside="5"))
    assert (started["node_id"], started["display_id"], started["parent_id"]) == ("5.0.0.1", "5", "5")
    assert "node" not in started


def test_steps_are_told_first_last_and_once_a_second(nodes):
    times = [(100, 1), (600, 2), (1200, 3), (1300, 4), (1400, 5)]
    said = [event for at, value in times for event in heard(nodes, at, state("1", "running", value, 5))]
    values = [event["value"] for event in said if not isinstance(event, Moved) and event["event"] == "node_progress"]
    assert values == [1, 3, 5]


def test_what_finished_before_we_listened_and_runs_of_others_are_passed_over(nodes):
    assert told(heard(nodes, 100, state("1", "finished", 1.0))) == []
    assert heard(nodes, 100, state("1", "running"), run="another") == []


@pytest.mark.parametrize(
    "message", [{}, {"prompt_id": "run"}, {"prompt_id": "run", "nodes": {"1": 5}}, {"nodes": []}], ids=str
)
def test_a_message_of_another_shape_is_passed_over(nodes, message):
    assert told(list(nodes.heard(message, 1))) == []
