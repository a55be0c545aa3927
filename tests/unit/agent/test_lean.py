"""Giving memory back changes nothing of what a program does."""

from __future__ import annotations

import subprocess
import sys


def test_after_it_has_settled_the_program_goes_on():
    code = (
        "from safelight.agent.lean import lean, settle\nlean()\n"
        "import pyarrow as pa\nfrom safelight.batch import Batch\nsettle()\n"
        "print(pa.default_memory_pool().backend_name, Batch.of([{'id': 'a'}])['id'].to_pylist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["system", "['a']"]


def test_httpx_does_without_its_command_line():
    code = (
        "from safelight.agent.lean import lean\nlean()\nimport sys, httpx\n"
        "print('rich' in sys.modules, 'pygments' in sys.modules, callable(httpx.AsyncClient))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False", "False", "True"]
