"""A plugin is found by its type, and only its own file is imported for that."""

from __future__ import annotations

import subprocess
import sys

import pytest

from safelight.channels import Channel
from safelight.plugin import kind, kinds
from safelight.processors import Processor
from safelight.sinks import Sink
from safelight.sources import Source

EVERY = [(base, name, cls) for base in (Source, Processor, Sink, Channel) for name, cls in kinds(base).items()]


@pytest.mark.parametrize(("base", "name", "cls"), EVERY, ids=[f"{base.__name__}/{name}" for base, name, _ in EVERY])
def test_every_plugin_is_found_by_its_type(base, name, cls):
    assert kind(base, name) is cls


@pytest.mark.parametrize("name", ["", "no_such", "../file", "inbox", "File", "file.x", "__init__"])
def test_what_is_no_plugin_is_not_found(name):
    assert kind(Source, name) is None


def test_only_its_own_file_is_imported():
    code = (
        "import sys\nfrom safelight.plugin import kind\nfrom safelight.sources import Source\n"
        "assert kind(Source, 'file')\nprint(*(m for m in sys.modules if m.startswith('safelight.sources.')))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert "safelight.sources.file" in out.split()
    assert "safelight.sources.comfyui" not in out.split()
