"""The parts of a server that judge, tell and repair, put together on one state file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ..alerts.database import Database
from ..alerts.engine import Engine
from ..alerts.held import Shelf
from ..alerts.links import Signer
from ..alerts.own_rules import OwnRules
from ..config import Config
from ..delivery.deliver import Delivery, target
from ..hostzone import HostZone
from ..note import Note
from ..store import Store
from .digests import Digests
from .remedying import Remedying
from .reports import Reports
from .resubmit import Resubmitter
from .rulebook import Rulebook
from .surroundings import Around

STATE: Final = "state.sqlite"
LINKS_KEY: Final = "links.key"


@dataclass(frozen=True)
class Alerting:
    """What the web, the loops of the server and its end need of it."""

    engine: Engine
    rulebook: Rulebook
    delivery: Delivery
    remedying: Remedying
    signer: Signer
    digests: Digests | None


@contextmanager
def alerting(
    config: Config, data: Path, store: Store, resubmitter: Resubmitter, note: Note, *, url: str, simulated: bool
) -> Iterator[Alerting]:
    """Open it, and close it whatever happens. `url`: where this server listens; `simulated`: nothing is repaired.

    Raises StoreError.
    """
    address = config.server.url or url
    signer = Signer.of(data / LINKS_KEY)
    with ExitStack() as closing:
        database = Database(data / STATE)
        closing.callback(database.close)
        rulebook = Rulebook(config, OwnRules(database), note)
        quiet = config.alerts.quiet_hours
        engine = Engine(
            store,
            rulebook.rules(),
            [target(channel, config.language) for channel in config.channels],
            database,
            note=note,
            language=config.language,
            base_url=address,
            zone=HostZone(),
            quiet=quiet.quiet() if quiet else None,
            sign=signer.signing(lambda: datetime.now(UTC)),
            dry_run=config.remedies.dry_run,
        )
        closing.callback(engine.close)
        rulebook.judged_by(engine)
        delivery = Delivery(
            engine.outbox, config.channels, note=note, language=config.language, current=engine.handed_over
        )
        shelf = Shelf(database)
        remedying = Remedying(
            engine.repairs,
            shelf,
            Around(store, shelf, resubmitter),
            Reports(engine.announce, note, delivery.wake, config.language),
            dry_run=config.remedies.dry_run,
            never=simulated,
        )
        digests = _digests(config, store, engine, note, delivery.wake, address)
        yield Alerting(engine, rulebook, delivery, remedying, signer, digests)


def _digests(
    config: Config, store: Store, engine: Engine, note: Note, wake: Callable[[], None], address: str
) -> Digests | None:
    wanted = config.alerts.digest
    if wanted is None:
        return None
    zone = wanted.zone or HostZone()
    return Digests(store, engine, wanted.at, zone, note=note, wake=wake, language=config.language, base_url=address)
