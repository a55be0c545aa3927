"""Steps that keep some events as they are and let the others go."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import pyarrow.compute as pc

from ..batch import Batch, Process
from . import Processor
from .only import Selection, selection


class Choosing(Processor):
    """A step that keeps some events. With `where` it chooses among those; all others stay."""

    @abstractmethod
    def choice(self) -> Selection:
        """Which rows of a batch stay. May count what it sees; one per source, called by one thread."""

    def build(self) -> Process:
        """The step for every event."""
        return chosen(self.choice())

    def step(self) -> Process:
        """The step, for the events it is meant for; a batch is cut once, not taken apart and put together."""
        return self.build() if self.where is None else chosen(among(selection(self.where), self.choice()))


def chosen(stays: Selection) -> Process:
    """The rows that stay."""

    def process(batch: Batch) -> Batch:
        mask = stays(batch)
        return batch if mask.true_count == len(batch) else batch.where(mask)

    return process


def among(select: Selection, stays: Selection) -> Selection:
    """A choice among some rows; the others stay."""

    def choice(batch: Batch) -> Any:
        mine = select(batch)
        count = mine.true_count
        if not count:
            return pc.invert(mine)
        if count == len(batch):
            return stays(batch)
        return pc.replace_with_mask(pc.invert(mine), mine, stays(batch.where(mine)))

    return choice
