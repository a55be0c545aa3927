"""What happens to a batch between a source and the store. Verbs: parse, enrich, fingerprint, redact."""

from __future__ import annotations

from abc import abstractmethod

from ..batch import Process
from ..errors import ConfigError
from ..plugin import Plugin


class Processor(Plugin):
    """One step of the pipeline, as configured."""

    @abstractmethod
    def build(self) -> Process:
        """The step as configured. May learn from what it sees, never changes a batch; one per source, called by one
        thread."""

    def step(self) -> Process:
        """What `build` makes, for the events that it is meant for."""
        return self.build()


class WrongSetting(ConfigError, ValueError):
    """A setting that a validator refuses: pydantic collects it as a ValueError, the reader gets it in his language."""
