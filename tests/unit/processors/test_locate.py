"""A failed node is named by the source that its traceback points to."""

from __future__ import annotations

import json

from safelight.batch import Batch
from safelight.processors.locate import Locate
from safelight.processors.parse import Parse

PACK = (
    'class Blur:\n    def blur(self):\n        raise ValueError("boom")\n\nNODE_CLASS_MAPPINGS = {"ImageBlur": Blur}\n'
)


def failure(path, line=3):
    return (
        "!!! Exception during processing !!! boom\nTraceback (most recent call last):\n"
        '  File "/opt/ComfyUI/execution.py", line 304, in process_inputs\n    result = f(**inputs)\n'
        f'  File "{path}", line {line}, in blur\n    raise ValueError("boom")\nValueError: boom'
    )


def located(*raw):
    batch = Parse(profile="comfyui").build()(Batch.of({"id": str(n), "raw": text} for n, text in enumerate(raw)))
    return Locate().build()(batch).table.to_pylist()


def pack(tmp_path, text=PACK):
    path = tmp_path / "custom_nodes" / "blurs" / "nodes.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_node_is_named_and_how_it_was_found_is_said(tmp_path):
    (event,) = located(failure(pack(tmp_path)))
    assert event["node"] == "ImageBlur"
    assert json.loads(event["attributes"])["node_from"] == "source"


def test_a_source_that_changed_is_read_again(tmp_path):
    step, parse = Locate().build(), Parse(profile="comfyui").build()

    def node_of(text):
        path = pack(tmp_path, text)
        return step(parse(Batch.of([{"id": "1", "raw": failure(path)}])))["node"].to_pylist()

    assert node_of(PACK) == ["ImageBlur"]
    assert node_of(PACK.replace('"ImageBlur"', '"ImageSoften"')) == ["ImageSoften"]


def test_without_the_source_the_event_stays_as_it_is(tmp_path):
    (event,) = located(failure("/no/such/machine/custom_nodes/blurs/nodes.py"))
    assert event["node"] is None
    assert event["error_type"] == "ValueError"
    assert "node_from" not in json.loads(event["attributes"])


def test_what_is_no_python_file_is_not_opened(tmp_path):
    secret = tmp_path / "custom_nodes" / "secret.txt"
    secret.parent.mkdir()
    secret.write_text(PACK)
    assert located(failure(secret))[0]["node"] is None
    broken = pack(tmp_path, "class Blur(:\n")
    assert located(failure(broken))[0]["node"] is None


def test_other_events_pass_unchanged(tmp_path):
    raw = ["got prompt", '{"event":"node_failed","node":"KSampler","traceback":"Traceback (most recent call last):"}']
    assert [event["node"] for event in located(*raw)] == [None, "KSampler"]
