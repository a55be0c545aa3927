"""Values as plain JSON data: what a caller hands over is copied, bounded, and freed of obvious secrets.

Limits, and what happens beyond them:

    MAX_TEXT    32,768 characters a text; the middle is cut and the cut is counted in its place
    MAX_DEPTH   6 levels; deeper containers (and so cycles) become "<dict, 3 items>"
    MAX_VALUES  1,000 values inside one field; the rest is counted ("900 more")
"""

from __future__ import annotations

import re
from itertools import islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType
    from typing import Any

MAX_TEXT = 32_768
MAX_DEPTH = 6
MAX_VALUES = 1_000
MASK = "***"

IMMUTABLE = frozenset({str, int, float, bool, type(None)})
"""Exactly these types (no subclasses) may be kept by reference: nobody can change them later."""

_SECRET = re.compile(
    r"(?:^|_)(?:password|passwd|pwd|passphrase|passcode|secret)s?(?:_|$)"
    r"|(?:^|_)(?:token|auth|authorization|cookie|bearer|jwt|credentials?|webhook|webhook_url"
    r"|(?:api|access|private|secret|signing|encryption)_?keys?)$"
)
_harmless: set[str] = set()
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def is_secret(name: str) -> bool:
    """Whether a field of this name obviously holds a secret: `api_key`, `X-Auth-Token`, `dbPassword`.

    `tokens`, `max_tokens` and `token_count` are not secrets: in this trade they are counts.
    """
    words = _HUMP.sub("_", name).lower().replace("-", "_").replace(".", "_").replace(" ", "_")
    return _SECRET.search(words) is not None


def masked(name: str, value: Any) -> Any:
    """`value`, or `***` when the name says that it is a secret. True, False and None give nothing away."""
    return MASK if value is not None and value is not True and value is not False and is_secret(name) else value


def cut(text: str, limit: int = MAX_TEXT) -> str:
    """`text` within `limit` characters (and the note about the cut): three quarters from the start, the rest from the
    end, because a traceback says what happened at its end.
    """
    if len(text) <= limit:
        return text
    tail = limit // 4
    return f"{text[: limit - tail]} …[{len(text) - limit} characters cut]… {text[len(text) - tail :]}"


def harmless(fields: Iterable[Any]) -> bool:
    """Whether all these field names are texts and none names a secret. One set operation for names seen before."""
    return _harmless.issuperset(fields) or all(_learn(name) for name in fields)


def _learn(name: Any) -> bool:
    if type(name) is not str or is_secret(name):
        return False
    if len(_harmless) < 10_000:
        _harmless.add(name)
    return True


def snapshot(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `fields` that later changes to lists, dicts and objects in them cannot reach."""
    return {name: value if type(value) in IMMUTABLE else _copied(value) for name, value in fields.items()}


def _copied(value: Any) -> Any:
    # Most containers are small, flat and innocent: copied whole in C, ten times as fast as looking at every value.
    kind = type(value)
    if (kind is list or kind is tuple) and len(value) <= MAX_VALUES:
        items = list(value)
        if IMMUTABLE.issuperset(map(type, items)):
            return items
    elif kind is dict and len(value) <= MAX_VALUES:
        copy = value.copy()
        if IMMUTABLE.issuperset(map(type, copy.values())) and harmless(copy):
            return copy
    return plain(value)


def plain(value: Any) -> Any:
    """`value` as plain JSON data within the limits above; never raises.

    NaN and the infinities become the texts "NaN", "Infinity", "-Infinity" (as in protobuf's JSON mapping), bytes and
    lone surrogates become escaped text, anything unknown its `str` or `repr`.
    """
    return _plain(value, 0, [MAX_VALUES])


def _plain(value: Any, depth: int, budget: list[int]) -> Any:
    try:
        budget[0] -= 1
        if value is None or value is True or value is False:
            return value
        if isinstance(value, str):
            return cut(_readable(str.__str__(value)))
        if isinstance(value, int):
            return int(value) if value.bit_length() <= 4096 else f"<int, {value.bit_length()} bits>"
        if isinstance(value, float):
            return _number(float(value))
        if isinstance(value, (dict, list, tuple, set, frozenset)):
            return _container(value, depth, budget)
        return _object(value)
    except Exception as error:  # noqa: BLE001 - a __repr__ of the caller's may raise anything
        return f"<{type(value).__name__}, not printable: {type(error).__name__}>"


def _readable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _number(value: float) -> float | str:
    if value - value == 0:
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124 - NaN's own test


def _container(value: Any, depth: int, budget: list[int]) -> Any:
    size = len(value)
    if depth >= MAX_DEPTH or (size and budget[0] <= 0):
        return f"<{type(value).__name__}, {size} items>"
    # list(islice()) runs in C without letting another thread change the container halfway.
    if isinstance(value, dict):
        pairs = list(islice(value.items(), budget[0]))
        copy: dict[str, Any] = {}
        for key, item in pairs:
            name = cut(_readable(key if type(key) is str else str(key)), 256)
            copy[name] = masked(name, _plain(item, depth + 1, budget))
        if size > len(pairs):
            copy["…"] = f"{size - len(pairs)} more"
        return copy
    items = list(islice(value, budget[0]))
    rest = [f"… {size - len(items)} more"] if size > len(items) else []
    return [_plain(item, depth + 1, budget) for item in items] + rest


def _object(value: Any) -> Any:
    kind = type(value)
    if isinstance(value, (bytes, bytearray)):
        return cut(bytes(value[: MAX_TEXT + 1]).decode("utf-8", "backslashreplace"))
    shape = getattr(value, "shape", None)
    if shape is not None and hasattr(value, "dtype"):
        if shape == () and kind.__module__ == "numpy":
            return _plain(value.item(), 0, [1])
        # repr of a tensor on a GPU would allocate memory there and wait for it.
        return f"<{kind.__name__}, shape {tuple(shape)}, {value.dtype}>"
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    as_text = any("__str__" in vars(parent) for parent in kind.__mro__[:-1])
    return cut(_readable(repr(value) if isinstance(value, BaseException) or not as_text else str(value)))


def error_fields(
    kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
) -> dict[str, Any]:
    """`error_type`, `error_message` and `traceback` (causes included) of an exception as `sys.exc_info()` gives it."""
    if kind is None:
        return {}
    fields: dict[str, Any] = {"error_type": kind.__name__}
    try:
        fields["error_message"] = cut(_readable(str(error)))
    except Exception:  # noqa: BLE001 - a __str__ of the caller's may raise anything
        fields["error_message"] = f"<{kind.__name__}, not printable>"
    try:
        from traceback import format_exception  # noqa: PLC0415 - 9 ms, wanted only when something failed

        fields["traceback"] = cut(_readable("".join(format_exception(kind, error, trace)).rstrip("\n")))
    except Exception:  # noqa: BLE001 - formatting reads source files and calls __str__ of the whole chain
        fields["traceback"] = "<not printable>"
    return fields
