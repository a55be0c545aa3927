"""The figures of the pipeline, read as a person would who knows what to do."""

from __future__ import annotations

import pytest

from safelight.collecting.diagnosis import problems
from safelight.locales import LANGUAGES

LATELY = {"count": 3, "ago_s": 240.0}
SOURCE = {
    "type": "file",
    "name": "/var/log/a.log",
    "state": "reading",
    "detail": "",
    "events": 100,
    "not_understood": 0,
    "refused": {"too_large": 7},
    "lately": {"events": LATELY | {"count": 100}, "refused": {}},
    "troubles": {},
    "ahead_s": 0.0,
    "lag_s": 0.0,
    "behind_bytes": 0,
    "files": [{"path": "/var/log/a.log", "cut": 7}],
    "files_total": 1,
    "steps": [{"name": "1 parse", "in": 100, "out": 100, "failed": 7, "lately": {}}],
}
SINK = {
    "type": "elasticsearch",
    "name": "es",
    "state": "ok",
    "detail": "",
    "queue": {"share": 0.1},
    "dropped": {"retention": 7},
    "lately": {"dropped": {}},
    "dead_letters": 0,
    "behind_events": 0,
}


def lately(**seen):
    return {"lately": SOURCE["lately"] | seen}


STORE = {"state": "ok", "detail": ""}


def found(source=None, sink=None, store=None, language="en", **more):
    status = {
        "agent": False,
        "sources": [SOURCE | (source or {})],
        "store": STORE | (store or {}),
        "sinks": [SINK | (sink or {})],
    }
    return problems(status | more, language)


def test_nothing_is_said_of_what_works_or_went_wrong_long_ago():
    assert found() == []


CASES = {
    "failed": ({"state": "failed", "detail": "It broke."}, "error", "It broke."),
    "one of its files": ({"troubles": {"/b": "Cannot read /b."}}, "warning", "Cannot read /b."),
    "no file": (
        {"state": "waiting", "looked": True, "files": [], "files_total": 0},
        "warning",
        "No file matches /var/log/a.log.",
    ),
    "nothing there": ({"type": "comfyui", "state": "waiting", "detail": "No ComfyUI."}, "note", "No ComfyUI."),
    "behind": ({"lag_s": 90.0, "behind_bytes": 5 << 20}, "warning", "5.0 MB and 90 s behind"),
    "not understood": (lately(not_understood={"count": 80, "ago_s": 1.0}), "warning", "80 %"),
    "refused": (
        lately(refused={"too_large": LATELY}),
        "warning",
        "3 records (too_large) in the last hour, the last 4 min ago",
    ),
    "clock": ({"ahead_s": 3600.0}, "warning", "3600 s ahead"),
    "cut": (lately(cut={"count": 2, "ago_s": 1.0}), "note", "2 lines"),
    "all dropped": (
        {"steps": [{"name": "4 keep", "in": 50, "out": 0, "failed": 0, "lately": {}}]},
        "warning",
        "4 keep has dropped all",
    ),
    "a step fails": (
        {"steps": [{"name": "4 mine", "in": 50, "out": 50, "failed": 9, "lately": {"failed": LATELY}}]},
        "warning",
        "4 mine failed on 3",
    ),
}


@pytest.mark.parametrize(("change", "severity", "said"), CASES.values(), ids=list(CASES))
def test_what_is_wrong_with_a_source_is_said_with_its_remedy(change, severity, said):
    (problem,) = found(source=change)
    assert problem["severity"] == severity
    assert said in problem["said"]
    assert "/var/log/a.log" in problem["where"]
    assert problem["remedy"]


SINKS = {
    "broken": ({"state": "broken", "detail": "No such index."}, "error", "No such index."),
    "blocked": ({"state": "blocked", "detail": "503", "queue": {"share": 1.0}}, "error", "wait in the store: 503"),
    "retrying": ({"state": "retrying", "detail": "refused"}, "warning", "queue 10 % full"),
    "filling": ({"queue": {"share": 0.85}}, "warning", "85 %"),
    "behind": ({"behind_events": 200_000}, "warning", "200000 stored events"),
    "dead letters": ({"dead_letters": 4}, "warning", "4 events were refused"),
    "dropped": ({"lately": {"dropped": {"retention": LATELY}}}, "warning", "3 events were dropped (retention)"),
}


@pytest.mark.parametrize(("change", "severity", "said"), SINKS.values(), ids=list(SINKS))
def test_what_is_wrong_with_a_sink_is_said_with_its_remedy(change, severity, said):
    (problem,) = found(sink=change)
    assert (problem["severity"], problem["where"]) == (severity, "es")
    assert said in problem["said"]
    assert problem["remedy"]


def test_in_an_agent_it_is_the_sources_that_wait():
    (problem,) = found(sink={"state": "blocked", "detail": "503"}, agent=True, store=None)
    assert "the sources wait" in problem["said"]


def test_what_an_older_agent_wrote_down_can_be_read():
    old = [{key: value for key, value in part.items() if key != "lately"} for part in (SOURCE, SINK)]
    assert problems({"agent": True, "sources": [old[0]], "store": None, "sinks": [old[1]]}, "en") == []


def test_a_source_that_has_not_looked_yet_is_no_problem():
    assert found(source={"state": "waiting", "looked": False, "files": [], "files_total": 0}) == []


def test_a_few_events_that_were_not_understood_are_no_problem():
    few = {"count": 10, "ago_s": 1.0}
    assert found(source=lately(events=few, not_understood=few)) == []


def test_errors_come_first():
    told = found(
        source=lately(not_understood={"count": 100, "ago_s": 1.0}), store={"state": "refusing", "detail": "No room."}
    )
    assert [problem["severity"] for problem in told] == ["error", "warning"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_can_be_said_in_every_language(language):
    for change, _, _ in CASES.values():
        assert found(source=change, language=language)
    for change, _, _ in SINKS.values():
        assert found(sink=change, language=language)


def test_a_source_that_merely_waits_needs_no_remedy():
    (problem,) = found(source={"type": "gpu", "state": "waiting", "detail": "No GPU here."})
    assert (problem["severity"], problem["said"], problem["remedy"]) == ("note", "No GPU here.", "")
