"""What happens to a batch between a source and the store. Verbs: parse, enrich, rename, keep, drop, sample, limit,
route, fingerprint, redact."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated

from pydantic import AfterValidator

from ..batch import Process
from ..errors import ConfigError, QueryError
from ..locales import ENGLISH
from ..plugin import Plugin
from ..query.condition import condition


class WrongSetting(ConfigError, ValueError):
    """A setting that a validator refuses: pydantic collects it as a ValueError, the reader gets it in his language."""


class WrongFilter(WrongSetting):
    """A `where` that is no condition: says what is wrong, and points at it."""

    def __init__(self, error: QueryError) -> None:
        super().__init__(error.key, **error.values)
        self.error = error

    def render(self, language: str = ENGLISH) -> str:
        """The sentence, the filter, and a caret below the mistake."""
        said = self.error.render(language)
        return f"{said}\n{self.error.caret()}" if self.error.query.strip() else said


def _filter(text: str) -> str:
    try:
        condition(text)
    except QueryError as error:
        raise WrongFilter(error) from error
    return text


Where = Annotated[str, AfterValidator(_filter)]
"""A condition on events in the query language, checked when the configuration is read."""


class Processor(Plugin):
    """One step of the pipeline, as configured."""

    where: Where | None = None
    """Only for events for which this query holds, such as `level:DEBUG`; the others pass as they are. By default all.
    """

    @abstractmethod
    def build(self) -> Process:
        """The step for every event. May learn from what it sees, never changes a batch; one per source, called by one
        thread."""

    def step(self) -> Process:
        """What `build` makes, for the events that it is meant for."""
        from .only import only  # noqa: PLC0415 - which knows processors

        return self.build() if self.where is None else only(self.where, self.build())
