"""Pipelines as the server tells of them: what the page is looked at with where no real one gets into such a state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

HOSTILE = '/srv/\u202egol.<img src=x onerror="window.hacked=1">/comfyui.log'
LONG = "/srv/render-farm/北京/studio-07/gpu-01/comfyui/user/default/logs/2026-11/portrait-film-xl/comfyui.log"
ERROR = (
    "HTTP 503 from https://elasticsearch.example.com:9200/_bulk after 30.0 s: cluster_block_exception: index "
    "[comfyui_logs-2026.11.22] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has "
    "read-only-allow-delete block]; <b>bold</b> \u202etxet"
)


def ago(seconds: float) -> str:
    """So long before now, as the server writes it."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def step(place: int, kind: str, came: int, went: int, ms: float, failed: int = 0) -> dict[str, Any]:
    """One of a chain."""
    counts = {"in": came, "out": went, "dropped": came - went, "failed": failed}
    return {"type": kind, "name": f"{place} {kind}", "rate": came / 3600, "ms": ms} | counts


def file(path: str, size: int = 18_400_000, behind: int = 0, lag_s: float = 0.0, cut: int = 0) -> dict[str, Any]:
    """How far a file is read."""
    return {"path": path, "size": size, "offset": size - behind, "behind": behind, "lag_s": lag_s, "cut": cut}


def source(kind: str, name: str, events: int = 0, rate: float = 0.0, **more: Any) -> dict[str, Any]:
    """A source that reads, with the steps that every source has."""
    kept = events - events // 5
    steps = [
        step(1, "parse", events, events, 3.871),
        step(2, "enrich", events, events, 0.0412),
        step(3, "sample", events, kept, 0.385),
        step(4, "redact", kept, kept, 1.207),
        step(5, "fingerprint", kept, kept, 0.118),
    ]
    known: dict[str, Any] = {
        "type": kind,
        "name": name,
        "service": None,
        "state": "reading",
        "detail": "",
        "events": events,
        "rate": rate,
        "bytes": events * 212,
        "bytes_rate": rate * 212,
        "last_event_at": ago(2) if events else None,
        "not_understood": 0,
        "refused": {},
        "lag_s": None,
        "behind_bytes": None,
        "files": [],
        "files_total": 0,
        "steps": steps if events else [],
    }
    return known | more


def sink(kind: str, name: str, sent: int = 0, rate: float = 0.0, **more: Any) -> dict[str, Any]:
    """A sink that takes what it gets."""
    known: dict[str, Any] = {
        "type": kind,
        "name": name,
        "where": None,
        "state": "ok" if sent else "idle",
        "detail": "",
        "sent": sent,
        "rate": rate,
        "bytes": sent * 431,
        "queue": queue(),
        "behind_events": 0,
        "dropped": {},
        "refused": 0,
        "retries": 0,
        "attempt": 0,
        "next_try_at": None,
        "last_sent_at": ago(3) if sent else None,
        "dead_letters": 0,
    }
    return known | more


def queue(events: int = 0, size: int = 0, oldest_s: float | None = None) -> dict[str, Any]:
    """What waits before a sink, of at most 64 files of 8 MB."""
    capacity = 64 * 8 * 1024 * 1024
    oldest = None if oldest_s is None else ago(oldest_s)
    filled = {"share": size / capacity, "oldest_at": oldest}
    return {"events": events, "bytes": size, "capacity_bytes": capacity} | filled


def studio() -> dict[str, Any]:
    """A studio with a source that fails, one that lags, and a sink that answers nobody."""
    return {
        "agent": False,
        "sources": [
            source(
                "file",
                "/var/log/comfyui/*.log",
                1_284_067,
                128.4,
                service="comfyui",
                lag_s=0.4,
                behind_bytes=0,
                not_understood=12,
                files=[file("/var/log/comfyui/gpu-1.log"), file("/var/log/comfyui/gpu-2.log", 9_120_400, cut=1)],
                files_total=2,
            ),
            source(
                "file",
                LONG,
                48_211,
                3.2,
                service="comfyui",
                lag_s=214.0,
                behind_bytes=48_120_000,
                files=[file(LONG, 81_000_000, 48_120_000, 214.0)],
                files_total=1,
            ),
            source("forward", "forward 127.0.0.1:24224", 902_144, 41.7, service="idphoto", refused={"too_large": 3}),
            source(
                "comfyui",
                "http://127.0.0.1:8188",
                service="comfyui",
                state="failed",
                detail="http://127.0.0.1:8188 cannot be reached: Connection refused.",
            ),
            source("gpu", "gpu:nvidia", 86_400, 1.0, service="hardware"),
            source("host", "host", 8_640, 0.1, service="hardware"),
            source("http", "http", state="waiting", detail="Nothing has been sent to /api/v1/events yet."),
        ],
        "store": {"events": 2_329_462, "bytes": 412_000_000, "rate": 139.6, "state": "ok", "detail": ""},
        "sinks": [
            sink("file", "archive", 2_329_440, 139.5),
            sink(
                "elasticsearch",
                "elasticsearch",
                1_820_300,
                where="tag:comfyui.raw",
                state="retrying",
                detail=ERROR,
                queue=queue(389_120, 171_000_000, 3_070),
                behind_events=412,
                dropped={"queue_full": 1_204},
                refused=7,
                retries=9,
                attempt=9,
                next_try_at=ago(-74),
                last_sent_at=ago(3_075),
                dead_letters=7,
            ),
            sink("otlp", "otlp", state="idle"),
        ],
        "problems": [
            {
                "severity": "error",
                "where": "comfyui http://127.0.0.1:8188",
                "said": "ComfyUI cannot be reached: Connection refused.",
                "remedy": "Start ComfyUI, or correct `url` in safelight.toml.",
            },
            {
                "severity": "error",
                "where": "elasticsearch",
                "said": "The last 9 attempts failed; 389,120 events wait, the oldest for 51 minutes.",
                "remedy": "Free disk space on the cluster: its index is read-only. Nothing is lost meanwhile.",
            },
            {
                "severity": "warning",
                "where": LONG,
                "said": "Reading is 3 minutes behind.",
                "remedy": "Lines come faster than they are read; look at the steps that take most CPU time.",
            },
            {
                "severity": "note",
                "where": "http",
                "said": "Nothing has been sent yet.",
                "remedy": "",
            },
        ],
    }


def crowd() -> dict[str, Any]:
    """Forty sources and ten sinks, some of them hostile."""
    sources = [
        source("file", f"/srv/farm/host-{n:02}/comfyui/logs/*.log", 10_000 * n, n / 3, service="comfyui", lag_s=n * 2.0)
        for n in range(1, 39)
    ]
    sources[4] |= {"state": "failed", "detail": f"{HOSTILE} cannot be read: Permission denied."}
    many = [file(f"/srv/farm/host-40/{n:04}/{LONG}", 1_000_000, 9_000 * (100 - n), 100.0 - n) for n in range(100)]
    sources += [
        source("file", HOSTILE, 12_345_678_901, 98_765.4, lag_s=90_000.0, behind_bytes=5_000_000_000_000),
        source("file", "/srv/farm/host-40/**/*.log", 9_999_999, 12.0, files=many, files_total=1_204, lag_s=100.0),
    ]
    sources[39]["refused"] = {"too_large": 12, "malformed": 40, HOSTILE: 2}
    sinks = [sink("file", f"copy-{n}", 1_000 * n, n * 1.5, last_sent_at=ago(n)) for n in range(1, 8)]
    sinks += [
        sink("elasticsearch", "far", 5, state="broken", detail=ERROR * 6, queue=queue(10**7, 8 * 64 * 1024**2, 90_000)),
        sink("forward", HOSTILE, 3, state="blocked", detail="full", dead_letters=123_456, where=f"message:{LONG * 3}"),
        sink("stdout", "stdout"),
    ]
    store = {
        "events": 10**10,
        "bytes": 10**12,
        "rate": 100_000.0,
        "state": "refusing",
        "detail": f"No space left on {LONG}",
    }
    said = {"severity": "error", "where": HOSTILE, "said": f"{HOSTILE} {LONG}", "remedy": HOSTILE}
    return {"agent": False, "sources": sources, "store": store, "sinks": sinks, "problems": [said]}


def agent() -> dict[str, Any]:
    """An agent: no store, and everything is well."""
    sources = [source("spool", "/var/lib/safelight/spool", 4_120, 0.8), source("host", "host", 900, 0.1)]
    sinks = [sink("safelight", "safelight", 5_020, 0.9)]
    return {"agent": True, "sources": sources, "store": None, "sinks": sinks, "problems": []}


def alone() -> dict[str, Any]:
    """A server with nothing configured and nothing wrong."""
    store = {"events": 0, "bytes": 0, "rate": 0.0, "state": "ok", "detail": ""}
    return {"agent": False, "sources": [], "store": store, "sinks": [], "problems": []}
