"""What the collector promises, seen from outside: real servers and agents, files on a disk, senders and receivers on
loopback. The peers that have to be built first are in test_collector_peers.py, the long night in
test_collector_soak.py."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from support.agents import agent
from support.alerting import channel, rule, said
from support.elastic import Elastic
from support.forwarding import KEY, certificates
from support.lasting import eventually, lasting
from support.ports import free_port
from support.providers import Provider
from support.running import cli, environment

AS_WRITTEN = """
language = "zh-CN"

[server]
host = "127.0.0.1"
port = 8678
data = "./safelight-data"

[store]
type = "duckdb"
retention = { age = "30d", size = "20GB" }

[[sources]]
type = "file"
paths = ["/var/log/comfyui/*.log"]
exclude = ["*.gz"]
tag = "comfyui.raw"
service = "comfyui"
read_from = "start"

[[sources]]
type = "comfyui"
url = "http://127.0.0.1:8188"
instance = "gpu-1"

[[sources]]
type = "forward"
listen = "127.0.0.1:24224"
shared_key = "env:FORWARD_KEY"
tls = { cert = "server.crt", key = "server.key" }

[[processors]]
type = "enrich"
fields = { service_name = "comfyui-engine", environment = "production" }

[[processors]]
type = "sample"
where = "level:DEBUG"
rate = 0.1

[[processors]]
type = "redact"

[[sinks]]
type = "elasticsearch"
url = "https://elasticsearch.internal:9200"
prefix = "comfyui_logs"
where = "tag:comfyui.raw"
flush_interval = "5s"
retry = { max = 15, secondary = "dead-letter/" }
buffer = { chunk = "8MB", chunks = 64, when_full = "block" }

[[channels]]
type = "dingtalk"
name = "team"
url = "env:DINGTALK_WEBHOOK"
secret = "env:DINGTALK_SECRET"
severity = 2
language = "zh-CN"

[[channels]]
type = "webhook"
name = "hook"
url = "http://127.0.0.1:9000/alert"
allow_private = true
severity = 1

[[rules]]
id = "any-error"
when = "any level:ERROR"
severity = 2
repeat = "5m"
"""
SECRETS = ("hf_AbCdEfGhIjKlMnOpQrStUvWxYz01234567", "sk-proj-Zz9Yy8Xx7Ww6Vv5Uu4Tt3Ss2Rr1Qq0Pp")
SOON = 'flush_interval = "100ms"\nretry = { first = "100ms", longest = "300ms", max = 1000 }\n'


ALONE = "[alerts]\ndefault_rules = false\n"
NO_SPOOL = "[spool]\nread = false\n"


def ndjson(text):
    return [json.loads(line) for line in text.splitlines()]


def written(root):
    """The events in the files below a folder that a file sink writes, finished or not; none while there are none."""
    paths = [path for path in root.rglob("*") if ".ndjson" in path.name] if root.is_dir() else []
    texts = [gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes() for path in paths]
    return [event for text in texts for event in ndjson(text)]


def post(url, events, **headers):
    body = "".join(json.dumps(event) + "\n" for event in events).encode()
    asked = urllib.request.Request(url, body, {"Content-Type": "application/x-ndjson", **headers})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.load(answer)


# The configuration of the handbook ------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path):
    """Where `server.crt` and `server.key` of the configuration lie."""
    certificates(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def secrets():
    address = f"https://127.0.0.1:{free_port()}/robot/send?access_token=none"  # a test tells nobody outside
    return {"FORWARD_KEY": KEY, "DINGTALK_SECRET": "SEC0123456789", "DINGTALK_WEBHOOK": address}


def test_the_configuration_runs_as_it_is_written(home, secrets):
    """But for the ports, which may be taken; nothing that it names is here to answer."""
    text = AS_WRITTEN.replace(":24224", f":{free_port()}").replace(":9000/", f":{free_port()}/")
    with lasting(home, text, **secrets) as server:
        server.until_sink("elasticsearch", lambda sink: sink["queue"]["capacity_bytes"])  # its queue is open
        found = server.now.get("/pipeline")
        assert server.now.get("/status")["problems"] == []
    types = [source["type"] for source in found["sources"]]
    assert {"file", "comfyui", "forward"} <= set(types)
    (file,) = [source for source in found["sources"] if source["type"] == "file"]
    steps = [step["type"] for step in file["steps"]]
    place = steps.index("sample")
    assert steps[place - 1 : place + 2] == ["enrich", "sample", "redact"]
    assert [sink["name"] for sink in found["sinks"]] == ["elasticsearch"]
    assert found["sinks"][0]["queue"]["capacity_bytes"] == 64 * 8 * 1024 * 1024


def test_what_it_says_is_what_is_done(home, tmp_path, secrets):
    """The same with addresses at which somebody answers."""
    logs, port = tmp_path / "log", free_port()
    logs.mkdir()
    (logs / "a.log").write_text(
        "".join(json.dumps({"level": "DEBUG", "message": f"quiet {n}"}) + "\n" for n in range(100))
        + json.dumps({"level": "INFO", "message": f"key {SECRETS[0]}"})
        + "\n"
    )
    with Elastic(tls=(home / "server.crt", home / "server.key")) as elastic:
        text = (
            AS_WRITTEN.replace("/var/log/comfyui", str(logs))
            .replace(":24224", f":{port}")
            .replace(":9000/", f":{free_port()}/")
            .replace("https://elasticsearch.internal:9200", f'{elastic.url}"\nca = "server.crt')
        )
        sends = (
            f'[[sources]]\ntype = "file"\npaths = ["{tmp_path}/elsewhere.log"]\ntag = "elsewhere"\n'
            f'[[sinks]]\ntype = "forward"\nservers = ["localhost:{port}"]\nshared_key = "env:FORWARD_KEY"\n'
            f'tls = {{ ca = "{home}/server.crt" }}\n{SOON}'
        )
        (tmp_path / "agent.toml").write_text(NO_SPOOL + sends)
        (tmp_path / "elsewhere.log").write_text('{"level": "INFO", "message": "from another machine"}\n')
        given = ("--config", str(tmp_path / "agent.toml"))
        with lasting(home, text, **secrets) as server, agent(tmp_path / "agent", *given, FORWARD_KEY=KEY):
            server.until("tag:comfyui.raw", 11)
            (far,) = server.now.until('"from another machine"', 1, within_s=60)
            server.until_sink("elasticsearch", lambda sink: sink["sent"] >= 11)
            assert server.count("tag:comfyui.raw") == (11, 11)
        indices = set(elastic.indices)
        documents = [one for documents in elastic.indices.values() for one in documents.values()]
    assert far["service"] == "comfyui-engine"
    assert all(re.fullmatch(r"comfyui_logs-\d{4}\.\d\d\.\d\d", index) for index in indices)
    assert len(documents) == 11  # 10 of 100 DEBUG and the other one; what came by forward has another tag
    assert {(one["service"], one["environment"]) for one in documents} == {("comfyui-engine", "production")}
    assert SECRETS[0] not in json.dumps(documents)
    (template,) = elastic.templates.values()
    assert template["index_patterns"] == ["comfyui_logs-*"]


# Files ----------------------------------------------------------------------------------------------------------------


TRACEBACK = """\
Traceback (most recent call last):
  File "/srv/app.py", line 7, in matting
    raise RuntimeError("no")
RuntimeError: no

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/app.py", line 9, in <module>
    matting()
RuntimeError: still no
"""


class Service:
    """Writes a log as a service does, with tracebacks and half lines, and has it rotated in every way there is."""

    def __init__(self, folder):
        folder.mkdir()
        self.log = folder / "app.log"
        self.records = []
        self._rotations = 0
        self._time = f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S},123"  # without a zone: the machine's
        history = "".join(self._line() for _ in range(300))
        (folder / "app.log.9.gz").write_bytes(gzip.compress(history.encode()))
        self.log.touch()

    def _line(self):
        self.records.append(f"line {len(self.records)}")
        return f"{self._time} [INFO] {self.records[-1]}\n"

    def _traceback(self):
        self.records.append(f"failed {len(self.records)}")
        return f"{self._time} [ERROR] {self.records[-1]}\n{TRACEBACK}"

    def _append(self, text):
        with self.log.open("a") as file:
            file.write(text)

    def writes(self):
        self._append("".join([self._traceback(), *(self._line() for _ in range(39))]))

    def begins_a_line(self):
        """And has not finished it yet; the rest is returned."""
        line = self._line()
        self._append(line[:37])
        return lambda: self._append(line[37:])

    def renamed(self):
        self._rotations += 1
        self.log.rename(self.log.with_name(f"app.log.{self._rotations}"))
        self.log.touch()

    def copied_and_truncated(self):
        self._rotations += 1
        shutil.copyfile(self.log, self.log.with_name(f"app.log.{self._rotations}"))
        os.truncate(self.log, 0)

    def compressed(self):
        """The oldest of what was rotated."""
        oldest = min(path for path in self.log.parent.iterdir() if path.suffix[1:].isdigit())
        subprocess.run(["gzip", str(oldest)], check=True)


@pytest.mark.timeout(300)
def test_every_line_of_a_rotated_log_is_there_once_however_often_the_server_is_killed(tmp_path):
    service = Service(tmp_path / "log")
    config = NO_SPOOL + (
        f'[[sources]]\ntype = "file"\npaths = ["{tmp_path}/log/app.log*"]\nservice = "app"\n'
        """multiline = { starts = '^\\d{4}-\\d\\d-\\d\\d ', timeout = "5s" }\n"""
    )
    killed = 0
    with lasting(tmp_path / "server", config) as server:
        for piece in range(60):
            service.writes()
            if piece in {10, 26, 54}:
                service.renamed()
            if piece in {18, 36, 46}:
                service.copied_and_truncated()
            if piece in {30, 50}:
                service.compressed()
            rest = service.begins_a_line()
            if piece % 12 == 8:
                server.kill()
                killed += 1
            time.sleep(0.02)  # a log grows; what is read when is left to chance
            rest()
            if piece % 12 == 11:
                server.start()
        found = server.until("service:app", len(service.records))
        assert found == (len(service.records), len(service.records))
        failures = server.now.events("service:app level:ERROR", limit=100)
    assert killed == 5
    assert {event["message"] for event in failures} == {f for f in service.records if f.startswith("failed")}
    assert {event["error_message"] for event in failures} == {"still no"}
    assert all("During handling of the above exception" in event["traceback"] for event in failures)


# Steps ----------------------------------------------------------------------------------------------------------------


def test_debug_is_thinned_constants_are_added_secrets_are_nowhere_and_users_go_apart(tmp_path):
    log = tmp_path / "service.log"
    config = NO_SPOOL + (
        f'[[sources]]\ntype = "file"\npaths = ["{log}"]\ntag = "comfyui.raw"\n'
        '[[processors]]\ntype = "enrich"\n'
        'fields = { service_name = "comfyui-engine", environment = "production", processed_at = "${now}" }\n'
        '[[processors]]\ntype = "sample"\nwhere = "level:DEBUG"\nrate = 0.1\n'
        '[[processors]]\ntype = "redact"\nemails = true\n'
        '[[processors]]\ntype = "route"\nwhere = "user_id:li"\nto = ["li"]\n'
        '[[processors]]\ntype = "route"\nwhere = "NOT user_id:li"\nto = ["rest"]\n'
        f'[[sinks]]\ntype = "file"\nname = "li"\npath = "{tmp_path}/li/%Y-%m-%d.ndjson"\n{SOON}'
        f'[[sinks]]\ntype = "file"\nname = "rest"\npath = "{tmp_path}/rest/%Y-%m-%d.ndjson"\n{SOON}'
        f'[[sinks]]\ntype = "elasticsearch"\nname = "down"\nurl = "http://127.0.0.1:{free_port()}"\n{SOON}'
    )
    hidden = (*SECRETS, "li.lei@example.com", "0123456789abcdef0123456789abcdef")
    said_ = f"token {SECRETS[0]} of li.lei@example.com, {SECRETS[1]}"
    hook = "https://oapi.dingtalk.com/robot/send?access_token=0123456789abcdef0123456789abcdef"
    sent = [{"level": "DEBUG", "message": f"step {n}", "user_id": ("li", "han", None)[n % 3]} for n in range(1_000)]
    sent += [
        {"level": "INFO", "message": said_, "user_id": "li", "headers": {"Authorization": f"Bearer {SECRETS[1]}"}},
        {"level": "ERROR", "message": "failed", "error_message": said_, "traceback": hook, "user_id": "han"},
    ]
    log.write_text("".join(json.dumps(event) + "\n" for event in sent))
    with lasting(tmp_path / "server", config) as server:
        assert server.until("tag:comfyui.raw", 102) == (102, 102)
        assert server.count("tag:comfyui.raw level:DEBUG") == (100, 100)
        events = server.now.events("tag:comfyui.raw", limit=1_000)
        for sink in ("li", "rest"):
            server.until_sink(sink, lambda sink: sink["behind_events"] == sink["queue"]["events"] == 0 < sink["sent"])
        server.until_sink("down", lambda sink: sink["queue"]["events"] >= 102)
        queued = server.now.cli("buffer", "export", "down").stdout
    assert {(one["service"], one["environment"]) for one in events} == {("comfyui-engine", "production")}
    assert all(one["host"] and one["received_at"] and one["attributes"]["processed_at"] for one in events)
    assert {one["attributes"]["sample_rate"] for one in events if one["level"] == "DEBUG"} == {10}
    ours, others = written(tmp_path / "li"), written(tmp_path / "rest")
    assert {one["user_id"] for one in ours} == {"li"}
    assert "li" not in {one.get("user_id") for one in others}
    assert {one["id"] for one in ours} | {one["id"] for one in others} >= {one["id"] for one in events}
    assert {one["id"] for one in events} <= {one["id"] for one in ndjson(queued)}
    log.unlink()
    on_disk = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    on_disk[tmp_path / "the queue, unpacked"] = queued.encode()
    holding = {path for path, content in on_disk.items() if b"comfyui-engine" in content}
    assert any(path.suffix == ".arrows" for path in holding)  # where a secret would be readable too
    for secret in hidden:
        assert not [path for path, content in on_disk.items() if secret.encode() in content]


# Sinks ----------------------------------------------------------------------------------------------------------------


def sink_to(elastic, name="elastic"):
    return f'[[sinks]]\ntype = "elasticsearch"\nname = "{name}"\nurl = "{elastic.url}"\n{SOON}'


def test_what_is_refused_lies_apart_and_is_sent_again_when_asked(tmp_path):
    with Elastic() as elastic, lasting(tmp_path / "server", NO_SPOOL + sink_to(elastic)) as server:
        elastic.refuses(lambda document: document["message"].startswith("bad"))
        post(
            f"{server.now.url}/api/v1/events",
            [{"message": f"{'bad' if n % 100 == 7 else 'good'} {n}"} for n in range(300)],
        )
        server.until_sink("elastic", lambda sink: sink["dead_letters"] == 3 and not sink["queue"]["events"])
        (listed,) = json.loads(server.now.cli("buffer", "list", "--json").stdout)
        letters = ndjson(server.now.cli("buffer", "export", "elastic", "--dead-letters").stdout)
        exit_code, problems = server.doctor()
        assert (listed["name"], listed["refused"], listed["dead_letters"]) == ("elastic", 3, 3)
        assert sorted(letter["event"]["message"] for letter in letters) == ["bad 107", "bad 207", "bad 7"]
        assert all("document_parsing_exception" in letter["reason"] for letter in letters)
        assert exit_code == 1
        assert any(
            problem["where"] == "elastic" and "buffer retry elastic" in problem["remedy"] for problem in problems
        )

        elastic.refuses(lambda _: False)
        assert "3" in server.now.cli("buffer", "retry", "elastic").stdout
        server.until_sink("elastic", lambda sink: not sink["dead_letters"] and not sink["queue"]["events"])
        assert server.doctor() == (0, [])
        stored = {event["id"] for event in server.now.events("source:http*", limit=1_000)}
    assert len(stored) == 300
    assert elastic.ids() >= stored


def test_the_queue_of_a_stopped_server_can_be_listed_and_read(tmp_path):
    with Elastic() as elastic, lasting(tmp_path / "server", NO_SPOOL + sink_to(elastic)) as server:
        elastic.authorization = "Basic of somebody else"
        post(f"{server.now.url}/api/v1/events", [{"message": f"waits {n}"} for n in range(50)])
        server.until_sink("elastic", lambda sink: sink["queue"]["events"] >= 50)
        server.kill()
        given, home = ("--data", str(server.root / "data")), environment(server.root)
        (listed,) = json.loads(cli("buffer", "list", "--json", *given, environment=home).stdout)
        file = tmp_path / "queue.ndjson"
        cli("buffer", "export", "elastic", "-o", str(file), *given, environment=home)
        assert listed["state"] == "stopped"
        waiting = {event["message"] for event in ndjson(file.read_text())}
        assert waiting >= {f"waits {n}" for n in range(50)}
        elastic.authorization = None
        server.start()
        server.until_sink("elastic", lambda sink: not sink["behind_events"] and not sink["queue"]["events"])
    found = [one["message"] for documents in elastic.indices.values() for one in documents.values()]
    assert sorted(message for message in found if message.startswith("waits")) == sorted(
        f"waits {n}" for n in range(50)
    )


def test_pipeline_metrics_and_doctor_say_that_a_sink_is_down_and_when_it_is_well(tmp_path):
    log = tmp_path / "app.log"
    log.write_text("".join(json.dumps({"message": f"line {n}"}) + "\n" for n in range(200)))
    with Elastic() as elastic:
        elastic.authorization = "Basic of somebody else"
        config = NO_SPOOL + f'[[sources]]\ntype = "file"\npaths = ["{log}"]\nservice = "app"\n' + sink_to(elastic)
        with lasting(tmp_path / "server", config) as server:
            down = server.until_sink(
                "elastic", lambda sink: sink["state"] == "broken" and sink["queue"]["events"] >= 200
            )
            assert "401" in down["detail"]
            exit_code, problems = server.doctor()
            assert exit_code == 1
            assert [problem["where"] for problem in problems] == ["elastic"]
            assert problems == server.now.get("/pipeline")["problems"]
            told = metrics(server.now.url)
            assert told['safelight_sink_queue_events{sink="elastic",type="elasticsearch"}'] >= 200

            elastic.authorization = None
            server.until_sink("elastic", lambda sink: sink["state"] == "ok" and not sink["queue"]["events"])
            assert server.doctor() == (0, [])
            shown = server.now.get("/pipeline")
            told = metrics(server.now.url)
    (source,) = [source for source in shown["sources"] if source["type"] == "file"]
    (followed,) = source["files"]
    assert (source["state"], source["events"], source["bytes"]) == ("reading", 200, log.stat().st_size)
    assert (followed["path"], followed["behind"], followed["offset"]) == (str(log), 0, log.stat().st_size)
    assert all(step["in"] == step["out"] == 200 for step in source["steps"])
    assert shown["store"]["state"] == "ok"
    named = f'source="{log}",type="file"'
    assert told[f"safelight_source_events_total{{{named}}}"] == 200
    assert told['safelight_sink_events_total{sink="elastic",type="elasticsearch"}'] >= 200
    assert told['safelight_sink_retries_total{sink="elastic",type="elasticsearch"}'] >= 1
    assert told[f'safelight_file_behind_bytes{{path="{log}",{named}}}'] == 0


def metrics(url):
    """Name and labels, in order, and value; promtool, where there is one, has nothing to say."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
        content = answer.read()
    if promtool := shutil.which("promtool"):
        checked = subprocess.run([promtool, "check", "metrics"], input=content, capture_output=True, check=False)
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
    found = {}
    for line in content.decode().splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            head, brace, labels = name.partition("{")
            inside = ",".join(sorted(re.findall(r'\w+="(?:[^"\\]|\\.)*"', labels)))
            found[f"{head}{{{inside}}}" if brace else head] = float(value)
    return found


# Probes ---------------------------------------------------------------------------------------------------------------


class Page:
    """A service of somebody else: it answers, or its port is closed."""

    def __init__(self):
        self.port = free_port()

    @contextmanager
    def open(self):
        """Yields what closes it before the end."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        with ExitStack() as closing:
            closing.callback(server.server_close)
            closing.callback(thread.join)
            closing.callback(server.shutdown)
            yield closing.close


def heard(hook, title, status):
    """Wait until the webhook was told."""

    def told():
        return any(title in message["title"] and message["status"] == status for message in messages())

    def messages():
        return [request.json for request in hook.accepted()]

    eventually(told, f"{title} {status}", lambda: str([(one["title"], one["status"]) for one in messages()]))


def test_a_page_that_stops_answering_is_told_and_that_it_is_well_again(tmp_path):
    page = Page()
    with Provider() as hook:
        config = NO_SPOOL + ALONE + channel("webhook", "hook", hook.url, language="en")
        config += f'[[sources]]\ntype = "probe"\nurl = "http://127.0.0.1:{page.port}/healthz"\ncontains = "ok"\n'
        config += 'every = "1s"\nservice = "idphoto"\n'
        config += rule("away", "any event:probe_failed", clear="any event:probe_recovered", title="The page is away")
        with page.open() as close, lasting(tmp_path / "server", config) as server:
            server.until("event:probe_checked service:idphoto", 1)
            assert hook.accepted() == []
            close()
            heard(hook, "The page is away", "firing")
            (failed,) = server.now.events("event:probe_failed", limit=1)
            assert (failed["service"], failed["error_type"]) == ("idphoto", "unreachable")
            with page.open():
                heard(hook, "The page is away", "resolved")


def test_a_black_image_in_the_output_folder_is_told_and_a_good_one_is_not(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with Provider() as hook:
        config = NO_SPOOL + ALONE + channel("webhook", "hook", hook.url, language="en")
        config += f'[[sources]]\ntype = "probe"\nfiles = ["{out}/**/*.png"]\nevery = "1s"\nservice = "ddcolor"\n'
        config += rule("bad-output", "any event:output_saved level:ERROR", title="An output is no good")
        with lasting(tmp_path / "server", config) as server:
            server.until("event:probe_checked", 1)  # from here on files are new
            Image.linear_gradient("L").convert("RGB").save(out / "good.png")
            Image.new("RGB", (256, 256)).save(out / "black.png")
            server.until("event:output_saved", 2, field="path")
            heard(hook, "An output is no good", "firing")
            found = {event["attributes"]["path"]: event for event in server.now.events("event:output_saved")}
    checks = {path: (event["level"], event["attributes"]["check"]) for path, event in found.items()}
    assert checks == {str(out / "good.png"): ("INFO", "ok"), str(out / "black.png"): ("ERROR", "black")}
    (message,) = said(hook)
    assert "black.png" in message
