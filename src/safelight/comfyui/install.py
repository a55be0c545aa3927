"""Lay the node pack into a ComfyUI, take it away again, and say how it fares.

Everything happens in one folder, `custom_nodes/safelight`: the pack, a copy of the installed `safelight_emit`, its
`settings.json`, and `manifest.json`, which lists every file that was written. A folder of that name without our
manifest is somebody else's and is left alone; what people have put among our files stays.

The new folder is written aside and renamed into place, so ComfyUI finds the old pack or the new one, never half of one.
While aside, its name ends in `.disabled`, which is how ComfyUI is told to pass a folder by.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, Final

import safelight_emit

from ..errors import InputError

FOLDER: Final = "safelight"
MANIFEST: Final = "manifest.json"
SETTINGS: Final = "settings.json"
KEPT: Final = ("instance", "spool", "url", "prompt_preview")
"""The settings that the next installation keeps unless it is told otherwise."""

_PACK: Final = Path(__file__).parent / "pack"
_NODES: Final = "custom_nodes"
_VERSION: Final = re.compile(r'^version = "[^"]*"$', re.MULTILINE)


@dataclass(frozen=True)
class Installed:
    """The pack as it lies in `folder`. `version`, `settings`: as it was installed. `changed`: files that are no longer,
    or not yet, what this Safelight would install.
    """

    folder: Path
    version: str
    settings: dict[str, Any]
    changed: tuple[str, ...]


def nodes_folder(path: Path) -> Path:
    """The `custom_nodes` that `path` means: itself, or that of a checkout, a base directory, the folder of the Windows
    portable version, or a virtual environment inside one of these.

    Raises:
        InputError: there is none.
    """
    path = path.expanduser().absolute()
    if path.name == _NODES and path.is_dir():
        return path
    around = [path, path / "ComfyUI", path / "ComfyUI_windows_portable" / "ComfyUI"]
    if (path / "pyvenv.cfg").is_file() or path.name == "python_embeded":  # so spelt in the portable version
        around += [path.parent, path.parent / "ComfyUI"]
    for base in around:
        if (base / _NODES).is_dir():
            return base / _NODES
    if (path / FOLDER / MANIFEST).is_file() or (path / "websocket_image_save.py").is_file():
        return path  # a volume that is custom_nodes under another name
    raise InputError("comfyui.install.none", path=path)


def install(path: Path, version: str, **settings: Any) -> Path:
    """Installs or upgrades; returns the pack's folder. `settings`: of KEPT; None keeps what was said before.

    Raises:
        InputError: no ComfyUI there, a folder of somebody else's in the way, or the folder cannot be written.
    """
    nodes = nodes_folder(path)
    folder = nodes / FOLDER
    before = _ours(folder)
    kept = _json(folder / SETTINGS) if before is not None else {}
    chosen = {name: kept.get(name) if settings.get(name) is None else settings[name] for name in KEPT}
    files = dict(_files(version))
    files[SETTINGS] = _text({name: value for name, value in chosen.items() if value is not None})
    hashes = {name: sha256(content).hexdigest() for name, content in sorted(files.items())}
    files[MANIFEST] = _text({"version": version, "files": hashes})
    aside = nodes / f".{FOLDER}-{secrets.token_hex(4)}.disabled"
    try:
        aside.mkdir()
        try:
            for name, content in files.items():
                _write(aside / name, content)
            for below in [aside, *(one for one in aside.rglob("*") if one.is_dir())]:
                below.chmod(0o755)  # ComfyUI may run as another user than the one who installs
            if before is not None:
                _carry_over(folder, aside, {*before, MANIFEST} | files.keys())
            _exchange(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise InputError("comfyui.install.unwritable", path=nodes, reason=error.strerror or str(error)) from error
    return folder


def uninstall(path: Path) -> tuple[Path, list[str]]:
    """Takes away what the manifest lists; returns the folder and what remains in it, which was put there by others.

    Raises:
        InputError: no ComfyUI, no pack there, or it cannot be removed.
    """
    folder = nodes_folder(path) / FOLDER
    ours = _ours(folder)
    if ours is None:
        raise InputError("comfyui.install.absent", path=folder)
    try:
        for name in [*ours, MANIFEST]:
            (folder / name).unlink(missing_ok=True)
        for cache in list(folder.rglob("__pycache__")):
            shutil.rmtree(cache)
        for below in sorted((one for one in folder.rglob("*") if one.is_dir()), reverse=True):
            if not any(below.iterdir()):
                below.rmdir()
        rest = sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if not one.is_dir())
        if not rest:
            folder.rmdir()
    except OSError as error:
        raise InputError("comfyui.install.unwritable", path=folder, reason=error.strerror or str(error)) from error
    return folder, rest


def installed(path: Path, version: str) -> Installed | None:
    """What lies there, compared with what version `version` would install; None without the pack.

    Raises:
        InputError: no ComfyUI there.
    """
    folder = nodes_folder(path) / FOLDER
    ours = _ours(folder)
    if ours is None:
        return None
    wanted = {name: sha256(content).hexdigest() for name, content in _files(version)}
    names = sorted({*wanted, *ours} - {SETTINGS})
    changed = tuple(name for name in names if _hash(folder / name) != wanted.get(name))
    settings = {name: value for name, value in _json(folder / SETTINGS).items() if name in KEPT}
    return Installed(folder, str(_json(folder / MANIFEST).get("version", "")), settings, changed)


def last_sign_of_life(spool: Path, host: str, instance: str | None) -> tuple[Path, float] | None:
    """The newest folder in `spool` of a ComfyUI on `host` (named `instance`, if that is known) and when it was last
    written to, in seconds since 1970. None when there is none to be seen.
    """
    word = re.sub(r"[^A-Za-z0-9._]+", "_", host).strip("._")[:60]
    signs = [
        (written_at, folder)
        for folder in _listed(spool)
        if folder.name.startswith(f"comfyui-{word}-") and (files := [*folder.glob("*.ndjson")])
        if instance is None or _instance(files) == instance
        if (written_at := max(filter(None, map(_written_at, files)), default=None))
    ]
    return (max(signs)[1], max(signs)[0]) if signs else None


def owned_alike(nodes: Path, spool: Path) -> bool:
    """Whether ComfyUI's folder and the spool, or where it will be made, belong to one user. Always so on Windows."""
    while not spool.exists() and spool != spool.parent:
        spool = spool.parent
    return nodes.stat().st_uid == spool.stat().st_uid


def _files(version: str) -> Iterator[tuple[str, bytes]]:
    """Every file of the pack, by its name inside the folder."""
    for base, below in ((_PACK, ""), (Path(safelight_emit.__file__).parent, "safelight_emit/")):
        for path in sorted(base.rglob("*")):
            inside = path.relative_to(base)
            # A pack that was tried out in its source folder holds what belongs to that trial.
            strange = inside.parts[0] in {"safelight_emit", SETTINGS, MANIFEST}
            if not path.is_file() or strange or any(part.startswith((".", "__pycache__")) for part in inside.parts):
                continue
            content = path.read_bytes()
            if inside.as_posix() == "pyproject.toml":
                content = _VERSION.sub(f'version = "{version}"', content.decode(), count=1).encode()
            yield below + inside.as_posix(), content


def _ours(folder: Path) -> dict[str, str] | None:
    """The files that the manifest in `folder` lists; None when there is nothing in the folder's place.

    Raises:
        InputError: what is there is not ours.
    """
    if not folder.exists() and not folder.is_symlink():
        return None
    listed = _json(folder / MANIFEST).get("files")
    if folder.is_symlink() or not isinstance(listed, dict):
        raise InputError("comfyui.install.foreign", path=folder)
    # A manifest is a file like any other: it must not make us delete what lies elsewhere.
    return {name: str(digest) for name, digest in listed.items() if _inside(name)}


def _inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and "\\" not in name and ":" not in name


def _carry_over(old: Path, new: Path, ours: set[str]) -> None:
    """What people have put among our files comes along."""
    for path in old.rglob("*"):
        inside = path.relative_to(old)
        if "__pycache__" in inside.parts or path.is_dir() or inside.as_posix() in ours:
            continue
        (new / inside).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, new / inside, follow_symlinks=False)


def _exchange(new: Path, folder: Path) -> None:
    """`new` takes the place of `folder`, which goes; should that fail, it is back."""
    if not folder.exists():
        new.rename(folder)
        return
    old = new.with_name(f".old{new.name}")
    folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o644)


def _text(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _hash(path: Path) -> str | None:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _written_at(file: Path) -> float | None:
    try:
        return file.stat().st_mtime
    except OSError:  # read meanwhile, and deleted
        return None


def _listed(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir()]
    except OSError:
        return []


def _instance(files: list[Path]) -> str | None:
    try:
        with max(files).open("rb") as file:
            event = json.loads(file.readline(1_000_000))
    except (OSError, ValueError):
        return None
    return event.get("instance") if isinstance(event, dict) else None
