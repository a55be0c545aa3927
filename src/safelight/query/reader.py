"""The tokens of a query, taken one by one, and what is said about those that do not belong there."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, TypeVar

from ..errors import QueryError
from .lex import Kind, Token, tokens

T = TypeVar("T")


class Reader:
    """A place in the tokens of `text`. Raises QueryError when they cannot be told apart."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.at = 0

    @property
    def next(self) -> Token:
        """The token that comes."""
        return self.tokens[self.at]

    def take(self) -> Token:
        """The token that comes, and go on; END stays."""
        token = self.next
        if token.kind is not Kind.END:
            self.at += 1
        return token

    def accept(self, kind: Kind) -> Token | None:
        """The next token if it is of `kind`, and go on."""
        return self.take() if self.next.kind is kind else None

    def expect(self, kind: Kind) -> Token:
        """The next token, which must be of `kind`."""
        return self.accept(kind) or self.unexpected()

    def unexpected(self) -> NoReturn:
        """Raise QueryError for the token that comes."""
        if self.next.kind is Kind.END:
            raise self.error("query.unexpected_end", self.next)
        raise self.error("query.unexpected", self.next, found=self.next.text)

    def error(self, key: str, at: Token, **values: object) -> QueryError:
        """A QueryError at a token."""
        return QueryError(key, query=self.text, position=at.position, **values)

    def placed(self, token: Token, work: Callable[[], T]) -> T:
        """What `work` gives; its QueryError gets the place of `token`."""
        try:
            return work()
        except QueryError as error:
            raise self.error(error.key, token, **error.values) from error
