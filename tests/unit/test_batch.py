"""What importing our columns changes in Arrow."""

from __future__ import annotations

import subprocess
import sys

SOUGHT = """
import sys
{first}
import pyarrow as pa
import safelight.batch

class Sought:
    names = set()
    def find_spec(self, name, path=None, target=None):
        self.names.add(name)

sys.meta_path.insert(0, Sought())
print(pa.scalar("x"), pa.array([1])[0], "dateutil" in Sought.names, bool(sys.modules.get("dateutil")))
"""


def run(first: str) -> list[str]:
    code = SOUGHT.format(first=first)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


def test_arrow_does_not_look_for_a_missing_package_with_each_constant():
    assert run("") == ["x", "1", "False", "False"]


def test_a_package_that_is_there_stays():
    there = "import types; found = sys.modules['dateutil'] = types.ModuleType('dateutil')\n"
    there += "from importlib.machinery import ModuleSpec; found.__spec__ = ModuleSpec('dateutil', None)"
    assert run(there)[-1] == "True"
