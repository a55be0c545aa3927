"""What a prompt says about itself: its structure, its name, the models and files it asks for.

A prompt is ComfyUI's API form, {node id: {"class_type", "inputs", "_meta"}}, an input being a value or a link
[node id, output]. It comes from outside: whatever is malformed in it is passed over. Standard library only.
"""

from __future__ import annotations

import re
from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

MOST_FILES = 200
"""Models, or input files, that are listed of one prompt."""

_MODEL = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx", ".sft")
_FILE = (
    *(".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".exr", ".hdr", ".psd", ".svg"),
    *(".mp4", ".webm", ".mov", ".mkv", ".avi", ".m4v", ".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a"),
    *(".glb", ".gltf", ".obj", ".fbx", ".stl", ".ply", ".latent"),
)
_LONGEST_NAME = 500  # characters: beyond it the value is a text that happens to end like a file
_ANNOTATED = re.compile(r"(.+) \[(input|output|temp)\]\Z")  # "photo.png [output]": a file of another folder
_PATTERN = re.compile(r"%[^%]*%")  # "%date:yyyy-MM-dd%" in the name of a saved file


def graph_hash(prompt: Mapping[str, Any]) -> str:
    """12 hex digits that are the same for runs of the same graph, whatever its seeds, texts and numbers.

    What counts is each node's id, its class, and the links between nodes; their order does not.
    """
    digest = sha256()
    for node_id in sorted(prompt):
        class_type, inputs = _node(prompt[node_id])
        digest.update(f"{node_id}\0{class_type}\0".encode("utf-8", "replace"))
        for name in sorted(inputs):
            if (link := link_of(inputs[name])) is not None:
                digest.update(f"{name}\0{link[0]}\0{link[1]}\0".encode("utf-8", "replace"))
        digest.update(b"\n")
    return digest.hexdigest()[:12]


def workflow_name(extra_pnginfo: Any, prompt: Mapping[str, Any]) -> str | None:
    """What its author calls the workflow; else what its images are called, unless that is ComfyUI's default."""
    workflow = extra_pnginfo.get("workflow") if isinstance(extra_pnginfo, dict) else None
    if isinstance(workflow, dict):
        extra = _mapping(workflow.get("extra"))
        info = _mapping(extra.get("info"))
        for holder, key in ((workflow, "name"), (info, "name"), (extra, "workflow_name"), (extra, "name")):
            if name := _name(holder.get(key)):
                return name
    for node_id in prompt:
        prefix = _node(prompt[node_id])[1].get("filename_prefix")
        if isinstance(prefix, str):
            last = _PATTERN.sub("", prefix).replace("\\", "/").strip("/_- ").rsplit("/", 1)[-1]
            if (name := _name(last.strip("_- "))) and name.lower() != "comfyui":
                return name
    return None


def models(prompt: Mapping[str, Any]) -> list[dict[str, str]]:
    """The model files that its nodes name: `node_id`, `input`, `name`; MOST_FILES at most."""
    return [
        {"node_id": node_id, "input": name, "name": value}
        for node_id, name, value in _texts(prompt)
        if value.lower().endswith(_MODEL)
    ][:MOST_FILES]


def input_files(prompt: Mapping[str, Any]) -> list[dict[str, str]]:
    """The images and other files that its nodes read: `node_id`, `input`, `name`, and `type` if that says another
    folder than "input"; MOST_FILES at most.
    """
    found: list[dict[str, str]] = []
    for node_id, name, value in _texts(prompt):
        annotated = _ANNOTATED.match(value)
        file = annotated[1] if annotated else value
        if not file.lower().endswith(_FILE) or len(found) >= MOST_FILES:
            continue
        entry = {"node_id": node_id, "input": name, "name": file}
        if annotated and annotated[2] != "input":
            entry["type"] = annotated[2]
        found.append(entry)
    return found


def title(node: Any) -> str | None:
    """The title its author gave to a node of a prompt."""
    meta = node.get("_meta") if isinstance(node, dict) else None
    return _name(meta.get("title")) if isinstance(meta, dict) else None


def link_of(value: Any) -> tuple[str, int] | None:
    """The node and output that an input comes from; None when it is a value."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], (int, float)):
        return value[0], int(value[1])
    return None


def _node(node: Any) -> tuple[str, Mapping[str, Any]]:
    if not isinstance(node, dict):
        return "", {}
    return str(node.get("class_type", "")), _mapping(node.get("inputs"))


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _texts(prompt: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for node_id, node in prompt.items():
        for name, value in _node(node)[1].items():
            if type(value) is str and 4 < len(value) <= _LONGEST_NAME and "\n" not in value:
                yield str(node_id), str(name), value


def _name(value: Any) -> str | None:
    return value.strip()[:200] or None if isinstance(value, str) else None
