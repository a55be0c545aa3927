"""What fits on a card: the sums behind an out-of-memory, in MB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from .studio import Instance
from .workflows import Node, Workflow

CONTEXT_MB: Final = 610.0
"""Taken by CUDA itself."""
CHUNKS: Final = 3.4
"""A decoder asks for its working memory in so many pieces."""
RAM_MB: Final = 5_400.0
"""What ComfyUI's process takes of the machine's memory without models; those it keeps there as well."""
RAM_TOTAL_MB: Final = 64_217.0
RESERVED: Final = 0.031
"""Of what is in use: taken by PyTorch, but not given out."""


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
    reserved = card.used_mb * RESERVED
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


def ledger(card: Card, workflow: Workflow, pid: int) -> dict[str, Any]:
    """Who holds the memory of the card, as the pack writes it down before ComfyUI unloads its models."""
    models = [
        {"model": node.model, "model_mb": node.model_mb, "loaded_mb": node.model_mb, "device": "cuda:0", "in_use": True}
        for node in workflow.nodes.values()
        if node.model
    ]
    own = card.used_mb - CONTEXT_MB
    return {
        "device": f"cuda:0 {card.instance.gpu}",
        "models": models,
        "device_used_mb": round(card.used_mb, 1),
        "device_total_mb": float(card.instance.total_mb),
        "device_free_mb": round(card.instance.total_mb - card.used_mb, 1),
        "torch_allocated_mb": round(own - card.used_mb * RESERVED, 1),
        "torch_reserved_mb": round(own, 1),
        "torch_peak_mb": round(own - card.used_mb * RESERVED, 1),
        "others_mb": round(CONTEXT_MB, 1),
        "ram_used_mb": round(ram_mb(workflow), 1),
        "ram_total_mb": RAM_TOTAL_MB,
        "ram_free_mb": round(RAM_TOTAL_MB - ram_mb(workflow) - 4_100, 1),
        "processes": [{"pid": pid, "used_mb": round(card.used_mb, 1), "own": True}],
    }


def ram_mb(workflow: Workflow) -> float:
    """What ComfyUI's process takes of the machine's memory while the models of a workflow are loaded."""
    return RAM_MB + workflow.models_mb


def _size(mb: float) -> str:
    return f"{mb / 1024:.2f} GiB" if mb >= 1024 else f"{mb:.2f} MiB"
