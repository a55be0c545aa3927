"""The running server, as the command line reaches it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from ..errors import QueryError, ServerError
from ..paths import data_directory
from . import LANGUAGE


class Server:
    """A server by its URL. Uses `http.client`: importing a whole HTTP library costs more than most questions."""

    def __init__(self, url: str) -> None:
        """Raises ServerError for what is no address."""
        self.url = url.rstrip("/")
        self._parts = _parts(self.url)

    def get(self, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """The JSON answer of `/api/v1{path}`. Raises ServerError, or QueryError when it is the query that is wrong."""
        wanted = {key: value for key, value in (parameters or {}).items() if value is not None}
        return self._json(self._ask("GET", f"/api/v1{path}?{urlencode(wanted)}"), str(wanted.get("q", "")))

    def post(self, path: str, body: bytes, media_type: str) -> Any:
        """The JSON answer to a body sent to `/api/v1{path}`."""
        return self._json(self._ask("POST", f"/api/v1{path}", body, {"Content-Type": media_type}), "")

    def download(self, path: str, file: Path) -> None:
        """Write the body of `/api/v1{path}` to a file. Raises ServerError, OSError for the file."""
        response = self._ask("GET", f"/api/v1{path}", timeout=600)
        if response.status >= 400:
            self._json(response, "")
        with file.open("wb") as opened:
            try:
                shutil.copyfileobj(response, opened)
            except (ConnectionError, TimeoutError, HTTPException) as error:
                raise ServerError("cli.server_gone", url=self.url, reason=str(error)) from error

    def stream(self, path: str, parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The server-sent events of `/api/v1{path}` as pairs of name and data, until the server goes away."""
        response = self._ask("GET", f"/api/v1{path}?{urlencode(parameters)}", timeout=None)
        if response.headers.get_content_type() != "text/event-stream":
            self._json(response, "")
            raise ServerError("cli.not_safelight", url=self.url, status=response.status)
        name = "message"
        try:
            for raw in response:
                line = raw.decode().rstrip("\n")
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    yield name, json.loads(line[6:])
                elif not line:
                    name = "message"
        except (OSError, HTTPException) as error:
            raise ServerError("cli.server_gone", url=self.url, reason=str(error)) from error

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = 120,
    ) -> HTTPResponse:
        kind = HTTPSConnection if self._parts.scheme == "https" else HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=timeout)
        try:
            connection.request(method, path, body, {"Accept-Language": LANGUAGE, **(headers or {})})
            return connection.getresponse()
        except (OSError, HTTPException) as error:
            raise ServerError("cli.server_unreachable", url=self.url, reason=str(error)) from error

    def _json(self, response: HTTPResponse, query: str) -> Any:
        body = response.read()
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise ServerError("cli.not_safelight", url=self.url, status=response.status) from error
        if response.status < 400:
            return answer
        if "position" in answer:
            raise QueryError("cli.as_said", query=query, position=answer["position"], said=answer["detail"])
        raise ServerError("cli.as_said", said=answer.get("detail") or answer.get("title"))


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:
            return parts
    except ValueError:  # such as `http://[`, or a port that is no number
        pass
    raise ServerError("replay.bad_address", url=url)


def running(url: str | None, data: Path | None, config: Path | None = None) -> Server | None:
    """The server at `url`, or the one that owns the data directory; None when none runs there."""
    if url:
        return Server(url)
    from ..store.lock import Lock  # noqa: PLC0415 - kept off the path of `--help`

    owner = Lock.owner(data_directory(data, config))
    return Server(owner.url) if owner is not None and owner.url else None
