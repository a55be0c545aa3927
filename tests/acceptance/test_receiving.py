"""Events that others send over HTTP to a real server, on its own port and on ports of the sources' own.

The official clients are used where SAFELIGHT_ELASTICSEARCH_CLIENTS names a folder that has `es7`, `es8`, `es9` (made by
`pip install --target`, elasticsearch 7, 8 and 9) and `opensearch`; what they sent is recorded in `tests/golden/bulk`.
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path

import pytest

from support.ports import free_port
from support.running import running

CLIENTS = os.environ.get("SAFELIGHT_ELASTICSEARCH_CLIENTS", "")
TOKEN = "a token of this test"


@pytest.fixture(scope="module")
def ports():
    return {"http": free_port(), "elastic": free_port()}


@pytest.fixture(scope="module")
def server(tmp_path_factory, ports):
    config = f"""
    [[sources]]
    type = "http"
    listen = "127.0.0.1:{ports["http"]}"
    token = "env:INGEST_TOKEN"
    service = "guarded"

    [[sources]]
    type = "elasticsearch_bulk"
    listen = "127.0.0.1:{ports["elastic"]}"
    """
    with running(tmp_path_factory.mktemp("receiving"), config, INGEST_TOKEN=TOKEN) as server:
        listening = [f"http 127.0.0.1:{ports['http']}", f"elasticsearch_bulk 127.0.0.1:{ports['elastic']}"]
        server.reading(*listening)
        yield server


def ask(url, body=None, method="POST", **headers):
    """Status, headers and body, whatever the status."""
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, f"{address.path}?{address.query}", body, named)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_what_was_answered_is_there_to_be_found_at_once(server):
    lines = "".join(json.dumps({"message": f"at once {n}", "level": "warn", "n": n}) + "\n" for n in range(100))
    body = gzip.compress(lines.encode())
    status, _, answer = ask(f"{server.url}/api/v1/events?service=sent", body, Content_Encoding="gzip")
    assert (status, json.loads(answer)["accepted"]) == (200, 100)
    found = server.events("service:sent", limit=1_000)
    assert {event["attributes"]["n"] for event in found} == set(range(100))
    assert {event["level"] for event in found} == {"WARNING"}


def test_the_bulk_api_is_on_the_port_of_the_server_too(server):
    status, headers, answer = ask(f"{server.url}/api/v1/", method="GET")
    assert (status, headers["x-elastic-product"]) == (200, "Elasticsearch")
    body = b'{"index":{"_index":"on-our-port"}}\n{"message":"in bulk"}\n'
    status, _, answer = ask(f"{server.url}/api/v1/_bulk", body)
    assert (status, json.loads(answer)["errors"]) == (200, False)
    assert [event["message"] for event in server.events("_index:on-our-port")] == ["in bulk"]


def test_the_api_is_where_it_was(server):
    assert ask(f"{server.url}/api/v1/events", method="GET")[0] == 200
    assert ask(f"{server.url}/api/v1/no_such_resource", method="GET")[0] == 404
    assert ask(f"{server.url}/", method="GET")[0] in {200, 503}


def test_a_page_of_another_origin_sends_nothing(server):
    for origin in ("https://elsewhere.example", "null"):
        status, _, _ = ask(f"{server.url}/api/v1/events", b"smuggled", Origin=origin)
        assert status == 403
    assert ask(f"{server.url}/api/v1/events", b"smuggled", Host="elsewhere.example")[0] == 403
    assert server.events("smuggled") == []


def test_a_port_of_its_own_wants_its_token(server, ports):
    url = f"http://127.0.0.1:{ports['http']}/events"
    assert ask(url, b"without")[0] == 401
    assert ask(url, b"with", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert [event["message"] for event in server.events("service:guarded")] == ["with"]


def test_bad_bodies_are_answered_and_good_ones_still_taken(server):
    url = f"{server.url}/api/v1/events"
    bomb = gzip.compress(bytes(80 << 20))
    deep = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    for body, given, expected in (
        (bomb, {"Content_Encoding": "gzip"}, 413),
        (b"x", {"Content_Length": str(1 << 40)}, 413),
        (deep, {"Content_Type": "application/json"}, 400),
        (deep, {"Content_Type": "application/x-ndjson"}, 200),
        (b"\x00\x01\x02", {"Content_Type": "application/x-ndjson"}, 200),
        (b"\x00\x01\x02", {}, 415),
        (b"<html>", {"Content_Type": "text/html"}, 415),
    ):
        status, headers, answer = ask(url, body, **given)
        assert status == expected, answer[:300]
        assert status == 200 or headers["content-type"] == "application/problem+json"
    assert len(server.events("parse_error:* source:http*", limit=10)) == 2
    assert ask(url, b"and on it goes")[0] == 200


def test_many_may_send_at_once_and_every_answer_is_true(server):
    taken, lock = [], threading.Lock()

    def send(worker):
        for n in range(20):
            line = json.dumps({"message": "at the same time", "worker": worker, "n": n})
            status, _, _ = ask(f"{server.url}/api/v1/events?service=crowd", line)
            if status == 200:
                with lock:
                    taken.append((worker, n))

    threads = [threading.Thread(target=send, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [event["attributes"] for event in server.events("service:crowd", limit=1_000)]
    assert sorted((one["worker"], one["n"]) for one in found) == sorted(taken)
    assert len(taken) == 160


def test_what_was_answered_survives_a_kill(tmp_path):
    with running(tmp_path) as server:
        for n in range(50):
            assert ask(f"{server.url}/api/v1/events", json.dumps({"message": "acknowledged", "n": n}))[0] == 200
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(30)
    with running(tmp_path) as server:
        found = server.events("acknowledged", limit=1_000)
        assert sorted(event["attributes"]["n"] for event in found) == list(range(50))


CLIENT = """
import sys
url, name = sys.argv[1:]
if name == "opensearch":
    from opensearchpy import OpenSearch as Client, helpers
else:
    from elasticsearch import Elasticsearch as Client, helpers
for compressed in (False, True):
    client = Client(url, http_compress=compressed)
    assert client.ping()
    assert client.info()["tagline"] == "You Know, for Search"
    assert client.cluster.health()["status"] == "green"
    documents = ({"_index": name, "message": f"line {n}", "n": n} for n in range(1_000))
    taken, errors = helpers.bulk(client, documents, chunk_size=300, refresh="wait_for")
    assert (taken, errors) == (1_000, []), errors
    made = [{"_op_type": "create", "_index": name, "_id": f"{name}-document-{n}", "n": n} for n in range(3)]
    assert [ok for ok, _ in helpers.streaming_bulk(client, made, chunk_size=2)] == [True] * 3
    _, errors = helpers.bulk(client, [{"_op_type": "delete", "_index": name, "_id": "1"}], raise_on_error=False)
    assert [error["delete"]["status"] for error in errors] == [400]
"""


@pytest.mark.skipif(not CLIENTS, reason="SAFELIGHT_ELASTICSEARCH_CLIENTS names no folder of clients")
@pytest.mark.parametrize("name", ["es7", "es8", "es9", "opensearch"])
@pytest.mark.parametrize("where", ["own port", "server"])
def test_the_official_clients_are_content(server, ports, name, where):
    folder = Path(CLIENTS) / name
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    url = f"http://127.0.0.1:{ports['elastic']}" if where == "own port" else f"{server.url}/api/v1"
    before = server.get("/events/histogram", q=f"_index:{name}", from_="now-1d")["total"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CLIENT, url, name],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    after = server.get("/events/histogram", q=f"_index:{name}", from_="now-1d")["total"]
    assert after - before == 2 * 1_003
