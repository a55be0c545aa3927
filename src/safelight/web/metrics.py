"""What Prometheus may know of Safelight itself.

Names follow https://prometheus.io/docs/practices/naming/: base units, `_total` for counters, few labels.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from ..app import App

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
        read = CounterMetricFamily("safelight_source_events", "Events read", labels=["type", "source"])
        up = GaugeMetricFamily("safelight_source_up", "1 while the source can be read", labels=["type", "source"])
        for collector in app.collectors:
            state = collector.status()
            labels = [state["type"], state["name"]]
            read.add_metric(labels, state["events"])
            up.add_metric(labels, 0 if state["state"] == "failed" else 1)
        yield read
        yield up
        ours = CounterMetricFamily("safelight_own_events", "What Safelight itself did, by event", labels=["event"])
        for event, count in dict(app.journal.counts).items():
            ours.add_metric([event], count)
        yield ours


def exposition(app: App) -> bytes:
    """The text that a scrape gets."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Self(app))
    return generate_latest(registry)
