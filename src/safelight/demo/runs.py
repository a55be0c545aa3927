"""One run of a graph as ComfyUI goes through it: pure, from a job and a random generator to what is logged."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from random import Random
from typing import Any, Final
from uuid import UUID

from ..event import Name
from . import troubles
from .happening import Happening
from .job import Job, Place, preview, text_factor
from .memory import CONTEXT_MB, Card, out_of_memory
from .troubles import Trouble
from .workflows import BATCH, PHOTO, PROMPT, SEED, Node

LOADS_MB_PER_MS: Final = 6.0
"""From main memory to the card."""
PER_IMAGE: Final = 0.3
"""What every further image of a batch adds to the time of a node that works on the card."""


def run(rng: Random, job: Job, place: Place) -> Sequence[Happening]:
    """All that is logged about a job, in the order of time. The last one is the end of the run."""
    return tuple(_Run(rng, job, place).play())


class _Run:
    def __init__(self, rng: Random, job: Job, place: Place) -> None:
        self._rng, self._job, self._place = rng, job, place
        self._at = place.start
        self._card = Card(place.instance, CONTEXT_MB * rng.uniform(0.94, 1.06))
        if place.warm:
            self._card.used_mb += job.workflow.models_mb
        self._peak_mb = self._card.used_mb
        self._values = {
            PROMPT: job.prompt,
            PHOTO: job.photo,
            SEED: rng.getrandbits(50),
            BATCH: job.batch,
        }
        self._common: dict[str, Any] = {
            "service": "comfyui",
            "instance": place.instance.name,
            "host": place.instance.host,
            "workflow_id": str(UUID(int=rng.getrandbits(128), version=4)),
            "workflow_name": job.workflow.name,
            "graph_hash": job.workflow.graph_hash,
            "user_id": job.user.id,
        }

    def play(self) -> Iterator[Happening]:
        trouble = self._job.trouble
        if trouble and trouble.ends == Name.RUN_REJECTED:
            yield self._rejected(trouble)
            return
        graph = self._job.workflow.graph(self._values)
        yield Happening(
            self._job.at,
            Name.RUN_QUEUED,
            "INFO",
            {
                **self._common,
                "message": "got prompt",
                "queue_remaining": self._place.remaining,
                "seed": self._values[SEED],
                "input_text_preview": preview(self._job.prompt),
                "graph": graph,
            },
        )
        yield self._now(Name.RUN_STARTED, message=f"{self._job.workflow.name} started")
        for node_id, node in self._job.workflow.nodes.items():
            if self._place.warm and node_id not in self._job.workflow.changing:
                yield self._now(Name.NODE_CACHED, node_id=node_id, node=node.kind, message=f"{node.kind} cached")
                continue
            ended = yield from self._execute(node_id, node)
            if ended:
                return
        yield from self._saved()
        yield self._ended(Name.RUN_FINISHED, f"Prompt executed in {self._at - self._place.start:.2f} seconds")

    def _execute(self, node_id: str, node: Node) -> Generator[Happening, None, bool]:
        """A node; the generator's value is whether the run ended in it."""
        rng, trouble, card = self._rng, self._job.trouble, self._card
        who = {"node_id": node_id, "node": node.kind}
        said = self._text(node)
        yield self._now(Name.NODE_STARTED, **who, **said, message=f"{node.kind} started")
        started = self._at
        if node.model and not self._place.warm:
            yield self._load(node, who)
        ms = self._takes(node)
        fails = trouble is not None and trouble.node == node.kind
        oom = card.lacks(node, self._job.batch)
        self._at += ms / 1000 * (rng.uniform(0.2, 0.7) if fails or oom else 1.0)
        if oom:
            yield from self._ran_out(node, who, started)
            return True
        if fails and trouble is not None:
            yield from self._went_wrong(trouble, who, started)
            return True
        peak = card.peak_mb(node, self._job.batch)
        self._peak_mb = max(self._peak_mb, peak)
        took = (self._at - started) * 1000
        yield self._now(
            Name.NODE_FINISHED,
            **who,
            **said,
            **self._sampler(node),
            message=f"{node.kind} finished in {took / 1000:.2f} s",
            duration_ms=round(took, 1),
            vram_used_mb=round(card.used_mb),
            vram_peak_mb=round(peak),
        )
        return False

    def _takes(self, node: Node) -> float:
        """Milliseconds of work."""
        ms = node.ms * self._place.slow * self._rng.lognormvariate(0, 0.09)
        if node.kind == "CLIPTextEncode":
            return ms * text_factor(str(self._values.get(node.inputs["text"], node.inputs["text"])))
        if node.works_mb:
            ms *= self._place.instance.pace * (1 + PER_IMAGE * (self._job.batch - 1))
        return ms

    def _load(self, node: Node, who: dict[str, str]) -> Happening:
        ms = node.model_mb / LOADS_MB_PER_MS * self._rng.uniform(0.8, 1.3)
        self._at += ms / 1000
        self._card.used_mb += node.model_mb
        return self._now(
            Name.MODEL_LOADED,
            **who,
            message=f"Requested to load {node.model}",
            model=node.model,
            model_mb=node.model_mb,
            load_ms=round(ms, 1),
            vram_used_mb=round(self._card.used_mb),
        )

    def _text(self, node: Node) -> dict[str, Any]:
        if node.kind != "CLIPTextEncode":
            return {}
        text = str(self._values.get(node.inputs["text"], node.inputs["text"]))
        return {"input_text_preview": preview(text), "text_length": len(text)}

    def _sampler(self, node: Node) -> dict[str, Any]:
        if node.kind != "KSampler":
            return {}
        return {"sampler": {"steps": node.inputs["steps"], "cfg": node.inputs["cfg"], "seed": self._values[SEED]}}

    def _ran_out(self, node: Node, who: dict[str, str], started: float) -> Iterator[Happening]:
        tried, free = self._card.exhaust(node, self._job.batch)
        self._peak_mb = self._card.used_mb
        message = out_of_memory(self._card, tried, free)
        trouble = Trouble(Name.RUN_FAILED, node.kind, "torch.OutOfMemoryError", message, troubles.DECODE)
        said = {
            "vram_total_mb": self._place.instance.total_mb,
            "vram_free_mb": round(free),
            "tried_to_allocate_mb": round(tried),
        }
        yield self._failed(trouble, who, started, **said)
        yield self._now(Name.LOG, level="WARNING", message="Got an OOM, unloading all loaded models.")
        yield self._ended(Name.RUN_FAILED, f"{self._job.workflow.name} failed in {node.kind}", trouble, who)

    def _went_wrong(self, trouble: Trouble, who: dict[str, str], started: float) -> Iterator[Happening]:
        if trouble.ends == Name.RUN_INTERRUPTED:
            yield self._ended(Name.RUN_INTERRUPTED, trouble.message, None, who)
            return
        yield self._failed(trouble, who, started)
        yield self._ended(Name.RUN_FAILED, f"{self._job.workflow.name} failed in {trouble.node}", trouble, who)

    def _failed(self, trouble: Trouble, who: dict[str, str], started: float, **more: Any) -> Happening:
        return self._now(
            Name.NODE_FAILED,
            level="ERROR",
            **who,
            message=trouble.message.partition("\n")[0],
            duration_ms=round((self._at - started) * 1000, 1),
            vram_used_mb=round(self._card.used_mb),
            error_type=trouble.error_type,
            error_message=trouble.message,
            traceback=trouble.traceback,
            **more,
        )

    def _rejected(self, trouble: Trouble) -> Happening:
        """ComfyUI gives a prompt that it refuses no id, and forgets it."""
        common = {name: value for name, value in self._common.items() if name != "workflow_id"}
        node_id = next(id_ for id_, node in self._job.workflow.nodes.items() if node.kind == trouble.node)
        said = {
            "message": f"invalid prompt: {trouble.message}",
            "node_id": node_id,
            "node": trouble.node,
            "error_type": trouble.error_type,
            "error_message": trouble.message,
            "status": 400,
        }
        return Happening(self._job.at, Name.RUN_REJECTED, "ERROR", {**common, **said})

    def _saved(self) -> Iterator[Happening]:
        width, height = self._job.workflow.size
        prefix = next(
            node.inputs["filename_prefix"] for node in self._job.workflow.nodes.values() if node.kind == "SaveImage"
        )
        first = self._rng.randrange(1, 90_000)
        for number in range(first, first + self._job.batch):
            name = f"{prefix}_{number:05d}_.png"
            yield self._now(Name.OUTPUT_SAVED, message=f"saved {name}", filename=name, width=width, height=height)

    def _ended(
        self, name: str, message: str, trouble: Trouble | None = None, who: dict[str, str] | None = None
    ) -> Happening:
        ms = round((self._at - self._place.start) * 1000, 1)
        wrong = {"error_type": trouble.error_type, "error_message": trouble.message} if trouble else {}
        # A duration beside a node is that node's: a run that ended in one says how long it ran in other words.
        done = {"ran_ms": ms} if who else {"duration_ms": ms, "images": self._job.batch}
        return self._now(
            name,
            level={Name.RUN_FAILED: "ERROR", Name.RUN_INTERRUPTED: "WARNING"}.get(Name(name), "INFO"),
            message=message,
            vram_peak_mb=round(self._peak_mb),
            **done,
            **(who or {}),
            **wrong,
        )

    def _now(self, name: str, *, level: str = "INFO", **fields: Any) -> Happening:
        """What is logged at this moment; the next is a little later."""
        happening = Happening(self._at, name, level, {**self._common, **fields})
        self._at += self._rng.uniform(0.002, 0.009)
        return happening
