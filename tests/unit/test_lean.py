"""Giving memory back changes nothing of what a program does; what runs for months does it."""

from __future__ import annotations

import subprocess
import sys

import pytest


def test_after_it_has_settled_the_program_goes_on():
    code = (
        "from safelight.lean import lean, settle\nlean()\n"
        "import pyarrow as pa\nfrom safelight.batch import Batch\nsettle()\n"
        "print(pa.default_memory_pool().backend_name, Batch.of([{'id': 'a'}])['id'].to_pylist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["system", "['a']"]


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
