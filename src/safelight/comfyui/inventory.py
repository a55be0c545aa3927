"""What a prompt needs of a ComfyUI and what is there: versions, node classes and packs, models, input files.

The node pack knows hashes. Without it, versions come from `/system_stats`, packs from the module of each class, and
whether a model is there from the choices that its node offers; then hashes are unknown, and said to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec

from ..errors import ServiceError
from .client import Client
from .pack.graph import input_files, models

CORE: Final = "ComfyUI"
"""The pack of the classes that come with ComfyUI."""
_CUSTOM: Final = "custom_nodes."
_MOST_CLASSES: Final = 1_000


class Pack(msgspec.Struct, frozen=True, omit_defaults=True):
    """A node pack."""

    name: str
    version: str | None = None
    commit: str | None = None
    sha256: str | None = None
    """Of its code."""


class Model(msgspec.Struct, frozen=True, omit_defaults=True):
    """A model file, by the name that the prompt has for it."""

    name: str
    there: bool | None = None
    """Whether it was found; None where nobody can say."""
    bytes: int | None = None
    sha256: str | None = None


class InputFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file that a node reads. Without a hash it was not found."""

    name: str
    """Below its folder, with subfolders."""
    type: str = "input"
    bytes: int | None = None
    sha256: str | None = None


class Inventory(msgspec.Struct, frozen=True):
    """Of one ComfyUI, for one prompt."""

    versions: dict[str, str]
    """`ComfyUI`, `Python`, `PyTorch`, as far as they are known."""
    classes: dict[str, str | None]
    """The node classes of the prompt: the pack that each comes with; None for one that is not installed."""
    packs: tuple[Pack, ...] = ()
    """Those of the classes."""
    models: tuple[Model, ...] = ()
    files: tuple[InputFile, ...] = ()
    hashed: bool = False
    """Whether the node pack was there to look at files."""


NOTHING: Final = Inventory({}, {})
"""When nobody could be asked."""


async def take(client: Client, prompt: Mapping[str, Any]) -> Inventory:
    """Ask a ComfyUI. Raises ServiceError."""
    stats = await client.system_stats()
    known = await client.inventory(prompt)
    infos = {name: await client.object_info(name) for name in _classes(prompt)}
    classes = {name: _pack_of(info) if info is not None else None for name, info in infos.items()}
    used = sorted({pack for pack in classes.values() if pack not in {None, CORE}} - {None}, key=str)
    if known is None:
        return Inventory(
            _versions(stats),
            classes,
            tuple(Pack(str(name)) for name in used),
            tuple(_offered(prompt, infos)),
            tuple([await file_there(client, name, kind) for name, kind in named_files(prompt)]),
        )
    packs = {str(pack.get("name")): pack for pack in _list(known.get("packs"))}
    files = {str(file.get("name")): file for file in _list(known.get("inputs"))}
    return Inventory(
        _versions(stats),
        classes,
        tuple(_pack(str(name), packs.get(str(name), {})) for name in used),
        tuple({model.name: model for model in map(_model, _list(known.get("models")))}.values()),
        tuple(_file(name, kind, files.get(name, {})) for name, kind in named_files(prompt)),
        hashed=True,
    )


def named_files(prompt: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and folder of the files that a prompt reads, each once."""
    return list(dict.fromkeys((file["name"], file.get("type", "input")) for file in input_files(prompt)))


async def file_there(client: Client, name: str, kind: str) -> InputFile:
    """A file as a ComfyUI has it. Raises ServiceError when it does not answer."""
    content = await fetch(client, name, kind)
    if content is None:
        return InputFile(name, kind)
    return InputFile(name, kind, len(content), sha256(content).hexdigest())


async def fetch(client: Client, name: str, kind: str) -> bytes | None:
    """Its content; None when it is not there or too large to be fetched. Raises ServiceError."""
    subfolder, _, file = name.replace("\\", "/").rpartition("/")
    try:
        return (await client.view(file, subfolder, kind))[0]
    except ServiceError as error:
        if error.key in {"comfyui.no_file", "comfyui.too_large"} or error.values.get("status") in {400, 403, 404}:
            return None
        raise


def _classes(prompt: Mapping[str, Any]) -> list[str]:
    named = (node.get("class_type") for node in prompt.values() if isinstance(node, dict))
    return list(dict.fromkeys(name for name in named if isinstance(name, str) and name))[:_MOST_CLASSES]


def _pack_of(info: Mapping[str, Any]) -> str:
    module = str(info.get("python_module") or "")
    return module.removeprefix(_CUSTOM).split(".")[0] if module.startswith(_CUSTOM) else CORE


def _versions(stats: Mapping[str, Any]) -> dict[str, str]:
    system = stats.get("system")
    said = system if isinstance(system, dict) else {}
    named = {CORE: "comfyui_version", "Python": "python_version", "PyTorch": "pytorch_version"}
    return {name: str(said[key]).split()[0] for name, key in named.items() if str(said.get(key) or "").strip()}


def _offered(prompt: Mapping[str, Any], infos: Mapping[str, Any]) -> list[Model]:
    found: dict[str, Model] = {}
    for model in models(prompt):
        info = infos.get(prompt[model["node_id"]].get("class_type")) or {}
        choices = _choices(info, model["input"])
        there = model["name"] in choices if choices is not None else None
        found.setdefault(model["name"], Model(model["name"], there))
    return list(found.values())


def _choices(info: Mapping[str, Any], name: str) -> list[Any] | None:
    """The values that an input offers: `[[...]]`, or since 0.3.47 also `["COMBO", {"options": [...]}]`."""
    inputs = info.get("input")
    for group in inputs.values() if isinstance(inputs, dict) else ():
        spec = group.get(name) if isinstance(group, dict) else None
        if isinstance(spec, list) and spec:
            if isinstance(spec[0], list):
                return spec[0]
            options = spec[1].get("options") if len(spec) > 1 and isinstance(spec[1], dict) else None
            return options if isinstance(options, list) else None
    return None


def _pack(name: str, said: Mapping[str, Any]) -> Pack:
    return Pack(name, _text(said.get("version")), _text(said.get("commit")), _text(said.get("sha256")))


def _model(said: Mapping[str, Any]) -> Model:
    size = said.get("bytes")
    sha = _text(said.get("sha256"))
    return Model(str(said.get("name")), sha is not None, size if isinstance(size, int) else None, sha)


def _file(name: str, kind: str, said: Mapping[str, Any]) -> InputFile:
    size = said.get("bytes")
    return InputFile(name, kind, size if isinstance(size, int) else None, _text(said.get("sha256")))


def _list(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
