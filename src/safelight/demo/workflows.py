"""The graphs that the studio runs, in ComfyUI's API format, with what each node costs.

Times are those of a 24 GB card of the reference kind, in milliseconds; memory is in MB. Both are of the order that such
models take; they are not measurements. The models and the node pack `StudioWatermark` do not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple

from ..comfyui.pack.graph import graph_hash
from .families import FLUX, SD15, SDXL, Family

PROMPT: Final = "%prompt%"
SEED: Final = "%seed%"
PHOTO: Final = "%photo%"
BATCH: Final = "%batch%"
"""What a job fills in."""

CHANGING: Final = frozenset({PROMPT, SEED, PHOTO})
"""Inputs that differ from run to run: nodes that depend on them are never cached."""

NEGATIVE: Final = "lowres, blurry, watermark, deformed hands"


class Box(NamedTuple):
    """Where a node's author drew it, and what he calls it."""

    x: int
    y: int
    width: int
    height: int
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a graph."""

    kind: str
    inputs: Mapping[str, Any]
    ms: float
    model: str | None = None
    """What is brought to the card when this node first needs it, and stays there: ..."""
    model_mb: float = 0.0
    works_mb: float = 0.0
    """... and what it takes on top for every image of the batch while it runs."""
    steps: int = 0
    """How often it tells of its progress."""


@dataclass(frozen=True, eq=False)
class Workflow:
    """A saved graph. `nodes` are by id, in the order of their execution."""

    name: str
    nodes: Mapping[str, Node]
    size: tuple[int, int]
    family: Family
    layout: Mapping[str, Box]
    instances: tuple[str, ...] = field(default=("gpu-1", "gpu-2"))
    """Where the studio lets it run."""

    @cached_property
    def changing(self) -> frozenset[str]:
        """Ids of the nodes that even a repeated run executes: those that follow from a changing input."""
        found: set[str] = set()
        for node_id, node in self.nodes.items():
            if any(_changes(value, found) for value in node.inputs.values()):
                found.add(node_id)
        return frozenset(found)

    @cached_property
    def graph_hash(self) -> str:
        """Of the structure, without seeds and texts."""
        return graph_hash(self.graph({}))

    @cached_property
    def models_mb(self) -> float:
        """What all its models take on the card."""
        return sum(node.model_mb for node in self.nodes.values())

    @cached_property
    def takes_batch(self) -> bool:
        """Whether a job may ask for several images at once."""
        return any(BATCH in node.inputs.values() for node in self.nodes.values())

    def uses(self, kind: str) -> bool:
        """Whether a node of this class is in it."""
        return any(node.kind == kind for node in self.nodes.values())

    def graph(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """As it is sent to `POST /prompt`, with what the job fills in."""
        return {
            node_id: {
                "class_type": node.kind,
                "inputs": {
                    name: values.get(value, value) if isinstance(value, str) else value
                    for name, value in node.inputs.items()
                },
                "_meta": {"title": self.layout[node_id].title or node.kind},
            }
            for node_id, node in self.nodes.items()
        }


def _changes(value: object, changing: set[str]) -> bool:
    return value[0] in changing if isinstance(value, list) else value in CHANGING


def _checkpoint(name: str, ms: float) -> Node:
    return Node("CheckpointLoaderSimple", {"ckpt_name": name}, ms)


def _text(clip: list[Any], text: str, model: str | None = None, model_mb: float = 0.0) -> Node:
    return Node("CLIPTextEncode", {"clip": clip, "text": text}, 400, model, model_mb, works_mb=40)


def _sampler(
    model: list[Any], positive: str, negative: str, latent: list[Any], steps: int, cfg: float
) -> dict[str, Any]:
    return {
        "model": model,
        "positive": [positive, 0],
        "negative": [negative, 0],
        "latent_image": latent,
        "seed": SEED,
        "steps": steps,
        "cfg": cfg,
        "sampler_name": "dpmpp_2m",
        "scheduler": "karras",
        "denoise": 1.0,
    }


PORTRAIT: Final = Workflow(
    "人像写真 SD1.5",
    {
        "1": _checkpoint("portrait-sd15.safetensors", 1700),
        "2": Node(
            "LoraLoader",
            {"model": ["1", 0], "clip": ["1", 1], "lora_name": "soft-light.safetensors", "strength_model": 0.7},
            240,
        ),
        "3": _text(["2", 1], PROMPT, "SD1ClipModel", 240),
        "4": _text(["2", 1], NEGATIVE),
        "5": Node("EmptyLatentImage", {"width": 512, "height": 768, "batch_size": BATCH}, 3),
        "6": Node("KSampler", _sampler(["2", 0], "3", "4", ["5", 0], 28, 6.5), 3200, "BaseModel", 1720, 310, 28),
        "7": Node("VAEDecode", {"samples": ["6", 0], "vae": ["1", 2]}, 380, "AutoencoderKL", 160, 560),
        "8": Node("StudioWatermark", {"image": ["7", 0], "text": "© studio", "opacity": 0.4}, 70),
        "9": Node("SaveImage", {"images": ["8", 0], "filename_prefix": "portrait"}, 260),
    },
    (512, 768),
    SD15,
    {
        "1": Box(30, 480, 315, 98),
        "2": Box(400, 480, 315, 126, "柔光 LoRA"),
        "3": Box(780, 180, 422, 164, "正面提示词"),
        "4": Box(780, 400, 425, 180, "反向提示词"),
        "5": Box(780, 640, 315, 106),
        "6": Box(1260, 180, 315, 262),
        "7": Box(1630, 190, 210, 46),
        "8": Box(1630, 300, 300, 106, "水印"),
        "9": Box(1980, 190, 320, 380),
    },
    ("gpu-1", "gpu-2", "gpu-3"),
)

PRODUCT: Final = Workflow(
    "SDXL product shot",
    {
        "1": _checkpoint("studio-xl.safetensors", 2300),
        "2": Node(
            "LoraLoader",
            {"model": ["1", 0], "clip": ["1", 1], "lora_name": "product-gloss.safetensors", "strength_model": 0.6},
            300,
        ),
        "3": _text(["2", 1], PROMPT, "SDXLClipModel", 1560),
        "4": _text(["2", 1], NEGATIVE),
        "5": Node("LoadImage", {"image": PHOTO}, 60),
        "6": Node("ControlNetLoader", {"control_net_name": "canny-xl.safetensors"}, 650),
        "7": Node(
            "ControlNetApply",
            {"conditioning": ["3", 0], "control_net": ["6", 0], "image": ["5", 0], "strength": 0.55},
            12,
        ),
        "8": Node("EmptyLatentImage", {"width": 1024, "height": 1024, "batch_size": BATCH}, 3),
        "9": Node("KSampler", _sampler(["2", 0], "7", "4", ["8", 0], 20, 5.0), 3600, "SDXL+ControlNet", 7290, 210, 20),
        "10": Node("VAEDecode", {"samples": ["9", 0], "vae": ["1", 2]}, 700, "AutoencoderKL", 160, 1280),
        "11": Node("StudioWatermark", {"image": ["10", 0], "text": "© studio", "opacity": 0.4}, 90),
        "12": Node("SaveImage", {"images": ["11", 0], "filename_prefix": "product"}, 420),
    },
    (1024, 1024),
    SDXL,
    {
        "1": Box(30, 420, 315, 98),
        "2": Box(400, 420, 315, 126),
        "3": Box(780, 120, 422, 164, "Positive"),
        "4": Box(780, 340, 425, 180, "Negative"),
        "5": Box(400, 640, 315, 314, "Product photo"),
        "6": Box(400, 1010, 315, 58),
        "7": Box(1260, 40, 315, 98, "Keep the outline"),
        "8": Box(1260, 600, 315, 106),
        "9": Box(1640, 160, 315, 262),
        "10": Box(2010, 170, 210, 46),
        "11": Box(2010, 280, 300, 106),
        "12": Box(2370, 170, 340, 400),
    },
    ("gpu-1", "gpu-2", "gpu-3"),
)

POSTER: Final = Workflow(
    "Flux poster",
    {
        "1": Node("UNETLoader", {"unet_name": "flux-poster-fp8.safetensors", "weight_dtype": "fp8_e4m3fn"}, 3900),
        "2": Node("DualCLIPLoader", {"clip_name1": "t5xxl-fp8.safetensors", "clip_name2": "clip-l.safetensors"}, 2600),
        "3": Node("VAELoader", {"vae_name": "flux-ae.safetensors"}, 240),
        "4": _text(["2", 0], PROMPT, "FluxClipModel", 5100),
        "5": Node("FluxGuidance", {"conditioning": ["4", 0], "guidance": 3.5}, 2),
        "6": Node("EmptySD3LatentImage", {"width": 1088, "height": 1536, "batch_size": BATCH}, 3),
        "7": _text(["2", 0], NEGATIVE),
        "8": Node("KSampler", _sampler(["1", 0], "5", "7", ["6", 0], 20, 1.0), 15500, "Flux", 11900, 1450, 20),
        "9": Node("VAEDecode", {"samples": ["8", 0], "vae": ["3", 0]}, 900, "AutoencodingEngine", 320, 2700),
        "10": Node("SaveImage", {"images": ["9", 0], "filename_prefix": "poster"}, 610),
    },
    (1088, 1536),
    FLUX,
    {
        "1": Box(30, 120, 315, 82),
        "2": Box(30, 280, 315, 106),
        "3": Box(30, 460, 315, 58),
        "4": Box(420, 120, 422, 164, "Poster text"),
        "5": Box(900, 120, 240, 58),
        "6": Box(900, 520, 315, 106),
        "7": Box(420, 340, 425, 180),
        "8": Box(1270, 160, 315, 262),
        "9": Box(1640, 160, 210, 46),
        "10": Box(1900, 160, 340, 460),
    },
)

UPSCALE: Final = Workflow(
    "视频放大 4x",
    {
        "1": _checkpoint("portrait-sd15.safetensors", 1700),
        "2": Node("UpscaleModelLoader", {"model_name": "4x-clean.pth"}, 320),
        "3": Node("LoadImage", {"image": PHOTO}, 480),
        "4": _text(["1", 1], PROMPT, "SD1ClipModel", 240),
        "5": _text(["1", 1], NEGATIVE),
        "6": Node(
            "UltimateSDUpscale",
            {
                "image": ["3", 0],
                "model": ["1", 0],
                "positive": ["4", 0],
                "negative": ["5", 0],
                "vae": ["1", 2],
                "upscale_model": ["2", 0],
                "upscale_by": 4.0,
                "seed": SEED,
                "steps": 12,
                "tile_width": 768,
                "tile_height": 768,
            },
            52000,
            "BaseModel+RealESRGAN",
            1950,
            5800,
            48,
        ),
        "7": Node("SaveImage", {"images": ["6", 0], "filename_prefix": "upscaled"}, 2100),
    },
    (4096, 2304),
    SD15,
    {
        "1": Box(30, 300, 315, 98),
        "2": Box(30, 470, 315, 58),
        "3": Box(30, 600, 315, 314, "视频帧"),
        "4": Box(420, 180, 422, 164),
        "5": Box(420, 400, 425, 180),
        "6": Box(920, 260, 360, 600, "分块放大"),
        "7": Box(1340, 260, 420, 400),
    },
)
