"""Two small services beside ComfyUI, and what they log: ID photos and photo restoration. Without beginning or end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final

from ..event import Name
from .day import hour, rush
from .happening import Happening

Story = Sequence[Happening]

_IDPHOTO: Final = {"service": "idphoto", "instance": "idphoto-1", "host": "web-1"}
_DDCOLOR: Final = {"service": "ddcolor", "instance": "ddcolor-1", "host": "render-4"}
_PHOTOS_PER_FAILURE: Final = (12, 30)
_SIZES: Final = ("1080x1440", "1920x1080", "3024x4032", "4032x3024", "1200x1600")
_FORMATS: Final = {
    "1-inch-blue": "一寸蓝底",
    "1-inch-white": "一寸白底",
    "2-inch-blue": "二寸蓝底",
    "2-inch-white": "二寸白底",
    "2-inch-red": "二寸红底",
}


def idphoto(rng: Random, start: float, now: float) -> Iterator[Story]:
    """Customers of the ID-photo service, by day some, in a rush one every few seconds."""
    at = start
    while True:
        for number in range(last := rng.randint(*_PHOTOS_PER_FAILURE)):
            busy = 42.0 if 8 <= hour(at) < 22 else 6.0
            at += 3600 / max(busy, 640 * rush(at, now)) * rng.uniform(0.7, 1.3)
            yield _id_photo(rng, at, fails=number == last - 1)


def ddcolor(rng: Random, start: float, now: float) -> Iterator[Story]:
    """Old photos that get their colours back."""
    at = start
    while True:
        busy = 14.0 if 9 <= hour(at) < 23 else 4.0
        at += 3600 / max(busy, 105 * rush(at, now)) * rng.uniform(0.6, 1.4)
        yield (_restoration(rng, at),)


def _id_photo(rng: Random, at: float, *, fails: bool) -> Story:
    size, form = rng.choice(_SIZES), rng.choice(list(_FORMATS))
    common = {**_IDPHOTO, "request_id": f"{rng.getrandbits(48):012x}", "module": "processor", "input_size": size}
    uploaded = Happening(
        at,
        Name.IMAGE_UPLOADED,
        "INFO",
        {
            **common,
            "message": f"收到照片 {size}",
            "bytes": rng.randrange(300_000, 5_200_000),
            "client": rng.choice(("web", "api")),
        },
    )
    if fails and rng.random() < 0.4:
        message = f"cannot identify image file <_io.BytesIO object at 0x{rng.getrandbits(44):012x}>"
        return uploaded, _wrong(common, at + rng.uniform(0.02, 0.06), "UnidentifiedImageError", message)
    if fails:
        message = "未检测到人脸，请上传正面免冠照片"
        return uploaded, _wrong(common, at + rng.uniform(0.2, 0.5), "NoFaceError", message)
    cached = rng.random() > 0.9
    matting = 0.0 if cached else 610 * rng.lognormvariate(0, 0.16)
    taken = matting + (rng.uniform(6, 15) if cached else rng.uniform(170, 290))
    processed = {
        **common,
        "message": f"证件照处理完成：{_FORMATS[form]}" + ("（缓存命中）" if cached else ""),
        "processing_time_ms": round(taken, 1),
        "matting_time_ms": round(matting, 1),
        "output_format": form,
        "cached": cached,
    }
    return uploaded, Happening(at + taken / 1000, Name.IMAGE_PROCESSED, "INFO", processed)


def _restoration(rng: Random, at: float) -> Happening:
    kind = rng.choice(("people", "people", "building"))
    render = rng.randrange(460, 681, 20) if kind == "people" else rng.randrange(960, 1281, 40)
    common: dict[str, Any] = {
        **_DDCOLOR,
        "request_id": f"{rng.getrandbits(48):012x}",
        "model": "ddcolor-modelscope",
        "photo_kind": kind,
        "input_size": rng.choice(_SIZES),
    }
    chance = rng.random()
    if chance < 0.03:
        wrong = _wrong(common, at, "ValueError", "Failed to decode image: invalid file header")
        wrong.fields["render_size"] = render
        return wrong
    if chance < 0.045:
        message = "Out of memory: tried to allocate 2.81 GiB for a 2000 px building photo"
        wrong = _wrong(common, at, "torch.OutOfMemoryError", message)
        wrong.fields.update(render_size=2000, photo_kind="building", vram_used_mb=rng.randrange(3600, 4060))
        return wrong
    if chance < 0.065:
        seconds = rng.uniform(30.2, 41)
        wrong = _wrong(common, at, "TimeoutError", f"推理超时：{seconds:.1f} s（上限 30 s）")
        wrong.fields.update(render_size=render, processing_time_ms=round(seconds * 1000, 1))
        return wrong
    if chance < 0.09:
        missed = "缓存未命中，重新加载模型 (cache miss, reloading)"
        return Happening(at, Name.LOG, "WARNING", {**common, "message": missed})
    taken = render / 100 * 0.62 * rng.lognormvariate(0, 0.15)
    processed = {
        **common,
        "message": f"老照片上色完成，用时 {taken:.1f} s",
        "processing_time_ms": round(taken * 1000, 1),
        "render_size": render,
        "vram_used_mb": round(1300 + render * 1.9),
    }
    return Happening(at, Name.IMAGE_PROCESSED, "INFO", processed)


def _wrong(common: dict[str, Any], at: float, error_type: str, message: str) -> Happening:
    said = {**common, "message": message, "error_type": error_type, "error_message": message}
    return Happening(at, Name.PROCESSING_FAILED, "ERROR", said)
