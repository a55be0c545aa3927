"""The same work by our agent and by Fluent Bit: tail, parse JSON, four constants, a tenth of DEBUG, redact, to a file.

SAFELIGHT_FLUENT_BIT names the peer's program; without it only our own figures are printed. SAFELIGHT_BENCH_LINES says
how many lines there are, a million by default.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import psutil
import pytest

from safelight.pipeline import chain
from safelight.processors.enrich import Enrich
from safelight.processors.redact import Redact
from safelight.processors.sample import Sample
from safelight.tail.batches import raw_batch
from safelight.tail.turn import Records
from support.collector_lines import lines, write
from support.running import command, environment

pytestmark = pytest.mark.bench
LINES = int(os.environ.get("SAFELIGHT_BENCH_LINES", "1000000"))
FLUENT_BIT = os.environ.get("SAFELIGHT_FLUENT_BIT", "")
MOST = 12
"""What all steps cost a line, by what decoding its JSON into a dict costs: 9.4 on a busy machine."""
STILL_S = 4.0
"""The output has not grown for so long: everything was written."""

AGENT = """
[spool]
read = false
[[sources]]
type = "file"
paths = ["{log}"]
service = "comfyui"
[[processors]]
type = "enrich"
fields = {{ environment = "production", site = "studio", rack = "r7", processed_by = "collector" }}
[[processors]]
type = "sample"
where = "level:DEBUG"
rate = 0.1
[[processors]]
type = "redact"
[[sinks]]
type = "file"
path = "{out}"
size = "100GB"
flush_interval = "1s"
"""

FLUENT_BIT_CONF = """
[SERVICE]
    flush 1
    log_level error
    parsers_file {folder}/parsers.conf
    json.escape_unicode off
[INPUT]
    name tail
    path {log}
    tag comfyui
    read_from_head true
    parser json
    db {folder}/positions.db
    buffer_chunk_size 1M
    buffer_max_size 8M
[FILTER]
    name record_modifier
    match *
    record environment production
    record site studio
    record rack r7
    record processed_by collector
[FILTER]
    name lua
    match *
    script {folder}/steps.lua
    call steps
[OUTPUT]
    name file
    match *
    path {folder}
    file out.ndjson
    format plain
"""
PARSERS = """
[PARSER]
    name json
    format json
    time_key none
"""
STEPS = r"""
local seen = 0
function steps(tag, timestamp, record)
  if record["level"] == "DEBUG" then
    seen = seen + 1
    if seen % 10 ~= 0 then return -1, 0, 0 end
  end
  local text = record["message"]
  if text then
    text = string.gsub(text, "/home/[^/%s]+", "/home/***")
    text = string.gsub(text, "%f[%d]192%.168%.%d+%.%d+", "***")
    text = string.gsub(text, "(token=)%S+", "%1***")
    text = string.gsub(text, "hf_%w+", "***")
    record["message"] = text
  end
  return 2, timestamp, record
end
"""


@contextmanager
def process(arguments, **options):
    running = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, **options)
    try:
        yield psutil.Process(running.pid)
    finally:
        running.terminate()
        running.wait(60)


def measure(name, program, out):
    """CPU seconds per million lines, lines out, peak memory. Prints them."""
    began, size, since = time.monotonic(), -1, time.monotonic()
    while time.monotonic() - since < STILL_S:
        assert program.is_running(), f"{name} has ended"
        now = out.stat().st_size if out.exists() else 0
        if now != size or not now:
            size, since = now, time.monotonic()
        time.sleep(0.2)
    times = program.cpu_times()
    status = Path(f"/proc/{program.pid}/status").read_text()
    peak = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
    cpu = (times.user + times.system) / LINES * 1e6
    with out.open("rb") as file:
        kept = sum(1 for _ in file)
    wall = max(0.1, time.monotonic() - began - STILL_S)
    print(
        f"\n{name}: {cpu:.1f} CPU-s per million lines, {LINES / wall:,.0f} lines/s, {kept:,} kept, {peak / 1024:.0f} MB"
    )
    return cpu, kept, peak / 1024


def test_the_same_work_by_the_agent_and_by_fluent_bit(tmp_path):
    log = write(tmp_path / "service.log", LINES)
    config, out = tmp_path / "agent.toml", tmp_path / "out.ndjson"
    config.write_text(AGENT.format(log=log, out=out))
    started = command("agent", "--config", str(config), "--data", str(tmp_path / "data"))
    with process(started, env=environment(tmp_path)) as program:
        ours, kept, _ = measure("Safelight agent", program, out)
    out.unlink()
    if not FLUENT_BIT:
        pytest.skip("SAFELIGHT_FLUENT_BIT names no program")
    folder = tmp_path / "peer"
    folder.mkdir()
    (folder / "conf").write_text(FLUENT_BIT_CONF.format(folder=folder, log=log))
    (folder / "parsers.conf").write_text(PARSERS)
    (folder / "steps.lua").write_text(STEPS)
    with process([FLUENT_BIT, "-q", "-c", str(folder / "conf")], stderr=subprocess.DEVNULL) as program:
        theirs, also_kept, _ = measure("Fluent Bit", program, folder / "out.ndjson")
    print(f"CPU of Safelight's agent by that of Fluent Bit: {ours / theirs:.2f}")
    assert abs(kept - also_kept) <= LINES / 1000  # a tenth of DEBUG is counted from another line on


def test_the_steps_cost_a_small_multiple_of_decoding_the_lines(capsys):
    """Without the process around it: what the agent does to a line between the file and the queue."""
    texts = [line.encode() for line in lines(60_000)]
    batches = [
        raw_batch([Records("app.log", "0123456789ab-", texts[at : at + 3_000], list(range(3_000)))], {})
        for at in range(0, len(texts), 3_000)
    ]
    fields = {"environment": "production", "site": "studio", "rack": "r7", "processed_by": "collector"}
    steps = chain([Enrich(fields=fields), Sample(where="level:DEBUG", rate=0.1), Redact()], "comfyui", host="box")
    decode = msgspec.json.Decoder(dict).decode

    def decoded():
        for line in texts:
            with suppress(msgspec.DecodeError):
                decode(line)

    def stepped():
        for batch in batches:
            steps(batch)

    peer, ours = (min(_cpu_us(work, len(texts)) for _ in range(4)) for work in (decoded, stepped))
    with capsys.disabled():
        print(f"\nsteps {ours:.2f} CPU us a line, decoding to a dict {peer:.2f}: {ours / peer:.1f} times as much")
    assert ours < MOST * peer


def _cpu_us(work, count):
    began = time.process_time()
    work()
    return (time.process_time() - began) / count * 1e6
