"""What a run carries along: its prompt and its drawing, as documents, and what the prompt says about itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from ..comfyui.pack import document, graph
from ..event import Name
from .drawing import drawn
from .happening import Happening
from .workflows import Workflow

AGAIN_S: Final = 3600.0
"""The pack tells a document once in so long."""


@cache
def drawing(workflow: Workflow) -> str:
    """The canonical text of a workflow's drawing."""
    return document.canonical(drawn(workflow))


class Papers:
    """The documents of one prompt."""

    def __init__(self, workflow: Workflow, values: Mapping[str, Any]) -> None:
        self.prompt = workflow.graph(values)
        self._texts = {"prompt": document.canonical(self.prompt), "workflow": drawing(workflow)}

    def happenings(self, at: float, common: Mapping[str, Any]) -> Iterator[Happening]:
        """Their parts."""
        for kind, text in self._texts.items():
            for part in document.parts(kind, text):
                yield Happening(at, Name.RUN_DOCUMENT, "DEBUG", {**common, **part})

    def fields(self) -> dict[str, Any]:
        """What `run_queued` says of them."""
        return {
            **{f"{kind}_sha256": document.sha256(text) for kind, text in self._texts.items()},
            "node_count": len(self.prompt),
            "models": graph.models(self.prompt),
            "input_files": graph.input_files(self.prompt),
        }


class Told:
    """Which documents each instance has told of lately."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], float] = {}

    def without_known(self, story: Sequence[Happening]) -> list[Happening]:
        """The story without the documents that need not be told again."""
        return [happening for happening in story if happening.name != Name.RUN_DOCUMENT or self._is_new(happening)]

    def _is_new(self, happening: Happening) -> bool:
        key = (happening.fields["instance"], f"{happening.fields['sha256']}/{happening.fields['part']}")
        if happening.at - self._told.get(key, -AGAIN_S) < AGAIN_S:
            return False
        self._told[key] = happening.at
        return True
