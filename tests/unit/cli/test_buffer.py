from __future__ import annotations

import json
import os
from functools import partial

import anyio
import anyio.to_thread
import pytest
from click.testing import CliRunner

from safelight.agent.telling import FILE
from safelight.cli import safelight
from safelight.shipping.inspection import put_back
from safelight.shipping.outlet import Outlet
from safelight.sinks import Refusal
from safelight.store.lock import Lock
from support.shipping import Hands, Notebook, Obedient, events, until


def run(*arguments: str):
    return CliRunner(env={"SAFELIGHT_DATA": None, "SAFELIGHT_URL": None}).invoke(safelight, ["buffer", *arguments])


async def filled(data, *, while_open=None) -> None:
    """A sink with two dead letters and five events that wait."""
    sink = Obedient(name="es")
    sink._orders.append([Refusal(0, "no"), Refusal(1, "never")])
    async with Outlet(sink, data / "sinks" / "es", Notebook(), "en", Hands()) as outlet:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outlet.run)
            await outlet.offer(events(0, 3), {})
            await until(lambda: outlet.status()["dead_letters"] == 2)
            await until(lambda: outlet.status()["queue"]["events"] == 0)
            tasks.cancel_scope.cancel()
        await outlet.offer(events(10, 5), {})
        if while_open:
            while_open()


@pytest.fixture
def data(tmp_path):
    anyio.run(partial(filled, tmp_path))
    return tmp_path


def ids(output: str) -> list[str]:
    return [json.loads(line)["id"] for line in output.splitlines()]


def test_queues_are_listed_with_what_waits_and_what_was_refused(data):
    (found,) = json.loads(run("list", "--data", str(data), "--json").stdout)
    assert (found["name"], found["type"], found["dead_letters"]) == ("es", "obedient", 2)
    assert found["queue"]["events"] == 5
    assert found["queue"]["capacity_bytes"] == 64 * 8 * 1024 * 1024
    assert found["queue"]["oldest_at"].endswith("Z")
    assert "es" in run("list", "--data", str(data)).stdout


def test_nothing_to_list_is_said(tmp_path):
    assert "No sink" in run("list", "--data", str(tmp_path)).stdout


def test_what_a_running_agent_wrote_down_is_listed(data):
    lock = Lock.take(data)
    try:
        queue = {"events": 7, "bytes": 70, "capacity_bytes": 700, "share": 0.1, "oldest_at": None}
        sinks = [{"type": "file", "name": "mine", "state": "blocked", "queue": queue, "dead_letters": 3}]
        (data / FILE).write_text(json.dumps({"agent": True, "sinks": sinks}))
        listed = run("list", "--data", str(data)).stdout
    finally:
        lock.release()
    assert "blocked" in listed
    assert "mine" in listed
    assert "stopped" in run("list", "--data", str(data)).stdout


def test_what_waits_is_exported_also_while_a_process_has_the_queue(tmp_path):
    seen = []
    anyio.run(partial(filled, tmp_path, while_open=lambda: seen.append(run("export", "es", "--data", str(tmp_path)))))
    assert ids(seen[0].stdout) == [f"e{n}" for n in range(10, 15)]
    assert ids(run("export", "es", "--data", str(tmp_path)).stdout) == [f"e{n}" for n in range(10, 15)]


def test_dead_letters_are_exported_with_their_reasons(data, tmp_path):
    file = tmp_path / "out.ndjson"
    assert run("export", "es", "--dead-letters", "-o", str(file), "--data", str(data)).exit_code == 0
    letters = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(letter["reason"], letter["event"]["id"]) for letter in letters] == [("no", "e0"), ("never", "e1")]


def test_dead_letters_go_back_into_the_queue_when_no_server_runs(data):
    assert "2 events" in run("retry", "es", "--data", str(data)).stdout
    assert ids(run("export", "es", "--data", str(data)).stdout) == [*[f"e{n}" for n in range(10, 15)], "e0", "e1"]
    assert "0 events" in run("retry", "es", "--data", str(data)).stdout


async def asked(data, *arguments: str, doing=None, **settings):
    """What `retry` says while an outlet has the queue and, as in an agent, does as it is asked."""
    sink = Obedient.model_validate({"name": "es", **settings})
    async with (
        Outlet(sink, data / "sinks" / "es", Notebook(), "en", Hands()) as outlet,
        anyio.create_task_group() as tasks,
    ):
        for part in doing(outlet) if doing else [outlet.heed]:
            tasks.start_soon(part)
        said = await anyio.to_thread.run_sync(lambda: run("retry", "es", "--data", str(data), *arguments))
        tasks.cancel_scope.cancel()
        return said, outlet.status(), sink


def test_dead_letters_go_back_into_the_queue_while_an_agent_has_it(data):
    said, status, _ = anyio.run(partial(asked, data))
    assert "2 events" in said.stdout
    assert (status["dead_letters"], status["queue"]["events"]) == (0, 7)
    assert ids(run("export", "es", "--data", str(data)).stdout) == [*[f"e{n}" for n in range(10, 15)], "e0", "e1"]
    assert not list((data / "sinks" / "es").glob("retry-*"))


def test_what_an_agent_cannot_put_back_is_said(data):
    (letters,) = (data / "sinks" / "es" / "dead-letter").glob("*.ndjson")
    letters.write_text(letters.read_text() + "mended by hand\n")
    said, status, _ = anyio.run(partial(asked, data))
    assert said.exception.key == "cli.buffer.not_retried"
    assert "Line 3" in str(said.exception)
    assert status["queue"]["events"] == 5


def test_nothing_happens_later_when_nobody_answers(data, monkeypatch):
    monkeypatch.setattr("safelight.shipping.requests.ask.__defaults__", (0.0,))
    said, status, _ = anyio.run(partial(asked, data, doing=lambda outlet: []))
    assert said.exception.key == "cli.buffer.no_answer"
    assert status["dead_letters"] == 2
    assert not list((data / "sinks" / "es").glob("retry-*"))


def test_a_request_that_a_crash_left_is_done_once_by_the_next_agent(data):
    directory = data / "sinks" / "es"
    put_back(directory)  # and then the agent is killed, before it could answer
    (directory / "retry-1.request").touch()
    (directory / "retry-0.answer").touch()
    os.utime(directory / "retry-0.answer", (0, 0))

    async def main():
        sink = Obedient(name="es")
        outlet = Outlet(sink, directory, Notebook(), "en", Hands())
        async with outlet, anyio.create_task_group() as tasks:
            tasks.start_soon(outlet.run)
            tasks.start_soon(outlet.heed)
            await until((directory / "retry-1.answer").exists)
            await until(lambda: outlet.status()["queue"]["events"] == 0)
            tasks.cancel_scope.cancel()
        return sink.got

    assert anyio.run(main) == [*[f"e{n}" for n in range(10, 15)], "e0", "e1"]
    assert [path.name for path in directory.glob("retry-*")] == ["retry-1.answer"]


@pytest.mark.parametrize("command", [["retry", "kafka"], ["export", "kafka"], ["export", "../sinks"]])
def test_a_sink_that_there_is_not_is_said(data, command):
    refused = run(*command, "--data", str(data))
    assert refused.exception.key == "cli.buffer.unknown"
    assert "es" in str(refused.exception)


def test_the_server_is_asked_when_it_runs(monkeypatch, tmp_path):
    asked = []

    class Running:
        def get(self, path):
            asked.append(("GET", path))
            return {
                "sinks": [{"name": "es", "type": "elasticsearch", "state": "ok", "dead_letters": 0, "queue": QUEUE}]
            }

        def post(self, path, body, media_type):
            asked.append(("POST", path))
            return {"events": 7}

    monkeypatch.setattr("safelight.cli.buffer.running", lambda url, data: Running())
    assert "elasticsearch" in run("list").stdout
    assert "7 events" in run("retry", "e s").stdout
    assert asked == [("GET", "/pipeline"), ("POST", "/sinks/e%20s/retry")]


QUEUE = {"events": 3, "bytes": 1_048_576, "capacity_bytes": 2_097_152, "share": 0.5, "oldest_at": None}
