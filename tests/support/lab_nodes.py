"""A ComfyUI node pack whose nodes sleep, fail, wait, expand, block: what the workflows in golden/comfyui ask for.

Laid into a ComfyUI's `custom_nodes` by `comfyui_real.start`; imported by nothing here.
"""

# ruff: noqa: N802, RUF012 - ComfyUI's names, and its way of declaring inputs
import asyncio
import os
import signal
import time

import comfy.model_management
import comfy.utils
import torch
from comfy_execution.graph import ExecutionBlocker
from comfy_execution.graph_utils import GraphBuilder

IMAGE = ("IMAGE",)
SALT = ("INT", {"default": 0})
SECONDS = ("FLOAT", {"default": 1.0})

FAILURES = {
    "runtime": RuntimeError("lab failure"),
    "value": ValueError("bad value"),
    "cuda_text": RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 8.00 GiB total capacity)"),
    "torch_oom": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "keyboard": SystemExit(3),
}


class Node:
    RETURN_TYPES = IMAGE
    FUNCTION = "run"
    CATEGORY = "lab"
    ASKS = {"image": IMAGE}

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": cls.ASKS}


class LabSleep(Node):
    ASKS = {"image": IMAGE, "seconds": SECONDS, "steps": ("INT", {"default": 10}), "salt": SALT}

    def run(self, image, seconds, steps, salt):
        bar = comfy.utils.ProgressBar(steps)
        for _ in range(steps):
            time.sleep(seconds / steps)
            bar.update(1)  # stops here when the run is interrupted
        return (image,)


class LabHang(Node):
    ASKS = {"image": IMAGE, "seconds": SECONDS, "salt": SALT}

    def run(self, image, seconds, salt):
        time.sleep(seconds)
        return (image,)


class LabRaise(Node):
    ASKS = {"image": IMAGE, "kind": (list(FAILURES),), "salt": SALT}

    def run(self, image, kind, salt):
        raise FAILURES[kind]


class LabKill(Node):
    """SIGKILL to ComfyUI itself, as the kernel does when memory runs out."""

    ASKS = {"image": IMAGE, "salt": SALT}

    def run(self, image, salt):
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGKILL)


class LabAsync(Node):
    ASKS = {"image": IMAGE, "seconds": SECONDS, "salt": SALT}

    async def run(self, image, seconds, salt):
        print(f"waiting, salt {salt}", flush=True)
        await asyncio.sleep(seconds)
        print(f"waited, salt {salt}", flush=True)
        return (image,)


class LabLazy(Node):
    ASKS = {"a": ("IMAGE", {"lazy": True}), "b": ("IMAGE", {"lazy": True}), "pick_b": ("BOOLEAN", {"default": False})}

    def check_lazy_status(self, pick_b, a=None, b=None):
        wanted = "b" if pick_b else "a"
        return [wanted] if (b if pick_b else a) is None else []

    def run(self, pick_b, a=None, b=None):
        return (b if pick_b else a,)


class LabExpand(Node):
    ASKS = {"image": IMAGE, "n": ("INT", {"default": 2})}

    def run(self, image, n):
        graph = GraphBuilder()
        for _ in range(n):
            image = graph.node("ImageInvert", image=image).out(0)
        return {"result": (image,), "expand": graph.finalize()}


class LabList(Node):
    OUTPUT_IS_LIST = (True,)
    ASKS = {"image": IMAGE, "n": ("INT", {"default": 3})}

    def run(self, image, n):
        return ([image.clone() for _ in range(n)],)


class LabBlock(Node):
    ASKS = {"image": IMAGE, "message": ("STRING", {"default": "blocked by lab"})}

    def run(self, image, message):
        return (ExecutionBlocker(message or None),)


class LabSecret(Node):
    """Asks for a key by name, and is given ComfyUI's own."""

    ASKS = {"image": IMAGE, "api_key": ("STRING", {"default": ""}), "note": ("STRING", {"default": ""})}

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": cls.ASKS, "hidden": {"their_key": "API_KEY_COMFY_ORG"}}

    def run(self, image, api_key, note, their_key=None):
        return (image,)


class LabTrivial(Node):
    RETURN_TYPES = ("INT",)
    ASKS = {"x": ("INT", {"default": 0}), "add": ("INT", {"default": 1})}

    def run(self, x, add):
        return (x + add,)


class LabSinkInt(Node):
    RETURN_TYPES = ()
    OUTPUT_NODE = True
    ASKS = {"x": ("INT", {"default": 0})}

    def run(self, x):
        return {"ui": {"text": [str(x)]}}


NODE_CLASS_MAPPINGS = {node.__name__: node for node in Node.__subclasses__()}
