"""Whose code failed: the node pack and the line, from the files that a traceback names.

A pack is a folder or a file under ComfyUI's `custom_nodes` (nodes.py, `load_custom_node`); ComfyUI's own files lie
beside it. Installed packages and the interpreter are nobody's fault here: the frame to show is the last one of code
that a user can update or report.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from .. import tracebacks
from ..generic import is_own
from ..tracebacks import Frame

COMFYUI: Final = "ComfyUI"

_PACK: Final = re.compile(r"(?:^|/)custom_nodes/([^/\s]+)")
_OF_COMFYUI: Final = re.compile(
    r"(?:^|/)(?:comfy|comfy_extras|comfy_execution|comfy_api|comfy_api_nodes|comfy_config|api_server|app|utils)/[\w/]+\.py$"
    r"|(?:^|/)ComfyUI[^/]*/[\w/]+\.py$|(?:^|/)(?:execution|nodes|main|server|folder_paths|latent_preview)\.py$",
    re.IGNORECASE,
)
_EXECUTOR: Final = re.compile(r"(?:^|/)(?:execution|comfy_execution/\w+|comfy_api/internal/[\w/]*|_io)\.py$")
"""Every failure of a node passes through here on its way out."""


class Blame(NamedTuple):
    """Both None when the traceback leads through nobody's code that we can name."""

    pack: str | None
    """The folder under `custom_nodes`, or `ComfyUI`."""
    frame: str | None
    """`folder/file.py:123 function`."""


def blame(traceback: str | None) -> Blame:
    """The node pack nearest to the failure, and its line there; without a pack, ComfyUI's own line."""
    frames = frames_of(traceback)
    for frame in reversed(frames):
        if pack := pack_of(frame):
            return Blame(pack, frame.place)
    own = [frame for frame in frames if is_own(frame)]
    core = [frame for frame in own if _OF_COMFYUI.search(_path(frame))]
    last = next((frame for frame in reversed(core) if not _EXECUTOR.search(_path(frame))), None)
    if last:
        return Blame(COMFYUI, last.place)
    return Blame(None, own[-1].place if own else None)


def pack_of(frame: Frame) -> str | None:
    """The node pack that a frame's file belongs to. A package installed inside a pack's own folder is not its code."""
    path = _path(frame)
    found = _PACK.search(path)
    return found[1].removesuffix(".py") if found and "/site-packages/" not in path[found.end() :] else None


def last_frame(traceback: str | None) -> Frame | None:
    """Where the exception was raised."""
    frames = frames_of(traceback)
    return frames[-1] if frames else None


def frames_of(traceback: str | None) -> tuple[Frame, ...]:
    """The steps of the exception that got out."""
    return tracebacks.failure(traceback).frames if traceback else ()


def _path(frame: Frame) -> str:
    return frame.file.replace("\\", "/")
