"""A workflow as its author drew it: the document that ComfyUI's page saves, and that a prompt carries along."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from .workflows import Workflow

OUTPUTS: Final = {
    "CheckpointLoaderSimple": ("MODEL", "CLIP", "VAE"),
    "UNETLoader": ("MODEL",),
    "DualCLIPLoader": ("CLIP",),
    "VAELoader": ("VAE",),
    "LoraLoader": ("MODEL", "CLIP"),
    "ControlNetLoader": ("CONTROL_NET",),
    "UpscaleModelLoader": ("UPSCALE_MODEL",),
    "CLIPTextEncode": ("CONDITIONING",),
    "ControlNetApply": ("CONDITIONING",),
    "FluxGuidance": ("CONDITIONING",),
    "EmptyLatentImage": ("LATENT",),
    "EmptySD3LatentImage": ("LATENT",),
    "KSampler": ("LATENT",),
    "LoadImage": ("IMAGE", "MASK"),
    "VAEDecode": ("IMAGE",),
    "UltimateSDUpscale": ("IMAGE",),
    "StudioWatermark": ("IMAGE",),
    "SaveImage": (),
}
"""What each class gives, in the order of its outputs."""


def kind_of(workflow: Workflow, link: list[Any]) -> str:
    """What comes over a link `[node id, output]`."""
    source, output = link
    return OUTPUTS[workflow.nodes[source].kind][int(output)]


def drawn(workflow: Workflow) -> dict[str, Any]:
    """The document: nodes with their places and titles, links with what they carry."""
    links = [
        [node_id, int(value[0]), value[1], slot, kind_of(workflow, value)]
        for node_id, node in workflow.nodes.items()
        for slot, value in enumerate(value for value in node.inputs.values() if isinstance(value, list))
    ]
    nodes = []
    for order, (node_id, node) in enumerate(workflow.nodes.items()):
        x, y, width, height, title = workflow.layout[node_id]
        entry: dict[str, Any] = {
            "id": int(node_id),
            "type": node.kind,
            "pos": [x, y],
            "size": [width, height],
            "flags": {},
            "order": order,
            "mode": 0,
            "properties": {"Node name for S&R": node.kind},
        }
        if title:
            entry["title"] = title
        nodes.append(entry)
    return {
        "id": hashlib.sha256(workflow.name.encode()).hexdigest()[:36],
        "name": workflow.name,
        "revision": 0,
        "last_node_id": len(nodes),
        "last_link_id": len(links),
        "nodes": nodes,
        "links": [
            [number, source, output, int(target), slot, kind]
            for number, (target, source, output, slot, kind) in enumerate(links, 1)
        ],
        "groups": [],
        "config": {},
        "extra": {},
        "version": 0.4,
    }
