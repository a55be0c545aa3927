"""What Kibana and OpenSearch Dashboards import: a data view, two saved searches, four charts and a dashboard of them.

One saved object a line (https://www.elastic.co/docs/api/doc/kibana/operation/operation-importsavedobjects), in the form
of version 7.0 and marked so: on import Kibana brings such objects up to date by its own migrations, and OpenSearch
Dashboards, which went its own way from 7.10, knows this form, too. That is why the charts are not Lens.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from ...event import RUN_ENDED
from ...locales import ENGLISH, text
from .documents import Shape
from .indices import Indices

FORM: Final = "7.0.0"
DASHBOARD_WIDTH: Final = 48
"""Columns of a dashboard's grid."""
_SEARCHED: Final = "kibanaSavedObjectMeta.searchSourceJSON.index"
_WRONG: Final = "{level}: (ERROR or CRITICAL)"

Object = dict[str, Any]


def saved_objects(indices: Indices, shape: Shape, language: str = ENGLISH) -> bytes:
    """The file to import."""
    return b"".join(_json(one).encode() + b"\n" for one in _Objects(indices, shape, language).all())


class _Objects:
    def __init__(self, indices: Indices, shape: Shape, language: str) -> None:
        self._title = indices.pattern
        self._view = f"safelight-{indices.prefix}"
        self._names = shape.names
        self._language = language

    def all(self) -> list[Object]:
        """Everything, each after what it refers to."""
        charts = [self._runs_over_time(), self._errors_over_time(), self._failures(), self._nodes()]
        searches = [self._errors(), self._runs()]
        return [self._data_view(), *searches, *charts, self._dashboard([*charts, *searches])]

    def _data_view(self) -> Object:
        attributes = {"title": self._title, "timeFieldName": "@timestamp", "fields": "[]"}
        return {"id": self._view, "type": "index-pattern", "attributes": attributes, "references": []}

    def _errors(self) -> Object:
        columns = ("service", "host", "workflow_id", "node", "error_type", "error_message", "message")
        return self._search("errors", self._query(_WRONG), columns)

    def _runs(self) -> Object:
        ended = " or ".join(str(name) for name in RUN_ENDED)
        columns = ("event", "instance", "workflow_id", "workflow_name", "user_id", "duration_ms", "error_message")
        return self._search("runs", self._query(f"{{event}}: ({ended})"), columns)

    def _runs_over_time(self) -> Object:
        ended = " or ".join(str(name) for name in RUN_ENDED)
        aggregations = [_count(), _over_time(), self._by("3", "event", "group", 5)]
        return self._chart("runs_over_time", "histogram", aggregations, self._query(f"{{event}}: ({ended})"))

    def _errors_over_time(self) -> Object:
        aggregations = [_count(), _over_time(), self._by("3", "service", "group", 10)]
        return self._chart("errors_over_time", "histogram", aggregations, self._query(_WRONG))

    def _failures(self) -> Object:
        aggregations = [_count(), self._by("2", "error_group", "bucket", 20)]
        return self._chart("failures", "table", aggregations, self._query("{error_group}: *"))

    def _nodes(self) -> Object:
        duration = self._names["duration_ms"]
        mean = _aggregation("4", "avg", "metric", field=duration)
        slow = _aggregation("5", "percentiles", "metric", field=duration, percents=[95])
        aggregations = [_count(), mean, slow, self._by("2", "node", "bucket", 20)]
        return self._chart("nodes", "table", aggregations, self._query("{event}: node_finished"))

    def _dashboard(self, panels: Sequence[Object]) -> Object:
        half = DASHBOARD_WIDTH // 2
        placed, references = [], []
        for number, panel in enumerate(panels):
            across, down = number % 2, number // 2
            grid = {"x": half * across, "y": 15 * down, "w": half, "h": 15, "i": str(number + 1)}
            name = f"panel_{number}"
            placed.append(
                {"version": FORM, "gridData": grid, "panelIndex": str(number + 1), "embeddableConfig": {}}
                | {"panelRefName": name}
            )
            references.append({"name": name, "type": panel["type"], "id": panel["id"]})
        attributes = {
            "title": self._said("dashboard"),
            "description": "",
            "hits": 0,
            "panelsJSON": _json(placed),
            "optionsJSON": _json({"useMargins": True, "hidePanelTitles": False}),
            "version": 1,
            "timeRestore": True,
            "timeFrom": "now-24h",
            "timeTo": "now",
            "kibanaSavedObjectMeta": {"searchSourceJSON": _json({"query": _kuery(""), "filter": []})},
        }
        return self._object("dashboard", "dashboard", attributes, references)

    def _search(self, key: str, query: str, columns: Sequence[str]) -> Object:
        source = {
            "query": _kuery(query),
            "filter": [],
            "highlightAll": True,
            "version": True,
            "indexRefName": _SEARCHED,
        }
        attributes = {
            "title": self._said(key),
            "description": "",
            "hits": 0,
            "columns": [self._names[column] for column in columns],
            "sort": [["@timestamp", "desc"]],
            "version": 1,
            "kibanaSavedObjectMeta": {"searchSourceJSON": _json(source)},
        }
        return self._object("search", key, attributes)

    def _chart(self, key: str, kind: str, aggregations: Sequence[Object], query: str) -> Object:
        title = self._said(key)
        state = {"title": title, "type": kind, "params": _PARAMETERS[kind], "aggs": aggregations}
        source = {"query": _kuery(query), "filter": [], "indexRefName": _SEARCHED}
        attributes = {
            "title": title,
            "visState": _json(state),
            "uiStateJSON": "{}",
            "description": "",
            "version": 1,
            "kibanaSavedObjectMeta": {"searchSourceJSON": _json(source)},
        }
        return self._object("visualization", key, attributes)

    def _object(self, kind: str, key: str, attributes: Object, references: list[Object] | None = None) -> Object:
        return {
            "id": f"{self._view}-{key.replace('_', '-')}",
            "type": kind,
            "attributes": attributes,
            "references": references or [{"name": _SEARCHED, "type": "index-pattern", "id": self._view}],
            "migrationVersion": {kind: FORM},
        }

    def _by(self, id_: str, column: str, schema: str, most: int) -> Object:
        return _aggregation(
            id_,
            "terms",
            schema,
            field=self._names[column],
            orderBy="1",
            order="desc",
            size=most,
            otherBucket=False,
            missingBucket=False,
        )

    def _query(self, query: str) -> str:
        return query.format_map(dict(self._names))

    def _said(self, key: str) -> str:
        return text(f"sinks.elasticsearch.kibana.{key}", self._language)


def _count() -> Object:
    return _aggregation("1", "count", "metric")


def _over_time() -> Object:
    return _aggregation("2", "date_histogram", "segment", field="@timestamp", interval="auto", min_doc_count=1)


def _aggregation(id_: str, kind: str, schema: str, **parameters: object) -> Object:
    return {"id": id_, "enabled": True, "type": kind, "schema": schema, "params": parameters}


def _kuery(query: str) -> Object:
    return {"query": query, "language": "kuery"}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_PARAMETERS: Final[dict[str, Object]] = {
    "histogram": {
        "type": "histogram",
        "grid": {"categoryLines": False},
        "categoryAxes": [
            {
                "id": "CategoryAxis-1",
                "type": "category",
                "position": "bottom",
                "show": True,
                "style": {},
                "scale": {"type": "linear"},
                "labels": {"show": True, "filter": True, "truncate": 100},
                "title": {},
            }
        ],
        "valueAxes": [
            {
                "id": "ValueAxis-1",
                "name": "LeftAxis-1",
                "type": "value",
                "position": "left",
                "show": True,
                "style": {},
                "scale": {"type": "linear", "mode": "normal"},
                "labels": {"show": True, "rotate": 0, "filter": False, "truncate": 100},
                "title": {"text": ""},
            }
        ],
        "seriesParams": [
            {
                "show": True,
                "type": "histogram",
                "mode": "stacked",
                "data": {"label": "Count", "id": "1"},
                "valueAxis": "ValueAxis-1",
                "drawLinesBetweenPoints": True,
                "showCircles": True,
            }
        ],
        "addTooltip": True,
        "addLegend": True,
        "legendPosition": "right",
        "times": [],
        "addTimeMarker": False,
    },
    "table": {
        "perPage": 10,
        "showPartialRows": False,
        "showMetricsAtAllLevels": False,
        "showTotal": False,
        "totalFunc": "sum",
        "percentageCol": "",
    },
}
"""What each kind of chart looks like, as Kibana writes it when one is saved."""
