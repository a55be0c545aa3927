"""Name the node of a ComfyUI failure, where its console does not: by the source of the node pack on this machine."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ..batch import Batch, Process
from ..event import Name
from ..services import tracebacks
from ..services.comfyui_source import Source
from . import Processor
from .rows import flat, replaced

MOST_BYTES: Final = 2 * 1024 * 1024
"""A larger source file is not read. ComfyUI's largest has 0.1 MB."""
_FAILED: Final = pa.scalar(Name.NODE_FAILED.value)
KEPT: Final = 32
"""Source files that are remembered."""


class Locate(Processor):
    """Fill `node` of failed ComfyUI nodes from the source file that the traceback names, if it lies on this machine.

    `attributes.node_from` then says `source`. Left alone when more than one node runs that function.
    """

    type: Literal["locate"] = "locate"

    example: ClassVar[dict[str, Any]] = {}

    def build(self) -> Process:
        """The step."""
        sources = _Sources()

        def locate(batch: Batch) -> Batch:
            wanted = pc.and_(pc.equal(batch["event"], _FAILED), batch["node"].is_null())
            wanted = flat(pc.and_(pc.fill_null(wanted, fill_value=False), batch["traceback"].is_valid()))
            if not pc.any(wanted).as_py():
                return batch
            rows = batch.table.select(["traceback", "attributes"]).filter(wanted).to_pylist()
            nodes = [_node(sources, row["traceback"], row["attributes"]) for row in rows]
            batch = replaced(batch, "node", wanted, nodes)
            return replaced(
                batch,
                "attributes",
                wanted,
                [
                    _told(row["attributes"]) if node else row["attributes"]
                    for row, node in zip(rows, nodes, strict=True)
                ],
            )

        return locate


def _node(sources: _Sources, traceback: str, attributes: str | None) -> str | None:
    place = msgspec.json.decode(attributes).get("node_function") if attributes else None
    frames = tracebacks.failure(traceback).frames
    frame = next((frame for frame in frames if frame.place == place), None)
    source = sources.of(frame.file) if frame else None
    return source.node_at(frame.line, frame.function) if frame and source else None


def _told(attributes: str) -> str:
    return msgspec.json.encode(msgspec.json.decode(attributes) | {"node_from": "source"}).decode()


class _Sources:
    """Source files, read once for each of their versions."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, int], Source | None] = OrderedDict()

    def of(self, name: str) -> Source | None:
        """The file of this name, or None: it is not here, or not Python. A log decides what is asked for, so only
        regular `.py` files are opened, and nothing of them but the names of nodes goes any further."""
        path = Path(name)
        try:
            found = path.stat()
        except (OSError, ValueError):
            return None
        if path.suffix != ".py" or not path.is_absolute() or not path.is_file() or found.st_size > MOST_BYTES:
            return None
        key = (name, found.st_mtime_ns)
        if key not in self._known:
            self._known[key] = _read(path)
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return self._known[key]


def _read(path: Path) -> Source | None:
    package = path.with_name("__init__.py")
    try:
        declared = package.read_text("utf-8") if package != path and package.is_file() else ""
        return Source.parse(path.read_text("utf-8"), declared)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None
