"""What may stand in the file. Plugins bring their own fields: their class is their configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ..alerts.rule import Rule
from ..channels import Channel
from ..processors import Processor
from ..sources import Source
from ..units import Duration, Size


class Section(BaseModel):
    """A table of the file: refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Server(Section):
    """`[server]`: where the page and the API listen, and where the data lies."""

    host: str = "127.0.0.1"
    """Address to listen on; only this machine, until there is access control."""
    port: int = Field(default=8678, ge=0, le=65535)
    """Port to listen on; 0 picks a free one."""
    data: Path | None = None
    """Data directory; by default `$XDG_DATA_HOME/safelight`."""


class Retention(Section):
    """`retention = { age = "30d", size = "20GB" }`: whichever is reached first; whole segments go, oldest first."""

    age: Duration | None = None
    """Events older than this are removed; by default none are."""
    size: Size | None = None
    """Beyond this the oldest segments are removed; by default none are."""


class StoreSection(Section):
    """`[store]`: the embedded one."""

    type: Literal["duckdb"] = "duckdb"
    """The embedded store: Arrow and Parquet files, queried by DuckDB."""
    retention: Retention = Retention()
    """How long events are kept."""


class AlertSection(Section):
    """`[alerts]`: default rules stay on beside those of the file."""

    default_rules: bool = True
    """Whether the rules that come with Safelight are on."""


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


class Config(Section):
    """The whole file."""

    language: Literal["en", "zh-CN"] = "en"
    """Of notifications and of what Safelight writes about itself; the page follows the browser."""
    server: Server = Server()
    store: StoreSection = StoreSection()
    alerts: AlertSection = AlertSection()
    spool: SpoolSection = SpoolSection()
    discover: Discover = Discover()
    sources: tuple[Source, ...] = ()
    processors: tuple[Processor, ...] = ()
    channels: tuple[Channel, ...] = ()
    rules: tuple[Rule, ...] = ()

    path: Path | None = None
    """The file this came from."""
    left_out: tuple[str, ...] = ()
    """Bad rules and channels, each with its place and reason: named in the log, on the page and as an event."""
    warnings: tuple[str, ...] = ()
    """What works but should not stay so, such as a secret written into the file."""
