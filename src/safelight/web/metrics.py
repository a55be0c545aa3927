"""What Prometheus may know of Safelight itself.

Names follow https://prometheus.io/docs/practices/naming/: base units, `_total` for counters, few labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from ..app import App
from ..app.flow import figures as flow_figures

CONTENT_TYPE = CONTENT_TYPE_LATEST


class _Self(Collector):
    """Reads the figures when asked; nothing is counted twice."""

    def __init__(self, app: App) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        """One family each."""
        app, figures = self._app, self._app.store.figures()
        yield InfoMetricFamily("safelight_build", "What runs here", value={"version": app.version})
        yield GaugeMetricFamily("safelight_start_time_seconds", "When it was started", app.started_at.timestamp())
        yield GaugeMetricFamily("safelight_store_events", "Events in the store", figures.events)
        yield GaugeMetricFamily("safelight_store_bytes", "Bytes of the store on disk", figures.bytes)
        yield GaugeMetricFamily("safelight_store_segments", "Sealed segments", figures.segments)
        flow = flow_figures(app)
        yield from _sources(flow)
        yield from _steps(flow)
        yield from _sinks(flow)
        ours = CounterMetricFamily("safelight_own_events", "What Safelight itself did, by event", labels=["event"])
        for event, count in dict(app.journal.counts).items():
            ours.add_metric([event], count)
        yield ours


def _sources(flow: dict[str, Any]) -> Iterator[Metric]:
    labels = ["type", "source"]
    read = CounterMetricFamily("safelight_source_events", "Events read", labels=labels)
    size = CounterMetricFamily("safelight_source_bytes", "Bytes read", labels=labels)
    flagged = CounterMetricFamily("safelight_source_not_understood", "Events that were not understood", labels=labels)
    refused = CounterMetricFamily("safelight_source_refused", "Records turned away", labels=[*labels, "why"])
    up = GaugeMetricFamily("safelight_source_up", "1 while the source can be read", labels=labels)
    lag = GaugeMetricFamily("safelight_source_lag_seconds", "How long the oldest unread line waits", labels=labels)
    behind = GaugeMetricFamily("safelight_file_behind_bytes", "Bytes still to be read", labels=[*labels, "path"])
    for source in flow["sources"]:
        values = [source["type"], source["name"]]
        read.add_metric(values, source["events"])
        size.add_metric(values, source["bytes"])
        flagged.add_metric(values, source["not_understood"])
        up.add_metric(values, 0 if source["state"] == "failed" else 1)
        for why, count in source["refused"].items():
            refused.add_metric([*values, why], count)
        if source["lag_s"] is not None:
            lag.add_metric(values, source["lag_s"])
        for file in source["files"]:
            behind.add_metric([*values, file["path"]], file["behind"])
    yield from (read, size, flagged, refused, up, lag, behind)


def _steps(flow: dict[str, Any]) -> Iterator[Metric]:
    labels = ["type", "source", "step"]
    came = CounterMetricFamily("safelight_step_events_in", "Events that came to a step", labels=labels)
    went = CounterMetricFamily("safelight_step_events_out", "Events that went on from a step", labels=labels)
    dropped = CounterMetricFamily("safelight_step_events_dropped", "Events that a step dropped", labels=labels)
    failed = CounterMetricFamily("safelight_step_events_failed", "Events on which a step failed", labels=labels)
    seconds = CounterMetricFamily("safelight_step_seconds", "CPU time of a step", labels=labels)
    for source in flow["sources"]:
        for step in source["steps"]:
            values = [source["type"], source["name"], step["name"]]
            came.add_metric(values, step["in"])
            went.add_metric(values, step["out"])
            dropped.add_metric(values, step["dropped"])
            failed.add_metric(values, step["failed"])
            seconds.add_metric(values, step["ms"] * step["in"] / 1e6)
    yield from (came, went, dropped, failed, seconds)


def _sinks(flow: dict[str, Any]) -> Iterator[Metric]:
    labels = ["type", "sink"]
    sent = CounterMetricFamily("safelight_sink_events", "Events sent", labels=labels)
    size = CounterMetricFamily("safelight_sink_bytes", "Bytes sent", labels=labels)
    dropped = CounterMetricFamily("safelight_sink_dropped", "Events dropped", labels=[*labels, "why"])
    refused = CounterMetricFamily("safelight_sink_refused", "Events the other side refused for good", labels=labels)
    retries = CounterMetricFamily("safelight_sink_retries", "Attempts after the first", labels=labels)
    events = GaugeMetricFamily("safelight_sink_queue_events", "Events in the queue", labels=labels)
    queue = GaugeMetricFamily("safelight_sink_queue_bytes", "Bytes of the queue", labels=labels)
    letters = GaugeMetricFamily("safelight_sink_dead_letters", "Dead letters", labels=labels)
    up = GaugeMetricFamily("safelight_sink_up", "1 while the sink takes events", labels=labels)
    for sink in flow["sinks"]:
        values = [sink["type"], sink["name"]]
        sent.add_metric(values, sink["sent"])
        size.add_metric(values, sink["bytes"])
        refused.add_metric(values, sink["refused"])
        retries.add_metric(values, sink["retries"])
        events.add_metric(values, sink["queue"]["events"])
        queue.add_metric(values, sink["queue"]["bytes"])
        letters.add_metric(values, sink["dead_letters"])
        up.add_metric(values, 1 if sink["state"] in {"ok", "idle"} else 0)
        for why, count in sink["dropped"].items():
            dropped.add_metric([*values, why], count)
    yield from (sent, size, dropped, refused, retries, events, queue, letters, up)


def exposition(app: App) -> bytes:
    """The text that a scrape gets."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Self(app))
    return generate_latest(registry)
