import json
import os
import resource
import signal
import subprocess
import sys

import pytest

import safelight_emit
from safelight_emit import bind, event, flush, health, timed


def test_an_event_carries_who_where_and_what_was_bound(spool):
    safelight_emit.configure(
        service="idphoto", instance="gpu-1", environment="test", directory=spool.path, fields={"version": "1.2"}
    )
    with bind(workflow_id="wf-1", user_id="ada"):
        event("image_processed", processing_time_ms=842, user_id="bob")
    assert flush(60)
    (line,) = spool.events
    assert line["level"] == "INFO"
    assert (line["event"], line["processing_time_ms"]) == ("image_processed", 842)
    assert (line["service"], line["instance"], line["environment"]) == ("idphoto", "gpu-1", "test")
    assert (line["workflow_id"], line["user_id"], line["version"]) == ("wf-1", "bob", "1.2")
    assert line["host"]


def test_a_field_may_have_any_name_that_the_call_does_not_use_itself(spool):
    event("e", name="n", fields=1, self=2, id="mine")
    assert flush(60)
    assert (spool.events[0]["name"], spool.events[0]["fields"], spool.events[0]["id"]) == ("n", 1, "mine")


def test_what_is_changed_after_the_call_does_not_reach_the_line(spool):
    steps = [1, 2]
    event("e", steps=steps)
    steps.clear()
    assert flush(60)
    assert spool.events[0]["steps"] == [1, 2]


def test_secrets_do_not_reach_the_disk(spool):
    event("e", api_key="sk-123", request={"token": "sk-123"})
    with bind(password="sk-123"):
        event("e")
    assert flush(60)
    text = "".join(file.read_text() for file in spool.files)
    assert "sk-123" not in text
    assert text.count('"***"') == 3


def test_nothing_that_a_caller_passes_raises(spool):
    class Hostile:
        def __getattr__(self, name):
            raise RuntimeError("no")

        def __str__(self):
            raise RuntimeError("no")

    event(Hostile(), level=[], x=Hostile())
    event("after")
    assert flush(60)
    assert len(spool.events) == 2


def test_reconfiguring_the_same_place_keeps_the_folder_and_another_service_gets_its_own(spool):
    event("a")
    safelight_emit.configure(service="test", directory=spool.path, environment="x")
    event("b")
    safelight_emit.configure(service="other", directory=spool.path)
    event("c")
    assert flush(60)
    assert len(spool.folders) == 2
    assert [(line["service"], line["event"]) for line in spool.events] == [("other", "c"), ("test", "a"), ("test", "b")]


def test_timed_measures_and_adds_what_the_block_found(spool):
    with timed("image_processed", format="1-inch") as fields:
        fields["faces"] = 1
        fields["level"] = "from the block"
    assert flush(60)
    (line,) = spool.events
    assert (line["event"], line["format"], line["faces"]) == ("image_processed", "1-inch", 1)
    assert line["duration_ms"] >= 0


def test_timed_tells_a_failure_and_lets_it_go_on(spool):
    with pytest.raises(ValueError, match="bad"), timed("image_processed", failed="processing_failed"):
        raise ValueError("bad image")
    assert flush(60)
    (line,) = spool.events
    assert (line["event"], line["level"], line["error_type"]) == ("processing_failed", "ERROR", "ValueError")
    assert line["error_message"] == "bad image"
    assert line["traceback"].endswith("ValueError: bad image")


def test_health_counts(spool):
    before = health()
    event("e")
    assert flush(60)
    after = health()
    assert after["written"] == before["written"] + 1
    assert after["dropped"] == before["dropped"]
    assert after["folder"] == str(spool.folders[0])


def test_the_end_of_the_process_flushes(outside):
    outside.run("import safelight_emit\nfor n in range(5000): safelight_emit.event('e', n=n)")
    assert [line["n"] for line in outside.events] == list(range(5000))


@pytest.mark.parametrize(
    ("arguments", "service"), [(["photo_app.py"], "photo_app"), (["-m", "photos"], "photos"), (["-c", ""], "python")]
)
def test_without_configuration_the_service_is_the_program(outside, tmp_path, arguments, service):
    script = "import safelight_emit; safelight_emit.event('e')"
    (tmp_path / "photo_app.py").write_text(script)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "__init__.py").write_text("import safelight_emit")
    (tmp_path / "photos" / "__main__.py").write_text(script)
    arguments = [script if argument == "" else argument for argument in arguments]
    subprocess.run([sys.executable, *arguments], cwd=tmp_path, env=outside.environment(), check=True)
    assert outside.events[0]["service"] == service


def test_the_environment_says_who_it_is(outside):
    outside.path.mkdir()
    outside.run(
        "import os; os.environ.update(SAFELIGHT_SERVICE='s', SAFELIGHT_INSTANCE='i', SAFELIGHT_ENVIRONMENT='e')\n"
        "import safelight_emit; safelight_emit.event('x')"
    )
    line = outside.events[0]
    assert (line["service"], line["instance"], line["environment"]) == ("s", "i", "e")


def test_a_forked_child_writes_its_own_events_to_its_own_folder_and_not_its_parents(outside):
    outside.run(
        """
import os, safelight_emit as s
for n in range(3000): s.event("parent", n=n)
child = os.fork()
if child == 0:
    for n in range(100): s.event("child", n=n)
    os._exit(0 if s.flush(60) else 1)
for n in range(3000, 3100): s.event("parent", n=n)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
s.event("parent", n=3100)
"""
    )
    assert len(outside.folders) == 2
    assert [line["n"] for line in outside.named("parent")] == list(range(3101))
    assert [line["n"] for line in outside.named("child")] == list(range(100))
    assert len({line["id"] for line in outside.events}) == len(outside.events)


def test_the_last_events_of_a_multiprocessing_child_are_not_lost(outside):
    outside.run(
        """
import multiprocessing, safelight_emit as s
s.event("parent")
def work(): s.event("child")
child = multiprocessing.get_context("fork").Process(target=work)
child.start(); child.join()
assert child.exitcode == 0
"""
    )
    assert len(outside.named("child")) == 1


def test_sigkill_in_the_middle_of_writing_leaves_whole_lines(outside):
    script = "import safelight_emit as s\nn = 0\nwhile True: s.event('e', n=n, text='x' * 300); n += 1"
    process = subprocess.Popen([sys.executable, "-c", script], env=outside.environment())
    try:
        while not outside.path.exists() or sum(file.stat().st_size for file in outside.files) < 3_000_000:
            assert process.poll() is None
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
    lines = b"".join(file.read_bytes() for file in outside.files).split(b"\n")
    numbers = [line["n"] for line in map(json.loads, lines[:-1]) if line["event"] == "e"]
    assert len(numbers) > 1000
    assert numbers == sorted(set(numbers))


def test_an_unwritable_directory_disturbs_nobody_and_its_drops_are_told_when_it_is_back(outside):
    outside.path.write_text("a file where the folder should be")
    done = outside.run(
        """
import os, safelight_emit as s
s.configure(service="x", queue=100)
s.event("first")
while not s.health()["failing"]: assert not s.flush(0.05)
for n in range(500): s.event("e", n=n)
h = s.health()
assert h["failing"] and h["dropped"] >= 300, h
os.unlink(os.environ["SAFELIGHT_SPOOL"])
assert s.flush(60)
print(h["dropped"], h["last_error"])
"""
    )
    (
        dropped,
        *_,
    ) = done.stdout.split()
    (report,) = outside.named("events_dropped")
    assert report["count"] == int(dropped)
    assert report["reason"] == "unwritable"
    assert len(outside.named("first")) == 1
    assert len(outside.named("e")) == 500 - int(dropped)


def test_a_disk_that_never_takes_a_line_holds_up_the_exit_only_shortly(outside):
    outside.path.write_text("a file where the folder should be")
    outside.run("import safelight_emit\nsafelight_emit.event('e')")
    assert outside.path.read_text() == "a file where the folder should be"


def test_a_limit_on_the_size_of_files_leads_to_more_files_and_no_torn_line(outside):
    limit = 200_000
    script = "import safelight_emit as s\nfor n in range(2000): s.event('e', n=n, text='x' * 200)"
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env=outside.environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),  # noqa: PLW1509
    )
    assert process.wait(30) == 0
    assert all(file.stat().st_size <= limit for file in outside.files)
    assert all(file.read_bytes().endswith(b"}\n") for file in outside.files)
    written = [line["n"] for line in outside.named("e")]
    dropped = sum(line["count"] for line in outside.named("events_dropped"))
    assert len(written) + dropped == 2000


def test_a_folder_removed_underway_is_made_anew(outside):
    outside.run(
        """
import os, shutil, safelight_emit as s
s.event("before"); assert s.flush(60)
shutil.rmtree(os.environ["SAFELIGHT_SPOOL"])
s.event("after"); assert s.flush(60)
"""
    )
    assert [line["event"] for line in outside.events] == ["after"]


def test_rotation_and_cap_hold_and_what_was_deleted_is_told(outside):
    outside.run(
        """
import safelight_emit as s
s.configure(service="x", file_bytes=65536, files=3, queue=100000)
for n in range(2000):
    s.event("e", n=n, text="x" * 1000)
    if n % 20 == 0: assert s.flush(60)
"""
    )
    assert len(outside.files) == 3
    assert all(file.stat().st_size <= 65_536 for file in outside.files)
    kept = [line["n"] for line in outside.named("e")]
    assert kept == list(range(kept[0], 2000))


def test_events_from_an_exit_handler_arrive(outside):
    outside.run("import atexit, safelight_emit as s\ns.event('a')\natexit.register(s.event, 'last')")
    assert [line["event"] for line in outside.events] == ["a", "last"]


@pytest.mark.parametrize("earlier", ["", "s.event('earlier')"])
def test_a_finalizer_that_emits_while_the_interpreter_ends_holds_nothing_up(outside, earlier):
    outside.run(
        f"""
import safelight_emit as s
class Late:
    def __del__(self):
        s.event("too late"); s.flush(30)
late = Late()
{earlier}
"""
    )
    assert [line["event"] for line in outside.events] == ["earlier" if earlier else "too late"]


def test_an_exit_handler_may_be_the_first_to_emit(outside):
    outside.run("import atexit, safelight_emit as s\natexit.register(s.event, 'only')")
    assert [line["event"] for line in outside.events] == ["only"]
