"""`safelight doctor`: what is wrong and what to do, one line each, and an exit code for scripts."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from safelight.agent.telling import FILE
from safelight.cli import doctor
from safelight.errors import ServerError
from safelight.store.lock import Lock

PROBLEM = {"severity": "warning", "where": "es", "said": "It cannot send.", "remedy": "Check the other side."}
NOTE = PROBLEM | {"severity": "note"}


class Server:
    url = "http://127.0.0.1:8678"

    def __init__(self, problems=(), others=()):
        self.answers = {"/pipeline": {"problems": list(problems)}, "/status": {"problems": list(others)}}

    def get(self, path):
        return self.answers[path]


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    for name in ("SAFELIGHT_CONFIG", "SAFELIGHT_URL", "SAFELIGHT_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SAFELIGHT_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


def run(monkeypatch, server, *arguments):
    if server is not None:
        monkeypatch.setattr(doctor, "running", lambda *_: server)
    return CliRunner().invoke(doctor.command, [*arguments], standalone_mode=False)


def test_each_finding_is_one_line_with_its_remedy(monkeypatch):
    done = run(monkeypatch, Server([PROBLEM], ["A rule was left out."]))
    first, second = done.output.splitlines()
    assert first.endswith("es: It cannot send. Check the other side.")
    assert "A rule was left out." in second
    assert done.return_value == 1


def test_what_is_said_ends_before_the_remedy_begins(monkeypatch):
    open_end, nothing_to_do = PROBLEM | {"said": "Refused: [Errno 111] no"}, NOTE | {"remedy": ""}
    first, second = run(monkeypatch, Server([open_end, nothing_to_do])).output.splitlines()
    assert first.endswith("Refused: [Errno 111] no. Check the other side.")
    assert second.endswith("es: It cannot send.")


def test_a_caret_stays_below_what_it_points_at(monkeypatch):
    pointing = PROBLEM | {"said": "No query:\nlevel:(\n       ^"}
    lines = run(monkeypatch, Server([pointing])).output.splitlines()
    assert lines[1:] == ["level:(", "       ^", "Check the other side."]


def test_what_both_answers_say_is_said_once(monkeypatch):
    assert len(run(monkeypatch, Server([PROBLEM], [PROBLEM["said"]])).output.splitlines()) == 1


@pytest.mark.parametrize("problems", [[], [NOTE]], ids=["nothing", "a note"])
def test_when_nothing_is_wrong_it_says_so(monkeypatch, problems):
    done = run(monkeypatch, Server(problems))
    assert Server.url in done.output.splitlines()[-1]
    assert done.return_value == 0


def test_scripts_get_json(monkeypatch):
    done = run(monkeypatch, Server([PROBLEM]), "--json")
    assert json.loads(done.output) == {"problems": [PROBLEM]}
    assert done.return_value == 1


def test_without_a_server_what_can_be_seen_from_here_is_checked(monkeypatch, tmp_path):
    config = tmp_path / "own.toml"
    config.write_text(
        '[server]\nport = 0\n[discover]\ncomfyui = false\n[[sources]]\ntype = "file"\npaths = ["/no/such/*.log"]\n'
    )
    done = run(monkeypatch, None, "--config", str(config), "--data", str(tmp_path / "data"))
    assert "No file matches /no/such/*.log." in done.output
    assert done.return_value == 1


def test_every_mistake_of_the_configuration_is_a_finding(monkeypatch, tmp_path):
    config = tmp_path / "own.toml"
    config.write_text('colour = "red"\n[server]\nport = "many"\n')
    done = run(monkeypatch, None, "--config", str(config), "--data", str(tmp_path / "data"))
    assert len(done.output.splitlines()) == 2
    assert done.return_value == 1


SINK = {
    "type": "safelight",
    "name": "safelight",
    "state": "retrying",
    "detail": "No route to host",
    "queue": {"share": 0.0},
    "dropped": {},
    "dead_letters": 0,
}


def test_an_agent_that_owns_the_directory_is_asked_by_what_it_wrote_down(monkeypatch, tmp_path):
    lock = Lock.take(tmp_path / "data")
    try:
        status = {"agent": True, "sources": [], "store": None, "sinks": [SINK]}
        (tmp_path / "data" / FILE).write_text(json.dumps(status))
        done = run(monkeypatch, None, "--data", str(tmp_path / "data"))
    finally:
        lock.release()
    assert "No route to host" in done.output
    assert done.return_value == 1


def test_an_agent_with_which_nothing_is_wrong_is_told_so(monkeypatch, tmp_path):
    lock = Lock.take(tmp_path / "data")
    try:
        (tmp_path / "data" / FILE).write_text(json.dumps({"agent": True, "sources": [], "store": None, "sinks": []}))
        done = run(monkeypatch, None, "--data", str(tmp_path / "data"))
    finally:
        lock.release()
    assert f"the agent of {tmp_path / 'data'}" in done.output
    assert "safelight up" not in done.output


def test_an_agent_in_its_usual_place_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    directory = tmp_path / "share" / "safelight" / "agent"
    lock = Lock.take(directory)
    try:
        (directory / FILE).write_text(json.dumps({"agent": True, "sources": [], "store": None, "sinks": [SINK]}))
        assert "No route to host" in run(monkeypatch, None).output
        assert "No route to host" not in run(monkeypatch, None, "--data", str(tmp_path / "data")).output
    finally:
        lock.release()


@pytest.mark.parametrize(("name", "where"), [("own.toml", "own.toml"), ("none.toml", "none.toml")])
def test_a_configuration_that_cannot_be_read_is_called_by_its_name(monkeypatch, tmp_path, name, where):
    (tmp_path / "own.toml").write_text("nonsense")
    done = run(monkeypatch, None, "--config", name, "--data", str(tmp_path / "data"))
    assert done.output.startswith(f"ERROR {where}: ")
    assert ("Correct the configuration" in done.output) == (name == "own.toml")


def test_an_owner_that_says_nothing_is_named(tmp_path):
    lock = Lock.take(tmp_path / "data")
    try:
        with pytest.raises(ServerError, match="does not say"):
            doctor.command.main(["--data", str(tmp_path / "data")], standalone_mode=False)
    finally:
        lock.release()
