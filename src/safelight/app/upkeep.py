"""What has to be done now and then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict
from typing import Final

import anyio
import anyio.to_thread

from ..collecting.journal import Journal
from ..config.model import Retention
from ..documents import Documents
from ..errors import StoreError
from ..event import Name
from ..locales import text
from ..store.segments import SegmentStore

EVERY_S: Final = 600.0


class Upkeep:
    """Applies retention."""

    def __init__(
        self, store: SegmentStore, documents: Documents, retention: Retention, journal: Journal, language: str
    ) -> None:
        self._store = store
        self._documents = documents
        self._retention = retention
        self._journal = journal
        self._language = language
        self.removing: Sequence[Callable[[], AbstractContextManager[None]]] = ()
        """What is to be around it, for those who count what they lose."""

    async def run(self) -> None:
        """Every ten minutes until cancelled."""
        while True:
            await anyio.to_thread.run_sync(self.once)
            await anyio.sleep(EVERY_S)

    def once(self) -> None:
        """Remove what is older or more than the configuration keeps. Documents go by age alone: they take little."""
        try:  # events first: they take the room
            with ExitStack() as around:
                for enter in self.removing:
                    around.enter_context(enter())
                removed = self._store.retain(self._retention.age, self._retention.size)
            tidied = self._documents.tidy(self._retention.age)
        except StoreError as error:
            self._journal.note(Name.RETENTION_APPLIED, error.render(self._language), "ERROR")
            return
        if removed.segments or tidied.documents:
            freed = removed.bytes + tidied.bytes
            said = text("upkeep.removed", self._language, events=removed.events, megabytes=freed >> 20)
            self._journal.note(
                Name.RETENTION_APPLIED, said, attributes={**asdict(removed), "documents": tidied.documents}
            )
