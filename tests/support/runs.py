"""Executions of every kind, told event by event as the node pack tells them: what the tests of runs read.

    ok = story("ok", at=now)                   # one run: its id, its events, its documents
    store.append(batch(ok.events))             # as rows of a store
    fill(Path("data"), now=now)                # a data directory with all of them

`python tests/support/runs.py DATA_DIR` does the last with runs that end about now.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from safelight.batch import Batch
from safelight.documents import Documents
from safelight.event import FIELDS, Kind
from safelight.processors.fingerprint import fingerprint
from safelight.store.segments import SegmentStore

PART = 24_000
SD15 = "v1-5-pruned-emaonly-fp16.safetensors"
TOTAL_MB = 24_564.0
OOM = (
    "Allocation on device 0 would exceed allowed memory. (out of memory)\nCurrently allocated     : 21.90 GiB\n"
    "Requested               : 2.25 GiB\nDevice limit            : 23.99 GiB"
)
TRACE = (
    'Traceback (most recent call last):\n  File "execution.py", line 496, in execute\n    output_data = await '
    'get_output_data(obj, input_data_all)\n  File "nodes.py", line 295, in decode\n    images = vae.decode(samples)\n'
)

Event = dict[str, Any]
Graph = dict[str, dict[str, Any]]


def canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Story:
    """One run, told. `events` are flat, in the order of time; `documents` are texts by their sha256."""

    kind: str
    id: str
    events: list[Event]
    documents: dict[str, str] = field(default_factory=dict)

    def named(self, *names: str) -> list[Event]:
        return [event for event in self.events if event["event"] in names]


def link(node_id: str, slot: int = 0) -> list[Any]:
    return [node_id, slot]


def text_to_image(seed: int = 156680208700286, text: str = "窗边的猫, soft light, 35mm") -> Graph:
    """ComfyUI's default graph."""

    def made(kind: str, title: str, **inputs: Any) -> dict[str, Any]:
        return {"inputs": inputs, "class_type": kind, "_meta": {"title": title}}

    return {
        "4": made("CheckpointLoaderSimple", "Load Checkpoint", ckpt_name=SD15),
        "5": made("EmptyLatentImage", "Empty Latent Image", width=512, height=512, batch_size=1),
        "6": made("CLIPTextEncode", "Positive 提示词", text=text, clip=link("4", 1)),
        "7": made("CLIPTextEncode", "Negative", text="blurry, watermark", clip=link("4", 1)),
        "3": made(
            "KSampler",
            "KSampler",
            seed=seed,
            steps=20,
            cfg=8,
            sampler_name="euler",
            scheduler="normal",
            denoise=1,
            model=link("4"),
            positive=link("6"),
            negative=link("7"),
            latent_image=link("5"),
        ),
        "8": made("VAEDecode", "VAE Decode", samples=link("3"), vae=link("4", 2)),
        "9": made("SaveImage", "Save Image", filename_prefix="ComfyUI", images=link("8")),
    }


_PLACES = {
    "4": (26, 474, 315, 98),
    "5": (473, 609, 315, 106),
    "6": (415, 186, 422, 164),
    "7": (413, 389, 425, 180),
    "3": (863, 186, 315, 262),
    "8": (1209, 188, 210, 46),
    "9": (1451, 189, 210, 270),
}
_LINKS = [
    [1, 4, 0, 3, 0, "MODEL"],
    [2, 5, 0, 3, 3, "LATENT"],
    [3, 4, 1, 6, 0, "CLIP"],
    [4, 6, 0, 3, 1, "CONDITIONING"],
    [5, 4, 1, 7, 0, "CLIP"],
    [6, 7, 0, 3, 2, "CONDITIONING"],
    [7, 3, 0, 8, 0, "LATENT"],
    [8, 4, 2, 8, 1, "VAE"],
    [9, 8, 0, 9, 0, "IMAGE"],
]


def drawn(prompt: Graph) -> dict[str, Any]:
    """The author's workflow document of the default graph."""
    nodes = [
        {"id": int(node_id), "type": prompt[node_id]["class_type"], "pos": [x, y], "size": [w, h], "mode": 0}
        | ({"title": "Positive 提示词"} if node_id == "6" else {})
        for node_id, (x, y, w, h) in _PLACES.items()
        if node_id in prompt
    ]
    return {"id": "9ae6082b", "last_node_id": 9, "last_link_id": 9, "nodes": nodes, "links": _LINKS, "version": 0.4}


def chain(count: int) -> Graph:
    """`count` nodes, four wide, submitted through the API: no workflow document."""
    nodes: Graph = {"1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "color": 0}}}
    for number in range(2, count):
        inputs = {"image": link(str(max(1, number - 4))), "amount": number % 7}
        nodes[str(number)] = {"class_type": ("ImageBlur", "ImageInvert", "ImageScale")[number % 3], "inputs": inputs}
    inputs = {"images": link(str(count - 1)), "filename_prefix": "many"}
    nodes[str(count)] = {"class_type": "SaveImage", "inputs": inputs}
    return nodes


_LINKED = {
    "model": "MODEL BaseModel",
    "clip": "CLIP SD1ClipModel",
    "vae": "VAE AutoencoderKL",
    "positive": "CONDITIONING 1: 1×77×768",
    "negative": "CONDITIONING 1: 1×77×768",
    "latent_image": "LATENT 1×4×64×64",
    "samples": "LATENT 1×4×64×64",
}
_OUTPUTS = {
    "CheckpointLoaderSimple": ["MODEL BaseModel", "CLIP SD1ClipModel", "VAE AutoencoderKL"],
    "CLIPTextEncode": ["CONDITIONING 1: 1×77×768"],
    "EmptyLatentImage": ["LATENT 1×4×64×64"],
    "KSampler": ["LATENT 1×4×64×64"],
    "SaveImage": [],
}


def _previewed(name: str, value: Any) -> Any:
    """What came in through a link, as the pack shows it; anything else as it is."""
    return _LINKED.get(name, "Tensor 1×512×512×3 float32 cpu") if isinstance(value, list) else value


class Teller:
    """Tells a run while its clock goes on."""

    def __init__(
        self,
        kind: str,
        at: datetime,
        *,
        run_id: str | None = None,
        instance: str = "gpu-1:8188",
        user: str | None = "lin.wei",
        name: str | None = "product-photo",
        prompt: Graph | None = None,
        workflow: dict[str, Any] | None = None,
        graph_hash: str | None = None,
    ) -> None:
        self.prompt = prompt if prompt is not None else text_to_image()
        self.workflow = drawn(self.prompt) if workflow is None and prompt is None else workflow
        self.now = at
        self.common: Event = {
            "service": "comfyui",
            "instance": instance,
            "host": instance.partition(":")[0],
            "workflow_id": run_id or str(uuid5(NAMESPACE_URL, f"{kind} {at.isoformat()} {instance}")),
        }
        self.user, self.name = user, name
        self.hash = graph_hash or sha256(canonical(sorted(n["class_type"] for n in self.prompt.values())))[:12]
        self.story = Story(kind, self.common["workflow_id"], [])
        self._samples: list[float] = []
        self.used_mb, self.peak_mb, self.ram_mb = 1_240.0, 1_240.0, 6_800.0

    def say(self, event: str, level: str = "INFO", /, **fields: Any) -> None:
        given = {name: value for name, value in fields.items() if value is not None}
        told = {"timestamp": self.now, "level": level, "event": event, "message": event, **self.common, **given}
        told["id"] = f"test-{sha256(f'{self.story.id} {len(self.story.events)}')[:24]}"
        self.story.events.append(told)

    def wait(self, ms: float) -> None:
        self.now += timedelta(milliseconds=ms)

    def queued(self, *, number: int = 1, remaining: int = 1, **more: Any) -> datetime:
        kept: dict[str, str] = {}
        documents = {"prompt": self.prompt, "workflow": self.workflow, "extra": {"safelight": {"by": "tests"}}}
        for kind, value in documents.items():
            if value is None:
                continue
            text = canonical(value)
            kept[kind] = sha256(text)
            self.story.documents[kept[kind]] = text
            parts = range(0, len(text), PART)
            for part, start in enumerate(parts):
                said = {"sha256": kept[kind], "kind": kind, "part": part, "parts": len(parts)}
                self.say("run_document", "DEBUG", text=text[start : start + PART], **said)
        self.say(
            "run_queued",
            message="got prompt",
            user_id=self.user,
            workflow_name=self.name,
            graph_hash=self.hash,
            client_id="5e1c9a7b",
            number=number,
            queue_remaining=remaining,
            node_count=len(self.prompt),
            prompt_sha256=kept["prompt"],
            workflow_sha256=kept.get("workflow"),
            extra_sha256=kept["extra"],
            extra={"client": "tests"},
            models=[{"node_id": "4", "input": "ckpt_name", "name": SD15}] if "4" in self.prompt else [],
            input_files=[],
            redacted=["12.inputs.api_key"] if more.pop("secret", False) else None,
            **more,
        )
        return self.now

    def started(self, queue_ms: float = 40.0) -> None:
        self.wait(queue_ms)
        self._began = self.now
        self.say("run_started", queue_ms=queue_ms, queue_remaining=1, vram_used_mb=self.used_mb)

    def who(self, node_id: str, kind: str | None = None) -> Event:
        node = self.prompt.get(node_id, {})
        title = node.get("_meta", {}).get("title")
        return {"node_id": node_id, "node": kind or node["class_type"], **({"title": title} if title else {})}

    def cached(self, *ids: str) -> None:
        for node_id in ids:
            self.say("node_cached", **self.who(node_id))

    def begin(self, node_id: str, kind: str | None = None, **more: Any) -> None:
        self.say("node_started", **self.who(node_id, kind), **more)

    def load(self, model: str, model_mb: float, load_ms: float, node_id: str) -> None:
        self.wait(load_ms)
        self.used_mb += model_mb
        self.say("model_loaded", model=model, model_mb=model_mb, load_ms=load_ms, device="cuda:0", **self.who(node_id))

    def steps(self, node_id: str, count: int, ms: float, upto: int | None = None) -> None:
        for value in range(1, (upto or count) + 1):
            self.wait(ms)
            self.say("node_progress", "DEBUG", **self.who(node_id), value=value, max=count)

    def finish(self, node_id: str, ms: float, *, kind: str | None = None, extra_mb: float = 60.0, **more: Any) -> None:
        before, self.peak_mb = self.used_mb, max(self.peak_mb, self.used_mb + extra_mb)
        said, inputs = self.who(node_id, kind), self.prompt.get(node_id, {}).get("inputs", {})
        values = {
            "duration_ms": round(ms, 1),
            "active_ms": round(ms, 1),
            "vram_before_mb": before,
            "vram_used_mb": self.used_mb,
            "vram_peak_mb": self.used_mb + extra_mb,
            "torch_peak_mb": max(0.0, self.used_mb + extra_mb - 900),
            "ram_used_mb": self.ram_mb,
            "inputs": {name: _previewed(name, given) for name, given in inputs.items()},
            "outputs": _OUTPUTS.get(said["node"], ["Tensor 1×512×512×3 float32 cpu"]),
        }
        self.say("node_finished", **said, **(values | more))

    def ran(self, node_id: str, ms: float, *, kind: str | None = None, load: tuple[str, float, float] | None = None,
            steps: int = 0, extra_mb: float = 60.0, begun: Event | None = None, **more: Any) -> None:  # fmt: skip
        """A node from its start to its end."""
        at = self.now
        self.begin(node_id, kind, **(begun or {}))
        if load:
            self.load(*load, node_id)
        if steps:
            self.steps(node_id, steps, (ms - (load[2] if load else 0)) / (steps + 1))
        self.now = at + timedelta(milliseconds=ms)
        self.finish(node_id, ms, kind=kind, extra_mb=extra_mb, **(begun or {}), **more)
        self.wait(1)

    def saved(self, filename: str, node_id: str = "9", check: str = "ok", **more: Any) -> None:
        size = {"bytes": 421_337, "width": 512, "height": 512}
        said = {"node_id": node_id, "filename": filename, "subfolder": "", "type": "output", "check": check, **size}
        self.say("output_saved", **{**said, **more})

    def sampled(self) -> None:
        """The readings of the run so far, five a second, an event for each second."""
        first, last = self._began.timestamp() * 1000, self.now.timestamp() * 1000
        at, said = first, self.now
        while at < last:
            times = [int(at + 200 * step) for step in range(5) if at + 200 * step < last]
            done = [(each - first) / max(last - first, 1) for each in times]
            wave = [math.sin(share * 37) for share in done]
            rise = [1_240 + (self.peak_mb - 1_240) * min(1.0, share * 2.2) for share in done]
            vram = [round(each + 40 * bend, 1) for each, bend in zip(rise, wave, strict=True)]
            curve = {
                "at": times,
                "vram_mb": vram,
                "torch_mb": [round(max(0.0, each - 900), 1) for each in vram],
                "ram_mb": [round(self.ram_mb + 300 * share, 1) for share in done],
                "vram_total_mb": TOTAL_MB,
            }
            self.now = datetime.fromtimestamp(times[-1] / 1000, UTC)
            self.say("resources_sampled", "DEBUG", vram_used_mb=vram[-1], ram_used_mb=curve["ram_mb"][-1], curve=curve)
            at += 1000
        self.now = said

    def ran_ms(self) -> float:
        return round((self.now - self._began).total_seconds() * 1000, 1)

    def finished(self) -> Story:
        self.sampled()
        told = {event["event"]: 0 for event in self.story.events}
        for event in self.story.events:
            told[event["event"]] += 1
        executed, cached = told.get("node_finished", 0), told.get("node_cached", 0)
        peaks = {"vram_peak_mb": self.peak_mb, "ram_peak_mb": self.ram_mb + 300}
        self.say("run_finished", duration_ms=self.ran_ms(), executed=executed, cached=cached, **peaks)
        return self.done()

    def failed(self, node_id: str, ms: float, error_type: str, message: str, memory: Event | None = None) -> Story:
        self.sampled()
        wrong = {**self.who(node_id), "error_type": error_type, "error_message": message}
        inputs = {"samples": "LATENT 1×4×512×512", "vae": "VAE AutoencodingEngine"}
        more = {"duration_ms": ms, "traceback": TRACE + f"{error_type}: {message}\n", "inputs": inputs}
        first = message.partition("\n")[0]
        self.say("node_failed", "ERROR", **wrong, **more, memory=memory, message=first)
        self.say("run_failed", "WARNING", **wrong, ran_ms=self.ran_ms(), message=first, vram_peak_mb=self.peak_mb)
        return self.done()

    def done(self) -> Story:
        self.story.events.sort(key=lambda event: event["timestamp"])
        return self.story


def ledger() -> Event:
    """What lay in the memory of the card when a node ran out of it."""
    return {
        "device": "cuda:0 NVIDIA GeForce RTX 4090",
        "models": [
            {"model": "Flux", "model_mb": 11_350.0, "loaded_mb": 11_350.0, "device": "cuda:0", "in_use": True},
            {"model": "FluxClipModel_", "model_mb": 4_777.5, "loaded_mb": 4_777.5, "device": "cuda:0", "in_use": False},
            {"model": "AutoencodingEngine", "model_mb": 159.9, "loaded_mb": 159.9, "device": "cuda:0", "in_use": True},
        ],
        "device_used_mb": 23_152.0,
        "device_total_mb": TOTAL_MB,
        "device_free_mb": 1_412.0,
        "torch_allocated_mb": 21_902.0,
        "torch_reserved_mb": 22_510.0,
        "torch_peak_mb": 21_948.0,
        "others_mb": 642.0,
        "ram_used_mb": 7_214.0,
        "ram_total_mb": 64_217.0,
        "ram_free_mb": 41_380.0,
        "processes": [{"pid": 41_207, "used_mb": 22_510.0, "own": True}, {"pid": 977, "used_mb": 642.0, "own": False}],
    }


def _whole(teller: Teller, *, slow: float = 1.0) -> Teller:
    teller.ran("4", 2_900 * slow, load=(SD15, 1_640.0, 1_850.0 * slow))
    teller.ran("5", 3)
    teller.ran("6", 210 * slow, load=("SD1ClipModel", 235.0, 120 * slow))
    teller.ran("7", 38)
    teller.ran("3", 4_600 * slow, steps=20, load=("BaseModel", 1_640.0, 420 * slow), extra_mb=1_830)
    teller.ran("8", 640 * slow, extra_mb=2_700)
    teller.ran("9", 190)
    return teller


def _ok(kind: str, at: datetime, **options: Any) -> Story:
    teller = Teller(kind, at, **options)
    teller.queued()
    teller.started()
    _whole(teller)
    teller.saved("ComfyUI_00042_.png", path="/data/output/ComfyUI_00042_.png")
    return teller.finished()


def _cached(kind: str, at: datetime, **options: Any) -> Story:
    teller = Teller(kind, at, **options)
    teller.queued()
    teller.started()
    teller.cached("4", "5", "6", "7")
    teller.ran("3", 4_100, steps=20, extra_mb=1_830)
    teller.ran("8", 610, extra_mb=2_700)
    teller.ran("9", 180)
    teller.saved("ComfyUI_00043_.png")
    return teller.finished()


def _failed(kind: str, at: datetime, **options: Any) -> Story:
    teller = Teller(kind, at, **({"user": "maria"} | options))
    teller.queued(remaining=2)
    teller.started(1_250)
    teller.cached("4", "5")
    teller.ran("6", 205)
    teller.begin("3")
    teller.wait(85)
    message = "mat1 and mat2 shapes cannot be multiplied (77x2048 and 768x320)"
    free = {"device_used_mb": 10_334.0, "device_free_mb": 14_230.0}
    return teller.failed("3", 85, "RuntimeError", message, ledger() | free)


def _oom(kind: str, at: datetime, **options: Any) -> Story:
    teller = Teller(kind, at, **({"user": "chen.yu", "name": "海报 4K", "instance": "gpu-2:8188"} | options))
    teller.queued(secret=True)
    teller.started(120)
    teller.ran("4", 2_900, load=(SD15, 1_640.0, 1_850.0))
    teller.ran("5", 3)
    teller.ran("6", 210)
    teller.ran("7", 38)
    teller.ran("3", 9_800, steps=20, load=("BaseModel", 1_640.0, 420), extra_mb=9_830)
    teller.begin("8")
    teller.wait(730)
    teller.peak_mb = 23_152.0
    told = teller.failed("8", 730, "torch.OutOfMemoryError", OOM, ledger())
    end = told.events[-1]
    log = {"message": "Got an OOM, unloading all loaded models.", "logger": "root", "event": "log"}
    told.events.append({**end, **log, "id": f"{end['id']}x", "level": "WARNING"})
    return told


def _interrupted(kind: str, at: datetime, **options: Any) -> Story:
    teller = Teller(kind, at, **({"user": "tom"} | options))
    teller.queued()
    teller.started(15)
    teller.cached("4", "5", "6", "7")
    teller.begin("3")
    teller.steps("3", 20, 210, upto=9)
    teller.wait(80)
    teller.sampled()
    teller.say("run_interrupted", "WARNING", ran_ms=teller.ran_ms(), **teller.who("3"))
    return teller.done()


def _rejected(kind: str, at: datetime, **options: Any) -> Story:
    teller = Teller(kind, at, **({"user": "api-batch"} | options))
    message = f"ckpt_name: '{SD15}' not in ['sd_xl_base_1.0.safetensors']"
    problem = {"type": "value_not_in_list", "message": "Value not in list", "details": message}
    text = canonical(teller.prompt)
    teller.story.documents[sha256(text)] = text
    said = {"sha256": sha256(text), "kind": "prompt", "part": 0, "parts": 1, "text": text}
    teller.say("run_document", "DEBUG", **said)
    teller.say(
        "run_rejected",
        "ERROR",
        message="invalid prompt: Prompt outputs failed validation",
        user_id=teller.user,
        workflow_name=teller.name,
        graph_hash=teller.hash,
        status=400,
        error_type="prompt_outputs_failed_validation",
        error_message=f"Value not in list: {message}",
        **teller.who("4"),
        node_errors={"4": {"class_type": "CheckpointLoaderSimple", "errors": [problem]}},
        prompt_sha256=sha256(text),
    )
    return teller.done()


def _partial(kind: str, at: datetime, **options: Any) -> Story:
    teller = Teller(kind, at, **options)
    problem = {"type": "required_input_missing", "message": "Required input is missing", "details": "images"}
    teller.queued(node_errors={"9": {"class_type": "SaveImage", "errors": [problem]}})
    teller.started()
    teller.cached("4", "5", "6", "7")
    teller.ran("3", 4_050, steps=20)
    return teller.finished()


def _lost(kind: str, at: datetime, **options: Any) -> Story:
    teller = Teller(kind, at, **({"instance": "gpu-2:8188"} | options))
    teller.queued()
    teller.started(22)
    teller.cached("4", "5", "6", "7")
    teller.begin("3")
    teller.steps("3", 20, 230, upto=13)
    teller.sampled()
    last = {"ram_used_mb": 61_870.0, "vram_used_mb": teller.used_mb, "was": "running"}
    last["last_seen_at"] = teller.now.isoformat()
    teller.wait(2_000)
    proof = "memory.events: oom_kill 1"
    teller.say("run_lost", "ERROR", message="The process ended in KSampler", proof=proof, **last, **teller.who("3"))
    return teller.done()


def _lost_queued(kind: str, at: datetime, **options: Any) -> Story:
    teller = Teller(kind, at, **({"instance": "gpu-2:8188", "user": "api-batch"} | options))
    teller.queued(number=7, remaining=3)
    teller.wait(9_000)
    teller.say("run_lost", "ERROR", message="The queue was lost with the process", was="queued")
    return teller.done()


def _running(kind: str, at: datetime, **options: Any) -> Story:
    """Half way through its sampler; `at` is when it was queued."""
    teller = Teller(kind, at, **({"user": "chen.yu"} | options))
    teller.queued(remaining=3)
    teller.started(30)
    teller.ran("4", 2_700, load=(SD15, 1_640.0, 1_750.0))
    teller.ran("5", 3)
    teller.ran("6", 205)
    teller.ran("7", 38)
    teller.begin("3")
    teller.load("BaseModel", 1_640.0, 420, "3")
    teller.steps("3", 20, 210, upto=11)
    teller.sampled()
    return teller.done()


def _queued(kind: str, at: datetime, **options: Any) -> Story:
    teller = Teller(kind, at, **({"user": "api-batch"} | options))
    teller.queued(number=12, remaining=2)
    return teller.done()


def _stuck(kind: str, at: datetime, **options: Any) -> Story:
    teller = Teller(kind, at, **({"instance": "gpu-3:8188", "name": "upscale 放大"} | options))
    teller.queued()
    teller.started(18)
    teller.cached("4", "5", "6", "7")
    teller.begin("3")
    teller.steps("3", 20, 230, upto=2)
    since = teller.now
    teller.wait(600_000)
    teller.say("run_stuck", "WARNING", message="No progress for 10 minutes", since=since.isoformat(), **teller.who("3"))
    return teller.done()


def _expanded(kind: str, at: datetime, **options: Any) -> Story:
    """A node that expands into others while it runs."""
    prompt = text_to_image()
    inputs = {"tiles": 3, "image": link("8")}
    prompt["5"] = {"class_type": "TiledUpscale", "inputs": inputs, "_meta": {"title": "Tiles"}}
    prompt["9"]["inputs"]["images"] = link("5")
    teller = Teller(kind, at, **({"prompt": prompt, "workflow": drawn(prompt), "name": "tiled-upscale"} | options))
    teller.queued()
    teller.started()
    teller.cached("4", "6", "7", "3", "8")
    first = teller.now
    teller.begin("5")
    teller.wait(12)
    for tile in range(3):
        inside = {"display_id": "5", "parent_id": "5"}
        teller.ran(f"5.0.0.{tile + 1}", 420, kind="ImageUpscaleWithModel", begun=inside)
    teller.finish("5", (teller.now - first).total_seconds() * 1000, active_ms=14.0)
    teller.ran("9", 160)
    teller.saved("ComfyUI_00051_.png")
    return teller.finished()


def _subgraph(kind: str, at: datetime, **options: Any) -> Story:
    """Nodes inside a sub-graph of a newer workflow document have ids such as 5:3."""
    flat = text_to_image()
    inside = {"3": "12:3", "5": "12:5", "8": "12:8"}

    def moved(value: Any) -> Any:
        return [inside.get(value[0], value[0]), value[1]] if isinstance(value, list) else value

    prompt = {
        inside.get(node_id, node_id): {**node, "inputs": {name: moved(v) for name, v in node["inputs"].items()}}
        for node_id, node in flat.items()
    }
    whole = drawn(flat)
    kept = [node for node in whole["nodes"] if str(node["id"]) not in inside]
    within = [node for node in whole["nodes"] if str(node["id"]) in inside]
    definition = {
        "id": "6f0f0f5c-3f6e-4b0e-8a53-0d6d0a4e8a11",
        "name": "Sample and decode",
        "nodes": within,
        "links": [
            {"id": 2, "origin_id": 5, "origin_slot": 0, "target_id": 3, "target_slot": 3, "type": "LATENT"},
            {"id": 7, "origin_id": 3, "origin_slot": 0, "target_id": 8, "target_slot": 0, "type": "LATENT"},
            {"id": 11, "origin_id": -10, "origin_slot": 0, "target_id": 3, "target_slot": 0, "type": "MODEL"},
            {"id": 12, "origin_id": 8, "origin_slot": 0, "target_id": -20, "target_slot": 0, "type": "IMAGE"},
        ],
    }
    holder = {"id": 12, "type": definition["id"], "pos": [900, 200], "size": [240, 180], "mode": 0}
    links = [one for one in _LINKS if str(one[1]) not in inside and str(one[3]) not in inside]
    links += [[1, 4, 0, 12, 0, "MODEL"], [9, 12, 0, 9, 0, "IMAGE"]]
    workflow = whole | {"nodes": [*kept, holder], "links": links, "definitions": {"subgraphs": [definition]}}
    teller = Teller(kind, at, **({"prompt": prompt, "workflow": workflow, "name": "sub-graph"} | options))
    teller.queued()
    teller.started()
    teller.cached("4", "6", "7")
    teller.ran("12:5", 3)
    teller.ran("12:3", 4_300, steps=20)
    teller.ran("12:8", 590)
    teller.ran("9", 170)
    teller.saved("ComfyUI_00052_.png")
    return teller.finished()


def _lazy(kind: str, at: datetime, **options: Any) -> Story:
    """A lazy node starts, asks for an input, and starts again."""
    prompt = text_to_image()
    prompt["10"] = {"class_type": "LazySwitch", "inputs": {"on_true": link("8"), "switch": True}}
    prompt["9"]["inputs"]["images"] = link("10")
    teller = Teller(kind, at, **({"prompt": prompt, "workflow": drawn(prompt), "name": "lazy-switch"} | options))
    teller.queued()
    teller.started()
    teller.cached("4", "5", "6", "7", "3")
    first = teller.now
    teller.begin("10")
    teller.wait(2)
    teller.ran("8", 590)
    teller.begin("10")
    teller.wait(1)
    teller.finish("10", (teller.now - first).total_seconds() * 1000, active_ms=1.4)
    teller.ran("9", 170)
    teller.saved("ComfyUI_00053_.png")
    return teller.finished()


def _async(kind: str, at: datetime, **options: Any) -> Story:
    """Three nodes wait at the same time for somebody else."""
    ids = ("1", "2", "3")
    prompt: Graph = {each: {"class_type": "RemoteImage", "inputs": {"url_index": int(each)}} for each in ids}
    prompt["4"] = {"class_type": "ImageBatchMulti", "inputs": {f"image_{each}": link(each) for each in ids}}
    prompt["9"] = {"class_type": "SaveImage", "inputs": {"images": link("4"), "filename_prefix": "remote"}}
    teller = Teller(kind, at, **({"prompt": prompt, "name": "remote-images", "user": None} | options))
    teller.queued()
    teller.started()
    began = teller.now
    for each in ids:
        teller.begin(each)
        teller.wait(2)
    for each, ms in zip(("2", "1", "3"), (640, 1_020, 1_180), strict=True):
        teller.now = began + timedelta(milliseconds=ms)
        teller.finish(each, ms, active_ms=2.1)
    teller.wait(1)
    teller.ran("4", 12)
    teller.ran("9", 90)
    teller.saved("remote_00001_.png", "9", check="black")
    return teller.finished()


def _many(kind: str, at: datetime, *, count: int = 500, **options: Any) -> Story:
    teller = Teller(kind, at, **({"prompt": chain(count), "name": None, "user": "api-batch"} | options))
    teller.queued()
    teller.started()
    for node_id in teller.prompt:
        teller.ran(node_id, 3 + int(node_id) % 11, extra_mb=int(node_id) % 17)
    teller.saved("many_00001_.png", str(count), check="unchecked")
    return teller.finished()


def _nodes_only(kind: str, at: datetime, **options: Any) -> Story:
    """No word about the run itself: another service that tells of its nodes alone."""
    story = _ok(kind, at, **options)
    kept = [event for event in story.events if event["event"].startswith("node_")]
    return Story(kind, story.id, [{**event, "service": "my-worker"} for event in kept])


def _log_only(kind: str, at: datetime, **options: Any) -> Story:
    """Plain lines that happen to carry the id of a run."""
    teller = Teller(kind, at, **options)
    teller.common["service"] = "gateway"
    for said in ("accepted", "handed to the worker", "answer sent"):
        teller.say("log", message=said)
        teller.wait(400)
    return teller.done()


def _twice(kind: str, at: datetime, **options: Any) -> Story:
    """Two witnesses told of the same run: every event is there a second time, a moment later, with another id."""
    story = _ok(kind, at, **options)
    again = [
        {**event, "id": f"{event['id']}w", "timestamp": event["timestamp"] + timedelta(milliseconds=7)}
        for event in story.events
    ]
    story.events = sorted([*story.events, *again], key=lambda event: event["timestamp"])
    return story


def _found_later(kind: str, at: datetime, **options: Any) -> Story:
    """Thought lost, then found in ComfyUI's history as finished."""
    story = _ok(kind, at, **options)
    end = story.events[-1]
    story.events.insert(-1, {**end, "id": f"{end['id']}l", "event": "run_lost", "level": "ERROR", "was": "running"})
    return story


KINDS: dict[str, Callable[..., Story]] = {
    "ok": _ok,
    "cached": _cached,
    "failed": _failed,
    "oom": _oom,
    "interrupted": _interrupted,
    "rejected": _rejected,
    "partial": _partial,
    "lost": _lost,
    "lost-queued": _lost_queued,
    "running": _running,
    "queued": _queued,
    "stuck": _stuck,
    "expanded": _expanded,
    "subgraph": _subgraph,
    "lazy": _lazy,
    "async": _async,
    "many": _many,
    "nodes-only": _nodes_only,
    "log-only": _log_only,
    "twice": _twice,
    "found-later": _found_later,
}


def story(kind: str, at: datetime, **options: Any) -> Story:
    """A run of one of KINDS, queued at `at`. Options: those of Teller, and of many its `count`."""
    return KINDS[kind](kind, at, **options)


def stories(now: datetime) -> list[Story]:
    """One of every kind, and a day of ordinary runs before them, so that there are usual times."""
    told = [story("ok" if number % 3 else "cached", now - timedelta(minutes=47 * number + 90)) for number in range(24)]
    ages = {"running": 8.4 / 60, "queued": 4 / 60, "stuck": 11.5}
    for number, kind in enumerate(KINDS):
        told.append(story(kind, now - timedelta(minutes=ages.get(kind, 4.0 * number + 3))))
    return told


def rows(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Flat events as the rows that a store holds."""
    made = []
    for event in events:
        row = {name: value for name, value in event.items() if name in FIELDS}
        row = {name: float(v) if FIELDS[name] is Kind.NUMBER else v for name, v in row.items()}
        rest = {name: value for name, value in event.items() if name not in FIELDS}
        made.append({"received_at": event["timestamp"], **row, "attributes": canonical(rest) if rest else None})
    return made


def batch(events: Iterable[Event]) -> Batch:
    """The same as a batch, failures grouped; without the parts of documents, which are never stored as events."""
    return fingerprint(Batch.of(rows(event for event in events if event["event"] != "run_document")))


def fill(data: Path, told: Sequence[Story]) -> Documents:
    """Put the stories, and their documents, into a data directory that no server is running on."""
    documents = Documents(data / "documents")
    events = sorted((event for one in told for event in one.events), key=lambda event: event["timestamp"])
    with SegmentStore.open(data) as store:
        store.append(fingerprint(documents.step()(Batch.of(rows(events)))))
    return documents


if __name__ == "__main__":
    everything = stories(datetime.now(UTC))
    fill(Path(sys.argv[1]), everything)
    for one in everything[24:]:
        print(f"{one.kind:12} {one.id}  {len(one.events)} events")
