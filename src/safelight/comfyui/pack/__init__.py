"""The node pack, as ComfyUI loads it from `custom_nodes/safelight`: it tells of every run, node by node.

Imported as `safelight.comfyui.pack` it does nothing: the server shares the modules `document` and `graph`.
"""

from __future__ import annotations

if __name__ != "safelight.comfyui.pack":
    from .nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
    from .pack import start

    WEB_DIRECTORY = "./web"

    __all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY"]

    start()
