"""What the kinds of models are made of: the words with which the pack shows what passes between nodes."""

from __future__ import annotations

from typing import Final, NamedTuple


class Family(NamedTuple):
    """What a kind of model is made of: classes of its parts, tokens and width of a text, channels of a latent."""

    model: str
    clip: str
    vae: str
    tokens: int
    width: int
    channels: int


SD15: Final = Family("BaseModel", "SD1ClipModel", "AutoencoderKL", 77, 768, 4)
SDXL: Final = Family("SDXL", "SDXLClipModel", "AutoencoderKL", 77, 2048, 4)
FLUX: Final = Family("Flux", "FluxClipModel_", "AutoencodingEngine", 256, 4096, 16)
