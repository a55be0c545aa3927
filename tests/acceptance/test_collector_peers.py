"""A real server between real peers, each killed once on the way: Fluent Bit and Fluentd, VictoriaLogs, rsyslog.

Each is skipped unless its variable names the program: `SAFELIGHT_FLUENT_BIT`, `SAFELIGHT_FLUENTD`,
`SAFELIGHT_VICTORIALOGS`, `SAFELIGHT_RSYSLOG`.
"""

from __future__ import annotations

import json
import os
import socket

import pytest

from support.fluent import (
    FLUENT_BIT,
    FLUENT_BIT_SENDS,
    FLUENTD,
    FLUENTD_TAKES,
    with_fluent_bit,
    with_fluentd,
    written,
)
from support.forwarding import KEY, certificates, running
from support.lasting import eventually, lasting
from support.ports import free_port
from support.victorialogs import HEADERS, Victoria, needs_victorialogs

RSYSLOG = os.environ.get("SAFELIGHT_RSYSLOG", "")

NO_SPOOL = "[spool]\nread = false\n"
SOON = 'flush_interval = "100ms"\nretry = { first = "100ms", longest = "1s", max = 1000 }\n'

RSYSLOG_SENDS = """
global(workDirectory="{folder}")
module(load="imptcp")
module(load="omelasticsearch")
template(name="event" type="list" option.jsonf="on") {{
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="severity" name="syslogseverity-text" format="jsonf")
  property(outname="program" name="programname" format="jsonf")
}}
input(type="imptcp" address="127.0.0.1" port="{mine}")
action(
  type="omelasticsearch" server="127.0.0.1" serverport="{port}" template="event" searchIndex="rsyslog" bulkmode="on"
  maxbytes="100k" errorfile="{folder}/errors.log"
  queue.type="linkedlist" queue.dequeuebatchsize="100" action.resumeretrycount="-1" action.resumeinterval="1"
)
"""


class Log:
    """Grows by numbered lines."""

    def __init__(self, path):
        self.path = path
        self.lines = []
        path.touch()

    def grows(self, count):
        new = [f"line {len(self.lines) + n} 你好" for n in range(count)]
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(f"[INFO] {line}\n" for line in new)
        self.lines += new


@needs_victorialogs
def test_every_event_is_in_victorialogs_after_kills_of_ours_and_restarts_of_theirs(tmp_path):
    log = Log(tmp_path / "app.log")
    (tmp_path / "victorialogs").mkdir()
    with Victoria(tmp_path / "victorialogs") as victoria:
        headers = ", ".join(f'"{name}" = "{value}"' for name, value in HEADERS.items())
        config = NO_SPOOL + (
            f'[[sources]]\ntype = "file"\npaths = ["{log.path}"]\nservice = "app"\n'
            f'[[sinks]]\ntype = "elasticsearch"\nname = "victoria"\nurl = "{victoria.url}"\nwhere = "service:app"\n'
            f"headers = {{ {headers} }}\nmost_events = 200\n{SOON}"
        )

        def arrived():
            return victoria.count("service:app")[1] == len(log.lines)

        with lasting(tmp_path / "server", config) as server:
            log.grows(1_000)
            eventually(arrived, "the first events")
            log.grows(1_000)
            server.kill()
            log.grows(1_000)
            server.start()
            log.grows(1_000)
            victoria.stop()
            log.grows(1_000)
            server.until_sink("victoria", lambda sink: sink["state"] == "retrying" and sink["queue"]["events"])
            server.kill()  # while it is down
            server.start()
            victoria.start()
            log.grows(1_000)
            eventually(arrived, "every event", lambda: str(victoria.count("service:app")))
            stored = server.count("service:app")
            sink = server.until_sink("victoria", lambda sink: not sink["queue"]["events"])
        events, ids = victoria.count("service:app")
        messages = {row["_msg"] for row in victoria.rows("service:app | fields _msg")}
    assert stored == (6_000, 6_000)
    assert ids == 6_000
    assert events >= 6_000  # VictoriaLogs keeps both of what a kill makes us send twice
    assert messages == set(log.lines)
    assert (sink["dead_letters"], sink["dropped"]) == (0, {})


@with_fluent_bit
@with_fluentd
def test_every_line_passes_from_fluent_bit_through_us_to_fluentd_though_each_is_killed(tmp_path):
    ours, theirs = free_port(), free_port()
    cert, key = certificates(tmp_path / "tls")
    sender, receiver = tmp_path / "fluent-bit", tmp_path / "fluentd"
    for folder in (sender, receiver):
        folder.mkdir()
    log = Log(sender / "app.log")
    config = NO_SPOOL + (
        f'[[sources]]\ntype = "forward"\nlisten = "127.0.0.1:{ours}"\nshared_key = "env:KEY"\nhostname = "safelight"\n'
        f'users = {{ agent = "env:USER_PASSWORD" }}\ntls = {{ cert = "{cert}", key = "{key}" }}\n'
        f'[[sinks]]\ntype = "forward"\nservers = ["localhost:{theirs}"]\nwhere = "tag:app.log"\n'
        'tag = "safelight.{tag}"\nshared_key = "env:KEY"\n'
        f'user = "agent"\npassword = "env:SINK_PASSWORD"\ntls = {{ ca = "{cert}" }}\nhostname = "safelight"\n{SOON}'
    )
    sends = FLUENT_BIT_SENDS.format(folder=sender, port=ours, ca=cert, key=KEY)
    takes = FLUENTD_TAKES.format(folder=receiver, port=theirs, cert=cert, certkey=key, key=KEY)
    fluent_bit = [FLUENT_BIT, "-c", str(written(sender / "fluent-bit.conf", sends))]
    fluentd = [FLUENTD, "--no-supervisor", "-c", str(written(receiver / "fluentd.conf", takes))]

    def kept():
        """What Fluentd wrote; a line that its own kill cut short, it writes again."""
        lines = [line for path in receiver.glob("taken*.log") for line in path.read_bytes().split(b"\n")]
        return [json.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"}")]

    def arrive(what):
        eventually(
            lambda: {event["message"] for event in kept()} == set(log.lines),
            f"every line, and no other, {what}",
            lambda: f"{len(kept())} of {len(log.lines)}\n{sent.log()}\n{taken.log()}",
        )

    secrets = {"KEY": KEY, "USER_PASSWORD": "a password", "SINK_PASSWORD": "a_password"}
    with (
        running(fluentd, receiver / "log", port=theirs) as taken,
        lasting(tmp_path / "server", config, **secrets) as server,
        running(fluent_bit, sender / "log") as sent,
    ):
        log.grows(300)
        arrive("at first")
        log.grows(300)
        server.kill()
        log.grows(300)
        server.start()
        arrive("after a kill of ours")
        log.grows(300)
        sent.kill()
        log.grows(300)
        sent.start()
        arrive("after a kill of Fluent Bit")
        log.grows(300)
        taken.kill()
        log.grows(300)
        server.until("tag:app.log", len(log.lines))
        taken.start()
        arrive("after a kill of Fluentd")
        assert server.count("tag:app.log")[1] == len(log.lines)
    assert {event["fluent_tag"] for event in kept()} == {"safelight.app.log"}


@pytest.mark.skipif(not RSYSLOG, reason="SAFELIGHT_RSYSLOG names no rsyslogd")
def test_rsyslog_writes_into_our_bulk_endpoint_through_a_kill(tmp_path):
    mine, port = free_port(), free_port()
    folder = tmp_path / "rsyslog"
    folder.mkdir()
    config = NO_SPOOL + f'[[sources]]\ntype = "elasticsearch_bulk"\nlisten = "127.0.0.1:{port}"\ntag = "syslog"\n'
    conf = written(folder / "rsyslog.conf", RSYSLOG_SENDS.format(folder=folder, mine=mine, port=port))
    command = [RSYSLOG, "-n", "-i", str(folder / "pid"), "-f", str(conf)]
    with (
        lasting(tmp_path / "server", config) as server,
        running(command, folder / "log", port=mine),
        socket.create_connection(("127.0.0.1", mine)) as sender,
    ):

        def say(first, count):
            lines = [f"<11>Nov 22 10:00:00 gpu-1 comfyui[42]: 节点 {n}\n" for n in range(first, first + count)]
            sender.sendall("".join(lines).encode())

        say(0, 500)
        eventually(lambda: server.count("tag:syslog")[1] == 500, "the first lines")
        say(500, 250)
        server.kill()
        say(750, 250)
        server.start()
        eventually(
            lambda: server.count("tag:syslog")[1] == 1_000, "every line", lambda: str(server.count("tag:syslog"))
        )
        events = server.now.events("tag:syslog", limit=5_000)
    assert {event["message"].strip() for event in events} == {f"节点 {n}" for n in range(1_000)}
    assert {event["host"] for event in events} == {"gpu-1"}
    assert {event["attributes"]["_index"] for event in events} == {"rsyslog"}
    assert not (folder / "errors.log").exists()
