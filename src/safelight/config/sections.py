"""The tables that the configurations of a server and of an agent share."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

Language = Literal["en", "zh-CN"]


class Section(BaseModel):
    """A table of the file: refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class SpoolSection(Section):
    """`[spool]`: what `safelight_emit` and the node pack on this host write is read without being told."""

    read: bool = True
    """Whether the spool is read."""
    directory: Path | None = None
    """Where it is, if not where `safelight_emit` writes by default."""


class Discover(Section):
    """`[discover]`: what is watched on this machine without being configured."""

    comfyui: bool = True
    """Whether a ComfyUI on http://127.0.0.1:8188 is watched, if `sources` names none."""
    gpu: bool = True
    """Whether the GPUs of this machine are measured, if `sources` has no `gpu`."""
    host: bool = True
    """Whether this machine is measured, if `sources` has no `host`."""
