"""A condition as a setting holds it: `where = "level:DEBUG"`. The filter of a query, and nothing behind it."""

from __future__ import annotations

from ..errors import QueryError
from .ast import Filter
from .lex import Kind, tokens
from .parse import parse


def condition(text: str) -> Filter:
    """What `text` asks of one event. Raises QueryError with the place of the mistake; a pipe is one, and so is nothing
    at all, which would hold for every event."""
    found = tokens(text)
    pipe = next((token for token in found if token.kind is Kind.PIPE), None)
    if pipe is not None:
        raise QueryError("query.no_pipe", query=text, position=pipe.position)
    if found[0].kind is Kind.END:
        raise QueryError("query.no_condition", query=text)
    return parse(text).filter
