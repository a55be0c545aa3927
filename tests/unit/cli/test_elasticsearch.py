"""`safelight elasticsearch`: what it prints can be imported and installed."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from safelight.cli import safelight


def printed(*arguments):
    result = CliRunner().invoke(safelight, ["elasticsearch", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    ("more", "title", "field"),
    [((), "logs-*", "error_group"), (("--ecs", "--data-stream"), "logs", "safelight.error_group")],
)
def test_the_saved_objects_fit_the_sink(more, title, field):
    objects = [json.loads(line) for line in printed("kibana", "--prefix", "logs", *more).splitlines()]
    assert objects[0]["attributes"]["title"] == title
    assert any(f'"field":"{field}"' in one["attributes"].get("visState", "") for one in objects)


def test_the_template_fits_the_sink_and_the_product():
    made = json.loads(printed("template", "--prefix", "logs"))
    assert made["index_patterns"] == ["logs-*"]
    assert made["template"]["mappings"]["properties"]["attributes"]["type"] == "flattened"
    other = json.loads(printed("template", "--prefix", "logs", "--opensearch", "--data-stream"))
    assert other["index_patterns"] == ["logs"]
    assert other["template"]["mappings"]["properties"]["attributes"]["type"] == "flat_object"
