import re
import subprocess
import sys
from pathlib import Path

import pytest

import safelight_emit

README = Path(safelight_emit.__file__).parents[1] / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_of_the_readme_runs_as_printed(example, outside, tmp_path):
    script = tmp_path / "example.py"
    script.write_text(example + "\nimport safelight_emit as _s\nassert _s.health()['dropped'] == 0\n", "utf-8")
    subprocess.run([sys.executable, "-W", "error", script], cwd=tmp_path, env=outside.environment(), check=True)
    if re.search(r"\bevent\(|timed\(|SpoolHandler", example):
        assert outside.events


def test_the_readme_has_examples_of_everything_public():
    assert {name for name in safelight_emit.__all__ if not any(name in example for example in EXAMPLES)} == set()
