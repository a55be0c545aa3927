"""The two routes, as a server like ComfyUI's calls them."""

from __future__ import annotations

import asyncio
import json
import sys
from types import SimpleNamespace

import pytest


class Routes:
    """aiohttp's table of routes, as far as it is used."""

    def __init__(self):
        self.known = {}

    def get(self, path):
        return lambda handler: self.known.setdefault(("GET", path), handler)

    def post(self, path):
        return lambda handler: self.known.setdefault(("POST", path), handler)

    def ask(self, method, path, body=None):
        async def read():
            return json.loads(body)

        answer = asyncio.run(self.known[method, path](SimpleNamespace(json=read)))
        return answer.status, json.loads(json.dumps(answer.data))


@pytest.fixture
def state(pack):
    return pack.routes.State(pack.settings.Settings(url="http://safelight"), "gpu-1", "9.9")


@pytest.fixture
def routes(pack, state, monkeypatch):
    web = SimpleNamespace(json_response=lambda data, status=200: SimpleNamespace(data=data, status=status))
    monkeypatch.setitem(sys.modules, "aiohttp.web", web)
    routes = Routes()
    pack.routes.install(routes, state)
    return routes


def test_the_state_says_how_the_pack_fares(routes, state):
    state.hooks = ["queue"]
    state.worker_alive = lambda: True
    state.run = lambda: {"workflow_id": "w1"}
    status, found = routes.ask("GET", "/safelight/state")
    assert status == 200
    assert (found["pack_version"], found["instance"], found["url"]) == ("9.9", "gpu-1", "http://safelight")
    assert (found["hooks"], found["worker_alive"], found["run"]) == (["queue"], True, {"workflow_id": "w1"})
    assert set(found["health"]) == {"written", "dropped", "waiting", "failing", "last_error"}
    assert "spool" in found
    assert found["failures"] == []


def test_the_last_ten_failures_are_remembered_newest_first(state):
    for number in range(12):
        fields = {"workflow_id": f"w{number}", "node": "KSampler", "node_id": "3", "error_message": "x" * 999}
        state.note("node_failed", fields, 1_000_000_000 * number)
        state.note("run_failed", fields)
    failures = state.as_json()["failures"]
    assert [failure["workflow_id"] for failure in failures] == [f"w{number}" for number in range(11, 1, -1)]
    assert (failures[0]["at"], len(failures[0]["message"])) == ("1970-01-01T00:00:11.000000Z", 300)


def test_rejected_runs_and_runs_that_failed_outside_of_nodes_are_failures_too(state):
    state.note("run_rejected", {"workflow_id": "w1", "error_message": "no outputs"})
    state.note("run_failed", {"workflow_id": "w2", "error_message": "worker"})
    state.note("run_finished", {"workflow_id": "w3"})
    assert [failure["workflow_id"] for failure in state.as_json()["failures"]] == ["w2", "w1"]


def test_the_inventory_is_that_of_the_prompt(pack, routes, monkeypatch):
    monkeypatch.setattr(pack.inventory, "take", lambda prompt: {"of": prompt})
    assert routes.ask("POST", "/safelight/inventory", '{"prompt": {"1": {}}}') == (200, {"of": {"1": {}}})


@pytest.mark.parametrize("body", ["{", "[]", "{}", '{"prompt": []}', "null"])
def test_a_body_without_a_prompt_is_refused_in_one_sentence(routes, body):
    status, found = routes.ask("POST", "/safelight/inventory", body)
    assert status == 400
    assert found["error"].endswith(".")
