"""What fits on a card: the sums behind an out-of-memory, in MB."""

from __future__ import annotations

from dataclasses import dataclass

from .studio import Instance
from .workflows import Node

CONTEXT_MB = 610.0
"""Taken by CUDA itself."""
CHUNKS = 3.4
"""A decoder asks for its working memory in so many pieces."""


@dataclass(slots=True)
class Card:
    """A card's memory while a run goes on."""

    instance: Instance
    used_mb: float = CONTEXT_MB

    def peak_mb(self, node: Node, batch: int) -> float:
        """With the node's model on the card and its work under way."""
        return self.used_mb + node.works_mb * batch

    def lacks(self, node: Node, batch: int) -> bool:
        """Whether the node needs more than there is."""
        return self.peak_mb(node, batch) > self.instance.total_mb

    def exhaust(self, node: Node, batch: int) -> tuple[float, float]:
        """Take what can be had; (what was asked for then, what was free)."""
        chunk = node.works_mb * batch / CHUNKS
        free = self.instance.total_mb - self.used_mb
        free -= chunk * (free // chunk)
        self.used_mb = self.instance.total_mb - free
        return chunk, free


def out_of_memory(card: Card, tried_mb: float, free_mb: float) -> str:
    """The message of `torch.OutOfMemoryError` (c10/cuda/CUDACachingAllocator.cpp), with what ComfyUI adds to it."""
    reserved = card.used_mb * 0.031
    allocated = card.used_mb - reserved - CONTEXT_MB
    return (
        f"CUDA out of memory. Tried to allocate {_size(tried_mb)}. "
        f"GPU 0 has a total capacity of {_size(card.instance.total_mb)} of which {_size(free_mb)} is free. "
        f"Including non-PyTorch memory, this process has {_size(card.used_mb)} memory in use. "
        f"Of the allocated memory {_size(allocated)} is allocated by PyTorch, "
        f"and {_size(reserved)} is reserved by PyTorch but unallocated. "
        "If reserved but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True "
        "to avoid fragmentation.\n"
        "This error means you ran out of memory on your GPU.\n\n"
        "TIPS: If the workflow worked before you might have accidentally set the batch_size to a large number."
    )


def _size(mb: float) -> str:
    return f"{mb / 1024:.2f} GiB" if mb >= 1024 else f"{mb:.2f} MiB"
