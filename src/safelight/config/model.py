"""What may stand in the file. Plugins bring their own fields: their class is their configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ..alerts.quiet import Quiet
from ..alerts.rule import Rule
from ..channels import Channel
from ..hostzone import HostZone
from ..processors import Processor
from ..sinks import Sink
from ..sources import Source
from ..units import Duration, Size
from .sections import Discover, Language, Section, SpoolSection
from .times import TimeOfDay, Zone


class Server(Section):
    """`[server]`: where the page and the API listen, and where the data lies."""

    host: str = "127.0.0.1"
    """Address to listen on; only this machine, until there is access control."""
    port: int = Field(default=8678, ge=0, le=65535)
    """Port to listen on; 0 picks a free one."""
    data: Path | None = None
    """Data directory; by default `$XDG_DATA_HOME/safelight`."""
    url: str | None = Field(default=None, pattern=r"^https?://[^\s/?#]+[^\s?#]*$")
    """Where readers of messages reach the page, such as `https://safelight.example`; by default where it listens."""


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


class QuietHours(Section):
    """`quiet_hours = { from = "23:00", to = "07:00", zone = "Asia/Shanghai", below = 3 }`: what waits until morning."""

    begins: TimeOfDay = Field(alias="from")
    """When they begin, such as `23:00`."""
    ends: TimeOfDay = Field(alias="to")
    """When they end, such as `07:00`; the next day, if that is earlier."""
    zone: Zone | None = None
    """Whose clock that is, an IANA name such as `Asia/Shanghai`; the host's by default."""
    below: int = Field(default=3, ge=2, le=3)
    """Alerts below this severity are kept and not told meanwhile."""

    def quiet(self) -> Quiet:
        """As alerting wants to know it."""
        return Quiet(self.begins, self.ends, self.zone or HostZone(), self.below)


class Digest(Section):
    """`digest = { at = "08:00", zone = "Asia/Shanghai" }`: once a day, what was done, what failed and why."""

    at: TimeOfDay
    """When it is sent, such as `08:00`."""
    zone: Zone | None = None
    """Whose clock that is, an IANA name such as `Asia/Shanghai`; the host's by default."""


class AlertSection(Section):
    """`[alerts]`: default rules stay on beside those of the file."""

    default_rules: bool = True
    """Whether the rules that come with Safelight are on."""
    quiet_hours: QuietHours | None = None
    """When only what is urgent is told; by default there is no such time."""
    digest: Digest | None = None
    """When the daily digest is sent; by default there is none."""


class RemedySection(Section):
    """`[remedies]`: the repairs that rules name in `then`."""

    dry_run: bool = True
    """Whether repairs are only named, not done; a repair's own `dry_run` goes before it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule stands in the file. `at`: `safelight.toml:12`; `then`: its repairs as they are written there, with
    the names of secrets in place of the secrets."""

    at: str
    then: Any = None


class Config(Section):
    """The whole file."""

    language: Language = "en"
    """Of notifications and of what Safelight writes about itself; the page follows the browser."""
    server: Server = Server()
    store: StoreSection = StoreSection()
    alerts: AlertSection = AlertSection()
    remedies: RemedySection = RemedySection()
    spool: SpoolSection = SpoolSection()
    discover: Discover = Discover()
    sources: tuple[Source, ...] = ()
    processors: tuple[Processor, ...] = ()
    sinks: tuple[Sink, ...] = ()
    channels: tuple[Channel, ...] = ()
    rules: tuple[Rule, ...] = ()

    path: Path | None = None
    """The file this came from."""
    places: dict[str, Place] = Field(default_factory=dict)
    """Where each of the rules stands, by its id."""
    left_out: tuple[str, ...] = ()
    """Bad rules and channels, each with its place and reason: named in the log, on the page and as an event."""
    warnings: tuple[str, ...] = ()
    """What works but should not stay so, such as a secret written into the file."""
    notes: tuple[str, ...] = ()
    """What is right but perhaps not as meant: a query that asks for a field very like one that there is."""
