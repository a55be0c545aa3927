"""The questions that the page, the API and the command line ask of a store, and their answers as plain data.

Every answer is JSON-ready (see `rows`) and says how long it took, `took_ms`. A question that cannot be understood
raises QueryError; one that is over a limit raises QueryTooCostly.
"""

from .errors import FROM as ERRORS_FROM
from .errors import MOST_ERRORS, errors, errors_one
from .insight import nodes, overview
from .runs import FROM as RUNS_FROM
from .runs import MOST_RUNS, find, output, queue, run, runs
from .search import MOST_ROWS, context, facets, histogram, one, search, since
from .sql import sql

__all__ = [
    "ERRORS_FROM",
    "MOST_ERRORS",
    "MOST_ROWS",
    "MOST_RUNS",
    "RUNS_FROM",
    "context",
    "errors",
    "errors_one",
    "facets",
    "find",
    "histogram",
    "nodes",
    "one",
    "output",
    "overview",
    "queue",
    "run",
    "runs",
    "search",
    "since",
    "sql",
]
