"""A parsed query as SQL over the relation `events`: the one door of this room towards the store.

`where` for what `Store.newest` and `Store.oldest` take, `select_stats` for `Store.run` when a query has `| stats`,
`span` and `phrases` for both, so that they look only where something can be.
"""

from __future__ import annotations

from .phrases import phrases
from .predicate import where
from .span import intersection, span
from .stats import MAX_ROWS, select_stats

__all__ = ["MAX_ROWS", "intersection", "phrases", "select_stats", "span", "where"]
