"""The graph of a run as a page draws it: nodes and edges from the prompt, places and titles from the author's workflow.

Two documents describe the same graph. The prompt (what ComfyUI executes) has every node that runs and its links, but no
positions. The workflow (what the author sees) has positions, sizes, titles and the types of links, and may hold nodes
that never run: notes, muted ones, reroutes. The prompt decides what there is.

Workflows of 2025-07 and later keep sub-graphs as definitions (`definitions.subgraphs`), and a node inside one has an id
such as `12:3` in the prompt: node 3 of the definition that node 12 stands for; `12:4:7` one level deeper. Its place is
that of the definition, moved so that the inside begins where node 12 stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

WIDTH: Final = 210.0
HEIGHT: Final = 58.0
"""What a node measures whose size nobody wrote: ComfyUI's smallest."""
MOST_NODES: Final = 10_000
MOST_DEPTH: Final = 8
"""Of sub-graphs in sub-graphs."""
MOST_LOOKED_AT: Final = 100_000
"""Nodes and links of a workflow; six definitions that hold each other six times are millions."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A node as the author placed it."""

    title: str | None
    x: float
    y: float
    width: float
    height: float


def layout(prompt: Any, workflow: Any = None) -> dict[str, Any] | None:
    """`{"nodes": [{"id", "node", "title", "x", "y", "width", "height"}], "edges": [{"from", "to", "type"}],
    "positioned"}`; None when the prompt has no nodes.

    `positioned` says that every node has a place by its author; without, `x` and `y` are null, and a page places them.
    """
    if not isinstance(prompt, dict):
        return None
    nodes = {
        str(node_id): node
        for node_id, node in list(prompt.items())[:MOST_NODES]
        if isinstance(node, dict) and isinstance(node.get("class_type"), str)
    }
    if not nodes:
        return None
    drawn, types = _author(workflow if isinstance(workflow, dict) else {})
    positioned = all(node_id in drawn for node_id in nodes)
    return {
        "nodes": [_node(node_id, node, drawn.get(node_id), positioned=positioned) for node_id, node in nodes.items()],
        "edges": [
            {"from": source, "to": target, "type": types.get((source, slot, target)) or types.get((source, slot))}
            for source, slot, target in _edges(nodes)
        ],
        "positioned": positioned,
    }


def _node(node_id: str, node: Mapping[str, Any], drawn: _Drawn | None, *, positioned: bool) -> dict[str, Any]:
    meta = node.get("_meta")
    named = meta.get("title") if isinstance(meta, dict) else None
    title = named if isinstance(named, str) and named else drawn.title if drawn else None
    placed = drawn if positioned else None
    return {
        "id": node_id,
        "node": node["class_type"],
        "title": title,
        "x": placed.x if placed else None,
        "y": placed.y if placed else None,
        "width": drawn.width if drawn else WIDTH,
        "height": drawn.height if drawn else HEIGHT,
    }


def _edges(nodes: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, int, str]]:
    """From a slot of one node to another node, each once."""
    seen = set()
    for target, node in nodes.items():
        inputs = node.get("inputs")
        for value in inputs.values() if isinstance(inputs, dict) else ():
            if (
                isinstance(value, list)
                and len(value) == 2
                and isinstance(value[0], str | int)
                and isinstance(value[1], int)
                and not isinstance(value[1], bool)
                and str(value[0]) in nodes
            ):
                edge = (str(value[0]), value[1], target)
                if edge not in seen:
                    seen.add(edge)
                    yield edge


_Types = dict[tuple[str, int, str] | tuple[str, int], str]


def _author(workflow: Mapping[str, Any]) -> tuple[dict[str, _Drawn], _Types]:
    """What the author drew, by the ids of the prompt; and the types of links, by their ends and by where they begin."""
    definitions = workflow.get("definitions")
    listed = definitions.get("subgraphs") if isinstance(definitions, dict) else None
    inside = {one["id"]: one for one in _objects(listed) if isinstance(one.get("id"), str)}
    drawn: dict[str, _Drawn] = {}
    types: _Types = {}
    _gather(workflow, "", (0.0, 0.0), inside, drawn, types, 0, iter(range(MOST_LOOKED_AT)))
    return drawn, types


def _gather(
    graph: Mapping[str, Any],
    prefix: str,
    shift: tuple[float, float],
    inside: Mapping[str, Mapping[str, Any]],
    drawn: dict[str, _Drawn],
    types: _Types,
    depth: int,
    left: Iterator[int],
) -> None:
    """`left` runs out when MOST_LOOKED_AT nodes and links were looked at."""
    for node, _ in zip(_objects(graph.get("nodes")), left, strict=False):
        if len(drawn) >= MOST_NODES or not isinstance(node.get("id"), int | str):
            continue
        node_id = f"{prefix}{node['id']}"
        x, y = _pair(node.get("pos")) or (0.0, 0.0)
        width, height = _pair(node.get("size")) or (WIDTH, HEIGHT)
        title = node.get("title")
        placed = _Drawn(title if isinstance(title, str) else None, x + shift[0], y + shift[1], width, height)
        if _pair(node.get("pos")):
            drawn[node_id] = placed
        definition = inside.get(node["type"]) if isinstance(node.get("type"), str) else None
        if definition is not None and depth < MOST_DEPTH:
            begin_x, begin_y = _corner(definition)
            moved = (placed.x - begin_x, placed.y - begin_y)
            _gather(definition, f"{node_id}:", moved, inside, drawn, types, depth + 1, left)
    for link, _ in zip(_links(graph.get("links")), left, strict=False):
        source, slot, target, kind = link
        types[(f"{prefix}{source}", slot, f"{prefix}{target}")] = kind
        types.setdefault((f"{prefix}{source}", slot), kind)


def _corner(graph: Mapping[str, Any]) -> tuple[float, float]:
    """Where a drawing begins."""
    places = [place for node in _objects(graph.get("nodes")) if (place := _pair(node.get("pos")))]
    return (min(x for x, _ in places), min(y for _, y in places)) if places else (0.0, 0.0)


def _links(listed: Any) -> Iterator[tuple[Any, int, Any, str]]:
    """`[id, from, slot, to, slot, type]` in a workflow, an object with the same in a sub-graph (and in schema 1.0)."""
    for link in listed if isinstance(listed, list) else ():
        if isinstance(link, list) and len(link) >= 6:
            source, slot, target, kind = link[1], link[2], link[3], link[5]
        elif isinstance(link, dict):
            source, slot, target, kind = (link.get(n) for n in ("origin_id", "origin_slot", "target_id", "type"))
        else:
            continue
        if isinstance(slot, int) and isinstance(kind, str):
            yield source, slot, target, kind


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()


def _pair(value: Any) -> tuple[float, float] | None:
    """A position or size: `[x, y]`, or `{"0": x, "1": y}` as older workflows write it."""
    if isinstance(value, dict):
        value = [value.get("0"), value.get("1")]
    if not isinstance(value, list) or len(value) < 2:
        return None
    x, y = value[0], value[1]
    if any(isinstance(each, bool) or not isinstance(each, int | float) for each in (x, y)):
        return None
    try:
        place = (float(x), float(y))
    except OverflowError:  # an integer of hundreds of digits
        return None
    return place if all(map(isfinite, place)) else None
