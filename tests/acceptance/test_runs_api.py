"""Runs over HTTP and on the command line, asked of a real server."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from support.running import running
from support.runs import fill, stories, story

NOW = datetime.now(UTC).replace(microsecond=0)
STRANGE = ("nightly/42", "a%2Fb c?#é", "../up")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


class View(http.server.BaseHTTPRequestHandler):
    """As much of a ComfyUI as shows its files."""

    asked: list[str] = []  # noqa: RUF012 - one server, one list

    def do_GET(self):
        parts = urllib.parse.urlsplit(self.path)
        asked = dict(urllib.parse.parse_qsl(parts.query))
        View.asked.append(self.path)
        found = parts.path == "/view" and asked.get("filename") == "there.png" and asked.get("type") == "output"
        body = PNG if found else b"<html>not here</html>"
        self.send_response(200 if parts.path == "/view" else 404)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def comfyui() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), View) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def told():
    return {one.kind: one for one in stories(NOW)[24:]}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A run that says that it wrote files: here, elsewhere, and some that it did not write."""
    folder = tmp_path_factory.mktemp("output")
    (folder / "here.png").write_bytes(PNG)
    (folder / "secret.png").write_text("top secret")
    run = story("ok", NOW - timedelta(minutes=2), run_id="pictures", instance="lab")
    (saved,) = run.named("output_saved")
    run.events.remove(saved)
    files = {
        "here.png": str(folder / "here.png"),
        "there.png": None,
        "secret.png": str(folder / "secret.png"),
        "passwd.png": "/etc/passwd",
        "gone.png": None,
    }
    for number, (name, path) in enumerate(files.items()):
        event = {**saved, "id": f"{saved['id']}{number}", "filename": name, "host": socket.gethostname()}
        event.pop("path")
        run.events.insert(-1, event | ({"path": path} if path else {}))
    return run


@pytest.fixture(scope="module")
def server(tmp_path_factory, pictures):
    root = tmp_path_factory.mktemp("runs")
    strange = [story("queued", NOW - timedelta(minutes=3), run_id=run_id, instance="lab") for run_id in STRANGE]
    fill(root / "data", [*stories(NOW), pictures, *strange])
    with comfyui() as port:
        source = f'[[sources]]\ntype = "comfyui"\nurl = "http://127.0.0.1:{port}"\ninstance = "lab"\noptional = true\n'
        with running(root, source) as server:
            yield server


def fetch(server, path):
    try:
        with urllib.request.urlopen(f"{server.url}/api/v1{path}", timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_runs_are_listed_with_counts_and_facets(server, told):
    answer = server.get("/runs", state="failed", limit=10)
    assert [run["id"] for run in answer["runs"]] == [told["failed"].id, told["oom"].id]
    assert answer["counts"]["running"] == 2
    assert {one["value"] for one in answer["facets"]["instance"]} == {"gpu-1:8188", "gpu-2:8188"}


def test_a_run_has_its_nodes_graph_curve_and_files(server, told):
    run = server.get(f"/runs/{told['ok'].id}")
    assert [one["node_id"] for one in run["executions"]] == ["4", "5", "6", "7", "3", "8", "9"]
    assert run["graph"]["positioned"] is True
    assert len(run["curve"]["offset_ms"]) == len(run["curve"]["vram_mb"]) > 10
    assert run["prompt"]["kept"] is True
    lines = server.events(run["log_query"], limit=500)
    assert {event["workflow_id"] for event in lines} == {told["ok"].id}


def test_the_queue_has_every_instance(server, told):
    found = {one["instance"]: one for one in server.get("/queue")["instances"]}
    assert [run["id"] for run in found["gpu-1:8188"]["running"]] == [told["running"].id]
    assert [run["id"] for run in found["gpu-1:8188"]["pending"]] == [told["queued"].id]
    assert found["gpu-3:8188"]["state"] == "stuck"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/runs/no-such-run", 404),
        ("/runs?state=done", 400),
        ("/runs?limit=0", 400),
        ("/runs?cursor=x", 400),
        ("/runs?from=someday", 400),
        ("/runs/pictures/outputs/99", 404),
        ("/runs/no-such-run/outputs/0", 404),
        ("/runs/pictures/outputs/x", 400),
    ],
)
def test_what_cannot_be_answered_is_a_problem(server, path, status):
    found, headers, body = fetch(server, path)
    assert found == status
    assert headers["Content-Type"] == "application/problem+json"
    assert json.loads(body)["status"] == status


def test_an_image_comes_from_this_machine_or_from_the_comfyui_that_has_it(server):
    saved = {one["filename"]: one["url"] for one in server.get("/runs/pictures")["saved"]}
    for name in ("here.png", "there.png"):
        status, headers, body = fetch(server, saved[name].removeprefix("/api/v1"))
        assert (status, body) == (200, PNG)
        assert headers["Content-Type"] == "image/png"
        assert headers["Content-Disposition"] == "inline"
        assert "private" in headers["Cache-Control"]
    assert any("filename=there.png" in path for path in View.asked)


def test_a_run_whose_submitter_chose_a_strange_id_is_found(server):
    for run_id in STRANGE:
        found = server.get(f"/runs/{urllib.parse.quote(run_id, safe='')}")
        assert found["id"] == run_id
        prompt = server.get(f"/runs/{urllib.parse.quote(run_id, safe='')}/prompt")
        assert prompt.keys() == {node["id"] for node in found["graph"]["nodes"]}
    assert server.cli("run", "nightly/42", "--json").stdout


def test_nothing_but_an_image_is_ever_served(server):
    saved = {one["filename"]: one["url"] for one in server.get("/runs/pictures")["saved"]}
    for name in ("secret.png", "passwd.png", "gone.png"):
        status, _, body = fetch(server, saved[name].removeprefix("/api/v1"))
        assert status == 404
        assert b"secret" not in body.replace(b"secret.png", b"")
        assert b"root:" not in body


def test_the_command_line_says_the_same_through_the_server_and_without_it(server, told, tmp_path):
    run_id = told["oom"].id
    listed = json.loads(server.cli("runs", "--format", "json", "--state", "failed").stdout)
    assert [run["id"] for run in listed] == [told["failed"].id, run_id]
    asked = server.cli("run", run_id[:9], "--json").stdout
    shown = server.cli("run", run_id).stdout
    assert json.loads(asked)["id"] == run_id
    assert "FluxClipModel_" in shown
    assert "\x1b" not in shown
    assert server.cli("run", "no-such-run", check=False).returncode == 1
