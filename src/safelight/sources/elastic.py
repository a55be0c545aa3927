"""What clients of Elasticsearch expect around the bulk API: how answers look, and what they ask before they send.

They want to know that they speak to Elasticsearch and to which version, and look for their index templates, lifecycle
policies and pipelines. None of these means anything here: they are there, and what is written to them is forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

PRODUCT: Final = {"X-Elastic-Product": "Elasticsearch"}
"""The official clients refuse to speak to anything that does not say this (7.14 and later)."""
NAME: Final = "safelight"
_ID: Final = "c2FmZWxpZ2h0LW5vZGU"  # looks like theirs, and means `safelight-node`
_COMPATIBLE: Final = re.compile(r"application/vnd\.elasticsearch\+(?:json|x-ndjson)\s*;\s*compatible-with\s*=\s*(\d+)")
_ABSENT: Final = object()
_MOST_PATHS: Final = 32
_MOST_NAMES: Final = 32

THINGS: Final = (
    *("_index_template", "_component_template", "_template", "_ilm", "_ingest", "_data_stream", "_alias", "_nodes"),
    *("_logstash", "_security"),
)
"""What clients look for and set up before they send, by the beginning of its path."""


def answer(request: Request, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """In the media type that was asked for, less what `filter_path` leaves out. Never without the product header."""
    wanted = request.query_params.get("filter_path")
    if wanted and status == 200:
        content = filtered(content, wanted)
    body = b"" if request.method == "HEAD" else msgspec.json.encode(content)
    return Response(body, status, {**PRODUCT, **(headers or {})}, media_type=_media(request))


def _media(request: Request) -> str:
    """Clients from 8 on ask for the version of the API that they know, and take no other."""
    found = _COMPATIBLE.search(request.headers.get("accept", ""))
    return f"application/vnd.elasticsearch+json;compatible-with={found[1]}" if found else "application/json"


def fault(type_: str, reason: str, status: int) -> dict[str, Any]:
    """An error of a whole request."""
    cause = {"type": type_, "reason": reason}
    return {"error": {"root_cause": [cause], **cause}, "status": status}


def info(version: str) -> dict[str, Any]:
    """`GET /`."""
    major = int(version.partition(".")[0])
    return {
        "name": NAME,
        "cluster_name": NAME,
        "cluster_uuid": _ID,
        "version": {
            "number": version,
            "build_flavor": "default",
            "build_type": "tar",
            "build_hash": "0" * 40,
            "build_date": "2025-01-01T00:00:00.000000000Z",
            "build_snapshot": False,
            "lucene_version": "9.12.0",
            "minimum_wire_compatibility_version": f"{major - 1}.17.0",
            "minimum_index_compatibility_version": f"{major - 1}.0.0",
        },
        "tagline": "You Know, for Search",
    }


HEALTH: Final = {
    "cluster_name": NAME,
    "status": "green",
    "timed_out": False,
    "number_of_nodes": 1,
    "number_of_data_nodes": 1,
    "active_primary_shards": 1,
    "active_shards": 1,
    "relocating_shards": 0,
    "initializing_shards": 0,
    "unassigned_shards": 0,
    "active_shards_percent_as_number": 100.0,
}
"""`GET /_cluster/health`: Vector asks."""

LICENSE: Final = {
    "license": {"status": "active", "uid": _ID, "type": "basic", "mode": "basic", "issued_to": NAME, "issuer": NAME}
}
"""`GET /_license`: Logstash and Beats ask."""

XPACK: Final = {
    "build": {"hash": "0" * 40, "date": "2025-01-01T00:00:00.000000Z"},
    "license": {"uid": _ID, "type": "basic", "mode": "basic", "status": "active"},
    "features": {"ilm": {"available": True, "enabled": True}, "data_streams": {"available": True, "enabled": True}},
    "tagline": "You know, for X",
}
"""`GET /_xpack`: Fluentd's plugin asks whether there are lifecycle policies."""


def thing(request: Request) -> dict[str, Any]:
    """Something that was set up before, or is now."""
    if request.method not in {"GET", "HEAD"}:
        return {"acknowledged": True}
    kind, _, name = request.url.path.rpartition("_data_stream/")
    if kind:
        return {"data_streams": [{"name": name, "timestamp_field": {"name": "@timestamp"}, "status": "GREEN"}]}
    return {}


def filtered(content: Any, filter_path: str) -> Any:
    """What the paths name, such as `errors,items.*.error`; `*` is any name, `**` any number of them, and what `-` leads
    is left out (https://www.elastic.co/docs/reference/elasticsearch/rest-apis/common-options#common-options-response-filtering).
    """
    paths = filter_path.split(",", _MOST_PATHS)[:_MOST_PATHS]
    kept = tuple(_path(path) for path in paths if not path.startswith("-"))
    left_out = tuple(_path(path[1:]) for path in paths if path.startswith("-"))
    found = _kept(content, kept) if kept else content
    found = _without(found, left_out) if left_out else found
    return {} if found is _ABSENT else found


Paths = tuple[tuple[str, ...], ...]


def _path(written: str) -> tuple[str, ...]:
    """The names of a path; `**` after `**` says nothing new, and nothing here is as deep as a path can be long."""
    names = written.split(".", _MOST_NAMES)[:_MOST_NAMES]
    return tuple(name for before, name in pairwise(["", *names]) if not before == name == "**")


def _kept(content: Any, paths: Paths) -> Any:
    if isinstance(content, dict):
        found = {}
        for name, value in content.items():
            inner = _below(paths, name)
            part = value if () in inner else _kept(value, inner) if inner else _ABSENT
            if part is not _ABSENT:
                found[name] = part
        return found or _ABSENT
    if isinstance(content, list):  # its elements have no names
        parts = [part for one in content if (part := _kept(one, paths)) is not _ABSENT]
        return parts or _ABSENT
    return _ABSENT


def _without(content: Any, paths: Paths) -> Any:
    if isinstance(content, dict):
        return {
            name: _without(value, inner) for name, value in content.items() if () not in (inner := _below(paths, name))
        }
    return [_without(one, paths) for one in content] if isinstance(content, list) else content


@lru_cache(maxsize=1_000)
def _below(paths: Paths, name: str) -> Paths:
    """What is left of the paths that lead through `name`; the empty one has arrived."""
    return tuple(dict.fromkeys(_steps(paths, name)))


def _steps(paths: Paths, name: str) -> Iterable[tuple[str, ...]]:
    for path in paths:
        if not path:
            continue
        if path[0] == "**":
            yield path
            if len(path) > 1:
                yield from _steps((path[1:],), name)
            else:
                yield ()
        elif path[0] in {"*", name} or ("*" in path[0] and _matches(path[0], name)):
            yield path[1:]


def _matches(pattern: str, name: str) -> bool:
    """Each piece is taken where it is first found: a regular expression would try them all."""
    first, *others, last = pattern.split("*")
    if not name.startswith(first):
        return False
    at = len(first)
    for piece in others:
        found = name.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(name) - at >= len(last) and name.endswith(last)
