"""`safelight alerts` and `safelight silence`, with a server that says what was asked of it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from safelight.cli import alerts, silence
from safelight.errors import InputError, ServerError

ALERT = {
    "id": "a1",
    "rule": "oom",
    "severity": 3,
    "status": "firing",
    "title": "oom: VAEDecode\x1b[2J",
    "text": "CUDA out of memory\nWhy: rule oom",
    "count": 41,
    "started_at": "2026-11-22T02:00:00.000000Z",
    "muted": None,
    "transitions": [
        {"number": 1, "status": "firing", "at": "2026-11-22T02:00:00.000000Z", "muted": "silence", "severity": 3}
    ],
    "notifications": [{"channel": "team", "status": "sent", "at": "2026-11-22T02:00:01.000000Z", "answer": "ok"}],
}
SILENCE = {
    "id": "s1",
    "match": {"rule": "oom"},
    "starts_at": "2026-11-22T02:00:00.000000Z",
    "until": "2026-11-22T04:00:00.000000Z",
    "by": "ann",
    "comment": "new card",
    "state": "active",
    "muting": 1,
}


class Handler(BaseHTTPRequestHandler):
    """Answers everything, and remembers it."""

    def answer(self):
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        path = self.path.partition("?")[0].removeprefix("/api/v1")
        self.server.asked.append((self.command, self.path.removeprefix("/api/v1"), body))
        found = {"/alerts": {"alerts": [ALERT]}, "/silences": {"silences": [SILENCE]}}.get(path, ALERT)
        if path.startswith("/silences") and self.command != "GET":
            found = SILENCE
        told = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as opened:
        opened.asked = []
        thread = threading.Thread(target=opened.serve_forever, daemon=True)
        thread.start()
        yield opened
        opened.shutdown()
        thread.join()


@pytest.fixture
def run(server):
    def call(command, *arguments):
        result = CliRunner().invoke(command, [*arguments, "--url", f"http://127.0.0.1:{server.server_port}"])
        assert result.exit_code == 0, result.output
        return result.output

    return call


@pytest.mark.parametrize("words", [(), ("list",)])
def test_alerts_are_listed(run, words):
    shown = run(alerts.command, *words)
    assert "41" in shown
    assert "\x1b[2J" not in shown


def test_alerts_are_printed_for_scripts(run, server):
    assert json.loads(run(alerts.command, "list", "--json", "--status", "firing", "--severity", "3")) == [ALERT]
    assert json.loads(run(alerts.command, "--json")) == [ALERT]
    assert "status=firing&severity=3" in server.asked[0][1]


def test_one_alert_is_shown_with_its_history(run, server):
    shown = run(alerts.command, "show", "a/1")
    assert "CUDA out of memory" in shown
    assert "team: sent ok" in shown
    assert server.asked == [("GET", "/alerts/a%2F1?", None)]


def test_an_alert_is_acknowledged_and_let_go(run, server):
    run(alerts.command, "ack", "a1", "--by", "ann")
    run(alerts.command, "ack", "a1", "--undo")
    assert server.asked == [
        ("POST", "/alerts/a1/acknowledge", {"by": "ann"}),
        ("DELETE", "/alerts/a1/acknowledge", None),
    ]


def test_a_silence_is_added_listed_and_removed(run, server):
    run(
        silence.command,
        "add",
        "--rule",
        "oom",
        "--error-group",
        "gpu*",
        "--match",
        "user=ann",
        "--for",
        "2h",
        "--by",
        "x",
    )
    assert "rule=oom" in run(silence.command, "list")
    assert "s1" in run(silence.command, "remove", "s1")
    assert server.asked[0] == (
        "POST",
        "/silences",
        {"match": {"rule": "oom", "error_group": "gpu*", "user": "ann"}, "for": "2h", "comment": "", "by": "x"},
    )
    assert server.asked[2] == ("DELETE", "/silences/s1", None)


def test_a_match_without_a_value_is_refused(server):
    url = f"http://127.0.0.1:{server.server_port}"
    result = CliRunner().invoke(silence.command, ["add", "--match", "user", "--for", "2h", "--url", url])
    assert isinstance(result.exception, InputError)
    assert server.asked == []


@pytest.mark.parametrize(("command", "words"), [(alerts.command, ["list"]), (silence.command, ["list"])])
def test_without_a_server_it_is_said_what_is_missing(tmp_path, command, words):
    result = CliRunner().invoke(command, [*words, "--data", str(tmp_path)])
    assert isinstance(result.exception, ServerError)
    assert result.exception.key == "cli.alerts.no_server"


@pytest.mark.parametrize("url", ["http://[", "http://a:port", "file:///etc", "127.0.0.1"])
def test_an_address_that_is_none_is_refused_with_a_sentence(url):
    told = CliRunner().invoke(alerts.command, ["list", "--url", url]).exception
    assert isinstance(told, ServerError)
    assert "http://" in str(told)
