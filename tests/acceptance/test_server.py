"""The server as a user meets it: a process, a log file, a data directory, and everything that goes wrong with them."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import resource
import signal
import socket
import threading
import urllib.request

import pytest

from support.alerting import eventually
from support.providers import DingTalk, Provider
from support.running import cli, command, environment, running

FILE = """
[[sources]]
type = "file"
paths = ["{logs}/*.log"]
service = "comfyui"
instance = "gpu-1"
"""
CONSOLE = """got prompt
!!! Exception during processing !!! CUDA out of memory. Tried to allocate 2.00 GiB
Traceback (most recent call last):
  File "/opt/ComfyUI/execution.py", line 496, in execute
    output_data, output_ui, has_subgraph = get_output_data(obj, input_data_all)
  File "/opt/ComfyUI/nodes.py", line 295, in decode
    images = vae.decode(samples["samples"])
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB

Got an OOM, unloading all loaded models.
Prompt executed in 0.08 seconds
"""


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


def numbered(first, last):
    return "".join(json.dumps({"level": "INFO", "message": f"line {n}", "n": n}) + "\n" for n in range(first, last))


def append(path, text):
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def numbers(server):
    found = server.events("line", limit=10_000)
    return sorted(event["attributes"]["n"] for event in found if "n" in event.get("attributes", {}))


def test_a_failure_on_the_console_reaches_the_store_the_page_and_the_team(tmp_path, logs):
    with DingTalk(secret="SEC1") as team, Provider() as hook:
        config = (
            FILE.format(logs=logs)
            + f"""
[[channels]]
type = "dingtalk"
name = "team"
url = "env:TEAM_URL"
secret = "env:TEAM_SECRET"
allow_private = true
language = "zh-CN"
[[channels]]
type = "webhook"
name = "hook"
url = "{hook.url}"
allow_private = true
"""
        )
        with running(tmp_path, config, TEAM_URL=team.url, TEAM_SECRET="SEC1") as server:
            append(logs / "comfyui.log", CONSOLE)
            told = hook.wait(1)[0].json
            assert team.wait(1)
            (failure,) = server.until("event:node_failed")
            shown = server.cli("query", "level:ERROR error_type:torch.OutOfMemoryError", "--format", "ndjson")
            sent = server.until("event:notification_sent", 2)
    assert failure["error_type"] == "torch.OutOfMemoryError"
    assert failure["traceback"].startswith("Traceback (most recent call last):")
    assert [json.loads(line)["id"] for line in shown.stdout.splitlines()] == [failure["id"]]
    assert told["rule"] == "oom"
    assert told["status"] == "firing"
    assert "SEC1" not in json.dumps(sent)


def test_kill_9_loses_and_doubles_nothing(tmp_path, logs):
    log = logs / "a.log"
    for round_ in range(4):
        with running(tmp_path, FILE.format(logs=logs)) as server:
            append(log, numbered(round_ * 500, round_ * 500 + 500))
            server.until("line", round_ * 500 + 1)  # some of it is there, the rest is on its way
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
    with running(tmp_path, FILE.format(logs=logs)) as server:
        server.until("line", 2000)
        assert numbers(server) == list(range(2000))


def test_acknowledged_imports_survive_kill_9(tmp_path):
    path = tmp_path / "history.ndjson"
    path.write_text(numbered(0, 3000))
    with running(tmp_path) as server:
        assert json.loads(server.cli("ingest", str(path), "--json").stdout)["events"] == 3000
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
    found = cli(
        "query",
        "line",
        "--limit",
        "10000",
        "--format",
        "ndjson",
        "--data",
        str(server.data),
        environment=server.environment,
    )
    assert len(found.stdout.splitlines()) == 3000


def test_the_command_line_answers_the_same_with_the_server_up_and_down(tmp_path):
    path = tmp_path / "history.ndjson.gz"
    path.write_bytes(gzip.compress(numbered(0, 200).encode()))
    asked = [
        ("query", "n:>190", "--format", "ndjson"),
        ("query", "* | stats count() by level", "--json"),
        ("query", "n:<3", "--format", "csv"),
        ("sql", "SELECT level, count(*) AS n FROM comfyui_logs WHERE message LIKE 'line%' GROUP BY level", "--json"),
        ("top", "nodes", "--json"),
    ]
    with running(tmp_path) as server:
        server.cli("ingest", str(path))
        assert "nothing new" in server.cli("ingest", str(path)).stdout
        up = [server.cli(*arguments).stdout for arguments in asked[:1] + asked[2:]]
        level_counts_up = server.cli(*asked[1]).stdout
    surroundings, data = server.environment, ("--data", str(server.data))
    down = [cli(*arguments, *data, environment=surroundings).stdout for arguments in asked[:1] + asked[2:]]
    assert up == down
    assert json.loads(level_counts_up)[0]["level"] == "INFO"


def test_an_import_fires_nothing_and_a_live_line_does(tmp_path, logs):
    with Provider() as hook:
        config = (
            FILE.format(logs=logs)
            + f'\n[[channels]]\ntype = "webhook"\nname = "hook"\nurl = "{hook.url}"\nallow_private = true\n'
        )
        path = tmp_path / "fresh.ndjson"
        path.write_text('{"level":"ERROR","message":"imported failure"}\n')
        with running(tmp_path, config) as server:
            server.cli("ingest", str(path))
            server.until("imported")
            append(logs / "a.log", '{"level":"ERROR","message":"live failure"}\n')
            (told,) = hook.wait(1)
            assert "live failure" in told.json["text"]


def test_the_live_stream_brings_a_line_soon_and_resumes(tmp_path, logs):
    with running(tmp_path, FILE.format(logs=logs)) as server:
        lines = []
        came = threading.Event()

        def listen(last_id, wanted):
            asked = urllib.request.Request(
                f"{server.url}/api/v1/live?q=line", headers={"Last-Event-ID": last_id} if last_id else {}
            )
            with urllib.request.urlopen(asked, timeout=60) as stream:
                came.set()
                for raw in stream:
                    lines.append(raw.decode().rstrip())
                    if wanted in lines[-1]:
                        return

        thread = threading.Thread(target=listen, args=("", '"line 0"'))
        thread.start()
        assert came.wait(60)
        append(logs / "a.log", numbered(0, 1))
        thread.join(60)
        assert not thread.is_alive()
        seen = next(line for line in reversed(lines) if line.startswith("id: ")).removeprefix("id: ")
        append(logs / "a.log", numbered(1, 2))
        server.until("line", 2)
        lines.clear()
        listen(seen, '"line 1"')
        assert '"line 0"' not in " ".join(lines)


def test_a_taken_port_and_an_owned_directory_are_one_sentence_each(tmp_path):
    with running(tmp_path) as server, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        taken = cli("up", "--port", port, "--data", str(tmp_path / "else"), environment=server.environment, check=False)
        owned = cli("up", "--port", "0", "--data", str(server.data), environment=server.environment, check=False)
        assert port in taken.stderr
        assert str(server.data) in owned.stderr
        assert str(server.process.pid) in owned.stderr
        for refused in (taken, owned):
            assert refused.returncode == 1
            assert len(refused.stderr.strip().splitlines()) <= 2


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com"])
def test_any_address_but_loopback_is_refused_with_the_reason(tmp_path, host):
    refused = cli("up", "--host", host, "--port", "0", environment=environment(tmp_path), check=False)
    assert refused.returncode == 1
    assert "access control" in refused.stderr


def test_a_wrong_configuration_is_told_whole_and_starts_nothing(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text('colour = "red"\n[server]\nport = "many"\n[[sources]]\ntype = "file"\n')
    refused = cli(
        "up", "--config", str(path), "--data", str(tmp_path / "d"), environment=environment(tmp_path), check=False
    )
    assert refused.returncode == 1
    assert all(f"bad.toml:{line}:" in refused.stderr for line in (1, 3, 4))
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "d").exists()


def test_a_chinese_terminal_is_answered_in_chinese(tmp_path):
    refused = cli("up", "--host", "0.0.0.0", environment=environment(tmp_path, LANG="zh_CN.UTF-8"), check=False)
    assert "访问控制" in refused.stderr


def test_a_full_disk_acknowledges_nothing_that_is_lost(tmp_path, logs):
    log = logs / "a.log"
    with running(tmp_path, FILE.format(logs=logs)) as server:
        append(log, numbered(0, 10))
        server.until("line", 10)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        append(log, numbered(10, 20))
        path = tmp_path / "more.ndjson"
        path.write_text(numbered(100, 110))
        refused = server.cli("ingest", str(path), check=False)
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr
        assert refused.stderr.strip()
        assert numbers(server) == list(range(10))
        threading.Event().wait(7)  # longer than anything that writes now and then waits: all of it must survive this
        eventually(lambda: server.get("/status")["problems"], "that its disk is full is a problem")
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        server.until("line", 20, within_s=60)
        assert json.loads(server.cli("ingest", str(path), "--json").stdout)["events"] == 10
        assert numbers(server) == [*range(20), *range(100, 110)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_is_a_problem_on_the_page_and_the_rest_is_read(tmp_path, logs):
    (logs / "locked.log").write_text("secret\n")
    (logs / "locked.log").chmod(0)
    (logs / "open.log").write_text(numbered(1, 2))
    with running(tmp_path, FILE.format(logs=logs)) as server:
        server.until("line")
        assert any("locked.log" in problem for problem in server.get("/status")["problems"])


def test_importing_goes_on_after_a_file_that_is_not_there(tmp_path):
    (tmp_path / "good.ndjson").write_text(numbered(0, 5))
    paths = [str(tmp_path / "no such file.log"), str(tmp_path / "good.ndjson")]
    told = cli("ingest", *paths, "--data", str(tmp_path / "d"), environment=environment(tmp_path), check=False)
    assert told.returncode == 1
    assert "no such file.log" in told.stderr
    assert "5 records" in told.stdout


def test_malformed_lines_are_kept_flagged_and_found(tmp_path, logs):
    log = logs / "bad.log"
    log.write_bytes(
        b'{"broken": \n'
        b"\x00\x01\x02 binary \xff\xfe\n"
        b'{"message":"caf\xe9 in latin-1"}\n'
        b'{"message":"line ok","n":1}\n'
        b'{"huge":"' + b"x" * 3_000_000 + b'"}\n'
        b"half a line"
    )
    with running(tmp_path, FILE.format(logs=logs)) as server:
        server.until("line ok")
        flagged = server.until("parse_error:*", 3)
        append(log, " and its other half\n")
        (whole,) = server.until('"half a line and its other half"')
    assert all(event["raw"] for event in flagged)
    assert "parse_error" not in whole


def test_help_is_quick_and_knows_every_command(tmp_path):
    told = cli("--help", environment=environment(tmp_path)).stdout
    for name in ("up", "ingest", "query", "sql", "tail", "top"):
        assert name in told
        assert "xample" in cli(name, "--help", environment=environment(tmp_path)).stdout
    assert cli("no-such-command", environment=environment(tmp_path), check=False).returncode == 2
    assert (
        cli("query", "level:(", "--data", str(tmp_path), environment=environment(tmp_path), check=False).returncode == 2
    )


def test_it_stops_at_once_and_cleanly_when_told_to(tmp_path):
    with running(tmp_path) as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == 0
    with running(tmp_path) as again:
        assert [event["event"] for event in again.until("event:server_stopped")] == ["server_stopped"]
    assert "Traceback" not in (tmp_path / "server.log").read_text()


def test_a_question_under_way_does_not_hold_up_the_end(tmp_path):
    slow = {"sql": "SELECT count(*) FROM range(1, 40000) a(x), range(1, 40000) b(y) WHERE x * y = 7"}
    with running(tmp_path) as server:
        body, headers = json.dumps(slow).encode(), {"Content-Type": "application/json"}
        asked = urllib.request.Request(f"{server.url}/api/v1/sql", body, headers)
        started = threading.Event()

        def ask():
            started.set()
            with contextlib.suppress(OSError):
                urllib.request.urlopen(asked, timeout=60).close()

        thread = threading.Thread(target=ask)
        thread.start()
        assert started.wait(60)
        server.until("event:server_started")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(25) == 0
        thread.join()
    assert "Traceback" not in (tmp_path / "server.log").read_text()


def test_the_demo_shows_a_studio_and_says_that_it_is_simulated(tmp_path):
    with running(tmp_path, "", "--demo", "--demo-speed", "20") as server:
        assert server.get("/status")["demo"] is True
        server.until("event:run_finished", 50, within_s=100)
        some = server.events("NOT service:safelight", limit=50)
        assert {event["environment"] for event in some} == {"simulated"}
        assert server.get("/nodes")["nodes"][0]["avg_ms"] > 0
    assert command("up")[0].endswith("safelight")
