"""Who may import whom. Lower floors know nothing of upper ones; a floor's rooms know nothing of each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FLOORS = (
    {"locales"},
    {"disk", "errors", "event", "hostzone", "identifier", "lean", "note", "paths"},
    {"batch", "meter", "plugin", "rows"},
    {"query"},
    {"buffer", "store"},
    {"arrivals", "services", "units", "wire"},
    {"tail"},
    {"processors"},
    {"documents"},
    {"comfyui", "hardware"},
    {"sinks", "sources"},
    {"remedies"},
    {"alerts"},
    {"channels"},
    {"delivery", "shipping"},
    {"config"},
    {"answers", "pipeline"},
    {"importing"},
    {"demo"},
    {"collecting"},
    {"app"},
    {"agent", "web"},
    {"serve"},
    {"cli"},
)
HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
SRC = Path(__file__).parents[2] / "src" / "safelight"
EMIT = Path(__file__).parents[2] / "emit" / "safelight_emit"
GENERATED = {"_version", "__init__"}


def room_of(path: Path) -> str:
    return path.relative_to(SRC).with_suffix("").parts[0]


def imported_rooms(path: Path, source: str) -> Iterator[str]:
    package = path.relative_to(SRC).parts[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - (node.level - 1)]
            for name in [node.module] if node.module else [alias.name for alias in node.names]:
                yield (*base, *name.split("."))[0]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("safelight."):
            yield (node.module or "").split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("safelight."))


def climbs(path: Path, source: str) -> list[str]:
    room = room_of(path)
    return [
        f"{path.relative_to(SRC)} imports {other}"
        for other in imported_rooms(path, source)
        if other not in GENERATED | {room} and HEIGHT[other] >= HEIGHT[room]
    ]


SOURCES = [path for path in sorted(SRC.rglob("*.py")) if room_of(path) not in GENERATED]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SRC)))
def test_every_import_goes_down(path):
    assert not climbs(path, path.read_text(encoding="utf-8"))


def test_an_import_that_climbs_is_seen():
    assert climbs(SRC / "query" / "parse.py", "from ..store.segments import SegmentStore") == [
        "query/parse.py imports store"
    ]


def test_every_room_has_a_floor():
    assert {room_of(path) for path in SOURCES} <= set(HEIGHT)


def test_emit_imports_nothing_but_the_standard_library_and_itself():
    import sys

    for path in EMIT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            assert all(name.split(".")[0] in sys.stdlib_module_names for name in names), (path, names)
