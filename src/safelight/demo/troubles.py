"""What goes wrong with runs, other than memory: the errors as ComfyUI and PyTorch word them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..event import Name

_ROOT: Final = "/opt/ComfyUI"
_EXECUTION: Final = (
    ("execution.py", 543, "execute", "output_data, output_ui, has_subgraph, has_pending = await get_output_data("),
    ("execution.py", 342, "get_output_data", "return_values = await _async_map_node_over_list("),
    ("execution.py", 304, "process_inputs", "result = f(**inputs)"),
)
Frame = tuple[str, int, str, str]


@dataclass(frozen=True, slots=True)
class Trouble:
    """How a run ends other than well, and in which node."""

    ends: str
    node: str
    error_type: str
    message: str
    frames: tuple[Frame, ...] = ()

    @property
    def traceback(self) -> str:
        """As Python prints it."""
        return traceback(self.error_type, self.message, self.frames)


def traceback(error_type: str, message: str, frames: tuple[Frame, ...]) -> str:
    """A traceback through ComfyUI's executor into a node's code."""
    steps = "".join(
        f'  File "{_ROOT}/{file}", line {line}, in {function}\n    {code}\n'
        for file, line, function, code in (*_EXECUTION, *frames)
    )
    return f"Traceback (most recent call last):\n{steps}{error_type}: {message}"


DECODE: Final[tuple[Frame, ...]] = (
    ("nodes.py", 298, "decode", 'images = vae.decode(samples["samples"])'),
    ("comfy/sd.py", 667, "decode", "out = self.process_output(self.first_stage_model.decode(samples))"),
    ("comfy/ldm/modules/diffusionmodules/model.py", 714, "forward", "h = self.up[i_level].upsample(h)"),
)
"""Where a VAEDecode runs out of memory."""

DTYPE: Final = Trouble(
    Name.RUN_FAILED,
    "KSampler",
    "RuntimeError",
    "mat1 and mat2 must have the same dtype, but got Float and Half",
    (
        ("nodes.py", 1525, "sample", "return common_ksampler(model, seed, steps, cfg, sampler_name, scheduler,"),
        ("comfy/sample.py", 45, "sample", "samples = sampler.sample(noise, positive, negative, cfg=cfg)"),
        ("comfy/ops.py", 110, "forward", "return torch.nn.functional.linear(input, weight, bias)"),
    ),
)

WATERMARK: Final = Trouble(
    Name.RUN_FAILED,
    "StudioWatermark",
    "TypeError",
    "list indices must be integers or slices, not tuple",
    (("custom_nodes/studio_watermark/__init__.py", 57, "apply", "mask = image[..., 3:4] * opacity"),),
)

STOPPED: Final = Trouble(Name.RUN_INTERRUPTED, "KSampler", "InterruptProcessingException", "Processing interrupted")

MISSING_LORA: Final = Trouble(
    Name.RUN_REJECTED,
    "LoraLoader",
    "prompt_outputs_failed_validation",
    "Value not in list: lora_name: 'film-grain-v2.safetensors' not in ['product-gloss.safetensors', "
    "'soft-light.safetensors']",
)

KILLED: Final = Trouble(
    Name.RUN_LOST, "UltimateSDUpscale", "OOMKilled", "ComfyUI's process was killed for lack of memory"
)
"""Once a night, when eight frames at a time are enlarged and the machine's own memory is full."""

CHANCES: Final = ((STOPPED, 0.025), (MISSING_LORA, 0.03), (WATERMARK, 0.03), (DTYPE, 0.015))
"""How often each befalls a run that uses its node and that a person sent."""
