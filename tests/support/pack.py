"""The node pack as it lies in a ComfyUI: installed into a folder, its modules imported from there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from safelight.comfyui.install import install

PACKAGE = "safelight_pack_under_test"


class Pack:
    """`pack.memory` is the installed module `memory`. The pack itself is not started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getattr__(self, name: str) -> Any:
        if not (self.folder / f"{name}.py").is_file() and not (self.folder / name).is_dir():
            raise AttributeError(name)
        return import_module(f"{PACKAGE}.{name}")


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pack]:
    """The installed pack."""
    nodes = tmp_path_factory.mktemp("comfyui") / "custom_nodes"
    nodes.mkdir()
    spool = tmp_path_factory.mktemp("spool")
    folder = install(nodes, "9.9", spool=str(spool))
    package = ModuleType(PACKAGE)
    package.__path__ = [str(folder)]
    sys.modules[PACKAGE] = package
    yield Pack(folder)
    for name in [name for name in sys.modules if name == PACKAGE or name.startswith(f"{PACKAGE}.")]:
        del sys.modules[name]


class Told(list[SimpleNamespace]):
    """Stands in for safelight_emit's `append`: what was told, in order."""

    def __call__(self, event: str, level: str, fields: dict[str, Any], moment: int = 0) -> None:
        self.append(SimpleNamespace(event=event, level=level, fields=dict(fields), moment=moment))

    def of(self, event: str) -> list[dict[str, Any]]:
        """The fields of all events of this name."""
        return [one.fields for one in self if one.event == event]


@pytest.fixture
def told() -> Told:
    """An `append` that remembers."""
    return Told()
