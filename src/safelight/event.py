"""The data contract: what the fields of an event are called, what they hold, which levels and event names exist.

Pure data, imported by everything, importing nothing heavy: the command line uses it without pyarrow.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    TIME = "time"  # UTC, microseconds
    NUMBER = "number"  # float64; the name carries the unit: _ms, _mb
    JSON = "json"  # an object, as JSON text


FIELDS: Final[dict[str, Kind]] = {
    "id": Kind.TEXT,
    "timestamp": Kind.TIME,
    "received_at": Kind.TIME,
    "level": Kind.TEXT,
    "event": Kind.TEXT,
    "message": Kind.TEXT,
    "service": Kind.TEXT,
    "instance": Kind.TEXT,
    "environment": Kind.TEXT,
    "host": Kind.TEXT,
    "tag": Kind.TEXT,
    "source": Kind.TEXT,
    "workflow_id": Kind.TEXT,
    "workflow_name": Kind.TEXT,
    "graph_hash": Kind.TEXT,
    "request_id": Kind.TEXT,
    "trace_id": Kind.TEXT,
    "span_id": Kind.TEXT,
    "user_id": Kind.TEXT,
    "node": Kind.TEXT,
    "node_id": Kind.TEXT,
    "duration_ms": Kind.NUMBER,
    "vram_used_mb": Kind.NUMBER,
    "vram_peak_mb": Kind.NUMBER,
    "ram_used_mb": Kind.NUMBER,
    "error_type": Kind.TEXT,
    "error_message": Kind.TEXT,
    "traceback": Kind.TEXT,
    "error_group": Kind.TEXT,
    "parse_error": Kind.TEXT,  # why the line was not understood; null when it was
    "raw": Kind.TEXT,  # the line as it came, kept only when it was not understood
    "attributes": Kind.JSON,  # every field that is not one of the above
}
"""The columns in their order. The store adds `seq` (int64, monotone, given at commit) in front."""

ALIASES: Final[dict[str, str]] = {
    "run_id": "workflow_id",
    "prompt_id": "workflow_id",
    "service_name": "service",
    "service.name": "service",
    "instance_id": "instance",
    "service.instance.id": "instance",
    "env": "environment",
    "deployment.environment": "environment",
    "deployment.environment.name": "environment",
    "hostname": "host",
    "host.name": "host",
    "processing_time_ms": "duration_ms",
    "elapsed_ms": "duration_ms",
    "time": "timestamp",
    "ts": "timestamp",
    "@timestamp": "timestamp",
    "asctime": "timestamp",
    "severity": "level",
    "levelname": "level",
    "lvl": "level",
    "log.level": "level",
    "msg": "message",
    "event_name": "event",
    "node_type": "node",
    "class_type": "node",
    "user": "user_id",
    "username": "user_id",
    "trace.id": "trace_id",
    "span.id": "span_id",
    "exception_type": "error_type",
    "exc_info": "traceback",
    "stack_trace": "traceback",
}
"""Other spellings of a field, accepted on arrival and in queries."""

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_LEVEL_WORDS: Final = {
    "TRACE": "DEBUG",
    "DEBUG": "DEBUG",
    "VERBOSE": "DEBUG",
    "D": "DEBUG",
    "INFO": "INFO",
    "INFORMATION": "INFO",
    "NOTICE": "INFO",
    "I": "INFO",
    "WARN": "WARNING",
    "WARNING": "WARNING",
    "W": "WARNING",
    "ERR": "ERROR",
    "ERROR": "ERROR",
    "E": "ERROR",
    "FATAL": "CRITICAL",
    "CRIT": "CRITICAL",
    "CRITICAL": "CRITICAL",
    "ALERT": "CRITICAL",
    "EMERG": "CRITICAL",
    "EMERGENCY": "CRITICAL",
    "PANIC": "CRITICAL",
}


def level_of(value: object) -> str | None:
    """The level that `value` means, or None.

    Words in any case. Numbers: 10, 20 ... 50 are Python's `logging`; 0 to 7 are syslog's severities (RFC 5424 §6.2.1);
    what is left of 8 to 24 is OpenTelemetry's SeverityNumber (logs data model). 10 and 20 exist in two of the three:
    `logging` wins, because Python services are what we watch.
    """
    if isinstance(value, str):
        word = value.strip().upper()
        if word in _LEVEL_WORDS:
            return _LEVEL_WORDS[word]
        if not (word.isascii() and word.isdigit() and len(word) <= 3):
            return None
        value = int(word)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = int(value)
    if number in (10, 20, 30, 40, 50):
        return LEVELS[number // 10 - 1]
    if 0 <= number <= 7:
        return ("CRITICAL", "CRITICAL", "CRITICAL", "ERROR", "WARNING", "INFO", "INFO", "DEBUG")[number]
    if 8 <= number <= 24:
        return LEVELS[min((number - 1) // 4 - 1, 4)]
    return None


class Name(StrEnum):
    """Event names that Safelight itself gives meaning to. Services may use any other."""

    LOG = "log"  # a plain log line
    RUN_QUEUED = "run_queued"
    RUN_STARTED = "run_started"
    RUN_FINISHED = "run_finished"
    RUN_FAILED = "run_failed"
    RUN_INTERRUPTED = "run_interrupted"
    RUN_REJECTED = "run_rejected"
    RUN_LOST = "run_lost"
    RUN_STUCK = "run_stuck"
    RUN_DOCUMENT = "run_document"
    NODE_STARTED = "node_started"
    NODE_FINISHED = "node_finished"
    NODE_CACHED = "node_cached"
    NODE_FAILED = "node_failed"
    NODE_BLOCKED = "node_blocked"
    NODE_PROGRESS = "node_progress"
    MODEL_LOADED = "model_loaded"
    MODEL_UNLOADED = "model_unloaded"
    OUTPUT_SAVED = "output_saved"
    RESOURCES_SAMPLED = "resources_sampled"
    HEALTH_CHECKED = "health_checked"
    OOM_KILLED = "oom_killed"
    CONTAINER_EXITED = "container_exited"
    INSTANCE_STARTED = "instance_started"
    INSTANCE_UNREACHABLE = "instance_unreachable"
    INSTANCE_RECOVERED = "instance_recovered"
    INSTANCE_RESTARTED = "instance_restarted"
    WORKER_DEAD = "worker_dead"
    HOOK_UNAVAILABLE = "hook_unavailable"
    IMAGE_UPLOADED = "image_uploaded"
    IMAGE_PROCESSED = "image_processed"
    PROCESSING_FAILED = "processing_failed"
    SPAN_FINISHED = "span_finished"
    METRIC_SAMPLED = "metric_sampled"
    PROBE_CHECKED = "probe_checked"
    PROBE_FAILED = "probe_failed"
    PROBE_RECOVERED = "probe_recovered"
    EVENTS_DROPPED = "events_dropped"
    RUN_RESUBMITTED = "run_resubmitted"
    ALERT_FIRED = "alert_fired"
    ALERT_RESOLVED = "alert_resolved"
    DIGEST_SENT = "digest_sent"
    NOTIFICATION_SENT = "notification_sent"
    NOTIFICATION_FAILED = "notification_failed"
    CHANNEL_DISABLED = "channel_disabled"
    CHANNEL_ENABLED = "channel_enabled"
    ALERT_ACKNOWLEDGED = "alert_acknowledged"
    SILENCE_ADDED = "silence_added"
    SILENCE_REMOVED = "silence_removed"
    SERVER_STARTED = "server_started"
    SERVER_STOPPED = "server_stopped"
    AGENT_STARTED = "agent_started"
    AGENT_STOPPED = "agent_stopped"
    SOURCE_FAILED = "source_failed"
    SINK_FAILED = "sink_failed"
    SINK_RECOVERED = "sink_recovered"
    DEAD_LETTERED = "dead_lettered"
    BUFFER_DAMAGED = "buffer_damaged"
    REMEDY_STARTED = "remedy_started"
    REMEDY_FINISHED = "remedy_finished"
    REMEDY_FAILED = "remedy_failed"
    RULE_FAILED = "rule_failed"
    RULE_CHANGED = "rule_changed"
    CONFIG_LEFT_OUT = "config_left_out"
    SEGMENT_DAMAGED = "segment_damaged"
    TASK_FAILED = "task_failed"
    UPKEEP_FAILED = "upkeep_failed"
    RETENTION_APPLIED = "retention_applied"


RUN_ENDED: Final = (Name.RUN_FINISHED, Name.RUN_FAILED, Name.RUN_INTERRUPTED, Name.RUN_LOST)
"""An execution is over. A service without runs counts `image_processed` and `processing_failed` instead."""

RUN_ENDED_ANYHOW: Final = (*RUN_ENDED, Name.RUN_REJECTED)
"""Nothing more is to come of a run: over, or never begun."""

RUN_WENT_WRONG: Final = (Name.RUN_FAILED, Name.RUN_LOST, Name.PROCESSING_FAILED)
"""What counts as a failure in rates and in "N in a row"."""

ALERTING: Final = (
    Name.ALERT_FIRED, Name.ALERT_RESOLVED, Name.ALERT_ACKNOWLEDGED, Name.NOTIFICATION_SENT, Name.NOTIFICATION_FAILED,
    Name.SILENCE_ADDED, Name.SILENCE_REMOVED, Name.CHANNEL_DISABLED, Name.CHANNEL_ENABLED, Name.REMEDY_STARTED,
    Name.REMEDY_FINISHED, Name.REMEDY_FAILED, Name.RULE_CHANGED,
)  # fmt: skip
"""What alerting does of its own accord, or somebody does to it."""

IMPORTED: Final = "import-"
"""How the ids of imported events begin: they are history, and no rule judges them."""

OURSELVES: Final = "safelight"
"""The `service` of the events that Safelight writes about itself."""
