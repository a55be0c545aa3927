"""What a prompt needs of this ComfyUI: versions, node packs, model files and input files, with their hashes.

Files are looked for only in the folders that ComfyUI itself serves (`folder_paths`): the models' and the input's. A
name that leads out of its folder finds nothing; links that the folder's owner put there are followed, as ComfyUI does.
Hashes are SHA-256 and kept by (path, size, time of change) for the life of the process.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from hashlib import sha256

from .graph import input_files, models

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

CHUNK = 4_194_304  # bytes
PACKS = 500
PACK_FILES = 2_000  # files of a pack that go into its hash
HASHES = 10_000  # kept
_CODE = (".py", ".js", ".css", ".yaml", ".yml", ".cu", ".cpp", ".so", ".pyd")
_VERSION = re.compile(r'^version\s*=\s*["\']([^"\'\n]{1,100})["\']', re.MULTILINE)
_SHA = re.compile(r"[0-9a-f]{40}")
_NOT_MODELS = frozenset({"custom_nodes", "configs"})

_known: dict[tuple[str, int, int], str] = {}


def take(prompt: dict[str, Any]) -> dict[str, Any]:
    """The inventory; reads every file it names, so call it in a thread.

    `comfyui_version`, `python`, `torch`: versions or None. `packs`: each with `name`, `version`, `commit`, `sha256` of
    its code. `models`: each with `node_id`, `input`, `name`, `folder` (ComfyUI's kind, None: not found), `bytes`,
    `sha256`. `inputs`: each with `name`, `type` ("input", "output", "temp": ComfyUI's folder), `bytes`,
    `sha256` (None: not found).
    """
    return {
        "comfyui_version": getattr(sys.modules.get("comfyui_version"), "__version__", None),
        "python": platform.python_version(),
        "torch": _text(getattr(sys.modules.get("torch"), "__version__", None)),
        "packs": list(packs()),
        "models": [{**model, **_model(model["name"], model["input"])} for model in models(prompt)],
        "inputs": [_input(name, kind) for name, kind in _once(input_files(prompt))],
    }


def packs() -> Iterator[dict[str, Any]]:
    """The node packs that lie in ComfyUI's folders for them."""
    count = 0
    for folder in _folders("custom_nodes"):
        for name in _listed(folder):
            path = os.path.join(folder, name)
            if name.startswith((".", "__")) or name.endswith(".disabled") or not os.path.isdir(path):
                continue
            count += 1
            if count > PACKS:
                return
            yield {"name": name, "version": _version(path), "commit": commit(path), "sha256": _code(path)}


def commit(pack: str) -> str | None:
    """The commit that a git checkout is at, read from its files."""
    git = os.path.join(pack, ".git")
    pointer = _read(git)  # in a submodule, a file that says where
    if pointer and pointer.startswith("gitdir:"):
        git = os.path.normpath(os.path.join(pack, pointer[7:].strip()))
    head = (_read(os.path.join(git, "HEAD")) or "").strip()
    if _SHA.fullmatch(head):
        return head
    if not head.startswith("ref: refs/") or ".." in head:
        return None
    ref = head[5:]
    found = (_read(os.path.join(git, ref)) or "").strip()
    if _SHA.fullmatch(found):
        return found
    for line in (_read(os.path.join(git, "packed-refs")) or "").splitlines():
        if line[40:] == f" {ref}" and _SHA.fullmatch(line[:40]):
            return line[:40]
    return None


def find(folder: str, name: str) -> str | None:
    """The file `name` inside `folder`, or None: it is not there, or the name leads out of it."""
    if not name or "\0" in name or os.path.isabs(name) or os.path.splitdrive(name)[0]:
        return None
    base = os.path.abspath(folder)
    path = os.path.normpath(os.path.join(base, name.replace("\\", os.sep)))
    return path if path.startswith(base + os.sep) and os.path.isfile(path) else None


def hashed(path: str) -> dict[str, Any]:
    """`bytes` and `sha256` of a file."""
    state = os.stat(path)
    key = (path, state.st_size, state.st_mtime_ns)
    if key not in _known:
        digest = sha256()
        with open(path, "rb", buffering=0) as file:
            buffer = memoryview(bytearray(CHUNK))
            while size := file.readinto(buffer):
                digest.update(buffer[:size])
        if len(_known) >= HASHES:
            _known.clear()
        _known[key] = digest.hexdigest()
    return {"bytes": state.st_size, "sha256": _known[key]}


def _model(name: str, asked_by: str) -> dict[str, Any]:
    """Where a model lies. Several kinds may have a file of that name: that of the input's name comes first."""
    kinds = [kind for kind in _kinds() if kind not in _NOT_MODELS]
    word = asked_by.lower().split("_")[0].rstrip("s0123456789")  # "ckpt_name", "lora_name", "vae_name"
    word = {"ckpt": "checkpoint", "unet": "diffusion", "clip": "text"}.get(word, word)
    for kind in sorted(kinds, key=lambda kind: not kind.startswith(word)):
        for folder in _folders(kind):
            if path := find(folder, name):
                return {"folder": kind, **_hashed(path)}
    return {"folder": None, "bytes": None, "sha256": None}


def _input(name: str, kind: str) -> dict[str, Any]:
    folders: Any = sys.modules.get("folder_paths")
    try:
        base = folders.get_directory_by_type(kind)
    except Exception:  # noqa: BLE001 - no ComfyUI, or one that names it otherwise
        base = None
    path = find(base, name) if base else None
    return {"name": name, "type": kind, **(_hashed(path) if path else {"bytes": None, "sha256": None})}


def _hashed(path: str) -> dict[str, Any]:
    try:
        return hashed(path)
    except OSError:
        return {"bytes": None, "sha256": None}


def _code(pack: str) -> str | None:
    """One hash over the code of a pack: names and contents, whatever else lies beside them."""
    digest, count = sha256(), 0
    for folder, folders, files in os.walk(pack):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__pycache__", "node_modules")))
        for name in sorted(files):
            path = os.path.join(folder, name)
            if not name.endswith(_CODE) or os.path.islink(path):
                continue
            count += 1
            if count > PACK_FILES:
                return digest.hexdigest()
            digest.update(f"{os.path.relpath(path, pack).replace(os.sep, '/')}\0{_hashed(path)['sha256']}\n".encode())
    return digest.hexdigest() if count else None


def _version(pack: str) -> str | None:
    # By hand: tomllib came with Python 3.11, ComfyUI runs on older ones.
    found = _VERSION.search(_read(os.path.join(pack, "pyproject.toml")) or "")
    return found[1] if found else None


def _once(files: list[dict[str, str]]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((file["name"], file.get("type", "input")) for file in files))


def _kinds() -> list[str]:
    return list(getattr(sys.modules.get("folder_paths"), "folder_names_and_paths", {}))


def _folders(kind: str) -> list[str]:
    folders: Any = sys.modules.get("folder_paths")
    try:
        return list(folders.get_folder_paths(kind))
    except Exception:  # noqa: BLE001 - no ComfyUI, or one without that kind
        return []


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1_000_000)
    except OSError:
        return None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
