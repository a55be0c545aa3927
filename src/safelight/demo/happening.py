"""Something that is logged in the studio, and stories of such things brought into one order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple


class Happening(NamedTuple):
    """One event to be. `at` is in seconds since 1970, by the studio's clock."""

    at: float
    name: str
    level: str
    fields: dict[str, Any]


def in_order(stories: Iterable[Sequence[Happening]]) -> Iterator[Happening]:
    """All happenings by time. Stories must come by the time of their beginning; they may overlap and have no end."""
    waiting: list[tuple[float, int, Happening]] = []
    number = 0
    for story in stories:
        while waiting and story and waiting[0][0] <= story[0].at:
            yield heappop(waiting)[-1]
        for happening in story:
            heappush(waiting, (happening.at, number, happening))
            number += 1
    while waiting:
        yield heappop(waiting)[-1]
