"""Restart the service."""

from __future__ import annotations

import os
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self

import anyio
from pydantic import Field, model_validator

from ..errors import InputError, RemedyError, ServiceError
from ..hardware.card import Absent
from ..hardware.docker_api import Daemon
from ..units import Duration
from . import Remedy, mistake, queue
from .cause import Cause, Said, Surroundings
from .command import variables
from .execute import execute

_WAYS: Final = ("service", "container", "command", "start")
_TAKING_S: Final = 10.0
"""A ComfyUI that hangs may not show its queue any more: it is restarted all the same."""


class Restart(Remedy):
    """Restart a systemd unit, a Docker container, or a process that Safelight starts itself; or run a command that
    does. What is pending in a ComfyUI that still answers is taken out before and put back after it is healthy, and what
    was waiting in one that had died is submitted again."""

    type: Literal["restart"] = "restart"
    service: str | None = Field(default=None, pattern=r"^[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]{0,255}$")
    """A systemd unit, such as `comfyui`. Whoever runs Safelight must be allowed to restart it."""
    user: bool = False
    """Whether the unit is one of the user who runs Safelight, not of the system."""
    container: str | None = Field(default=None, min_length=1)
    """A Docker container, by name or id; needs a socket that may be written to."""
    socket: Path | None = None
    """The Docker daemon's unix socket; by default that of `$DOCKER_HOST`, or `/var/run/docker.sock`."""
    command: tuple[str, ...] | None = Field(default=None, min_length=1)
    """A program and its arguments, which ends and starts the service and then returns; no shell."""
    start: str | None = Field(default=None, min_length=1)
    """A command line that starts the service and stays; Safelight ends the process it started before. No shell; quotes
    hold an argument together. A service that somebody else started is not touched."""
    directory: Path | None = None
    """Where `command` and `start` run."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables for `command` and `start`, besides those of Safelight. They are shown with the rule: a secret
    belongs into the environment of Safelight itself, which is inherited."""
    output: Path | None = None
    """A file to which the output of `start` is appended; by default it is thrown away."""
    grace: Duration = timedelta(seconds=10)
    """How long a container, or what `start` started, may take to end by itself before it is killed."""
    within: Duration = timedelta(minutes=2)
    """How long restarting may take."""
    requeue: bool = True
    """Whether prompts that were waiting when ComfyUI died are submitted again once it is healthy."""
    wait_for_health: Duration | None = timedelta(minutes=2)
    """How long it may take until it answers again: ComfyUI with its queue and, if the node pack is there, a living
    worker."""

    example: ClassVar[dict[str, Any]] = {"service": "comfyui", "max": "2 per 1h", "wait_for_health": "2m"}

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(getattr(self, way) is not None for way in _WAYS) != 1:
            raise mistake(InputError("remedies.restart.one_way", ways=", ".join(_WAYS)))
        try:
            words = shlex.split(self.start) if self.start is not None else ["-"]
        except ValueError:
            words = []
        if not words:
            raise mistake(InputError("remedies.restart.bad_start", given=str(self.start)[:80]))
        return self

    def what(self) -> str:
        """What is restarted, in a word."""
        return self.service or self.container or (self.command[0] if self.command else None) or self._words()[0]

    def subject(self) -> str:
        """Every unit, container and command counts for itself."""
        return f"{self.kind()}:{shlex.join(self.command) if self.command else self.start or self.what()}"

    def at_most(self) -> timedelta:
        """Restarting itself, and some time for the queue."""
        return self.within + self.grace + timedelta(seconds=2 * _TAKING_S)

    def plan(self, cause: Cause) -> Said:
        """What it would do."""
        return Said("remedies.restart.plan", {"where": self.called(cause), "what": self.what()})

    async def apply(self, cause: Cause, around: Surroundings) -> Said:
        """Save the queue, then restart."""
        await self._save_queue(cause, around)
        values: dict[str, Any] = {"where": self.called(cause), "what": self.what()}
        if self.service is not None:
            scope = ["--user"] if self.user else []
            await execute(["systemctl", *scope, "--no-ask-password", "restart", "--", self.service], within=self.within)
        elif self.container is not None:
            await self._restart_container(self.container)
        elif self.command is not None:
            environment = {**self.environment, **variables(cause)}
            said = await execute(self.command, within=self.within, directory=self.directory, environment=environment)
            if said:
                return Said("remedies.restart.said", {**values, "said": said})
        else:
            await self._start(cause, around)
        return Said("remedies.restart.done", values)

    async def settle(self, cause: Cause, around: Surroundings) -> Said | None:
        """Prompts go back into the queue: those that were lost with the process, and those that were saved."""
        try:
            client = await around.comfyui(self.where(cause))
        except InputError:  # no ComfyUI
            return None
        lost = 0
        if self.requeue:
            instance = self.instance or cause.labels.get("instance")
            lost = await around.resubmit_lost(instance, gone_before=cause.since)
        async with client:
            returned = queue.Returned()
            if not await around.held.is_paused(client.url):
                returned = await queue.put_back(client, around.held)
        count = lost + returned.count
        return Said("remedies.restart.requeued", {"count": count}) if count else None

    async def _save_queue(self, cause: Cause, around: Surroundings) -> None:
        try:
            async with await around.comfyui(self.where(cause)) as client:
                with anyio.move_on_after(_TAKING_S):
                    await queue.take(client, around.held)
        except (ServiceError, InputError):  # it has died, or is none
            return

    async def _restart_container(self, name: str) -> None:
        where = self.socket or Path(os.environ.get("DOCKER_HOST", "").removeprefix("unix://") or "/var/run/docker.sock")
        daemon = Daemon(where)
        try:
            await daemon.restart(name, grace=self.grace, within=self.within)
        except Absent as error:
            raise RemedyError("remedies.restart.no_docker", reason=str(error)) from error
        finally:
            await daemon.close()

    async def _start(self, cause: Cause, around: Surroundings) -> None:
        name = f"{self.called(cause)} {self.what()}"
        if not await around.processes.is_ours(name) and await self._somebody_answers(cause, around):
            raise RemedyError("remedies.restart.not_ours", where=self.called(cause))
        await around.processes.restart(
            self._words(),
            name=name,
            directory=self.directory,
            environment={**self.environment, **variables(cause)},
            output=self.output,
            grace=self.grace,
        )

    async def _somebody_answers(self, cause: Cause, around: Surroundings) -> bool:
        try:
            async with await around.comfyui(self.where(cause)) as client:
                await client.system_stats()
        except ServiceError as error:
            return error.key != "comfyui.unreachable"  # something is there, if only a broken one
        except InputError:
            return False
        return True

    def _words(self) -> list[str]:
        return shlex.split(self.start or "")
