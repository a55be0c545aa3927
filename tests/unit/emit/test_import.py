import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import safelight_emit

PACKAGE = Path(safelight_emit.__file__).parent
MODULES = sorted(PACKAGE.glob("*.py"))
HEAVY = "asyncio dataclasses datetime email hashlib http inspect logging pathlib random socket ssl typing urllib uuid"


def python(script, **settings):
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60, **settings
    ).stdout


def test_importing_it_brings_nothing_heavy_along():
    loaded = json.loads(
        python("import sys, json, safelight_emit; print(json.dumps([m.partition('.')[0] for m in sys.modules]))")
    )
    before = json.loads(python("import sys, json; print(json.dumps([m.partition('.')[0] for m in sys.modules]))"))
    assert set(loaded) - set(before) - {"safelight_emit"} <= sys.stdlib_module_names
    assert (set(loaded) - set(before)) & set(HEAVY.split()) == set()


def test_importing_it_costs_no_more_than_a_few_times_json_and_logging():
    """In time of the processor, one after the other in turn: what else the machine does is in neither."""
    script = "from time import process_time as t; a = t(); import {}; print(t() - a)"
    tries = [[float(python(script.format(names))) for names in ("safelight_emit", "json, logging")] for _ in range(5)]
    ours, theirs = map(min, zip(*tries, strict=True))
    print(f"import safelight_emit: {ours * 1000:.1f} ms, {ours / theirs:.2f} x import json, logging")
    assert ours < 4 * theirs


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_every_module_is_python_3_9(module):
    tree = ast.parse(module.read_text("utf-8"), feature_version=(3, 9))
    first = next(node for node in tree.body if isinstance(node, ast.ImportFrom))
    assert first.module == "__future__"  # annotations stay text, so newer types may be named in them


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_every_import_is_of_the_standard_library_or_relative(module):
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names.append(node.module)
        assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_a_copy_inside_another_package_works_beside_the_installed_one(tmp_path, outside):
    shutil.copytree(PACKAGE, tmp_path / "pack" / "_emit", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pack" / "__init__.py").write_text("from . import _emit\n")
    script = """
import sys; sys.path.insert(0, sys.argv[1])
import pack
assert "safelight_emit" not in sys.modules
import safelight_emit
pack._emit.configure(service="s"); safelight_emit.configure(service="s")
pack._emit.event("copy"); safelight_emit.event("installed")
assert pack._emit.JSONFormatter.__module__ == "pack._emit.formatter"
"""
    outside.run(script, str(tmp_path))
    assert len(outside.folders) == 2
    assert sorted(line["event"] for line in outside.events) == ["copy", "installed"]


def test_every_public_name_can_be_had_and_no_other():
    for name in safelight_emit.__all__:
        assert getattr(safelight_emit, name) is not None
        assert name in dir(safelight_emit)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = safelight_emit.nothing
