"""A real rsyslog sends to us, over UDP and TCP, in its old and its new form.

Skipped without `SAFELIGHT_RSYSLOG`, the path of rsyslogd.
"""

from __future__ import annotations

import os
import socket

import pytest

from safelight.sources.syslog import Syslog
from support.forwarding import running
from support.listening import listening
from support.ports import free_port

RSYSLOG = os.environ.get("SAFELIGHT_RSYSLOG", "")

CONFIG = """
module(load="imtcp")
input(type="imtcp" port="{mine}" address="127.0.0.1")
*.* action(
  type="omfwd" target="127.0.0.1" port="{port}" protocol="{protocol}" template="{template}" {more}
  queue.type="LinkedList" action.resumeRetryCount="-1" action.resumeInterval="1"
)
"""

WAYS = {
    "udp-old": ("udp", "RSYSLOG_TraditionalForwardFormat", ""),
    "tcp-lines": ("tcp", "RSYSLOG_ForwardFormat", ""),
    "tcp-counted": ("tcp", "RSYSLOG_SyslogProtocol23Format", 'TCP_Framing="octet-counted"'),
}


@pytest.mark.anyio
@pytest.mark.skipif(not RSYSLOG, reason="SAFELIGHT_RSYSLOG names no rsyslogd")
@pytest.mark.parametrize("way", WAYS)
async def test_what_rsyslog_forwards_becomes_events(way, tmp_path):
    protocol, template, more = WAYS[way]
    mine = free_port()
    async with listening(Syslog(listen="127.0.0.1:0", timezone="UTC")) as got:
        text = CONFIG.format(mine=mine, port=got.port, protocol=protocol, template=template, more=more)
        (tmp_path / "rsyslog.conf").write_text(text)
        command = [RSYSLOG, "-n", "-i", str(tmp_path / "pid"), "-f", str(tmp_path / "rsyslog.conf")]
        with running(command, tmp_path / "log", port=mine), socket.create_connection(("127.0.0.1", mine)) as sender:
            sender.sendall(
                b"<11>Nov 22 10:00:00 gpu-1 comfyui[42]: CUDA out of memory\n"
                + '<165>1 2026-11-22T10:00:01.5Z gpu-2 render 7 ID1 [run@1 id="wf-1"] 完成\n'.encode()
            )
            await got.until(lambda: {"gpu-1", "gpu-2"} <= {event.get("host") for event in got.events})
    by_host = {event["host"]: event for event in got.events}
    first, second = by_host["gpu-1"], by_host["gpu-2"]
    assert (first["level"], first["message"], first["service"]) == ("ERROR", "CUDA out of memory", "comfyui")
    assert first["attributes"]["process_id"] == "42"
    assert (second["message"], second["service"]) == ("完成", "render")
    assert (second["attributes"]["facility"], second["level"]) == ("local4", "INFO")
    assert not [event for event in got.events if "parse_error" in event]
