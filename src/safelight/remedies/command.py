"""Run a command of your own."""

from __future__ import annotations

import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from ..units import Duration
from . import Remedy
from .cause import Cause, Said, Surroundings
from .execute import execute


class Command(Remedy):
    """Run a command of your own, without a shell. It has failed when its status is not 0. It is told why in variables:
    `SAFELIGHT_ALERT`, `SAFELIGHT_RULE`, `SAFELIGHT_INSTANCE`, `SAFELIGHT_SERVICE`, `SAFELIGHT_RUNS`."""

    type: Literal["command"] = "command"
    run: tuple[str, ...] = Field(min_length=1)
    """The program and its arguments, each as it is."""
    within: Duration = timedelta(minutes=1)
    """How long it may take; then it is killed with all that it started."""
    directory: Path | None = None
    """Where it runs."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables besides those of Safelight. They are shown with the rule: a secret belongs into the environment of
    Safelight itself, which is inherited."""

    example: ClassVar[dict[str, Any]] = {"run": ["/usr/local/bin/fans", "--speed", "100"], "within": "30s"}

    def subject(self) -> str:
        """Every command counts for itself, with its arguments."""
        return f"{self.kind()}:{shlex.join(self.run)}"

    def at_most(self) -> timedelta:
        """Its own limit, and some time to kill it."""
        return self.within + timedelta(seconds=10)

    def plan(self, cause: Cause) -> Said:
        """What it would do."""
        return Said("remedies.command.plan", {"command": self.run[0]})

    async def apply(self, cause: Cause, around: Surroundings) -> Said:
        """Run it to its end."""
        said = await execute(
            self.run,
            within=self.within,
            directory=self.directory,
            environment={**self.environment, **variables(cause)},
        )
        if not said:
            return Said("remedies.command.done", {"command": self.run[0]})
        return Said("remedies.command.said", {"command": self.run[0], "said": said})


def variables(cause: Cause) -> dict[str, str]:
    """The alert, as variables of a command."""
    return {
        "SAFELIGHT_ALERT": cause.alert,
        "SAFELIGHT_RULE": cause.rule,
        "SAFELIGHT_INSTANCE": cause.labels.get("instance", ""),
        "SAFELIGHT_SERVICE": cause.labels.get("service", ""),
        "SAFELIGHT_RUNS": " ".join(cause.runs),
    }
