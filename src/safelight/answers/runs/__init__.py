"""Runs: which there are, how one went, what is queued, what one saved, what was submitted.

listing     which runs there are, a page at a time          queue       what runs and waits now
one         one run, node by node                           outputs     the image behind a saved file
summary     what both say of a run                          submitted   what is needed to submit it again
executions, curve, saved, usual     the parts of one run    open        runs without an end, for the keeper
reading     values out of events, which may hold anything
"""

from .listing import FROM, MOST_RUNS, runs
from .one import find, run
from .outputs import output
from .queue import queue

__all__ = ["FROM", "MOST_RUNS", "find", "output", "queue", "run", "runs"]
