"""One run of a graph as ComfyUI goes through it: pure, from a job and a random generator to what the pack tells."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from random import Random
from typing import Any, Final
from uuid import UUID

from ..event import Name
from . import troubles, values
from .curve import Curve
from .documents import Papers
from .happening import Happening
from .job import Job, Place, preview, text_factor
from .lost import lost
from .memory import CONTEXT_MB, Card, ledger, out_of_memory, ram_mb
from .troubles import Trouble
from .workflows import BATCH, PHOTO, PROMPT, SEED, Node

LOADS_MB_PER_MS: Final = 6.0
"""From main memory to the card."""
PER_IMAGE: Final = 0.3
"""What every further image of a batch adds to the time of a node that works on the card."""
PROGRESS_S: Final = 1.0
"""A node's progress is told once in so long; of a run that lies back, MARKS times."""
MARKS: Final = 6


def run(rng: Random, job: Job, place: Place) -> Sequence[Happening]:
    """All that is told about a job, in the order of time. The last one is the end of the run."""
    return tuple(_Run(rng, job, place).play())


class _Run:
    def __init__(self, rng: Random, job: Job, place: Place) -> None:
        self._rng, self._job, self._place = rng, job, place
        self._at = place.start
        self._card = Card(place.instance, CONTEXT_MB * rng.uniform(0.94, 1.06))
        if place.warm:
            self._card.used_mb += job.workflow.models_mb
        self._peak_mb = self._card.used_mb
        self._ram_mb = ram_mb(job.workflow) + rng.uniform(-80, 80)
        self._curve = Curve(place.start, self._card.used_mb)
        self._values = {
            PROMPT: job.prompt,
            PHOTO: job.photo,
            SEED: job.seed,
            BATCH: job.batch,
        }
        self._papers = Papers(job.workflow, self._values)
        self._executed = 0
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
        yield from self._papers.happenings(self._job.at, self._common)
        if trouble and trouble.ends == Name.RUN_REJECTED:
            yield self._rejected(trouble)
            return
        yield self._queued()
        *story, end = self._told()
        readings = self._curve.happenings(
            self._rng, self._common, self._ram_mb, self._place.instance.total_mb, closely=self._place.closely
        )
        yield from sorted([*story, *readings], key=lambda happening: min(happening.at, end.at))
        yield end

    def _told(self) -> Iterator[Happening]:
        """From its start to its end, but for the curve of its memory."""
        queue_ms = (self._place.start - self._job.at) * 1000
        yield self._now(
            Name.RUN_STARTED,
            message=f"{self._job.workflow.name} started",
            queue_ms=round(queue_ms, 1),
            queue_remaining=self._place.remaining,
            vram_used_mb=round(self._card.used_mb),
        )
        for node_id, node in self._job.workflow.nodes.items():
            if self._place.warm and node_id not in self._job.workflow.changing:
                yield self._now(Name.NODE_CACHED, **self._who(node_id), message=f"{node.kind} cached")
                continue
            ended = yield from self._execute(node_id, node)
            if ended:
                return
        yield from self._saved()
        yield self._ended(Name.RUN_FINISHED, f"Prompt executed in {self._at - self._place.start:.2f} seconds")

    def _queued(self) -> Happening:
        said = {
            "message": "got prompt",
            "number": self._place.number,
            "queue_remaining": self._place.remaining,
            "seed": self._values[SEED],
            "input_text_preview": preview(self._job.prompt),
            **self._papers.fields(),
        }
        return Happening(self._job.at, Name.RUN_QUEUED, "INFO", {**self._common, **said})

    def _execute(self, node_id: str, node: Node) -> Generator[Happening, None, bool]:
        """A node; the generator's value is whether the run ended in it."""
        rng, trouble, card = self._rng, self._job.trouble, self._card
        who = self._who(node_id)
        before = card.used_mb
        yield self._now(Name.NODE_STARTED, **who, **values.about(node, self._values), message=f"{node.kind} started")
        started = self._at
        if node.model and not self._place.warm:
            yield self._load(node, who)
        began, ms = self._at, self._takes(node)
        fails = trouble is not None and trouble.node == node.kind
        oom = card.lacks(node, self._job.batch)
        self._at += ms / 1000 * (rng.uniform(0.2, 0.7) if fails or oom else 1.0)
        peak = min(card.peak_mb(node, self._job.batch), card.instance.total_mb)
        self._curve.reach(began + (self._at - began) * 0.1, peak)
        self._curve.reach(self._at, peak)
        yield from self._progress(node, who, began, began + ms / 1000)
        if oom:
            yield from self._ran_out(node, who, started)
            return True
        if fails and trouble is not None:
            yield from self._went_wrong(trouble, node, who, started)
            return True
        self._curve.reach(self._at, card.used_mb)
        self._peak_mb = max(self._peak_mb, peak)
        self._executed += 1
        yield self._finished(node, who, started, before, peak)
        return False

    def _finished(self, node: Node, who: dict[str, Any], started: float, before: float, peak: float) -> Happening:
        took = (self._at - started) * 1000
        return self._now(
            Name.NODE_FINISHED,
            **who,
            **values.about(node, self._values),
            message=f"{node.kind} finished in {took / 1000:.2f} s",
            duration_ms=round(took, 1),
            active_ms=round(took * 0.998, 1),
            vram_before_mb=round(before),
            vram_used_mb=round(self._card.used_mb),
            vram_peak_mb=round(peak),
            torch_peak_mb=round(max(0.0, peak - CONTEXT_MB)),
            ram_used_mb=round(self._ram_mb),
            inputs=self._inputs(node),
            outputs=values.outputs(self._job.workflow, node, self._job.batch),
        )

    def _takes(self, node: Node) -> float:
        """Milliseconds of work."""
        ms = node.ms * self._place.slow * self._rng.lognormvariate(0, 0.09)
        if node.kind == "CLIPTextEncode":
            return ms * text_factor(str(self._values.get(node.inputs["text"], node.inputs["text"])))
        if node.works_mb:
            ms *= self._place.instance.pace * (1 + PER_IMAGE * (self._job.batch - 1))
        return ms

    def _progress(self, node: Node, who: dict[str, Any], began: float, until: float) -> Iterator[Happening]:
        """The steps that were done by now, the first and the last in any case."""
        a_step = (until - began) / max(node.steps, 1)
        done = min(node.steps, int((self._at - began) / a_step + 1e-6)) if node.steps else 0
        apart = PROGRESS_S if self._place.closely else max(PROGRESS_S, (until - began) / MARKS)
        said = -apart
        for step in range(1, done + 1):
            if step * a_step - said >= apart or step == done:
                said = step * a_step
                fields = {**self._common, **who, "value": step, "max": node.steps}
                yield Happening(began + said, Name.NODE_PROGRESS, "DEBUG", fields)

    def _load(self, node: Node, who: dict[str, Any]) -> Happening:
        ms = node.model_mb / LOADS_MB_PER_MS * self._rng.uniform(0.8, 1.3)
        self._curve.reach(self._at, self._card.used_mb)
        self._at += ms / 1000
        self._card.used_mb += node.model_mb
        self._curve.reach(self._at, self._card.used_mb)
        return self._now(
            Name.MODEL_LOADED,
            **who,
            message=f"Requested to load {node.model}",
            model=node.model,
            model_mb=node.model_mb,
            load_ms=round(ms, 1),
            device="cuda:0",
            vram_used_mb=round(self._card.used_mb),
        )

    def _who(self, node_id: str) -> dict[str, Any]:
        who = {"node_id": node_id, "node": self._job.workflow.nodes[node_id].kind}
        title = self._job.workflow.layout[node_id].title
        return {**who, "title": title} if title else who

    def _inputs(self, node: Node) -> dict[str, Any]:
        return values.inputs(self._job.workflow, node, self._values, self._job.batch)

    def _ran_out(self, node: Node, who: dict[str, Any], started: float) -> Iterator[Happening]:
        tried, free = self._card.exhaust(node, self._job.batch)
        self._peak_mb = self._card.used_mb
        self._curve.reach(self._at, self._card.used_mb)
        message = out_of_memory(self._card, tried, free)
        trouble = Trouble(Name.RUN_FAILED, node.kind, "torch.OutOfMemoryError", message, troubles.DECODE)
        said = {
            "vram_total_mb": self._place.instance.total_mb,
            "vram_free_mb": round(free),
            "tried_to_allocate_mb": round(tried),
        }
        yield self._failed(trouble, node, who, started, **said)
        yield self._now(Name.LOG, level="WARNING", message="Got an OOM, unloading all loaded models.")
        yield self._ended(Name.RUN_FAILED, f"{self._job.workflow.name} failed in {node.kind}", trouble, who)

    def _went_wrong(self, trouble: Trouble, node: Node, who: dict[str, Any], started: float) -> Iterator[Happening]:
        if trouble.ends == Name.RUN_LOST:
            yield from lost(self._rng, self._place.instance, self._common, who, self._at, self._card.used_mb)
            return
        if trouble.ends == Name.RUN_INTERRUPTED:
            yield self._ended(Name.RUN_INTERRUPTED, trouble.message, None, who)
            return
        yield self._failed(trouble, node, who, started)
        yield self._ended(Name.RUN_FAILED, f"{self._job.workflow.name} failed in {trouble.node}", trouble, who)

    def _failed(self, trouble: Trouble, node: Node, who: dict[str, Any], started: float, **more: Any) -> Happening:
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
            inputs=self._inputs(node),
            memory=ledger(self._card, self._job.workflow, self._place.instance.pid),
            **more,
        )

    def _rejected(self, trouble: Trouble) -> Happening:
        node_id = next(id_ for id_, node in self._job.workflow.nodes.items() if node.kind == trouble.node)
        wrong = {"type": "value_not_in_list", "message": "Value not in list", "details": trouble.message}
        said = {
            "message": f"invalid prompt: {trouble.message}",
            **self._who(node_id),
            "error_type": trouble.error_type,
            "error_message": trouble.message,
            "status": 400,
            "node_errors": {node_id: {"class_type": trouble.node, "errors": [wrong]}},
            **self._papers.fields(),
        }
        return Happening(self._job.at, Name.RUN_REJECTED, "ERROR", {**self._common, **said})

    def _saved(self) -> Iterator[Happening]:
        width, height = self._job.workflow.size
        node_id, node = next(pair for pair in self._job.workflow.nodes.items() if pair[1].kind == "SaveImage")
        first = self._rng.randrange(1, 90_000)
        for number in range(first, first + self._job.batch):
            name = f"{node.inputs['filename_prefix']}_{number:05d}_.png"
            yield self._now(
                Name.OUTPUT_SAVED,
                **self._who(node_id),
                message=f"saved {name}",
                filename=name,
                subfolder="",
                type="output",
                bytes=round(width * height * self._rng.uniform(1.1, 1.7)),
                width=width,
                height=height,
                check="ok",
            )

    def _ended(
        self, name: str, message: str, trouble: Trouble | None = None, who: dict[str, Any] | None = None
    ) -> Happening:
        ms = round((self._at - self._place.start) * 1000, 1)
        wrong = {"error_type": trouble.error_type, "error_message": trouble.message} if trouble else {}
        # A duration beside a node is that node's: a run that ended in one says how long it ran in other words.
        done = {"ran_ms": ms} if who else {"duration_ms": ms, "images": self._job.batch}
        return self._now(
            name,
            level="WARNING" if name in {Name.RUN_FAILED, Name.RUN_INTERRUPTED} else "INFO",
            message=message,
            vram_peak_mb=round(self._peak_mb),
            ram_peak_mb=round(self._ram_mb),
            executed=self._executed,
            cached=len(self._job.workflow.nodes.keys() - self._job.workflow.changing) if self._place.warm else 0,
            **done,
            **(who or {}),
            **wrong,
        )

    def _now(self, name: str, *, level: str = "INFO", **fields: Any) -> Happening:
        """What is told at this moment; the next is a little later."""
        happening = Happening(self._at, name, level, {**self._common, **fields})
        self._at += self._rng.uniform(0.002, 0.009)
        return happening
