"""Fields bound to the task, request or thread at hand; every event and log record of it carries them.

`contextvars` takes them into asyncio tasks by itself. A new thread starts empty: `carry` takes them along.
"""

from __future__ import annotations

from contextvars import ContextVar, copy_context
from functools import wraps

from .plain import snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Token
    from typing import Any, ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

_COROUTINE, _GENERATORS = 0x80, 0x20 | 0x200  # code flags of inspect, which takes 10 ms to import

_nothing: dict[str, Any] = {}
fields: ContextVar[dict[str, Any]] = ContextVar("safelight_fields", default=_nothing)
"""The bound fields. Whoever holds the dictionary may read it for ever: it is replaced, never changed."""


def current() -> dict[str, Any]:
    """A copy of the fields bound here."""
    return dict(fields.get())


class bind:  # noqa: N801 - reads as the verb it is
    """Binds fields for a block or a function; inner bindings win, a None removes a field.

    ```
    with bind(workflow_id="wf-1", user_id="ada"):
        ...

    @bind(job="nightly")
    async def nightly() -> None: ...
    ```
    The values are copied once, here. Generator functions are refused with a TypeError: their body runs in the context
    of whoever consumes them, so bind there.
    """

    __slots__ = ("_fields", "_tokens")

    def __init__(self, /, **fields: Any) -> None:
        self._fields = snapshot(fields)
        self._tokens: list[Token[dict[str, Any]]] = []

    def __enter__(self) -> None:
        bound = {**fields.get(), **self._fields}
        if None in bound.values():
            bound = {name: value for name, value in bound.items() if value is not None}
        self._tokens.append(fields.set(bound))

    def __exit__(self, *_: object) -> None:
        try:
            fields.reset(self._tokens.pop())
        except ValueError:
            # An async generator may be closed in another context than it was opened in; that one needs no undoing.
            pass

    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]:
        """`function`, plain or async, with the fields bound while it runs."""
        flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
        if flags & _GENERATORS:
            message = f"bind() cannot decorate the generator function {function!r}: bind around its consumer instead"
            raise TypeError(message)
        if flags & _COROUTINE:
            return self._decorate_coroutine(function)  # type: ignore[arg-type, return-value]

        @wraps(function)
        def bound(*args: P.args, **kwargs: P.kwargs) -> R:
            with bind(**self._fields):
                return function(*args, **kwargs)

        return bound

    def _decorate_coroutine(self, function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        @wraps(function)
        async def bound(*args: P.args, **kwargs: P.kwargs) -> R:
            with bind(**self._fields):
                return await function(*args, **kwargs)

        return bound


def carry(function: Callable[P, R], /) -> Callable[P, R]:
    """`function`, to be run elsewhere with the context of here: `Thread(target=carry(work))`,
    `pool.submit(carry(work), image)`, `pool.map(carry(work), images)`.

    Carries every context variable, ours and others' (OpenTelemetry's, say), as `asyncio.to_thread` does.
    """
    context = copy_context()

    @wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        # A copy a call: one context cannot be entered by two threads at once.
        return context.copy().run(function, *args, **kwargs)

    return carried
