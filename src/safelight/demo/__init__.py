"""`safelight up --demo`: a simulated studio, written by `safelight_emit` into a spool of its own, so that everything
shown went through the real pipeline. Every event says that it is simulated.

    studio, workflows,
    families             who there is: instances, people, the graphs they run (data)
    day                  who works when, the slow evening, the deadline
    memory, troubles     what fits on a card; what else goes wrong
    job, runs, services  one run, one photo: what is told about it
    drawing, documents   the prompt and the drawing that a run carries along
    values, curve, lost  what goes through nodes; memory between events; a process that is killed
    cards                the GPUs, whatever runs on them
    life                 all of it in the order of time, without end
    clock                the last day at once, then as time passes
    __main__             the simulator: a child process, needing nothing but the standard library and safelight_emit
    supervise            keeps it running beside the server
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .supervise import Demo as Demo

__all__ = ["Demo"]


def __getattr__(name: str) -> object:
    if name != "Demo":
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from .supervise import Demo  # noqa: PLC0415 - the child imports this package, and needs none of the server

    return Demo
