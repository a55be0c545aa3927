"""A service with the official OpenTelemetry SDK: `python otel_service.py URL` sends two lines, one of them a failure, a
span with a child that fails, and two metrics. Runs in an environment that has the SDK; ours needs none of it."""

import logging
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

url = sys.argv[1]
resource = Resource.create({"service.name": "photo", "service.instance.id": "photo-1", "host.name": "gpu-1"})
logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=f"{url}/v1/logs")))
spans = TracerProvider(resource=resource)
to_traces = OTLPSpanExporter(endpoint=f"{url}/v1/traces", compression=Compression.Gzip)
spans.add_span_processor(BatchSpanProcessor(to_traces))
to_metrics = OTLPMetricExporter(endpoint=f"{url}/v1/metrics")
meters = MeterProvider(
    resource=resource, metric_readers=[PeriodicExportingMetricReader(to_metrics, export_interval_millis=3_600_000)]
)
log = logging.getLogger("photo.matting")
log.setLevel(logging.DEBUG)
log.addHandler(LoggingHandler(logger_provider=logs))
tracer, meter = spans.get_tracer("photo", "1.2"), meters.get_meter("photo")
count, took = meter.create_counter("images", unit="1"), meter.create_histogram("matting.duration", unit="ms")

with tracer.start_as_current_span("POST /matting", kind=trace.SpanKind.SERVER) as span:
    span.set_attribute("workflow_id", "wf-8a2f1e9b")
    log.info("image 1920x1080 uploaded", extra={"size": 4_200_000, "user.id": "li"})
    try:
        with tracer.start_as_current_span("matting"):
            raise MemoryError("CUDA out of memory when decoding latent tensor")
    except MemoryError:
        log.exception("抠图失败")
    count.add(1, {"result": "failed"})
    took.record(842.5)
for provider in (logs, spans, meters):
    provider.shutdown()
