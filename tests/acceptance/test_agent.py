"""`safelight agent` and a server, real processes, killed at will: every line is there once."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from contextlib import ExitStack

import pytest

from support.agents import agent
from support.ports import free_port
from support.running import cli, command, environment, running

WAIT_S = 120
LINES = 6_000
PIECE = 50


class Server:
    """A server that can be killed and started again at the same address."""

    def __init__(self, root, port):
        root.mkdir()
        self.root, self.port, self._stack, self.now = root, port, ExitStack(), None

    def start(self):
        self.now = self._stack.enter_context(running(self.root, "[spool]\nread = false\n", port=self.port))

    def kill(self):
        self.now.process.kill()
        self.now.process.wait()
        self._stack.close()

    def count(self, where="service = 'growing'"):
        """How many events there are, and how many different ones."""
        text = f"SELECT count(*) AS n, count(DISTINCT message) AS different FROM events WHERE {where}"
        (row,) = json.loads(self.now.cli("sql", text, "--format", "json").stdout)
        return row["n"], row["different"]

    def until(self, count):
        deadline = time.monotonic() + WAIT_S
        while (found := self.count())[0] < count:
            assert time.monotonic() < deadline, f"{found} of {count} lines after {WAIT_S} s"
            time.sleep(0.2)
        return found


@pytest.fixture
def server(tmp_path):
    one = Server(tmp_path / "server", free_port())
    one.start()
    yield one
    one._stack.close()


def config(tmp_path, server, more=""):
    path = tmp_path / "agent.toml"
    path.write_text(
        "[spool]\nread = false\n"
        f'[[sources]]\ntype = "file"\npaths = ["{tmp_path}/app.log"]\nservice = "growing"\n'
        f'[[sinks]]\ntype = "safelight"\nurl = "http://127.0.0.1:{server.port}"\nflush_interval = "100ms"\n'
        'retry = { first = "100ms", longest = "500ms", max = 1000 }\n' + more
    )
    return path


def test_no_line_is_lost_or_doubled_however_often_agent_and_server_are_killed(tmp_path, server):
    log = tmp_path / "app.log"
    log.touch()
    happens = {
        12: "kill agent",
        24: "kill server",
        36: "rotate",
        44: "kill agent",
        48: "start server",
        60: "kill agent and rotate",
        72: "kill server",
        76: "kill agent",
        84: "start server",
        96: "rotate",
        108: "kill agent",
    }
    with agent(tmp_path / "agent", "--config", str(config(tmp_path, server))) as collector:
        for piece in range(LINES // PIECE):
            with log.open("a") as file:
                file.writelines(f'{{"message":"line {piece * PIECE + n}"}}\n' for n in range(PIECE))
            what = happens.get(piece, "")
            if "kill agent" in what:
                collector.kill()
            if what == "kill server":
                server.kill()
            if what == "start server":
                server.start()
            if "rotate" in what:
                log.rename(tmp_path / f"app.log.{piece}")
                log.touch()
            if "kill agent" in what:
                collector.start()
            time.sleep(0.02)  # a log grows; what is read when is left to chance
        server.until(LINES)
        assert collector.stop() == 0
        assert server.count() == (LINES, LINES)


def test_what_was_read_during_an_outage_arrives_although_its_log_is_gone(tmp_path, server):
    log = tmp_path / "app.log"
    log.write_text("".join(f'{{"message":"line {n}"}}\n' for n in range(1_000)))
    with agent(tmp_path / "agent", "--config", str(config(tmp_path, server))) as collector:
        server.until(1_000)
        server.kill()
        with log.open("a") as file:
            file.writelines(f'{{"message":"line {n}"}}\n' for n in range(1_000, 2_000))
        status = collector.data / "status.json"
        deadline = time.monotonic() + WAIT_S
        while json.loads(status.read_bytes())["sources"][0]["events"] < 2_000:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        log.unlink()
        collector.kill()
        collector.start()
        server.start()
        assert server.until(2_000) == (2_000, 2_000)


def test_it_tells_of_itself_and_its_host_in_the_same_store(tmp_path, server):
    log = tmp_path / "app.log"
    log.write_text("key=hf_abcdefghijklmnopqrstuvwxyz0123456789 refused\n")
    with agent(tmp_path / "agent", "--config", str(config(tmp_path, server))):
        server.until(1)
        (event,) = server.now.events("service:growing")
        assert event["host"] == socket.gethostname()
        assert "hf_abc" not in json.dumps(event)
        (started,) = server.now.until("event:agent_started")
        assert started["service"] == "safelight"
        agents = [one for one in server.now.get("/pipeline")["sources"] if one["type"] == "agent"]
        assert [one["name"] for one in agents] == [socket.gethostname()]
        assert agents[0]["events"] >= 2


def test_a_second_agent_on_the_same_directory_is_refused(tmp_path, server):
    (tmp_path / "app.log").write_text("one line\n")
    path = str(config(tmp_path, server))
    with agent(tmp_path / "agent", "--config", path) as first:
        second = subprocess.run(
            command("agent", "--config", path, "--data", str(first.data)),
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        assert second.returncode == 1
        assert str(first.data) in second.stderr
        server.until(1)
        deadline = time.monotonic() + WAIT_S  # it writes down every few seconds how it is doing
        while problems(first.data, tmp_path):
            assert time.monotonic() < deadline


def problems(data, root):
    found = cli("doctor", "--data", str(data), "--json", environment=environment(root), check=False)
    return json.loads(found.stdout)["problems"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--to"),
        (("--to", "no address"), "no address"),
        (("--to", "http://x", "--token-file", "/no/such"), "/no/such"),
    ],
    ids=["nowhere", "address", "token"],
)
def test_what_it_cannot_start_with_is_said_in_one_sentence(tmp_path, arguments, said):
    done = cli("agent", "--data", str(tmp_path / "data"), *arguments, environment=environment(tmp_path), check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
