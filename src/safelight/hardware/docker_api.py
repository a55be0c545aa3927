"""A Docker daemon's answers over its unix socket. Watching asks with GET only; only `restart` changes something.

Source of fact: Docker Engine API 1.41 to 1.51; `one-shot` statistics exist since 1.41 and take no second to measure.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from ..errors import InputError
from .card import MB, Absent
from .container import Container

SPOKEN: Final = (1, 51)
"""The newest version whose answers we know; an older daemon is spoken to in its own, a much newer one in its oldest."""
WAIT_S: Final = 10.0
_ENDED: Final = frozenset({"exited", "dead"})
_NO_LIMIT: Final = 2**50
"""Bytes; version 1 control groups say 2^63 for no limit."""


class Daemon:
    """A connection to the daemon, opened at the first question."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(socket)), base_url="http://docker", timeout=WAIT_S
        )
        self._prefix = ""
        self._over: dict[str, Container] = {}  # as they ended: a machine may keep thousands

    async def containers(self, labels: Sequence[str] = ()) -> list[Container]:
        """All that have these labels, also those that do not run. Raises Absent without a daemon, InputError."""
        filters = json.dumps({"label": list(labels)}) if labels else "{}"
        try:
            await self._agree()
            listed = await self._get(f"{self._prefix}/containers/json", all="true", filters=filters)
            asked = [self._known(entry) or await self._container(str(entry["Id"])) for entry in listed]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._prefix = ""  # another daemon may answer next time
            raise self._nonsense(repr(error)) from error
        except (Absent, InputError):
            self._prefix = ""
            raise
        found = [container for container in asked if container is not None]
        self._over = {container.id: container for container in found if container.state in _ENDED}
        return found

    async def restart(self, name: str, *, grace: timedelta, within: timedelta) -> None:
        """Restart a container, by name or id: it has `grace` to end by itself. Raises Absent without a daemon,
        InputError."""
        try:
            await self._agree()
            answer = await self._client.post(
                f"{self._prefix}/containers/{quote(name, safe='')}/restart",
                params={"t": str(round(grace.total_seconds()))},
                timeout=WAIT_S + (grace + within).total_seconds(),
            )
        except httpx.ConnectError as error:
            raise Absent(self._socket, error) from error
        except (httpx.HTTPError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._nonsense(str(error) or type(error).__name__) from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise InputError("docker.no_container", name=name)
        if not answer.is_success:
            raise InputError("docker.not_restarted", name=name, reason=_reason(answer))

    async def close(self) -> None:
        """Hang up."""
        await self._client.aclose()

    async def _agree(self) -> None:
        self._prefix = self._prefix or f"/v{_agreed(await self._get('/version'))}"

    def _known(self, entry: dict[str, Any]) -> Container | None:
        """A container that had ended before and has not been started since."""
        return self._over.get(str(entry["Id"])) if entry.get("State") in _ENDED else None

    async def _container(self, id_: str) -> Container | None:
        told = await self._get(f"{self._prefix}/containers/{id_}/json")
        if told is None:
            return None  # removed since it was listed
        running = told["State"]["Status"] == "running"
        path = f"{self._prefix}/containers/{id_}/stats"
        figures = await self._get(path, **{"stream": "false", "one-shot": "true"}) if running else None
        return _read(told, figures or {})

    async def _get(self, path: str, **parameters: str) -> Any:
        """The answer; None for what is not there. Raises Absent, InputError."""
        try:
            answer = await self._client.get(path, params=parameters)
            if answer.status_code == httpx.codes.NOT_FOUND:
                return None
            answer.raise_for_status()
            return answer.json()
        except httpx.ConnectError as error:
            raise Absent(self._socket, error) from error
        except (httpx.HTTPError, ValueError) as error:
            raise self._nonsense(str(error) or type(error).__name__) from error

    def _nonsense(self, reason: str) -> InputError:
        return InputError("docker.not_understood", socket=self._socket, reason=reason)


def _reason(answer: httpx.Response) -> str:
    try:
        said = answer.json()
    except ValueError:
        said = None
    return str(said["message"])[:200] if isinstance(said, dict) and "message" in said else str(answer.status_code)


def _agreed(told: dict[str, Any]) -> str:
    """Raises as wrong answers do."""
    newest, oldest = _version(told["ApiVersion"]), _version(told.get("MinAPIVersion", "1.0"))
    major, minor = max(min(SPOKEN, newest), oldest)
    return f"{major}.{minor}"


def _version(said: str) -> tuple[int, int]:
    major, minor = said.split(".")
    return int(major), int(minor)


def _read(told: dict[str, Any], figures: dict[str, Any]) -> Container:
    state = told["State"]
    memory = figures.get("memory_stats") or {}
    usage, limit = memory.get("usage"), memory.get("limit")
    detail = memory.get("stats") or {}
    cache = detail.get("inactive_file", detail.get("total_inactive_file", 0))
    nanoseconds = ((figures.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage")
    networks = (figures.get("networks") or {}).values()
    return Container(
        id=str(told["Id"]),
        name=str(told["Name"]).removeprefix("/"),
        image=(told.get("Config") or {}).get("Image"),
        state=str(state["Status"]),
        started_at=state.get("StartedAt"),
        exit_code=int(state["ExitCode"]) if state["Status"] in _ENDED else None,
        oom_killed=bool(state.get("OOMKilled")),
        restarts=int(told.get("RestartCount", 0)),
        cpu_s=None if nanoseconds is None else nanoseconds / 1e9,
        memory_mb=None if usage is None else round(max(0, usage - cache) / MB, 1),
        limit_mb=round(limit / MB, 1) if limit and limit < _NO_LIMIT else None,
        received_bytes=sum(network["rx_bytes"] for network in networks) if networks else None,
        sent_bytes=sum(network["tx_bytes"] for network in networks) if networks else None,
    )
