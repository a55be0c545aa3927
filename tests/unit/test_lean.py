"""Giving memory back changes nothing of what a program does; what runs for months does it."""

from __future__ import annotations

import subprocess
import sys

import anyio
import anyio.from_thread
import pytest

from safelight import lean


def test_after_it_has_settled_the_program_goes_on():
    code = (
        "from safelight.lean import lean, settle\nlean()\n"
        "import pyarrow as pa\nfrom safelight.batch import Batch\nsettle()\n"
        "print(pa.default_memory_pool().backend_name, Batch.of([{'id': 'a'}])['id'].to_pylist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["system", "['a']"]


def test_what_was_settled_ends_without_a_word():
    code = (
        "from safelight.lean import lean, settle\nlean()\n"
        "import duckdb\nduckdb.connect(':memory:').execute('select 1').fetchall()\nsettle()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout + done.stderr == ""


def test_httpx_does_without_its_command_line():
    code = (
        "from safelight.lean import lean\nlean()\nimport sys, httpx\n"
        "print('rich' in sys.modules, 'pygments' in sys.modules, callable(httpx.AsyncClient))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False", "False", "True"]


@pytest.mark.parametrize(("command", "room", "main"), [("up", "serve", "serve"), ("agent", "agent.run", "collect")])
def test_what_runs_for_months_is_lean_before_anything_of_it_is_there(command, room, main):
    code = f"""
import sys, types
def main(*_):
    import pyarrow as pa
    print(pa.default_memory_pool().backend_name)
sys.modules["safelight.{room}"] = types.SimpleNamespace(Options=lambda *_: None, {main}=main)
from safelight.cli.{command} import command
assert "pyarrow" not in sys.modules
command.main([], standalone_mode=False)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["system"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_pages_of_libraries_are_given_back_though_others_use_them_and_what_was_relocated_stays():
    code = (
        "import pyarrow.compute as pc, pyarrow as pa, ssl, sqlite3\n"
        "from pathlib import Path\nfrom safelight.lean import give_back\n"
        "def mapped():\n"
        "    lines = Path('/proc/self/status').read_text().splitlines()\n"
        "    return next(int(line.split()[1]) for line in lines if line.startswith('RssFile'))\n"
        "before = mapped()\ngive_back()\nprint(mapped() < before / 2)\n"
        "print(pc.sum(pa.array([1, 2])), sqlite3.connect(':memory:').execute('select 3').fetchone()[0])\n"
        "ssl.create_default_context()"
    )
    arguments = [sys.executable, "-c", code]
    other = "import pyarrow.compute, ssl, sqlite3\nprint(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", other], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sharing:
        assert sharing.stdout.readline()
        done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60)
        sharing.communicate(b"\n", timeout=30)
    assert done.stdout.split() == ["True", "3", "3"]


@pytest.mark.anyio
async def test_it_gives_back_when_it_has_worked_and_not_again_until_it_has(monkeypatch):
    asked = given = 0
    quiet, again = anyio.Event(), anyio.Event()

    def worked():
        nonlocal asked
        asked += 1
        if asked == 5:
            quiet.set()
        return 1 if asked <= 5 else 2

    def give_back():
        nonlocal given
        given += 1
        if given == 2:
            anyio.from_thread.run_sync(again.set)

    monkeypatch.setattr(lean, "REST_S", 0.001)
    monkeypatch.setattr(lean, "give_back", give_back)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lean.resting, worked)
            await quiet.wait()
            assert given == 1
            await again.wait()
            tasks.cancel_scope.cancel()
