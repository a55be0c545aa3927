"""The pack's own mistakes: swallowed, counted, and told once each. ComfyUI never sees one.

An exception that escaped a hook would end ComfyUI's worker thread, and with it every run to come.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

mistakes: dict[str, int] = {}
"""How often each hook went wrong."""

_report: Callable[[str, BaseException], None] | None = None


def report_to(report: Callable[[str, BaseException], None] | None) -> None:
    """Who is told of the first mistake of each hook."""
    global _report  # noqa: PLW0603 - one pack a process
    _report = report


def note(hook: str, error: BaseException) -> None:
    """A hook of ours went wrong. Never raises."""
    try:
        mistakes[hook] = count = mistakes.get(hook, 0) + 1
        if count == 1 and _report is not None:
            _report(hook, error)
    except Exception:  # noqa: BLE001, S110 - nobody is left to tell
        pass


def quiet(hook: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates a function of ours that ComfyUI calls directly: what it raises is noted, and it returns None."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - the host process comes first
                note(hook, error)
                return None

        return call

    return decorate
