"""Real Fluent Bit and Fluentd: from them to us and from us to them, through kills of either side.

Skipped without `SAFELIGHT_FLUENT_BIT` and `SAFELIGHT_FLUENTD`, the paths of the programs.
"""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from safelight.batch import Batch
from safelight.errors import SinkError
from safelight.sinks.forward import Forward as Sink
from support.fluent import (
    FLUENT_BIT,
    FLUENT_BIT_SENDS,
    FLUENT_BIT_TAKES,
    FLUENTD,
    FLUENTD_SENDS,
    FLUENTD_TAKES,
    with_fluent_bit,
    with_fluentd,
    written,
)
from support.forwarding import KEY, certificates, running, taking, until
from support.ports import free_port


def kept(path: Path) -> list[dict]:
    """What our side kept; a last line that a kill cut off was not acknowledged."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1] if line.startswith(b"{") and line.endswith(b"}")]


def settings(tmp_path, port):
    cert, key = certificates(tmp_path / "tls")
    given = {
        "listen": f"127.0.0.1:{port}",
        "shared_key": KEY,
        "users": {"agent": "a password"},
        "tls": {"cert": str(cert), "key": str(key)},
        "hostname": "safelight",
    }
    return json.dumps(given), cert


def through_kills(tmp_path, command, us):
    """1,200 lines in four parts; after each, one side is killed with data on its way."""
    app, taken = tmp_path / "app.log", tmp_path / "kept.ndjson"
    app.touch()
    numbers = iter(range(1_200))

    def write(count):
        with app.open("a", encoding="utf-8") as file:
            file.writelines(f"[INFO] line {next(numbers)} 你好\n" for _ in range(count))

    def seen():
        return {row["message"] for row in kept(taken)}

    with running(us, tmp_path / "us.log", port=None) as ours, running(command, tmp_path / "peer.log") as theirs:

        def told():
            return f"{len(seen())} lines\n{ours.log()}\n{theirs.log()}"

        write(300)
        until(lambda: len(seen()) >= 300, "the first 300 lines", told)
        write(300)
        ours.kill()
        write(100)
        ours.start()
        until(lambda: len(seen()) >= 700, "700 lines after a kill of ours", told)
        write(300)
        theirs.kill()
        theirs.start()
        until(lambda: len(seen()) >= 1_000, "1,000 lines after a kill of theirs", told)
        write(200)
        until(lambda: len(seen()) >= 1_200, "all lines", told)
    return kept(taken)


@with_fluent_bit
def test_fluent_bit_sends_every_line_through_kills_of_either(tmp_path):
    port = free_port()
    given, cert = settings(tmp_path, port)
    config = written(tmp_path / "flb.conf", FLUENT_BIT_SENDS.format(folder=tmp_path, port=port, ca=cert, key=KEY))
    rows = through_kills(tmp_path, [FLUENT_BIT, "-c", str(config)], taking(tmp_path / "kept.ndjson", given))
    by_id = {row["id"]: row["message"] for row in rows}
    assert set(by_id.values()) == {f"line {number} 你好" for number in range(1_200)}
    assert {row["tag"] for row in rows} == {"app.log"}
    assert not [row for row in rows if row["parse_error"]]


@with_fluentd
@pytest.mark.parametrize("compress", ["text", "gzip", "zstd"])
def test_fluentd_sends_every_line_through_kills_of_either(tmp_path, compress):
    port = free_port()
    given, cert = settings(tmp_path, port)
    text = FLUENTD_SENDS.format(folder=tmp_path, port=port, ca=cert, key=KEY, compress=compress)
    config = written(tmp_path / "fluentd.conf", text)
    command = [FLUENTD, "--no-supervisor", "-c", str(config)]
    rows = through_kills(tmp_path, command, taking(tmp_path / "kept.ndjson", given))
    assert {row["message"] for row in rows} == {f"line {number} 你好" for number in range(1_200)}
    assert not [row for row in rows if row["parse_error"]]


def batch(number):
    rows = [
        {
            "id": f"00000000-batch-{number:03d}-{row:03d}",
            "timestamp": 1_790_000_000_000_000 + number,
            "level": "INFO",
            "message": f"节点 {row}",
            "service": "comfyui",
            "attributes": '{"steps": 30}',
        }
        for row in range(50)
    ]
    return Batch.of(rows)


async def send_through_a_kill(sink, theirs, taken):
    """40 batches; the peer is killed on the way, and each batch is sent until it is confirmed."""
    waiting = list(range(40))
    killed = False
    with anyio.fail_after(120):
        while waiting:
            try:
                async with sink.connect() as connection:
                    while waiting:
                        if len(waiting) == 20 and not killed:
                            killed = True
                            await anyio.to_thread.run_sync(theirs.kill)
                            await anyio.to_thread.run_sync(theirs.start)
                        await connection.send(batch(waiting[0]), f"batch-{waiting[0]}")
                        waiting.pop(0)
            except SinkError:
                await anyio.sleep(0.2)
    sent = {row for number in range(40) for row in batch(number)["id"].to_pylist()}
    until(lambda: {event["id"] for event in taken()} == sent, "every event, and no other", theirs.log)


def sink_to(port, cert, **more):
    return Sink(
        servers=[f"localhost:{port}"],
        tls={"ca": cert},
        shared_key=KEY,
        user="agent",
        password="a_password",
        hostname="safelight",
        **more,
    )


@with_fluent_bit
@pytest.mark.parametrize("compress", ["gzip", "zstd", "none"])
def test_fluent_bit_gets_every_event_through_a_kill(tmp_path, compress):
    port = free_port()
    cert, key = certificates(tmp_path / "tls")
    text = FLUENT_BIT_TAKES.format(folder=tmp_path, port=port, cert=cert, certkey=key, key=KEY)
    command = [FLUENT_BIT, "-c", str(written(tmp_path / "flb.conf", text))]

    def taken():
        return kept(tmp_path / "taken.ndjson")

    with running(command, tmp_path / "peer.log", port=port) as theirs:
        try:
            anyio.run(send_through_a_kill, sink_to(port, cert, compress=compress), theirs, taken)
        except TimeoutError:
            pytest.fail(theirs.log())
    events = taken()
    assert events[0]["message"].startswith("节点")
    assert (events[0]["service"], events[0]["steps"], events[0]["level"]) == ("comfyui", 30, "INFO")


@with_fluentd
@pytest.mark.parametrize("compress", ["gzip", "zstd", "none"])
def test_fluentd_gets_every_event_through_a_kill(tmp_path, compress):
    port = free_port()
    cert, key = certificates(tmp_path / "tls")
    text = FLUENTD_TAKES.format(folder=tmp_path, port=port, cert=cert, certkey=key, key=KEY)
    command = [FLUENTD, "--no-supervisor", "-c", str(written(tmp_path / "fluentd.conf", text))]

    def taken():
        return [event for path in tmp_path.glob("taken*.log") for event in kept(path)]

    with running(command, tmp_path / "peer.log", port=port) as theirs:
        try:
            anyio.run(send_through_a_kill, sink_to(port, cert, compress=compress), theirs, taken)
        except TimeoutError:
            pytest.fail(theirs.log())
    assert {event["fluent_tag"] for event in taken()} == {"safelight.comfyui"}
    assert taken()[0]["steps"] == 30
