"""The studio: three ComfyUI servers, five users, two small services. None of it exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .workflows import PORTRAIT, POSTER, PRODUCT, UPSCALE, Workflow


@dataclass(frozen=True, slots=True)
class Instance:
    """A ComfyUI server and its card."""

    name: str
    host: str
    gpu: str
    total_mb: int
    """What the driver leaves of the card's memory for programs."""
    pace: float
    """How much longer it takes than the reference card."""
    watts: int
    """Its power limit."""
    pid: int
    """Of ComfyUI's process."""


GPU_1: Final = Instance("gpu-1", "render-1", "NVIDIA GeForce RTX 4090", 24_080, 1.0, 450, 2_114)
GPU_2: Final = Instance("gpu-2", "render-2", "NVIDIA GeForce RTX 3090", 24_120, 1.3, 350, 1_873)
GPU_3: Final = Instance("gpu-3", "render-3", "NVIDIA GeForce RTX 3060", 12_042, 1.6, 170, 2_290)
INSTANCES: Final = {instance.name: instance for instance in (GPU_1, GPU_2, GPU_3)}


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who sends runs, and when. Hours are local; `per_hour` counts requests."""

    id: str
    hours: tuple[tuple[float, float], ...]
    per_hour: float
    in_a_rush: float
    """Requests an hour while the deadline is near."""
    workflows: Mapping[Workflow, float]
    prompts: tuple[str, ...]
    writes_long: bool = False
    """Whether this user works on the campaign in the evening, whose whole brief is the prompt."""
    batch: float = 0.0
    """How often four images are asked for at once."""
    jobs: int = 1
    """Runs sent at a time."""
    patience_s: float = 180.0
    """A longer queue keeps this user from adding to it."""


_CHINESE: Final = (
    "一位年轻女性的半身人像，窗边自然光，浅景深，胶片质感，温柔的微笑",
    "国风少女，竹林晨雾，淡青色汉服，水墨氛围，细腻的皮肤纹理",
    "商务男士证件风格肖像，灰色背景，柔和布光，干净利落",
    "雨夜霓虹街头，撑伞的背影，电影感构图，倒影，蓝紫色调",
)
_PRODUCT: Final = (
    "studio shot of a ceramic teapot on wet slate, rim light, soft reflections, 85mm",
    "perfume bottle in splashing water, backlit, high-key, commercial photography",
    "白色陶瓷咖啡杯，木质桌面，晨光，商业摄影，干净的背景",
    "leather sneaker floating over concrete, hard shadow, editorial look",
)
_POSTER: Final = (
    "summer music festival poster, paper cut-out mountains, big sun, grainy risograph texture",
    "minimal travel poster of a lighthouse at dusk, flat shapes, muted reds",
    "vintage cinema poster, art deco frame, woman with a red lamp in a darkroom",
)
_FRAMES: Final = ("film still, clean detail, no noise", "老电影画面修复，去噪，细节清晰")

USERS: Final = (
    User("lin.wei", ((9, 12.5), (13.5, 19), (20, 22)), 16, 58, {PORTRAIT: 3, POSTER: 1}, _CHINESE, writes_long=True),
    User("chen.yu", ((13, 23.5),), 14, 40, {PRODUCT: 3, PORTRAIT: 2}, _PRODUCT),
    User("maria", ((9, 18), (20, 23)), 13, 36, {POSTER: 3, PRODUCT: 1}, _POSTER, writes_long=True),
    User("tom", ((10, 20),), 9, 26, {PRODUCT: 4, UPSCALE: 1}, _PRODUCT, batch=0.22),
    User("api-batch", ((22.5, 24), (0, 6.5)), 3, 2, {UPSCALE: 2, POSTER: 3}, _FRAMES, jobs=8, patience_s=1800.0),
)
TOM: Final = USERS[3]

BRIEF: Final = (
    "composition follows the rule of thirds with generous negative space on the left for the headline",
    "主视觉保持品牌红与暖灰的搭配，避免过饱和，留白不少于三分之一",
    "the light is that of a late September afternoon, low and golden, with long soft shadows",
    "材质要可信：纸张有纤维，金属有细微划痕，布料有自然褶皱",
    "no text, no logos, no people looking into the camera, hands outside of the frame",
    "背景加入若有若无的城市天际线，景深要浅，焦点落在产品的标签上",
    "film grain like a pushed 400 stock, slightly lifted blacks, halation around the highlights",
    "整体情绪：克制、安静、可靠，像清晨第一杯咖啡之前的房间",
)
"""Sentences of the campaign's brief."""
