"""The index template: how Elasticsearch keeps what we send, whatever stands in it.

`dynamic: false` and one `flattened` field for the attributes: an unknown field never adds to the mapping, so no stream
of odd names can fill it up (its limit is 1,000 fields). `ignore_malformed`: a value of the wrong kind costs that value,
not the event. https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-indices-put-index-template
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ...event import FIELDS, Kind
from .documents import Shape
from .indices import Indices

KEYWORD_MAX: Final = 1024
"""Characters of a name that can be searched as a whole; a longer one is kept and not searched."""
PRIORITY: Final = 200
"""Above the templates that come with Elasticsearch (100)."""
_PROSE: Final = frozenset({"message", "error_message", "traceback", "raw"})
_FLATTENED_SINCE: Final = (7, 3)
_FLAT_OBJECT_SINCE: Final = (2, 7)

_KEYWORD: Final = {"type": "keyword", "ignore_above": KEYWORD_MAX}
_TEXT: Final = {"type": "text", "norms": False}


@dataclass(frozen=True, slots=True)
class Product:
    """What answers at the address, by what `GET /` says of its `version`."""

    opensearch: bool = False
    version: tuple[int, int] = (8, 0)
    oss: bool = False

    @classmethod
    def of(cls, answer: Any) -> Product:
        """From the answer; anything that is not understood counts as a current Elasticsearch."""
        about = answer.get("version") if isinstance(answer, dict) else None
        if not isinstance(about, dict):
            return cls()
        numbers = [int(part) for part in str(about.get("number", "")).split(".")[:2] if part.isdigit()]
        version = (numbers[0], numbers[1]) if len(numbers) == 2 else (8, 0)
        return cls(about.get("distribution") == "opensearch", version, about.get("build_flavor") == "oss")

    def attributes(self) -> dict[str, Any]:
        """The type of a field that takes any object without adding to the mapping; where there is none, the object is
        kept and not searched."""
        if self.opensearch:
            return {"type": "flat_object"} if self.version >= _FLAT_OBJECT_SINCE else _UNSEARCHED
        if self.oss or self.version < _FLATTENED_SINCE:
            return _UNSEARCHED
        return {"type": "flattened", "ignore_above": KEYWORD_MAX}


_UNSEARCHED: Final[dict[str, Any]] = {"type": "object", "enabled": False}


def name_of(indices: Indices) -> str:
    """What the template is called."""
    return f"safelight-{indices.prefix}"


def template(indices: Indices, shape: Shape, product: Product | None = None) -> dict[str, Any]:
    """The body of `PUT _index_template/…`."""
    made: dict[str, Any] = {
        "index_patterns": [indices.pattern],
        "priority": PRIORITY,
        "template": {
            "settings": {"index": {"mapping": {"ignore_malformed": True}, "refresh_interval": "5s"}},
            "mappings": {"dynamic": False, "properties": _properties(shape, product or Product())},
        },
        "_meta": {"managed_by": "safelight"},
    }
    return made | ({"data_stream": {}} if indices.data_stream else {})


def _properties(shape: Shape, product: Product) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for column, name in shape.names.items():
        _put(properties, name, _kept(column, product))
    _put(properties, f"{shape.names['attributes']}_json", _TEXT)
    if shape.ecs:
        _put(properties, "ecs.version", _KEYWORD)
        _put(properties, "event.duration", {"type": "long"})
    else:
        properties["timestamp"] = {"type": "alias", "path": "@timestamp"}
    return properties


def _kept(column: str, product: Product) -> dict[str, Any]:
    if column == "timestamp":  # a data stream refuses a template that lets it be malformed, as the settings here do
        return {"type": "date", "ignore_malformed": False}
    match FIELDS[column]:
        case Kind.TIME:
            return {"type": "date"}
        case Kind.NUMBER:
            return {"type": "double"}
        case Kind.JSON:
            return product.attributes()
    if column == "error_message":  # also counted as a whole: "the ten most frequent"
        return {**_TEXT, "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}
    return _TEXT if column in _PROSE else _KEYWORD


def _put(properties: dict[str, Any], name: str, mapping: dict[str, Any]) -> None:
    first, _, rest = name.partition(".")
    if not rest:
        properties[first] = mapping
        return
    _put(properties.setdefault(first, {"properties": {}})["properties"], rest, mapping)
