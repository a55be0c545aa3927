"""The HTTP API as a program meets it."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.running import running
from support.workload import write

COUNT = 2_000


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("api")
    path = write(root / "studio.ndjson", COUNT, end=datetime.now(UTC))
    with running(root) as server:
        server.cli("ingest", str(path), "--service", "comfyui")
        yield server


def ask(server, path, method="GET", headers=None, body=None):
    """Status, headers and body, whatever the status; `Host` can be any."""
    address = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def problem(server, path, **options):
    status, headers, body = ask(server, path, **options)
    assert headers["content-type"] == "application/problem+json"
    told = json.loads(body)
    assert told["status"] == status
    return told


def test_events_come_newest_first_and_page_without_gap_or_repeat(server):
    pages, cursor = [], None
    while True:
        page = server.get("/events", q="service:comfyui", limit=300, **({"cursor": cursor} if cursor else {}))
        pages += page["events"]
        cursor = page["cursor"]
        if not cursor:
            break
    assert len({event["id"] for event in pages}) == COUNT
    times = [event["timestamp"] for event in pages]
    assert times == sorted(times, reverse=True)
    assert times[0].endswith("Z")
    assert len(times[0]) == len("2026-11-22T10:00:00.000000Z")


def test_an_event_is_flat_with_what_is_no_column_under_attributes(server):
    (event,) = server.events("sampler.steps:45", limit=1)
    assert event["attributes"]["sampler"]["steps"] == 45
    assert "seq" not in event
    assert None not in event.values()
    assert server.get(f"/events/{event['id']}") == event


def test_a_statistic_answers_rows(server):
    answer = server.get(
        "/events", q="* | stats avg(duration_ms), p95(duration_ms), count() by node | sort -avg | limit 3"
    )
    assert answer["columns"] == ["node", "avg_duration_ms", "p95_duration_ms", "count"]
    assert answer["rows"][0]["node"] == "UltimateSDUpscale"


def test_the_time_can_be_bounded_from_outside_the_query(server):
    assert len(server.events("service:comfyui", from_="now-1d", limit=10_000)) == pytest.approx(COUNT / 7, abs=3)
    assert server.events("service:comfyui", to="now-8d") == []


def test_the_histogram_has_every_step_and_all_events(server):
    answer = server.get("/events/histogram", q="service:comfyui", from_="now-8d", buckets=50)
    assert answer["total"] == COUNT
    assert sum(sum(bucket["counts"].values()) for bucket in answer["buckets"]) == COUNT
    steps = [datetime.fromisoformat(bucket["at"]) for bucket in answer["buckets"]]
    assert {(b - a).total_seconds() * 1000 for a, b in pairwise(steps)} == {answer["step_ms"]}


def test_facets_count_values_and_what_lacks_the_field(server):
    answer = server.get("/events/facets", q="service:comfyui", fields="instance,no_such_field", from_="now-8d")
    instance, unknown = answer["facets"]
    assert sum(value["count"] for value in instance["values"]) == COUNT
    assert unknown == {"field": "no_such_field", "values": [], "missing": COUNT}


def test_the_context_of_an_event_is_what_its_source_said_around_it(server):
    event = server.events("service:comfyui", limit=101)[100]
    around = server.get(f"/events/{event['id']}/context", lines=5)
    assert len(around["before"]) == len(around["after"]) == 5
    times = [e["timestamp"] for e in (*around["before"], around["event"], *around["after"])]
    assert times == sorted(times)


def test_sql_reads_events_and_nothing_else(server):
    asked = json.dumps(
        {
            "sql": "SELECT node, AVG(duration_ms) AS a FROM comfyui_logs WHERE timestamp > now()-30d "
            "GROUP BY node ORDER BY a DESC"
        }
    )
    status, _, body = ask(server, "/api/v1/sql", "POST", {"Content-Type": "application/json"}, asked)
    assert status == 200
    assert json.loads(body)["rows"][0]["node"] == "UltimateSDUpscale"
    for hostile in (
        "SELECT * FROM '/etc/passwd'",
        "DROP TABLE events",
        "SELECT getenv('HOME')",
        "COPY events TO '/tmp/x'",
    ):
        told = problem(
            server,
            "/api/v1/sql",
            method="POST",
            headers={"Content-Type": "application/json"},
            body=json.dumps({"sql": hostile}),
        )
        assert told["status"] == 400


def test_a_wrong_query_says_where_with_a_caret(server):
    told = problem(server, "/api/v1/events?q=" + urllib.parse.quote('level:ERROR AND ("x'))
    assert told["caret"].splitlines()[1].index("^") == told["position"]
    assert told["status"] == 400


def test_a_problem_is_told_in_the_readers_language(server):
    told = problem(server, "/api/v1/events?q=level:(", headers={"Accept-Language": "zh-CN,zh;q=0.9"})
    assert any("\u4e00" <= char <= "\u9fff" for char in told["detail"])


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/events?limit=0",
        "/api/v1/events?limit=many",
        "/api/v1/events?cursor=nonsense",
        "/api/v1/events?from=yesterday-ish",
        "/api/v1/events/histogram?from=now&to=now-1h",
        "/api/v1/events/no-such-event",
        "/api/v1/alerts?limit=0",
        "/api/v1/alerts?cursor=nonsense",
        "/api/v1/alerts?status=burning",
        "/api/v1/alerts/no-such-alert",
        "/api/v1/alerts/%00",
        "/api/v1/repairs?limit=many",
        "/api/v1/errors?from=yesterday-ish",
        "/api/v1/errors/one?group=no-such-group",
        "/api/v1/no-such-thing",
    ],
)
def test_bad_input_is_a_problem_never_a_crash(server, path):
    assert 400 <= problem(server, path)["status"] < 500


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/alerts/no-such-alert/acknowledge", {}, 404),
        ("DELETE", "/alerts/no-such-alert/acknowledge", None, 404),
        ("POST", "/alerts/no-such-alert/silence", {"for": "1h"}, 404),
        ("POST", "/silences", [], 400),
        ("POST", "/silences", {"match": {}, "for": "1h"}, 400),
        ("POST", "/silences", {"match": {"rule": "oom"}, "for": "forever"}, 400),
        ("POST", "/silences", {"match": {"rule": "oom"}, "until": "2020-01-01T00:00:00Z"}, 400),
        ("DELETE", "/silences/no-such-silence", None, 404),
        ("POST", "/rules", {}, 400),
        ("POST", "/rules", {"id": "a b", "when": "any x"}, 400),
        ("POST", "/rules", {"id": "mine", "when": "3 failures in row"}, 400),
        ("POST", "/rules", {"id": "mine", "when": "any " + "(" * 2000}, 400),
        ("POST", "/rules", {"id": "mine", "when": "any x", "channels": ["nowhere"]}, 400),
        ("POST", "/rules", {"id": "mine", "when": "any x", "text": "{{ open('/etc/passwd') }}"}, 400),
        ("POST", "/rules", {"id": "oom", "when": "any x"}, 409),
        ("PUT", "/rules/no-such-rule", {"when": "any x"}, 404),
        ("PUT", "/rules/oom", {"id": "other", "when": "any x"}, 400),
        ("DELETE", "/rules/oom", None, 409),
        ("POST", "/rules/backtest", {}, 400),
        ("POST", "/rules/backtest", {"id": "no-such-rule"}, 404),
        ("POST", "/rules/backtest", {"id": "oom", "from": "now", "to": "now-1d"}, 400),
        ("POST", "/channels/nowhere/test", None, 404),
        ("POST", "/channels/nowhere/enable", None, 404),
        ("POST", "/repairs/no-such-repair/do", None, 404),
    ],
)
def test_what_alerting_cannot_do_is_a_problem_and_changes_nothing(server, method, path, body, status):
    sent = {"headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}
    assert problem(server, f"/api/v1{path}", method=method, **sent)["status"] == status
    assert server.get("/silences")["silences"] == []
    assert {rule["origin"] for rule in server.get("/rules")["rules"]} == {"default"}


def test_failures_are_listed_by_kind_and_each_kind_opens(server):
    answer = server.get("/errors", from_="now-8d")
    wrong = server.get("/events", q="service:comfyui error_group:* | stats count()", from_="now-8d")["rows"][0]["count"]
    assert wrong > 0
    assert sum(group["count"] for group in answer["errors"]) == wrong
    first = answer["errors"][0]
    one = server.get("/errors/one", group=first["group"], from_="now-8d")
    assert one["count"] == first["count"]
    assert one["recent"]


def test_only_this_machine_may_ask(server):
    assert problem(server, "/api/v1/events", headers={"Host": "evil.example"})["status"] == 403
    foreign = {"Origin": "https://evil.example", "Content-Type": "application/json"}
    assert problem(server, "/api/v1/sql", method="POST", headers=foreign, body="{}")["status"] == 403


@pytest.mark.parametrize("path", ["/", "/logs", "/healthz", "/api/docs", "/api/v1/status"])
def test_every_answer_carries_the_security_headers(server, path):
    status, headers, _ = ask(server, path)
    assert status == 200
    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert headers["x-content-type-options"] == "nosniff"


def test_arrivals_refuses_what_is_none(server):
    assert (
        problem(server, "/api/v1/arrivals", method="POST", headers={"Content-Type": "text/plain"}, body="x")["status"]
        == 400
    )
    arrow = {"Content-Type": "application/vnd.apache.arrow.stream"}
    assert problem(server, "/api/v1/arrivals", method="POST", headers=arrow, body="x" * 100)["status"] == 400


def test_metrics_can_be_scraped(server):
    status, _, body = ask(server, "/metrics")
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    assert status == 200
    assert families["safelight_store_events"].samples[0].value >= COUNT
    assert all(family.documentation for family in families.values())


def test_ready_says_of_what(server):
    status, _, body = ask(server, "/readyz")
    assert status == 200
    assert set(json.loads(body)["checks"]) == {"store", "sources", "alerts"}


def test_the_description_of_the_api_covers_its_resources(server):
    _, _, body = ask(server, "/api/openapi.json")
    paths = set(json.loads(body)["paths"])
    assert {"/api/v1/events", "/api/v1/sql", "/api/v1/live", "/api/v1/alerts", "/api/v1/status", "/healthz"} <= paths
    assert {
        "/api/v1/rules/backtest",
        "/api/v1/silences",
        "/api/v1/channels",
        "/api/v1/repairs",
        "/api/v1/errors",
    } <= paths
    _, _, page = ask(server, "/api/docs")
    assert b"/api/v1/events/{event_id}/context" in page
    assert b"http://" not in page.replace(b"https://www.rfc-editor.org", b"")
